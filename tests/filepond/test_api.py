"""Storing uploads, and what is done with them then: file and record change together."""

from __future__ import annotations

import logging
import os
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import DatabaseError, connections, transaction
from django.http import HttpRequest
from django.test import RequestFactory

from s3upload.exceptions import UnusableUpload, UploadChanged
from s3upload.filepond.api import (
    delete_stored_upload,
    get_stored_upload,
    get_stored_upload_file_data,
    store_upload,
)
from s3upload.filepond.exceptions import ConfigurationError
from s3upload.filepond.models import StoredUpload, TemporaryUpload
from s3upload.owners import owner_of
from tests.conftest import CallCount, S3Store
from tests.filepond.uploads import BODY, MIB, PLACES, content_at, make_upload, use_place, use_target

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = "2" * 22


@pytest.fixture(params=PLACES)
def target(request: pytest.FixtureRequest) -> Storage:
    """Where uploads are stored: each kind in turn. Temporary ones are in a folder."""
    use_place(request, "folder")
    return use_target(request, request.param)


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> FileSystemStorage:
    """Uploads are stored in a folder; temporary ones are in another one."""
    use_place(request, "folder")
    storage = use_target(request, "folder")
    assert isinstance(storage, FileSystemStorage)
    return storage


def files_in(storage: FileSystemStorage) -> list[str]:
    root = Path(storage.location)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def is_whole(upload: TemporaryUpload, body: bytes = BODY) -> bool:
    """Return whether nothing has happened to a temporary upload."""
    with TemporaryUpload.objects.get(pk=upload.pk).open() as file:
        return file.read() == body


# --- store_upload ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("source", PLACES)
def test_upload_is_stored(request: pytest.FixtureRequest, source: str, kind: str) -> None:
    alias = use_place(request, source)
    storage = use_target(request, kind) if kind != source or kind in ("folder", "ceph") else use_same(request, alias)
    upload = make_upload(storage=alias, metadata={"a": [1]}, field="filepond")
    stored = store_upload(upload.pk, "/reports/2026/a report.txt")

    assert stored == StoredUpload.objects.get()
    assert stored.upload_id == upload.upload_id
    assert content_at(storage, stored.name) == BODY
    assert os.path.dirname(stored.name) == "reports/2026"
    for name in ("upload_name", "content_type", "size", "metadata", "owner_identity", "uploaded_by", "uploaded"):
        assert getattr(stored, name) == getattr(upload, name), name
    assert not TemporaryUpload.objects.exists()
    assert not upload.place.exists(upload.key)


def use_same(request: pytest.FixtureRequest, alias: str) -> Storage:
    """Have uploads stored where the temporary ones are."""
    request.getfixturevalue("settings").S3UPLOAD_FILEPOND_STORAGE = alias
    return storages[alias]


def test_empty_upload_is_stored(target: Storage) -> None:
    stored = store_upload(make_upload(b"").pk, "empty.txt")

    assert (stored.size, target.size(stored.name)) == (0, 0)


def test_folder_moves_the_file(folder: FileSystemStorage) -> None:
    upload = make_upload()
    number = os.stat(upload.get_file_path()).st_ino
    stored = store_upload(upload.pk, Path("reports") / "a.txt")

    assert os.stat(folder.path(stored.name)).st_ino == number
    assert files_in(folder) == ["reports/a.txt"]
    assert not os.path.exists(os.path.dirname(upload.get_file_path()))


def test_bucket_copies_the_file(request: pytest.FixtureRequest, ceph_store: S3Store, call_count: CallCount) -> None:
    use_target(request, "ceph")
    upload = make_upload(storage="default")
    call_count.clear()
    stored = store_upload(upload.pk, "reports/a.txt")

    assert call_count["CopyObject"] == 1
    assert call_count["PutObject"] + call_count["GetObject"] == 0
    assert ceph_store.keys() == [stored.name]
    assert ceph_store.head(stored.name)["ContentType"] == "text/plain"


def test_name_that_the_storage_chooses_is_recorded(folder: FileSystemStorage) -> None:
    first, second = (store_upload(make_upload(body).pk, "a.txt") for body in (b"one", b"two"))

    assert first.name == "a.txt"
    assert second.name != "a.txt"
    assert second.name == StoredUpload.objects.get(pk=second.pk).name
    assert [content_at(folder, stored.name) for stored in (first, second)] == [b"one", b"two"]


def test_type_is_what_the_first_bytes_say(target: Storage) -> None:
    upload = make_upload(b"%PDF-1.7 and so on", upload_name="a.png", content_type="image/png")

    assert store_upload(upload.pk, "a.png").content_type == "application/pdf"


@pytest.mark.parametrize("upload_id", ["", "x", "../../../etc/passwd", "0" * 22, "2" * 23, "2" * 21 + "\n", None, 7])
def test_id_that_is_none(folder: FileSystemStorage, upload_id: Any) -> None:
    with pytest.raises(ValueError, match="is no id of an upload"):
        store_upload(upload_id, "a.txt")


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        (None, "no destination_file_path"),
        ("", "no destination_file_path"),
        ("///", "no destination_file_path"),
        (b"a.txt", "no destination_file_path"),
        ("a/", "is a folder"),
        ("a/.", "is a folder"),
        (".", "is a folder"),
        ("there", "is a folder"),
        ("/there", "is a folder"),
        ("..", "without '..'"),
        ("../a.txt", "without '..'"),
        ("/a/../../b.txt", "without '..'"),
        ("a\\..\\b.txt", "without '..'"),
        ("a\0.txt", "without NUL"),
        ("a\udcff.txt", "surrogates not allowed"),
    ],
)
def test_destination_that_is_none(folder: FileSystemStorage, destination: Any, message: str) -> None:
    folder.save("there/a.txt", ContentFile(b""))
    upload = make_upload()
    with pytest.raises(ValueError, match=message):
        store_upload(upload.pk, destination)

    assert is_whole(upload)
    assert files_in(folder) == ["there/a.txt"]


def test_upload_that_is_not_there(target: Storage) -> None:
    with pytest.raises(ValueError, match="There is no temporary upload"):
        store_upload(UNKNOWN, "a.txt")
    assert not StoredUpload.objects.exists()


def test_upload_that_is_not_complete(target: Storage) -> None:
    upload = make_upload(is_complete=False, size=len(BODY) + 5)
    with pytest.raises(ValueError, match=f"{len(BODY)} of {len(BODY) + 5} bytes"):
        store_upload(upload.pk, "a.txt")

    assert not target.exists("a.txt")
    assert is_whole(upload)


def test_upload_that_is_stored_already(target: Storage) -> None:
    upload = make_upload()
    store_upload(upload.pk, "a.txt")
    with pytest.raises(ValueError, match="There is no temporary upload"):
        store_upload(upload.upload_id, "b.txt")

    assert not target.exists("b.txt")


def test_no_place_for_stored_uploads(request: pytest.FixtureRequest) -> None:
    use_place(request, "folder")
    upload = make_upload()
    with pytest.raises(ImproperlyConfigured, match="S3UPLOAD_FILEPOND_FILE_STORE_PATH"):
        store_upload(upload.pk, "a.txt")
    assert is_whole(upload)


def test_storage_that_the_site_has_not(settings: Any, folder: FileSystemStorage) -> None:
    settings.S3UPLOAD_FILEPOND_STORAGE = "nowhere"
    upload = make_upload()
    with pytest.raises(ImproperlyConfigured, match="S3UPLOAD_FILEPOND_STORAGE: STORAGES has no 'nowhere'"):
        store_upload(upload.pk, "a.txt")
    assert is_whole(upload)


def test_place_that_is_a_file(settings: Any, folder: FileSystemStorage) -> None:
    Path(folder.location).write_bytes(b"")
    with pytest.raises(ConfigurationError, match="is no folder"):
        store_upload(make_upload().pk, "a.txt")


# --- what fails -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLACES)
def test_temporary_file_that_is_gone(request: pytest.FixtureRequest, target: Storage, kind: str) -> None:
    upload = make_upload(storage=use_place(request, kind))
    upload.place.delete(upload.key)
    with pytest.raises(FileNotFoundError, match="is not there"):
        store_upload(upload.pk, "a.txt")

    assert TemporaryUpload.objects.get() == upload
    assert not target.exists("a.txt")
    assert not StoredUpload.objects.exists()


def test_temporary_file_that_was_changed(target: Storage) -> None:
    upload = make_upload(size=len(BODY) + 1)
    with pytest.raises(UploadChanged):
        store_upload(upload.pk, "a.txt")

    assert not target.exists("a.txt")
    assert TemporaryUpload.objects.get() == upload


class Cut(File):  # type: ignore[type-arg]
    """A file whose second half goes while it is read."""

    def read(self, *size: int) -> bytes:
        data: bytes = self.file.read(*size)
        if self.tell() > MIB:
            os.truncate(self.file.name, self.tell())
        return data


def test_half_a_file_is_not_left(request: pytest.FixtureRequest, target: Storage, tmp_path: Path) -> None:
    upload = make_upload(bytes(8 * MIB), storage=use_place(request, "shelf"))
    place = upload.place

    class Cutting(type(place)):  # type: ignore[misc]
        def _open(self, name: str, mode: str = "rb") -> Any:
            return Cut(super()._open(name, mode).file)

    place.__class__ = Cutting
    with pytest.raises(UnusableUpload):
        store_upload(upload.pk, "a.txt")

    assert MIB < place.size(upload.key) < 8 * MIB
    assert not target.exists("a.txt")
    assert not StoredUpload.objects.exists()
    assert TemporaryUpload.objects.get() == upload
    if isinstance(target, FileSystemStorage):
        assert files_in(target) == []


def test_record_that_can_not_be_written(target: Storage) -> None:
    upload = make_upload()
    StoredUpload.objects.create(
        upload_id=upload.pk, name="b.txt", content_type="text/plain", size=1, uploaded=upload.uploaded
    )
    with pytest.raises(DatabaseError):
        store_upload(upload.pk, "a.txt")

    assert not target.exists("a.txt")
    assert is_whole(upload)


def test_destination_that_can_not_be_written(folder: FileSystemStorage) -> None:
    folder.save("a", ContentFile(b"in the way"))
    upload = make_upload()
    with pytest.raises(OSError, match="a"):
        store_upload(upload.pk, "a/b.txt")

    assert is_whole(upload)
    assert files_in(folder) == ["a"]


def test_name_that_is_too_long(folder: FileSystemStorage) -> None:
    upload = make_upload()
    with pytest.raises(OSError, match="too long"):
        store_upload(upload.pk, "a" * 300)

    assert is_whole(upload)
    assert files_in(folder) == []


def test_rollback_keeps_the_temporary_upload(target: Storage) -> None:
    upload = make_upload()
    with transaction.atomic():
        stored = store_upload(upload.pk, "a.txt")
        transaction.set_rollback(True)

    assert is_whole(upload)
    assert not StoredUpload.objects.exists()
    # What was saved in a transaction that rolls back stays, as everywhere in Django.
    assert content_at(target, stored.name) == BODY
    assert content_at(target, store_upload(upload.pk, "a.txt").name) == BODY


def test_temporary_file_goes_with_the_commit(target: Storage) -> None:
    upload = make_upload()
    place, key = upload.place, upload.key
    with transaction.atomic():
        store_upload(upload.pk, "a.txt")
        assert place.exists(key)

    assert not place.exists(key)


def test_two_at_the_same_time_store_once(target: Storage) -> None:
    upload = make_upload()
    results: list[Any] = []
    start = threading.Barrier(4)

    def store() -> None:
        start.wait()
        try:
            results.append(store_upload(upload.pk, "a.txt"))
        except Exception as error:  # told below
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    stored = StoredUpload.objects.get()
    assert [result for result in results if isinstance(result, StoredUpload)] == [stored]
    assert [type(result) for result in results if result != stored] == [ValueError] * 3
    assert content_at(target, stored.name) == BODY
    assert not TemporaryUpload.objects.exists()
    if isinstance(target, FileSystemStorage):
        assert files_in(target) == [stored.name]


@pytest.mark.parametrize(("source", "kind"), [("folder", "shelf"), ("shelf", "folder"), ("ceph", "folder")])
def test_large_upload_takes_little_memory(request: pytest.FixtureRequest, source: str, kind: str) -> None:
    alias, storage = use_place(request, source), use_target(request, kind)
    store_upload(make_upload(storage=alias).pk, "small.bin")
    upload = make_upload(bytes(64 * MIB), storage=alias)
    tracemalloc.start()
    try:
        stored = store_upload(upload.pk, "large.bin")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert storage.size(stored.name) == 64 * MIB
    assert peak < 16 * MIB


# --- whose ----------------------------------------------------------------------------------


def request_of(user: Any) -> HttpRequest:
    request = RequestFactory().post("/")
    request.user = user
    request.META["CSRF_COOKIE"] = f"the cookie of {user}"
    return request


def test_only_the_owner_finds_an_upload(target: Storage) -> None:
    mine = request_of(User.objects.create_user("me"))
    others = [request_of(User.objects.create_user("other")), request_of(AnonymousUser())]
    upload = make_upload(owner_identity=owner_of(mine))
    for request in others:
        with pytest.raises(ValueError, match="There is no temporary upload"):
            store_upload(upload.pk, "a.txt", request=request)
    assert not target.exists("a.txt")
    stored = store_upload(upload.pk, "a.txt", request=mine)
    for request in others:
        with pytest.raises(StoredUpload.DoesNotExist):
            get_stored_upload(upload.pk, request=request)
        with pytest.raises(StoredUpload.DoesNotExist):
            delete_stored_upload(upload.pk, delete_file=True, request=request)

    assert get_stored_upload(upload.pk, request=mine) == stored
    assert content_at(target, stored.name) == BODY
    assert delete_stored_upload(upload.pk, delete_file=True, request=mine) is True


# --- get_stored_upload, get_stored_upload_file_data -----------------------------------------


@pytest.mark.parametrize("upload_id", [UNKNOWN, "", "x", "../..", "2" * 21 + "\0", None])
def test_stored_upload_that_is_not_there(folder: FileSystemStorage, upload_id: Any) -> None:
    with pytest.raises(StoredUpload.DoesNotExist):
        get_stored_upload(upload_id)
    with pytest.raises(StoredUpload.DoesNotExist):
        delete_stored_upload(upload_id, True)


def test_data_is_read(target: Storage) -> None:
    stored = store_upload(make_upload().pk, "reports/a.txt")
    name, stream = get_stored_upload_file_data(get_stored_upload(stored.upload_id))

    with stream:
        assert (name, stream.read()) == ("a.txt", BODY)
        stream.seek(10)
        assert stream.read(5) == BODY[10:15]


def test_data_that_is_gone(target: Storage) -> None:
    stored = store_upload(make_upload().pk, "a.txt")
    target.delete(stored.name)

    with pytest.raises(FileNotFoundError):
        get_stored_upload_file_data(stored)
    with pytest.raises(FileNotFoundError):
        delete_stored_upload(stored.pk, delete_file=True)
    assert get_stored_upload(stored.pk) == stored
    assert delete_stored_upload(stored.pk, delete_file=False) is True


def test_data_that_can_not_be_read(folder: FileSystemStorage) -> None:
    stored = store_upload(make_upload().pk, "a.txt")
    # No file system takes such a name, whoever asks.
    stored.name = "x" * 5000

    with pytest.raises(OSError, match="too long") as raised:
        get_stored_upload_file_data(stored)
    assert not isinstance(raised.value, FileNotFoundError)


def test_data_that_is_a_folder(folder: FileSystemStorage) -> None:
    stored = store_upload(make_upload().pk, "a.txt")
    os.remove(folder.path("a.txt"))
    os.mkdir(folder.path("a.txt"))

    with pytest.raises(FileNotFoundError):
        get_stored_upload_file_data(stored)
    with pytest.raises(FileNotFoundError):
        delete_stored_upload(stored.pk, delete_file=True)
    assert get_stored_upload(stored.pk) == stored


@pytest.mark.parametrize("state", ["unset", "missing", "a file", "another alias"])
def test_place_that_is_none(settings: Any, tmp_path: Path, folder: FileSystemStorage, state: str) -> None:
    stored = store_upload(make_upload().pk, "a.txt")
    (tmp_path / "file").write_bytes(b"")
    paths = {"unset": None, "missing": tmp_path / "nowhere", "a file": tmp_path / "file"}
    if state in paths:
        settings.S3UPLOAD_FILEPOND_FILE_STORE_PATH = paths[state]
    else:
        settings.S3UPLOAD_FILEPOND_STORAGE = "nowhere"

    with pytest.raises(ConfigurationError):
        get_stored_upload_file_data(stored)
    with pytest.raises(ConfigurationError):
        delete_stored_upload(stored.pk, delete_file=True)
    assert get_stored_upload(stored.pk) == stored


# --- delete_stored_upload -------------------------------------------------------------------


def test_record_and_file_are_deleted(target: Storage) -> None:
    stored = store_upload(make_upload().pk, "a.txt")

    assert delete_stored_upload(stored.pk, delete_file=True) is True
    assert not StoredUpload.objects.exists()
    assert not target.exists(stored.name)
    with pytest.raises(StoredUpload.DoesNotExist):
        delete_stored_upload(stored.upload_id, delete_file=True)


@pytest.mark.parametrize("arguments", [(), (False,)])
def test_file_stays_unless_it_is_wanted(target: Storage, arguments: Any) -> None:
    stored = store_upload(make_upload().pk, "a.txt")

    assert delete_stored_upload(stored.pk, *arguments) is True
    assert not StoredUpload.objects.exists()
    assert content_at(target, stored.name) == BODY


def test_file_is_deleted_with_the_commit(target: Storage) -> None:
    stored = store_upload(make_upload().pk, "a.txt")
    with transaction.atomic():
        delete_stored_upload(stored.pk, delete_file=True)
        assert target.exists(stored.name)

    assert not target.exists(stored.name)


def test_rollback_keeps_record_and_file(target: Storage) -> None:
    stored = store_upload(make_upload().pk, "a.txt")
    with transaction.atomic():
        delete_stored_upload(stored.pk, delete_file=True)
        transaction.set_rollback(True)

    assert get_stored_upload(stored.pk) == stored
    assert content_at(target, stored.name) == BODY


class Shut(FileSystemStorage):
    """A folder in which nothing can be deleted; for root there is no other one."""

    def delete(self, name: str) -> None:
        raise PermissionError(13, "Permission denied", name)


@pytest.fixture
def shut(settings: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    use_place(request, "folder")
    backend = f"{Shut.__module__}.{Shut.__qualname__}"
    settings.STORAGES = {**settings.STORAGES, "shut": {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "shut"}}}
    settings.S3UPLOAD_FILEPOND_STORAGE = "shut"
    return storages["shut"]


def test_file_that_can_not_be_deleted_keeps_its_record(shut: Storage) -> None:
    stored = store_upload(make_upload().pk, "a.txt")
    with pytest.raises(PermissionError):
        delete_stored_upload(stored.pk, delete_file=True)

    assert get_stored_upload(stored.pk) == stored
    assert content_at(shut, stored.name) == BODY


def test_file_that_can_not_be_deleted_after_the_commit_keeps_its_record(
    shut: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    stored = store_upload(make_upload(metadata={"a": 1}).pk, "a.txt")
    with transaction.atomic():
        delete_stored_upload(stored.pk, delete_file=True)

    kept = get_stored_upload(stored.pk)
    assert (kept.stored, kept.uploaded, kept.metadata) == (stored.stored, stored.uploaded, {"a": 1})
    assert "can't be deleted, it is kept: PermissionError" in caplog.text


def test_store_that_refuses_keeps_the_record(
    settings: Any, request: pytest.FixtureRequest, ceph_store: S3Store
) -> None:
    use_place(request, "folder")
    use_target(request, "ceph")
    stored = store_upload(make_upload().pk, "a.txt")
    options = {**ceph_store.options, "secret_key": "another"}
    backend = {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    with pytest.raises(UnusableUpload):
        delete_stored_upload(stored.pk, delete_file=True)

    assert get_stored_upload(stored.pk) == stored
    assert ceph_store.get(stored.name) == BODY


# --- what is logged -------------------------------------------------------------------------


def test_log_tells_what_is_done_and_no_secret(folder: FileSystemStorage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "s3upload.filepond")
    upload = make_upload()
    upload_id, owner = upload.pk, upload.owner_identity
    store_upload(upload_id, "a.txt")
    delete_stored_upload(upload_id, delete_file=True)

    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("s3upload.filepond.api", f"an upload of {len(BODY)} bytes was stored"),
        ("s3upload.filepond.api", "a stored upload was deleted, with its file"),
    ]
    assert upload_id not in caplog.text
    assert owner not in caplog.text


def test_storage_that_overwrites_keeps_what_others_have_stored(ceph_store: S3Store, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_STORAGE = settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = "default"
    bodies = {}
    for body in (b"of anna", b"of otto"):
        upload = make_upload(body, storage="default")
        bodies[store_upload(upload.pk, "reports/summary.pdf").pk] = body

    assert len({stored.name for stored in StoredUpload.objects.all()}) == 2
    for pk, body in bodies.items():
        _name, stream = get_stored_upload_file_data(get_stored_upload(pk))
        with stream:
            assert stream.read() == body
    first, second = bodies
    assert delete_stored_upload(first, delete_file=True)
    _name, stream = get_stored_upload_file_data(get_stored_upload(second))
    with stream:
        assert stream.read() == bodies[second]


def test_file_that_another_record_has_stays(ceph_store: S3Store, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_STORAGE = settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = "default"
    upload = make_upload(b"both", storage="default")
    stored = store_upload(upload.pk, "a.txt")
    twin = StoredUpload.objects.get(pk=stored.pk)
    twin.pk = "3" * 22
    twin.save(force_insert=True)

    delete_stored_upload(stored.pk, delete_file=True)
    assert ceph_store.get("a.txt") == b"both"
    delete_stored_upload(twin.pk, delete_file=True)
    assert ceph_store.keys() == []
