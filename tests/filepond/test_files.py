"""Uploads as files: saved by any storage, read from any storage."""

from __future__ import annotations

import copy
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import connection, transaction

from s3upload.exceptions import StoreUnavailable, UploadChanged, UploadForeign, UploadGone
from s3upload.filepond.files import find_file, open_file, upload_file
from s3upload.filepond.models import TemporaryUpload
from s3upload.files import DirectUploadedFile, RequestUploads
from s3upload.tokens import SignedText
from tests.conftest import CallCount, S3Store, storages_with
from tests.filepond.uploads import BODY, MIB, PLACES, Shelf, content_at, make_upload, request_uploads, use_place

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=PLACES)
def alias(request: pytest.FixtureRequest) -> str:
    """The storage of temporary uploads: each kind in turn."""
    return use_place(request, request.param)


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    return use_place(request, "folder")


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> str:
    return use_place(request, "memory")


@pytest.fixture
def media(tmp_path: Path) -> FileSystemStorage:
    """A folder to save to."""
    return FileSystemStorage(location=tmp_path / "media")


def file_of(upload: TemporaryUpload, uploads: RequestUploads | None = None) -> DirectUploadedFile:
    """The upload as it is found when the form is posted."""
    return upload_file(TemporaryUpload.objects.get(pk=upload.pk), uploads or request_uploads(), SignedText("x"))


# --- as an uploaded file --------------------------------------------------------------------


def test_upload_is_an_uploaded_file(alias: str) -> None:
    file = file_of(make_upload(storage=alias))

    assert (file.name, file.size, file.content_type) == ("report.txt", len(BODY), "text/plain")
    assert file.read(10) == BODY[:10]
    file.seek(-5, os.SEEK_END)
    assert file.read() == BODY[-5:]
    with file.open() as again:
        assert b"".join(again.chunks(1000)) == BODY
    assert file.signed_token == "x"


def test_copies_of_a_file_read_for_themselves(alias: str) -> None:
    file = file_of(make_upload(storage=alias))
    file.read(100)
    other = copy.copy(file)

    assert (other.read(10), file.read(10)) == (BODY[:10], BODY[100:110])


def test_empty_upload(alias: str) -> None:
    file = file_of(make_upload(b"", storage=alias))

    assert (file.size, file.read()) == (0, b"")


def test_dummy_need_not_serve(settings: Any, request: pytest.FixtureRequest, filesystem_store: Any) -> None:
    use_place(request, "folder")
    settings.S3UPLOAD_DUMMY = False

    assert file_of(make_upload(storage="default")).read() == BODY
    assert file_of(make_upload()).read() == BODY


def test_first_bytes_decide_on_the_type(alias: str) -> None:
    file = file_of(make_upload(b"%PDF-1.7 and so on", storage=alias, upload_name="a.png", content_type="image/png"))
    file.check()

    assert file.content_type == "application/pdf"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"is_complete": False}, UploadGone),
        ({"owner_identity": "somebody else"}, UploadForeign),
        ({"size": len(BODY) + 1}, UploadChanged),
    ],
)
def test_upload_that_can_not_be_used(alias: str, fields: dict[str, Any], error: type[Exception]) -> None:
    file = file_of(make_upload(storage=alias, **fields))

    with pytest.raises(error):
        file.check()


def test_upload_whose_file_is_gone(alias: str) -> None:
    upload = make_upload(storage=alias)
    upload.place.delete(upload.key)

    with pytest.raises(UploadGone):
        file_of(upload).read()


def test_upload_in_a_storage_that_the_site_has_no_more(settings: Any, memory: str) -> None:
    upload = make_upload(storage="archive")
    settings.STORAGES = {name: value for name, value in settings.STORAGES.items() if name != "archive"}

    with pytest.raises(UploadGone):
        _ = file_of(upload).size


class SessionLost(Exception):
    """What the library of a storage raises."""


class Lost(Shelf):
    """A storage whose connection is lost."""

    def size(self, name: str) -> int:
        raise SessionLost("sftp://user:password@example.com")


def test_storage_that_fails_is_said_to(settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lost = {"BACKEND": f"{__name__}.Lost", "OPTIONS": {"location": str(tmp_path / "lost")}}
    settings.STORAGES = storages_with(settings, lost=lost)
    file = file_of(make_upload(storage="lost"))
    with pytest.raises(StoreUnavailable):
        file.check()

    assert "a storage has failed: SessionLost" in caplog.text
    assert "password" not in caplog.text


def test_error_that_is_known_counts(folder: str) -> None:
    file = upload_file(make_upload(), request_uploads(), SignedText("x"), UploadForeign("for another field"))

    with pytest.raises(UploadForeign):
        _ = file.size


def test_another_file_in_its_place_is_not_read(alias: str) -> None:
    upload = make_upload(bytes(MIB), storage=alias)
    file = file_of(upload)
    assert file.size == MIB
    upload.place.delete(upload.key)
    upload.place.save(upload.key, ContentFile(b"another"))

    with pytest.raises(UploadChanged):
        file.read()


def test_two_files_of_a_request_are_looked_at_together(alias: str) -> None:
    uploads = request_uploads()
    files = [
        file_of(make_upload(b"one", storage=alias), uploads),
        file_of(make_upload(b"two", storage=alias), uploads),
    ]

    assert files[0].size == 3
    assert not files[1].is_open_question
    assert [file.read() for file in files] == [b"one", b"two"]


# --- saved ----------------------------------------------------------------------------------


def test_folder_moves_it(folder: str, media: FileSystemStorage) -> None:
    uploads, upload = request_uploads(), make_upload()
    number = os.stat(upload.get_file_path()).st_ino
    name = media.save("a.txt", file_of(upload, uploads))

    assert os.stat(media.path(name)).st_ino == number
    assert os.path.exists(upload.get_file_path())
    uploads.finish(delete=True)
    assert not os.path.exists(os.path.dirname(upload.get_file_path()))
    assert not TemporaryUpload.objects.exists()
    assert content_at(media, name) == BODY


def test_bucket_copies_it(request: pytest.FixtureRequest, ceph_store: S3Store, call_count: CallCount) -> None:
    uploads, upload = request_uploads(), make_upload(storage="default")
    call_count.clear()
    name = storages["default"].save("a.txt", file_of(upload, uploads))

    assert call_count["CopyObject"] == 1
    assert call_count["PutObject"] + call_count["GetObject"] == 0
    uploads.finish(delete=True)
    assert ceph_store.keys() == [name]
    assert ceph_store.get(name) == BODY
    assert ceph_store.head(name)["ContentType"] == "text/plain"
    assert not TemporaryUpload.objects.exists()


@pytest.mark.parametrize("kind", ["folder", "memory", "shelf"])
def test_bucket_is_sent_what_is_elsewhere(request: pytest.FixtureRequest, ceph_store: S3Store, kind: str) -> None:
    uploads = request_uploads()
    upload = make_upload(storage=use_place(request, kind))
    name = storages["default"].save("a.txt", file_of(upload, uploads))
    uploads.finish(delete=True)

    assert ceph_store.get(name) == BODY
    assert not TemporaryUpload.objects.exists()
    assert not upload.place.exists(upload.key)


def test_any_storage_reads_it(alias: str, tmp_path: Path, settings: Any) -> None:
    cupboard = {"BACKEND": "tests.filepond.uploads.Shelf", "OPTIONS": {"location": str(tmp_path / "cupboard")}}
    settings.STORAGES = storages_with(settings, cupboard=cupboard)
    uploads, upload = request_uploads(), make_upload(storage=alias)
    name = storages["cupboard"].save("a.txt", file_of(upload, uploads))
    uploads.finish(delete=True)

    assert content_at(storages["cupboard"], name) == BODY
    # The storage has not said that it has saved it; the clean-up takes what nobody wants.
    assert TemporaryUpload.objects.get() == upload


def test_saved_twice(ceph_store: S3Store) -> None:
    uploads, upload = request_uploads(), make_upload(storage="default")
    file = file_of(upload, uploads)
    names = {storages["default"].save(name, file) for name in ("a.txt", "b.txt")}
    uploads.finish(delete=True)

    assert set(ceph_store.keys()) == names
    assert not TemporaryUpload.objects.exists()


@pytest.mark.parametrize("kind", ["folder", "ceph"])
def test_rollback_keeps_the_upload(request: pytest.FixtureRequest, media: FileSystemStorage, kind: str) -> None:
    uploads, upload = request_uploads(), make_upload(storage=use_place(request, kind))
    target: Storage = media if kind == "folder" else storages["default"]
    with transaction.atomic():
        target.save("a.txt", file_of(upload, uploads))
        transaction.set_rollback(True)
    uploads.finish(delete=True)

    assert file_of(upload).read() == BODY


def test_failed_request_keeps_the_upload(folder: str, media: FileSystemStorage) -> None:
    uploads, upload = request_uploads(), make_upload()
    media.save("a.txt", file_of(upload, uploads))
    uploads.finish(delete=False)

    assert file_of(upload).read() == BODY


def test_record_that_can_not_be_deleted_is_no_error(
    folder: str, media: FileSystemStorage, caplog: pytest.LogCaptureFixture
) -> None:
    uploads, upload = request_uploads(), make_upload()
    name = media.save("a.txt", file_of(upload, uploads))
    table = TemporaryUpload._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    try:
        uploads.finish(delete=True)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE elsewhere RENAME TO {table}")

    assert "the record of an upload was not deleted" in caplog.text
    assert upload.pk not in caplog.text
    assert content_at(media, name) == BODY


# --- opened ---------------------------------------------------------------------------------


def test_file_is_opened(alias: str) -> None:
    upload = make_upload(storage=alias)
    stream, size = open_file(upload.place, upload.key)

    with stream:
        assert size == len(BODY)
        assert stream.read() == BODY
        assert stream.seek(1000) == 1000
        assert stream.read(10) == BODY[1000:1010]
        assert stream.seek(-1, os.SEEK_END) == len(BODY) - 1
        assert stream.read(10) == BODY[-1:]
    assert stream.closed
    with upload.open() as stream:
        assert stream.read() == BODY


@pytest.mark.parametrize("name", ["nothing", "nothing/a", "folder"])
def test_file_that_is_not_there(alias: str, name: str) -> None:
    upload = make_upload(storage=alias)
    upload.place.save("folder/a", ContentFile(b"a file"))

    with pytest.raises(FileNotFoundError):
        open_file(upload.place, name)


@pytest.mark.parametrize("kind", ["memory", "shelf", "ceph"])
def test_another_file_is_not_read_as_the_one_that_was_opened(request: pytest.FixtureRequest, kind: str) -> None:
    upload = make_upload(storage=use_place(request, kind))
    stream, _size = open_file(upload.place, upload.key)
    upload.place.delete(upload.key)
    upload.place.save(upload.key, ContentFile(b"another"))

    with stream, pytest.raises(UploadChanged):
        stream.read()


def test_two_who_read_have_a_position_each(alias: str) -> None:
    upload = make_upload(storage=alias)
    one, other = open_file(upload.place, upload.key)[0], open_file(upload.place, upload.key)[0]

    with one, other:
        assert (one.read(100_000), other.read(10)) == (BODY[:100_000], BODY[:10])
        assert (one.read(100_000), other.read(10)) == (BODY[100_000:200_000], BODY[10:20])


def test_etag_changes_with_the_content(alias: str) -> None:
    upload = make_upload(storage=alias)
    before = find_file(upload.place, upload.key).etag
    upload.place.delete(upload.key)
    upload.place.save(upload.key, ContentFile(b"another"))

    assert find_file(upload.place, upload.key).etag != before


def read_opened(upload: TemporaryUpload) -> int:
    with upload.open() as stream:
        return sum(len(chunk) for chunk in iter(lambda: stream.read(65536), b""))


def read_in_chunks(upload: TemporaryUpload) -> int:
    file = file_of(upload)
    try:
        return sum(map(len, file.chunks()))
    finally:
        file.close()


@pytest.mark.parametrize("kind", ["folder", "shelf", "ceph"])
@pytest.mark.parametrize("read", [read_opened, read_in_chunks])
def test_large_file_takes_little_memory(request: pytest.FixtureRequest, kind: str, read: Any) -> None:
    upload = make_upload(bytes(64 * MIB), storage=use_place(request, kind))
    # The first call to a store takes memory for all that follow.
    file_of(upload).check()
    tracemalloc.start()
    try:
        size = read(upload)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert size == 64 * MIB
    assert peak < 16 * MIB
