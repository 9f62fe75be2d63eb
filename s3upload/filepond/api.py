"""What a site does with uploads: store them, read them, delete them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO

from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from django.db import router, transaction
from django.http import HttpRequest

from ..backends import backend_for
from ..exceptions import StoreUnavailable, UploadGone
from ..files import DirectUploadedFile, RequestUploads, after_commit
from ..tokens import SignedText
from . import places
from .exceptions import ConfigurationError
from .files import LocalFilePondFile, find_file, open_file, upload_file
from .models import StoredUpload, TemporaryUpload, UploadQuerySet, is_id, new_id

logger = logging.getLogger(__name__)

STAGED = ".s3upload-{}.part"
"""The name of a file that is on its way into a folder."""


def store_upload(
    upload_id: str, destination_file_path: str | os.PathLike[str], *, request: HttpRequest | None = None
) -> StoredUpload:
    """
    Store a temporary upload, and return its record; the temporary one goes.

    File and record change together: when something fails, the temporary upload is as it was, and nothing is at the
    destination. When a transaction is open already and rolls back later, the temporary upload is as it was, too; the
    file then stays at the destination, as all files do that Django has saved in such a transaction.

    :param upload_id: of the temporary upload, 22 characters.
    :param destination_file_path: where it is stored, in the folder or storage of stored uploads, with the name of the
        file; a ``/`` at its beginning counts for nothing. Where another file has that name, the storage may choose
        another one: see ``name`` of what is returned.
    :param request: only the uploads of who sent it are found; anybody's when left out.
    :raises ValueError: when the id or the path is none, there is no such upload (any more), or not all of it has
        arrived.
    :raises ImproperlyConfigured: when no setting says where stored uploads are.
    :raises FileNotFoundError: when the temporary file is not there.
    :raises UnusableUpload: when a store does not answer, or the temporary file is not the one that has arrived.
    :raises OSError: when it can't be written.
    """
    destination = _destination(destination_file_path)
    if not is_id(upload_id):
        raise ValueError(f"{upload_id!r:.100} is no id of an upload: it should have 22 letters and digits.")
    storage = places.stored_storage()
    _check_is_no_folder(storage, destination)
    upload = _owned(TemporaryUpload.objects.all(), request).filter(pk=upload_id).first()
    if upload is None:
        raise _no_upload(upload_id)
    if not upload.is_complete:
        raise ValueError(
            f"Of the upload {upload_id!r}, {upload.offset} of {upload.size} bytes are here. Store it when all are."
        )
    file = upload_file(upload, RequestUploads(lambda: frozenset({upload.owner_identity})), SignedText())
    try:
        file.check()
        name = _save(storage, destination, file)
    except UploadGone as error:
        # Somebody else may have stored it at the same time.
        if not TemporaryUpload.objects.filter(pk=upload_id).exists():
            raise _no_upload(upload_id) from error
        raise FileNotFoundError(f"The file of the temporary upload {upload_id!r} is not there.") from error
    finally:
        file.close()
    try:
        stored = _record(upload, name, file.content_type or upload.content_type)
    except BaseException:
        _take_back(storage, name)
        raise
    logger.info("an upload of %d bytes was stored", stored.size)
    return stored


def get_stored_upload(upload_id: str, *, request: HttpRequest | None = None) -> StoredUpload:
    """
    Return the record of a stored upload.

    :param upload_id: that of the temporary upload that it was.
    :param request: only the uploads of who sent it are found; anybody's when left out.
    :raises StoredUpload.DoesNotExist: when there is none.
    """
    return _stored(StoredUpload.objects.all(), upload_id, request)


def get_stored_upload_file_data(stored_upload: StoredUpload) -> tuple[str, BinaryIO]:
    """
    Return the name of a stored upload's file, without folders, and the file to be read; to be closed by the caller.

    :raises ConfigurationError: when the folder of stored uploads is not set, not there, or no folder.
    :raises FileNotFoundError: when the file is not there, or is a folder.
    :raises OSError: when a local file can't be read.
    :raises StoreUnavailable: when a store refuses or does not answer.
    """
    stream, _size = open_file(_reading_storage(), stored_upload.name)
    return PurePosixPath(stored_upload.name).name, stream


def delete_stored_upload(upload_id: str, delete_file: bool = False, *, request: HttpRequest | None = None) -> bool:
    """
    Delete the record of a stored upload and, where that is wanted, its file; return ``True``.

    A file that can't be deleted keeps its record. When a transaction is open already, the file is deleted as soon as
    that has committed; where it can't be deleted then, the record is put back.

    :param upload_id: that of the temporary upload that it was.
    :param delete_file: whether the file is deleted as well; otherwise it stays where it is.
    :param request: only the uploads of who sent it are found; anybody's when left out.
    :raises StoredUpload.DoesNotExist: when there is none.
    :raises ConfigurationError: when the folder of stored uploads is not set, not there, or no folder.
    :raises FileNotFoundError: when the file is not there, or is a folder; a record without a file is deleted by
        ``delete_file=False``.
    :raises OSError: when a local file can't be deleted.
    :raises StoreUnavailable: when a store refuses or does not answer.
    """
    using = router.db_for_write(StoredUpload)
    is_inside = transaction.get_connection(using).in_atomic_block
    with transaction.atomic(using=using):
        stored = _stored(StoredUpload.objects.using(using).select_for_update(), upload_id, request)
        if delete_file:
            storage = _reading_storage()
            find_file(storage, stored.name)
        # By a query set, which leaves the key in the instance.
        StoredUpload.objects.using(using).filter(pk=stored.pk).delete()
        if delete_file and is_inside:
            after_commit(partial(_delete_or_put_back, storage, stored, using))
        elif delete_file:
            # The last thing before the commit: whatever goes wrong, the record is still there.
            _delete(storage, stored.name)
    logger.info("a stored upload was deleted, %s its file", "with" if delete_file else "without")
    return True


# Where it goes, and whose it is


def _destination(path: str | os.PathLike[str]) -> str:
    given: object = os.fspath(path) if path else ""
    if not isinstance(given, str) or not given.strip("/"):
        raise ValueError("There is no destination_file_path: give a path with the name of the file.")
    text = given.lstrip("/")
    parts = text.replace("\\", "/").split("/")
    if ".." in parts or "\0" in text:
        raise ValueError(f"The destination {text!r:.200} should be a path without '..' and without NUL.")
    # No database could record it; that is a ValueError, too.
    text.encode()
    if parts[-1] in ("", "."):
        raise ValueError(f"The destination {text!r:.200} is a folder: give a path with the name of the file.")
    return text


def _check_is_no_folder(storage: Storage, destination: str) -> None:
    if not isinstance(storage, FileSystemStorage):
        return
    location = storage.path("")
    if os.path.exists(location) and not os.path.isdir(location):
        raise _no_place(location)
    if os.path.isdir(storage.path(destination)):
        raise ValueError(f"The destination {destination!r:.200} is a folder: give a path with the name of the file.")


def _owned(records: UploadQuerySet, request: HttpRequest | None) -> UploadQuerySet:
    return records if request is None else records.of(request)


def _stored(records: UploadQuerySet, upload_id: str, request: HttpRequest | None) -> StoredUpload:
    stored: StoredUpload | None = None
    if is_id(upload_id):
        stored = _owned(records, request).filter(pk=upload_id).first()
    if stored is None:
        raise StoredUpload.DoesNotExist(f"There is no stored upload {upload_id!r:.100}.")
    return stored


def _no_upload(upload_id: str) -> ValueError:
    return ValueError(f"There is no temporary upload {upload_id!r}: it was stored or removed already, or never begun.")


def _reading_storage() -> Storage:
    try:
        storage = places.stored_storage()
    except ConfigurationError:
        raise
    except ImproperlyConfigured as error:
        raise ConfigurationError(str(error)) from error
    if isinstance(storage, FileSystemStorage) and not os.path.isdir(storage.path("")):
        raise _no_place(storage.path(""))
    return storage


def _no_place(location: str) -> ConfigurationError:
    return ConfigurationError(f"The folder of stored uploads, {location!r}, is not there, or is no folder: create it.")


# Storing


def _free_name(storage: Storage, destination: str) -> str:
    """Return a name that neither a file nor another upload has: most storages on S3 would overwrite it."""
    root, suffix = os.path.splitext(destination)
    name = destination
    while storage.exists(name) or StoredUpload.objects.filter(name=name).exists():
        name = storage.get_alternative_name(root, suffix)
    return name


def _save(storage: Storage, destination: str, file: DirectUploadedFile) -> str:
    destination = _free_name(storage, destination)
    if isinstance(storage, FileSystemStorage):
        with _staged(storage, file) as staged:
            return storage.save(destination, staged)
    if backend_for(storage) is not None:
        # The store makes the object when all of it is there.
        return storage.save(destination, file)
    name = storage.get_available_name(destination)
    was_there = storage.exists(name)
    try:
        return storage.save(name, file)
    except BaseException:
        if not was_there:
            with suppress(Exception):
                storage.delete(name)
        raise


class StagedFile(File):  # type: ignore[type-arg]
    """
    A file that is whole and in the right file system: ``FileSystemStorage`` moves it, at once.

    :param path: where it is.
    """

    def __init__(self, path: str) -> None:
        super().__init__(open(path, "rb"))  # noqa: SIM115 (it is closed as a file is)
        self._path = path

    def temporary_file_path(self) -> str:
        """Return the path, from which it may be moved away."""
        return self._path


@contextmanager
def _staged(storage: FileSystemStorage, file: DirectUploadedFile) -> Iterator[StagedFile]:
    # Django writes to the destination itself, and leaves half a file there when that fails.
    os.makedirs(storage.path(""), exist_ok=True)
    path = storage.path(STAGED.format(new_id()))
    try:
        if not _has_linked(file, path):
            with open(path, "xb") as target:
                target.writelines(file.chunks())
        with StagedFile(path) as staged:
            yield staged
    finally:
        with suppress(FileNotFoundError):
            os.remove(path)


def _has_linked(file: DirectUploadedFile, path: str) -> bool:
    """Give a local file a second name, where the file system can do that: no byte is copied, and the first stays."""
    if not isinstance(file, LocalFilePondFile):
        return False
    try:
        os.link(file.backend.storage.path(file.key), path)
    except FileNotFoundError as error:
        raise UploadGone from error
    except OSError:
        return False
    return True


def _record(upload: TemporaryUpload, name: str, content_type: str) -> StoredUpload:
    """Exchange the record of the temporary upload for one of the stored upload, whoever else tries to."""
    using = router.db_for_write(TemporaryUpload)
    with transaction.atomic(using=using):
        held = TemporaryUpload.objects.using(using).select_for_update().filter(pk=upload.pk, is_complete=True).first()
        if held is None:
            raise _no_upload(upload.pk)
        stored: StoredUpload = StoredUpload.objects.using(using).create(
            upload_id=held.upload_id,
            name=name,
            upload_name=held.upload_name,
            content_type=content_type,
            size=held.size,
            metadata=held.metadata,
            owner_identity=held.owner_identity,
            uploaded_by_id=held.uploaded_by_id,
            uploaded=held.uploaded,
        )
        held.delete(using=using)
    return stored


def _take_back(storage: Storage, name: str) -> None:
    """Delete what was just saved, unless it is another upload's by now: some storages overwrite."""
    try:
        if not StoredUpload.objects.filter(name=name).exists():
            storage.delete(name)
    except Exception as error:  # whatever it is, what went wrong before counts
        logger.warning("what was not stored could not be removed from its destination: %s", type(error).__name__)


# Deleting


def _delete(storage: Storage, name: str) -> None:
    if StoredUpload.objects.filter(name=name).exists():
        return  # it is another upload's file as well
    try:
        storage.delete(name)
    except OSError:
        raise
    except Exception as error:  # the storage's own
        logger.error("the storage refused to delete a stored upload: %s", type(error).__name__)
        raise StoreUnavailable(type(error).__name__) from error


def _delete_or_put_back(storage: Storage, stored: StoredUpload, using: str) -> None:
    try:
        _delete(storage, stored.name)
    except (OSError, StoreUnavailable) as error:
        logger.error("the file of a stored upload can't be deleted, it is kept: %s", type(error).__name__)
        records = StoredUpload.objects.using(using)
        with transaction.atomic(using=using):
            when = stored.stored
            records.bulk_create([stored])
            records.filter(pk=stored.pk).update(stored=when)
