"""Ids of uploads in ordinary forms: the file arrives in request.FILES, and nobody else's does."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from s3upload.filepond.models import TemporaryUpload
from tests.conftest import FilesystemStore, S3Store, storages_with
from tests.filepond.conftest import BODY, CHUNK, FilePond, Place, body_of, content_of, random_bytes, refusal, said
from tests.testapp.models import Document

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024**2
NEW = "/documents/new/"
GONE = "The uploaded file is no longer there. Choose the file again."


@pytest.fixture(params=["filesystem_store", "ceph_store"])
def target(request: pytest.FixtureRequest) -> Any:
    """Where the documents are kept: a folder, then a bucket."""
    return request.getfixturevalue(request.param)


def post(pond: FilePond, *ids: str, title: str = "A title", field: str = "file", path: str = NEW) -> Any:
    return pond.client.post(path, {"title": title, f"{field}-s3upload": list(ids)})


def test_file_is_saved_with_the_form(place: Place, target: Any, pond: FilePond) -> None:
    body = random_bytes(6 * MIB)
    pond.field = "file-s3upload"
    upload_id = said(pond.process(body, name="Plan B.txt"))

    response = post(pond, upload_id)

    assert response.status_code == 200
    document = Document.objects.get()
    assert document.file.name == "documents/Plan_B.txt"
    with document.file.open() as file:
        assert file.read() == body
    assert_is_gone(place, target, upload_id)


def assert_is_gone(place: Place, target: Any, upload_id: str) -> None:
    """A folder that reads what it saves does not say that it has: there, the clean-up takes the upload."""
    if place.name == "memory" and isinstance(target, FilesystemStore):
        TemporaryUpload.objects.all().delete()
    assert not TemporaryUpload.objects.exists()
    assert [name for name in place.names() if upload_id in name] == []


def test_file_that_came_in_chunks(place: Place, target: Any, pond: FilePond) -> None:
    body = random_bytes(11 * MIB)
    upload_id = pond.send(body)

    post(pond, upload_id)

    with Document.objects.get().file.open() as file:
        assert file.read() == body
    assert_is_gone(place, target, upload_id)


def test_bucket_copies_what_it_has(in_ceph: Place, ceph_store: S3Store, pond: FilePond, call_count: Any) -> None:
    upload_id = said(pond.process(random_bytes(6 * MIB)))

    call_count.clear()

    post(pond, upload_id)

    assert call_count["CopyObject"] == 1
    assert call_count.keys() <= {"HeadObject", "CopyObject", "DeleteObjects", "ListObjects"}


@pytest.mark.parametrize("size", [5000, 11 * MIB])
def test_bucket_that_packs_texts(
    in_ceph: Place, ceph_store: S3Store, pond: FilePond, settings: Any, size: int
) -> None:
    """What waits there is as it came; what is saved there is packed, as all that is saved there."""
    default = {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": {**ceph_store.options, "gzip": True}}
    settings.STORAGES = storages_with(settings, default=default)
    body = b"p { color: red }\n" * (size // 17)
    sent = [said(pond.process(body, name="a.css")), said(pond.begin(len(body)))]
    for offset in range(0, len(body), CHUNK):
        pond.patch(sent[1], offset, body[offset : offset + CHUNK], **{"Upload-Name": "a.css"})

    for upload_id in sent:
        assert body_of(pond.restore(upload_id)) == body
        post(pond, upload_id)

    assert Document.objects.count() == 2
    for document in Document.objects.all():
        head = ceph_store.head(document.file.name)
        assert (head["ContentType"], head["ContentEncoding"]) == ("text/css", "gzip")
        # Not by the storage, which leaves a file open when it unpacks.
        assert gzip.decompress(ceph_store.get(document.file.name)) == body


def test_form_with_an_error_keeps_the_upload(in_folder: Place, target: Any, pond: FilePond) -> None:
    upload_id = said(pond.process())

    page = post(pond, upload_id, title="")

    assert 'name="file-s3upload"' in page.content.decode()
    assert f'value="{upload_id}"' in page.content.decode()
    assert content_of(upload_id) == BODY
    post(pond, upload_id)
    assert Document.objects.count() == 1


def test_form_with_an_error_keeps_the_upload_where_nothing_is_uploaded_directly(
    in_folder: Place, filesystem_store: FilesystemStore, pond: FilePond, settings: Any
) -> None:
    settings.S3UPLOAD_DUMMY = False
    upload_id = said(pond.process())

    page = post(pond, upload_id, title="")

    assert f'value="{upload_id}"' in page.content.decode()
    post(pond, upload_id)
    with Document.objects.get().file.open() as file:
        assert file.read() == BODY


@pytest.mark.parametrize("which", ["other", "unknown", "unfinished", "reverted"])
def test_id_of_nothing_of_the_visitors(
    in_folder: Place, filesystem_store: FilesystemStore, pond: FilePond, other: FilePond, which: str
) -> None:
    if which == "other":
        upload_id = said(other.process())
    elif which == "unknown":
        upload_id = "3" * 22
    elif which == "unfinished":
        upload_id = said(pond.begin(12))
    else:
        upload_id = said(pond.process())
        pond.revert(upload_id)

    page = post(pond, upload_id)

    assert GONE in page.content.decode()
    assert not Document.objects.exists()
    if which == "other":
        assert content_of(upload_id) == BODY


@pytest.mark.parametrize("posted", ["../../etc/passwd", "x", "3" * 21, "3" * 23, "0" * 22, "{}"])
def test_what_is_neither_an_id_nor_a_token_is_forged(
    in_folder: Place, filesystem_store: FilesystemStore, pond: FilePond, posted: str
) -> None:
    assert post(pond, posted).status_code == 403


def test_visitor_without_a_name(in_folder: Place, filesystem_store: FilesystemStore, is_open: None) -> None:
    pond = FilePond(Client())
    upload_id = said(pond.process())

    post(FilePond(Client()), upload_id)
    assert not Document.objects.exists()
    post(pond, upload_id)
    assert Document.objects.count() == 1


def test_id_for_two_fields_counts_once(in_folder: Place, filesystem_store: FilesystemStore, pond: FilePond) -> None:
    upload_id = said(pond.process())

    page = pond.client.post("/forms/two/", {"first-s3upload": upload_id, "second-s3upload": upload_id})

    assert "The uploaded file does not belong to this form." in page.content.decode()


def test_id_that_is_posted_twice_is_one_file(
    in_folder: Place, filesystem_store: FilesystemStore, pond: FilePond
) -> None:
    upload_id = said(pond.process())

    response = pond.client.post("/echo/", {"file-s3upload": [upload_id, upload_id]})

    assert [file["name"] for file in json.loads(response.content)["files"]["file"]] == ["a.txt"]


def test_limits_of_the_field_hold(in_folder: Place, filesystem_store: FilesystemStore, pond: FilePond) -> None:
    upload_id = said(pond.process(name="a.txt"))

    page = pond.client.post("/forms/image/", {"image-s3upload": upload_id})

    assert "errorlist" in page.content.decode()


def test_form_that_rolls_back_keeps_the_upload(
    in_folder: Place, target: Any, pond: FilePond, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = said(pond.process())
    monkeypatch.setattr(Document, "save", failing(Document.save))

    with pytest.raises(RuntimeError):
        post(pond, upload_id)

    assert content_of(upload_id) == BODY


def failing(save: Callable[..., None]) -> Callable[..., None]:
    def save_and_fail(self: Document, *args: Any, **options: Any) -> None:
        from django.db import transaction

        with transaction.atomic():
            save(self, *args, **options)
            raise RuntimeError("after the file was saved")

    return save_and_fail


def test_file_that_was_moved_away_is_gone(in_folder: Place, filesystem_store: FilesystemStore, pond: FilePond) -> None:
    upload_id = said(pond.process())
    Path(TemporaryUpload.objects.get().get_file_path()).unlink()

    assert GONE in post(pond, upload_id).content.decode()


def test_process_is_no_form_of_the_site(in_folder: Place, filesystem_store: FilesystemStore, pond: FilePond) -> None:
    """What the client sends under the name of tokens is metadata, and a file."""
    pond.field = "file-s3upload"

    assert content_of(said(pond.process())) == BODY
    assert refusal(pond.client.post("/fp/process/", {"file-s3upload": "{}"}))
