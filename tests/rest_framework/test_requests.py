"""Tokens become uploaded files in whatever Django REST framework parses."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from s3upload.backends.filesystem import FileSystemBackend
from s3upload.rest_framework import signed_policy
from s3upload.rest_framework.requests import own_name
from tests.conftest import CallCount, FilesystemStore, S3Store
from tests.pages import use_unreachable_s3
from tests.rest_framework.conftest import Script
from tests.testapp.api import (
    DocumentSerializer,
    GallerySerializer,
    LimitedSerializer,
    ProfileSerializer,
    SeveralSerializer,
)
from tests.testapp.models import Document, Gallery
from tests.wire import Page

pytestmark = pytest.mark.django_db

# Where an object that was saved must be gone: it goes with the commit.
COMMITTED = pytest.mark.django_db(transaction=True)

URLENCODED = "application/x-www-form-urlencoded"
JSON = "application/json"

FORGED = "This upload was not allowed by this site. Reload the page and choose the file again."

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)


def multipart(data: dict[str, Any]) -> tuple[bytes, str]:
    return encode_multipart(BOUNDARY, data), MULTIPART_CONTENT


def urlencoded(data: dict[str, Any]) -> tuple[str, str]:
    return urlencode(data, doseq=True), URLENCODED


def as_json(data: dict[str, Any]) -> tuple[str, str]:
    return json.dumps(data), JSON


ENCODINGS = pytest.mark.parametrize("encode", [multipart, urlencoded, as_json])


# --- saved, on every store -----------------------------------------------------------------------


@COMMITTED
@ENCODINGS
def test_token_is_saved_as_a_file_would_be(store: Any, script: Script, encode: Any) -> None:
    token = script.upload_for(DocumentSerializer, "report.txt", b"some bytes")
    answer = script.send_form("documents/", *encode({"title": "t", "file-s3upload": token}))
    assert answer.status_code == 201, answer.content
    document = Document.objects.get()
    assert store.get(document.file.name) == b"some bytes"
    # Saved, it is no longer pending.
    assert store.keys() == [document.file.name]


@COMMITTED
@ENCODINGS
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_file_is_replaced(store: Any, script: Script, encode: Any, method: str) -> None:
    first = script.upload_for(DocumentSerializer, "first.txt", b"first")
    created = script.send_json("documents/", {"title": "t", "file-s3upload": first}).json()
    second = script.upload_for(DocumentSerializer, "second.txt", b"second")
    answer = script.send_form(
        f"documents/{created['id']}/", *encode({"title": "u", "file-s3upload": second}), method=method
    )
    assert answer.status_code == 200, answer.content
    document = Document.objects.get()
    assert document.title == "u"
    assert store.get(document.file.name) == b"second"
    assert not store.keys("tmp/")


@COMMITTED
def test_saving_on_s3_is_a_copy(ceph_store: S3Store, script: Script, call_count: CallCount) -> None:
    token = script.upload_for(DocumentSerializer, "report.txt")
    call_count.clear()
    assert script.send_json("documents/", {"title": "t", "file-s3upload": token}).status_code == 201
    assert call_count["CopyObject"] == 1
    assert call_count["PutObject"] == call_count["GetObject"] == 0
    assert call_count["DeleteObject"] + call_count["DeleteObjects"] == 1


def test_nested_objects_have_files(store: Any, script: Script) -> None:
    tokens = [
        script.upload_for(GallerySerializer, f"{number}.png", PNG, field="images.image", type="image/png")
        for number in range(2)
    ]
    body = {"title": "t", "images": [{"image-s3upload": token, "caption": str(n)} for n, token in enumerate(tokens)]}
    answer = script.send_json("galleries/", body)
    assert answer.status_code == 201, answer.content
    images = list(Gallery.objects.get().images.order_by("id"))
    assert [image.caption for image in images] == ["0", "1"]
    assert all(store.get(image.image.name) == PNG for image in images)


def test_list_of_tokens_is_a_list_of_files(store: Any, script: Script) -> None:
    tokens = [script.upload_for(SeveralSerializer, f"{n}.txt", bytes([n]), field="files") for n in range(3)]
    answer = script.send_json("several/", {"files-s3upload": tokens})
    assert answer.status_code == 200, answer.content
    assert [store.get(name) for name in answer.json()["saved"]] == [b"\0", b"\1", b"\2"]


@COMMITTED
def test_async_stack_saves_and_deletes(store: Any) -> None:
    script = Script()
    token = script.upload_for(DocumentSerializer, "report.txt")

    async def post() -> Any:
        client = AsyncClient()
        client.cookies = script.client.cookies
        return await client.post("/api/documents/", {"title": "t", "file-s3upload": token}, content_type=JSON)

    assert asyncio.run(post()).status_code == 201
    assert store.keys() == [Document.objects.get().file.name]


# --- what a view gets ----------------------------------------------------------------------------


def look(script: Script, encoded: tuple[bytes | str, str], path: str = "look/", **extra: Any) -> Any:
    answer = script.send_form(path, *encoded, **extra)
    assert answer.status_code == 200, answer.content
    return answer.json()


@ENCODINGS
def test_view_gets_a_file_and_no_token(script: Script, encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    token = script.upload_for(DocumentSerializer, "report.txt")
    monkeypatch.setattr(FileSystemBackend, "stat", lambda *args: pytest.fail("the store was asked"))
    seen = look(script, encode({"title": "t", "file-s3upload": token}))
    data = {name: value for name, value in seen["data"].items() if name != "csrfmiddlewaretoken"}
    assert data in ({"title": "t", "file": "<report.txt>"}, {"title": ["t"], "file": ["<report.txt>"]})
    if encode is not as_json:
        assert seen["files"] == {"file": ["<report.txt>"]}


def test_several_entries_are_several_files_in_order(script: Script) -> None:
    tokens = [script.upload_for(SeveralSerializer, name, field="files") for name in "abc"]
    expected = {"files": ["<a>", "<b>", "<c>"]}
    assert look(script, urlencoded({"files-s3upload": tokens}))["files"] == expected
    assert look(script, multipart({"files-s3upload": tokens}))["files"] == expected


@pytest.mark.parametrize("name", ["author.photo", "authors[0]photo", "authors[12]photo"])
def test_forms_name_fields_of_nested_serializers_in_their_way(script: Script, name: str) -> None:
    token = script.upload_for(ProfileSerializer, "a.png", field="author.photo")
    assert look(script, multipart({f"{name}-s3upload": token}))["files"] == {name: ["<a.png>"]}


def test_nested_serializer_takes_a_form(store: Any, script: Script) -> None:
    token = script.upload_for(ProfileSerializer, "a.png", b"png", field="author.photo")
    answer = script.send_form("profiles/", *multipart({"author.photo-s3upload": token}))
    assert [store.get(name) for name in answer.json()["saved"]] == [b"png"]


def test_list_takes_numbered_entries_of_a_form(store: Any, script: Script) -> None:
    tokens = [script.upload_for(SeveralSerializer, f"{n}.txt", bytes([n]), field="files") for n in range(2)]
    data = {f"files[{number}]-s3upload": token for number, token in enumerate(tokens)}
    answer = script.send_form("several/", *multipart(data))
    assert answer.status_code == 200, answer.content
    assert [store.get(name) for name in answer.json()["saved"]] == [b"\0", b"\1"]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("file", "file"),
        ("documents[0]file", "file"),
        ("documents[0]author.photo", "photo"),
        ("a[0]b[1]", "b"),
        ("files[0][1]", "files"),
        ("a.b.c", "c"),
        ("", ""),
        ("[0]", ""),
    ],
)
def test_own_name_of_an_input(name: str, own: str) -> None:
    assert own_name(name) == own


def test_same_token_twice_in_a_list_is_one_file(script: Script) -> None:
    token = script.upload_for(SeveralSerializer, "a", field="files")
    assert look(script, as_json({"files-s3upload": [token, token]}))["data"] == {"files": ["<a>"]}


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_token_changes_nothing(script: Script, nothing: Any) -> None:
    assert look(script, as_json({"title": "t", "file-s3upload": nothing}))["data"] == {"title": "t"}
    body = {"title": "t", "file": "kept", "file-s3upload": nothing}
    assert look(script, as_json(body))["data"] == {"title": "t", "file": "kept"}


def test_empty_list_is_a_list_without_files(script: Script) -> None:
    assert look(script, as_json({"files-s3upload": []}))["data"] == {"files": []}


@pytest.mark.parametrize("value", [5, True, 1.5, {"a": "b"}, [1], ["", None], [["a"]]])
def test_what_is_no_token_is_left_to_the_field(script: Script, value: Any) -> None:
    assert look(script, as_json({"file-s3upload": value}))["data"] == {"file": value}
    answer = script.send_json("documents/", {"title": "t", "file-s3upload": value})
    assert answer.status_code == 400
    assert answer.json() == {"file": ["The submitted data was not a file. Check the encoding type on the form."]}


@pytest.mark.parametrize("body", [None, [], {}, 5, "text", [[[]]], {"a": [{"b": None}]}])
def test_other_json_is_left_alone(script: Script, body: Any) -> None:
    assert look(script, (json.dumps(body), JSON))["data"] == body


def test_json_may_be_nested_deeply(script: Script) -> None:
    body = "[" * 500 + '{"file-s3upload": "nonsense"}' + "]" * 500
    assert script.send_form("look/", body, JSON).status_code == 403


def test_view_that_hands_the_request_on(script: Script) -> None:
    for encode in (as_json, multipart, urlencoded):
        token = script.upload_for(DocumentSerializer, "a")
        assert "<a>" in str(look(script, encode({"file-s3upload": token}), path="delegate/")["data"]["file"])


def test_middleware_that_looks_first(script: Script, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.rest_framework.test_requests.looks_at_the_form"]
    for encode in (multipart, urlencoded):
        token = script.upload_for(DocumentSerializer, "a")
        answer = script.send_form("documents/", *encode({"title": "t", "file-s3upload": token}))
        assert answer.status_code == 201, answer.content
    assert Document.objects.count() == 2


def looks_at_the_form(get_response: Any) -> Any:
    def middleware(request: Any) -> Any:
        assert request.method == "GET" or request.POST is not None
        return get_response(request)

    return middleware


def test_session_is_asked_for_its_csrf_token_as_ever(filesystem_store: FilesystemStore, settings: Any) -> None:
    script = Script(User.objects.create_user("ada"))
    token = script.upload_for(DocumentSerializer, "a")
    body = {"title": "t", "file-s3upload": token}
    refused = script.send_json("documents/", body, HTTP_X_CSRFTOKEN="")
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    cookie = script.client.cookies["csrftoken"].value
    allowed = script.send_form("documents/", *multipart({**body, "csrfmiddlewaretoken": cookie}), HTTP_X_CSRFTOKEN="")
    assert allowed.status_code == 201, allowed.content


# --- what is refused -----------------------------------------------------------------------------


@ENCODINGS
def test_forged_token_is_not_allowed(script: Script, encode: Any, caplog: pytest.LogCaptureFixture) -> None:
    token = script.upload_for(DocumentSerializer, "a")
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    answer = script.send_form("documents/", *encode({"title": "t", "file-s3upload": forged}))
    assert answer.status_code == 403
    assert answer.json() == {"detail": FORGED}
    assert forged not in caplog.text
    assert not Document.objects.exists()


def test_forged_token_deep_in_a_body_is_not_allowed(script: Script) -> None:
    answer = script.send_json("look/", {"a": [{"b": {"file-s3upload": ["nonsense"]}}]})
    assert (answer.status_code, answer.json()) == (403, {"detail": FORGED})


def test_forged_token_in_the_browsable_api(script: Script) -> None:
    answer = script.send_form(
        "documents/", *multipart({"title": "t", "file-s3upload": "nonsense"}), HTTP_ACCEPT="text/html"
    )
    assert answer.status_code == 403
    assert "not allowed by this site" in answer.content.decode()


@ENCODINGS
def test_too_many_tokens_are_refused_before_one_is_looked_at(script: Script, encode: Any, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    answer = script.send_form("look/", *encode({"files-s3upload": ["no", "token", "here"]}))
    assert answer.status_code == 400
    assert answer.json() == {"detail": "This is too much for one request. Choose fewer files at once."}


def test_tokens_of_all_objects_are_counted(script: Script, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    answer = script.send_json("look/", [{"file-s3upload": "nonsense"}] * 3)
    assert answer.status_code == 400


def test_token_in_two_places_is_an_error_in_the_second(script: Script) -> None:
    token = script.upload_for(ProfileSerializer, "a", field="author.photo")
    answer = script.send_json("profiles/", {"photo-s3upload": token, "author": {"photo-s3upload": token}})
    assert answer.status_code == 400
    assert list(answer.json()) == ["author"]
    assert "does not belong" in answer.json()["author"]["photo"][0]


def test_store_that_does_not_answer_outside_of_a_field(script: Script, settings: Any) -> None:
    use_unreachable_s3(settings)
    policy = signed_policy(LimitedSerializer, "file")["policy"]
    [upload] = script.presign(str(policy), [{"name": "a.pdf", "size": 7, "type": "application/pdf"}])
    answer = script.send_json("read/", {"file-s3upload": upload["token"]})
    assert answer.status_code == 503
    assert answer.json() == {"detail": "The file store could not be reached. Try again in a moment."}


def test_upload_that_is_gone_outside_of_a_field(script: Script) -> None:
    token = script.upload_for(DocumentSerializer, "a")
    script.abort(token)
    answer = script.send_json("read/", {"file-s3upload": token}, HTTP_ACCEPT_LANGUAGE="de")
    assert answer.status_code == 400
    assert answer.json() == {"non_field_errors": ["The uploaded file is no longer there. Choose the file again."]}


@COMMITTED
def test_request_that_fails_keeps_the_upload(script: Script, filesystem_store: FilesystemStore) -> None:
    token = script.upload_for(DocumentSerializer, "a")
    assert script.send_json("documents/", {"title": "", "file-s3upload": token}).status_code == 400
    assert len(filesystem_store.keys("tmp/")) == 1
    # The same token is good for the next try.
    assert script.send_json("documents/", {"title": "t", "file-s3upload": token}).status_code == 201
    assert not filesystem_store.keys("tmp/")


def test_page_of_a_form_and_an_api_have_the_same_field(script: Script) -> None:
    token = script.upload("/forms/document/", "file", "a.txt", b"content")
    assert script.send_json("documents/", {"title": "t", "file-s3upload": token}).status_code == 201
    assert Page(script.client.get("/script/").content.decode()).inputs
