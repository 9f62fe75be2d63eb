"""What goes with the record of a temporary upload, and what stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import transaction

from s3upload.backends import backend_for
from s3upload.filepond.models import TemporaryUpload
from s3upload.filepond.removing import remove_all
from tests.conftest import AzureStore, S3Store
from tests.filepond.uploads import BODY, PLACES, content_at, make_upload, put_beside, use_place

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=PLACES)
def alias(request: pytest.FixtureRequest) -> str:
    """The storage of temporary uploads: each kind in turn."""
    return use_place(request, request.param)


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Temporary uploads are in this folder."""
    use_place(request, "folder")
    return tmp_path / "temporary"


@pytest.fixture
def bucket(ceph_store: S3Store) -> S3Store:
    return ceph_store


def by_itself(upload: TemporaryUpload) -> None:
    upload.delete()


def by_query_set(upload: TemporaryUpload) -> None:
    TemporaryUpload.objects.filter(pk=upload.pk).delete()


def by_hand(upload: TemporaryUpload) -> None:
    TemporaryUpload.objects.get(pk=upload.pk).delete()


WAYS = pytest.mark.parametrize("delete", [by_itself, by_query_set, by_hand])
Delete = Callable[[TemporaryUpload], None]


def is_gone(upload: TemporaryUpload, *names: str) -> bool:
    return not any(upload.place.exists(name) for name in (upload.key, *names))


# --- everything goes ------------------------------------------------------------------------


@WAYS
def test_everything_in_the_folder_goes(alias: str, delete: Delete) -> None:
    kept, upload = make_upload(storage=alias), make_upload(storage=alias)
    pieces = [put_beside(upload, "a.tail"), put_beside(upload, "b.piece")]
    TemporaryUpload.objects.filter(pk=upload.pk).update(progress={"tail": pieces[0], "pieces": pieces[1:]})
    upload_id, place, names = upload.pk, upload.place, [upload.key, *pieces]
    delete(upload)

    assert not TemporaryUpload.objects.filter(pk=upload_id).exists()
    assert [name for name in names if place.exists(name)] == []
    assert content_at(kept.place, kept.key) == BODY


@pytest.mark.parametrize("kind", ["folder", "memory", "ceph", "azurite"])
def test_what_nobody_has_noted_goes_too(request: pytest.FixtureRequest, kind: str) -> None:
    alias = use_place(request, kind)
    kept, upload = make_upload(storage=alias), make_upload(storage=alias)
    pieces = [put_beside(upload, "a.tail"), put_beside(upload, "within/b.piece"), put_beside(upload, "ü c.piece")]
    upload.delete()

    assert is_gone(upload, *pieces)
    assert kept.place.exists(kept.key)


@WAYS
def test_folder_goes(folder: Path, delete: Delete) -> None:
    upload = make_upload()
    (folder / upload.pk / "within" / "deeper").mkdir(parents=True)
    (folder / upload.pk / ".hidden").write_bytes(b"a file")
    delete(upload)

    assert list(folder.iterdir()) == []


@WAYS
def test_folder_stays_where_the_site_wants_it(settings: Any, folder: Path, delete: Delete) -> None:
    settings.S3UPLOAD_FILEPOND_DELETE_UPLOAD_TMP_DIRS = False
    upload = make_upload()
    put_beside(upload, "a.part")
    own = folder / upload.pk
    delete(upload)

    assert own.is_dir()
    assert list(own.iterdir()) == []


def test_upload_that_was_moved_by_hand(folder: Path, tmp_path: Path) -> None:
    upload = make_upload(b"hello")
    os.rename(upload.get_file_path(), tmp_path / upload.upload_name)
    upload.delete()

    assert list(folder.iterdir()) == []
    assert (tmp_path / "report.txt").read_bytes() == b"hello"


def test_upload_that_is_gone_already(alias: str, caplog: pytest.LogCaptureFixture) -> None:
    upload = make_upload(storage=alias)
    upload.place.delete(upload.key)
    upload.delete()

    assert not TemporaryUpload.objects.exists()
    assert caplog.text == ""


def test_upload_of_which_nothing_has_arrived(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    TemporaryUpload.objects.create(content_type="text/plain", size=5).delete()

    assert caplog.text == ""


def test_removed_again(alias: str) -> None:
    upload = make_upload(storage=alias)

    assert remove_all(upload)
    assert remove_all(upload)
    assert is_gone(upload)


def test_user_who_goes_leaves_the_upload(folder: Path) -> None:
    user = User.objects.create_user("somebody")
    upload = make_upload(uploaded_by=user)
    user.delete()

    assert TemporaryUpload.objects.get() == upload
    assert upload.place.exists(upload.key)


# --- uploads in parts -----------------------------------------------------------------------


def begin(upload: TemporaryUpload, **noted: Any) -> None:
    """Have a multipart upload begun, as another request than the one that has the instance."""
    backend = backend_for(upload.place)
    assert backend is not None
    progress = {"upload_id": backend.begin(upload.token), **noted}
    TemporaryUpload.objects.filter(pk=upload.pk).update(progress=progress, is_complete=False)


def incomplete() -> TemporaryUpload:
    return TemporaryUpload.objects.create(
        storage="default", content_type="text/plain", size=2**24, owner_identity="me"
    )


@WAYS
def test_open_upload_in_parts_is_ended(request: pytest.FixtureRequest, bucket: S3Store, delete: Delete) -> None:
    use_place(request, "ceph")
    upload = incomplete()
    begin(upload, part_size=2**23, parts=[])
    assert bucket.client.list_multipart_uploads(Bucket=bucket.bucket).get("Uploads")
    delete(upload)

    assert not bucket.client.list_multipart_uploads(Bucket=bucket.bucket).get("Uploads")
    assert bucket.keys() == []


def test_open_upload_in_blocks_is_ended(azurite_store: AzureStore) -> None:
    upload = incomplete()
    begin(upload, part_size=2**23)
    assert azurite_store.uploads() == [upload.key]
    upload.delete()

    assert azurite_store.uploads() == []
    assert azurite_store.keys() == []


# --- when -----------------------------------------------------------------------------------


@WAYS
def test_file_goes_when_the_transaction_commits(alias: str, delete: Delete) -> None:
    upload = make_upload(storage=alias)
    place, key = upload.place, upload.key
    with transaction.atomic():
        delete(upload)
        assert place.exists(key)

    assert not place.exists(key)


@WAYS
def test_rollback_keeps_all(alias: str, delete: Delete) -> None:
    upload = make_upload(storage=alias)
    upload_id, place, key = upload.pk, upload.place, upload.key
    with transaction.atomic():
        delete(upload)
        transaction.set_rollback(True)

    assert place.exists(key)
    assert TemporaryUpload.objects.get(pk=upload_id).key == key


# --- nothing else goes ----------------------------------------------------------------------


def put(storage: Storage, name: str) -> str:
    return storage.save(name, ContentFile(b"precious"))


def test_noted_names_that_are_elsewhere_stay(alias: str) -> None:
    upload = make_upload(storage=alias)
    others = [put(upload.place, name) for name in ("other", f"{upload.folder}x/other")]
    upload.progress = {"pieces": [*others, f"{upload.folder}/../other", 7, None], "tail": others[0], "parts": {"a": 1}}
    upload.save()
    upload.delete()

    assert [content_at(upload.place, name) for name in others] == [b"precious", b"precious"]


def test_folder_that_is_not_its_own_stays(alias: str) -> None:
    upload = make_upload(storage=alias, key="shared/a.txt")
    other = put(upload.place, "shared/other.txt")
    upload.delete()

    assert not upload.place.exists("shared/a.txt")
    assert content_at(upload.place, other) == b"precious"


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other").write_bytes(b"precious")
    upload, linked = make_upload(), make_upload()
    (folder / upload.pk / "link").symlink_to(elsewhere)
    os.rename(folder / linked.pk, tmp_path / "away")
    (folder / linked.pk).symlink_to(elsewhere)
    TemporaryUpload.objects.all().delete()

    assert list(folder.iterdir()) == []
    assert (elsewhere / "other").read_bytes() == b"precious"


def test_key_that_leads_out_of_the_storage(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    upload = TemporaryUpload.objects.create(content_type="text/plain", size=5)
    TemporaryUpload.objects.filter(pk=upload.pk).update(key="../other")
    TemporaryUpload.objects.all().delete()

    assert (tmp_path / "other").read_bytes() == b"precious"


# --- what can't be removed ------------------------------------------------------------------


def test_storage_that_the_site_has_no_more(
    settings: Any, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    make_upload(storage=use_place(request, "memory"))
    settings.STORAGES = {name: value for name, value in settings.STORAGES.items() if name != "archive"}
    TemporaryUpload.objects.get().delete()

    assert not TemporaryUpload.objects.exists()
    assert "could not be removed: LookupError" in caplog.text


def test_folder_that_is_no_folder(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    upload = make_upload()
    upload_id = upload.pk
    os.rename(folder / upload.pk, folder / "away")
    (folder / upload.pk).write_bytes(b"no folder")
    upload.delete()

    assert not TemporaryUpload.objects.exists()
    assert "could not be removed: NotADirectoryError" in caplog.text
    assert upload_id not in caplog.text


def test_store_that_does_not_answer(
    settings: Any, request: pytest.FixtureRequest, bucket: S3Store, caplog: pytest.LogCaptureFixture
) -> None:
    use_place(request, "ceph")
    upload = make_upload(storage="default")
    options = {**bucket.options, "secret_key": "another"}
    backend = {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    upload.delete()

    assert not TemporaryUpload.objects.exists()
    assert "could not be removed" in caplog.text
    assert bucket.keys() == [upload.key]


def test_only_local_uploads_have_a_path(request: pytest.FixtureRequest) -> None:
    upload = make_upload(storage=use_place(request, "memory"))

    with pytest.raises(NotImplementedError, match="read it with open"):
        upload.get_file_path()
    assert not isinstance(storages["archive"], FileSystemStorage)
