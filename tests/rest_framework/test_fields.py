"""A field of a serializer holds an upload to its policy once more, and says what is wrong with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from s3upload import images
from s3upload.conf import TOKEN_AGE
from s3upload.files import DirectUploadedFile
from s3upload.policy import Policy
from s3upload.rest_framework import signed_policy
from tests.conftest import FilesystemStore, S3Store, storages_with
from tests.pages import a_policy, set_clock, use_unreachable_s3
from tests.rest_framework.conftest import Script
from tests.rest_framework.test_requests import PNG, multipart
from tests.testapp.api import (
    AcceptSerializer,
    DocumentSerializer,
    LimitedSerializer,
    PictureSerializer,
    RecordSerializer,
    SeveralSerializer,
)
from tests.testapp.models import Document, Picture, Record

pytestmark = pytest.mark.django_db


def uploaded(script: Script, policy: Policy, name: str, body: bytes, type_: str = "application/octet-stream") -> str:
    """Upload a file under a policy of somebody else's; return its token."""
    [upload] = script.presign(policy.sign(), [{"name": name, "size": len(body), "type": type_}])
    assert 200 <= script.send(upload, body, name) < 300
    return str(upload["token"])


def errors(script: Script, path: str, token: Any, field: str = "file", **extra: Any) -> Any:
    """Return what the field says of a token."""
    answer = script.send_json(path, {"title": "t", f"{field}-s3upload": token}, **extra)
    assert answer.status_code == 400, answer.content
    found = answer.json()
    assert list(found) == [field]
    return found[field]


# --- limits of the field -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("a.exe", 10, "Files of this type are not accepted here. Accepted: .pdf, .txt."),
        ("a.pdf", 1001, "The file is too large (1001\xa0bytes). At most 1000\xa0bytes are allowed."),
        ("a-name-that-is-too-long.txt", 10, "Ensure this filename has at most 20 characters (it has 27)."),
        ("a.txt", 0, "The submitted file is empty."),
    ],
)
def test_token_of_a_field_with_looser_rules(store: Any, script: Script, name: str, size: int, message: str) -> None:
    token = uploaded(script, a_policy(), name, bytes(size))
    assert errors(script, "limited/", token) == [message]


def test_what_the_field_allows_is_saved(store: Any, script: Script) -> None:
    token = script.upload_for(LimitedSerializer, "a.pdf", b"%PDF-1.7")
    answer = script.send_json("limited/", {"file-s3upload": token})
    assert [store.get(name) for name in answer.json()["saved"]] == [b"%PDF-1.7"]


def test_limits_hold_for_each_file_of_a_list(store: Any, script: Script) -> None:
    names = ("a.txt", "b.exe")
    tokens = [uploaded(script, a_policy(field="files"), name, b"content") for name in names]
    assert errors(script, "several-limited/", tokens, "files") == {
        "1": ["Files of this type are not accepted here. Accepted: .txt."]
    }


def test_empty_file_where_it_is_allowed(store: Any, script: Script) -> None:
    token = script.upload_for(AcceptSerializer, "a.pdf", b"", type="application/pdf")
    answer = script.send_json("accept/", {"file-s3upload": token})
    assert [store.get(name) for name in answer.json()["saved"]] == [b""]


def test_first_bytes_count(store: Any, script: Script) -> None:
    token = script.upload_for(AcceptSerializer, "a.pdf", b"<html>", type="application/pdf")
    assert errors(script, "accept/", token) == ["Files of this type are not accepted here. Accepted: application/pdf."]


def test_token_of_another_storage(script: Script, settings: Any, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    settings.STORAGES = storages_with(
        settings,
        archive={"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": archive}},
    )
    assert errors(script, "records/", uploaded(script, a_policy(), "a", b"content")) == [
        "The uploaded file does not belong to this form. Choose the file again."
    ]
    token = script.upload_for(RecordSerializer, "a", b"content")
    assert script.send_json("records/", {"file-s3upload": token}).status_code == 201
    assert (archive / Record.objects.get().file.name).read_bytes() == b"content"


# --- whose, how old, and still there -------------------------------------------------------------


FOREIGN = ["The uploaded file does not belong to this form. Choose the file again."]


def test_token_of_another_field(script: Script) -> None:
    assert errors(script, "documents/", uploaded(script, a_policy(field="other"), "a", b"content")) == FOREIGN


def test_token_of_somebody_else(store: Any, script: Script) -> None:
    token = Script(User.objects.create_user("eve")).upload_for(DocumentSerializer, "a")
    assert errors(script, "documents/", token) == FOREIGN
    assert not Document.objects.exists()


def test_token_that_has_expired(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, time.time() - TOKEN_AGE - 60)
    token = script.upload_for(DocumentSerializer, "a")
    set_clock(monkeypatch, time.time())
    assert errors(script, "documents/", token) == ["The uploaded file has expired. Choose the file again."]


def test_object_that_is_gone(store: Any, script: Script) -> None:
    token = script.upload_for(DocumentSerializer, "a")
    script.abort(token)
    assert errors(script, "documents/", token) == ["The uploaded file is no longer there. Choose the file again."]


def test_object_that_has_changed(store: Any, script: Script) -> None:
    token = script.upload_for(DocumentSerializer, "a")
    [key] = store.keys("tmp/")
    store.put(key, b"another size")
    assert errors(script, "documents/", token) == ["The uploaded file has changed meanwhile. Choose the file again."]


def test_errors_are_in_the_language_of_the_user(script: Script, settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"
    token = script.upload_for(DocumentSerializer, "a")
    script.abort(token)
    assert errors(script, "documents/", token) == [
        "Die hochgeladene Datei ist nicht mehr vorhanden. Wählen Sie die Datei noch einmal aus."
    ]


def test_store_that_does_not_answer(script: Script, settings: Any) -> None:
    use_unreachable_s3(settings)
    policy = signed_policy(DocumentSerializer, "file")["policy"]
    [upload] = script.presign(str(policy), [{"name": "a", "size": 7, "type": ""}])
    answer = script.send_json("documents/", {"title": "t", "file-s3upload": upload["token"]})
    assert answer.status_code == 503
    assert answer.json() == {"detail": "The file store could not be reached. Try again in a moment."}


# --- what is no upload ---------------------------------------------------------------------------


def test_file_in_place_of_a_list(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DirectUploadedFile, "chunks", lambda self: pytest.fail("the file was read"))
    token = script.upload_for(SeveralSerializer, "a", field="files")
    assert errors(script, "several/", token, "files") == ['Expected a list of items but got type "file".']


def test_list_in_place_of_a_file(script: Script) -> None:
    tokens = [script.upload_for(DocumentSerializer, name) for name in "ab"]
    assert errors(script, "documents/", tokens) == [
        "The submitted data was not a file. Check the encoding type on the form."
    ]


def test_more_files_than_a_list_takes(script: Script) -> None:
    tokens = [script.upload_for(SeveralSerializer, name, field="files") for name in "abcd"]
    assert errors(script, "several/", tokens, "files") == ["Ensure this field has no more than 3 elements."]


def test_text_in_place_of_a_file(script: Script) -> None:
    answer = script.send_json("documents/", {"title": "t", "file": "https://example.com/a"})
    assert answer.json() == {"file": ["The submitted data was not a file. Check the encoding type on the form."]}


def test_file_posted_the_ordinary_way_is_saved(filesystem_store: FilesystemStore, script: Script) -> None:
    answer = script.send_form("documents/", *multipart({"title": "t", "file": SimpleUploadedFile("a.txt", b"body")}))
    assert answer.status_code == 201, answer.content
    assert filesystem_store.get(Document.objects.get().file.name) == b"body"


# --- images --------------------------------------------------------------------------------------


def test_image_has_its_dimensions(store: Any, script: Script) -> None:
    token = script.upload_for(PictureSerializer, "a.png", PNG, field="image", type="image/png")
    answer = script.send_json("pictures/", {"title": "t", "image-s3upload": token})
    assert answer.status_code == 201, answer.content
    picture = Picture.objects.get()
    assert (picture.width, picture.height) == (1, 1)
    assert store.get(picture.image.name) == PNG


def test_text_is_no_image(store: Any, script: Script) -> None:
    token = script.upload_for(PictureSerializer, "a.png", b"text", field="image", type="image/png")
    assert errors(script, "pictures/", token, "image") == [
        "Upload a valid image. The file you uploaded was either not an image or a corrupted image."
    ]


def test_image_is_not_read_beyond_the_limit(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LARGEST_LOOK", 20)
    token = script.upload_for(PictureSerializer, "a.png", PNG, field="image", type="image/png")
    [message] = errors(script, "pictures/", token, "image")
    assert "At most 20\xa0bytes are allowed." in message


def test_image_by_another_name_is_refused_before_it_is_sent(script: Script) -> None:
    policy = str(signed_policy(PictureSerializer, "image")["policy"])
    answers = script.presign(policy, [{"name": name, "size": 9, "type": ""} for name in ("a.exe", "a.png", "a")])
    assert ["error" in answer for answer in answers] == [True, False, True]


def test_image_that_came_through_a_looser_policy(store: Any, script: Script) -> None:
    token = uploaded(script, a_policy(field="image"), "a.exe", PNG)
    [message] = errors(script, "pictures/", token, "image")
    assert message.startswith("Files of this type are not accepted here.")


def test_image_on_s3_is_asked_for_by_range(ceph_store: S3Store, script: Script, call_count: Any) -> None:
    token = script.upload_for(PictureSerializer, "a.png", PNG, field="image", type="image/png")
    call_count.clear()
    assert script.send_json("pictures/", {"title": "t", "image-s3upload": token}).status_code == 201
    assert call_count["CopyObject"] == 1
    assert call_count["PutObject"] == 0
