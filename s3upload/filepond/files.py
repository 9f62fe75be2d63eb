"""Uploads as files: temporary ones for who saves them, stored ones for who reads them."""

from __future__ import annotations

import errno
import io
import logging
import os
import stat as modes
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from django.db import DatabaseError

from ..backends import backend_for
from ..backends.base import Backend, Stat
from ..backends.filesystem import FileSystemBackend
from ..backends.filesystem import translated_errors as translated_os_errors
from ..exceptions import InvalidRequest, StoreUnavailable, UnusableUpload, UploadChanged, UploadGone
from ..files import DirectUploadedFile, LocalUploadedFile, RequestUploads
from ..reader import ObjectReader
from ..tokens import SignedText, Token

if TYPE_CHECKING:
    from .models import TemporaryUpload

logger = logging.getLogger(__name__)


class FilePondFile(DirectUploadedFile):
    """
    A file that FilePond has sent: it stays where it is until a storage has saved it; then its record goes as well.

    :param upload: its record.
    :param signed: what was posted, to be rendered again when the form has an error.
    :param uploads: the other files of the request.
    :param error: why it can't be used, when that is known already.
    """

    # The form's field may keep its files anywhere: FilePond does not ask.
    goes_anywhere = True

    def __init__(
        self,
        upload: TemporaryUpload,
        signed: SignedText,
        uploads: RequestUploads,
        error: UnusableUpload | None = None,
    ) -> None:
        super().__init__(upload.token, signed, uploads, error)
        self.upload = upload
        self._upload_id = upload.upload_id

    @property
    def backend(self) -> Backend:
        # Nobody need be served: what is there has come by way of the server.
        return cast("Backend", backend_for(self._place))

    @property
    def _place(self) -> Storage:
        try:
            return self.upload.place
        except LookupError as error:
            raise UploadGone(str(error)) from error

    def _ask(self, key: str) -> Stat:
        # The server itself has put it there, under whatever type.
        return replace(super()._ask(key), content_type=None)

    def forget(self) -> None:
        try:
            # A file may have been saved twice, and the record be gone.
            type(self.upload).objects.filter(pk=self._upload_id).delete()
        except DatabaseError as error:
            # What is saved is saved; the clean-up takes the record.
            logger.warning("the record of an upload was not deleted: %s", type(error).__name__)


class LocalFilePondFile(FilePondFile, LocalUploadedFile):
    """A file that FilePond has sent to a folder of the server: ``FileSystemStorage`` moves it."""

    @property
    def backend(self) -> FileSystemBackend:
        return cast("FileSystemBackend", super().backend)


class PlainFilePondFile(FilePondFile):
    """A file that FilePond has sent to a storage that has no backend, and is read by Django's storage API."""

    @property
    def backend(self) -> Backend:
        return cast("Backend", PlainStore(self._place))

    @property
    def file(self) -> IO[Any]:
        if self._stream is None:
            stat = self.stat
            reader = StorageReader(self._place, self.key, stat.size, stat.etag)
            self._stream = cast("IO[Any]", io.BufferedReader(reader))
        return self._stream

    @file.setter
    def file(self, value: IO[Any] | None) -> None:
        self._stream = value


def upload_file(
    upload: TemporaryUpload, uploads: RequestUploads, signed: SignedText, error: UnusableUpload | None = None
) -> DirectUploadedFile:
    """
    Return a temporary upload as an uploaded file, and add it to those of its request.

    When ``FileSystemStorage`` or a storage of this package has saved it and the transaction has committed, it goes at
    the end of the request: file, folder, record. Other storages don't say that they have; then the clean-up takes it.

    :param uploads: the files of the request; they know who has sent it, and nobody else can use the file.
    :param signed: what was posted, to be rendered again when the form has an error.
    :param error: why it can't be used, when that is known already.
    """
    file_class: type[FilePondFile] = FilePondFile
    try:
        place = upload.place
    except LookupError as gone:
        error = error or UploadGone(str(gone))
    else:
        if isinstance(place, FileSystemStorage):
            file_class = LocalFilePondFile
        elif backend_for(place) is None:
            file_class = PlainFilePondFile
    if not upload.is_complete:
        error = error or UploadGone("not all of it has arrived")
    file = file_class(upload, signed, uploads, error)
    uploads.take(file)
    return file


@dataclass(frozen=True, slots=True)
class Found:
    """
    A file that is there.

    It is the one file throughout: a read raises :class:`~s3upload.exceptions.UploadChanged` when another one has taken
    its place in a store.

    :param size: bytes.
    :param etag: changes whenever the content does; without quotes.
    :param open: returns it as a stream that can be sought in; not more than a few MiB of it are in memory.
    """

    size: int
    etag: str
    open: Callable[[], BinaryIO]


def find_file(storage: Storage, name: str) -> Found:
    """
    Return what is known of a file, and how it is opened.

    :param name: in the storage.
    :raises FileNotFoundError: when it is not there, or is a folder.
    :raises OSError: when a local file can't be looked at.
    :raises StoreUnavailable: when a store refuses or does not answer.
    """
    if isinstance(storage, FileSystemStorage):
        return _find_local(storage, name)
    try:
        backend = backend_for(storage)
        stat = PlainStore(storage).stat(name) if backend is None else backend.stat(name)
    except UploadGone as error:
        raise _not_found(name) from error

    def reader() -> BinaryIO:
        if backend is None:
            return io.BufferedReader(StorageReader(storage, name, stat.size, stat.etag))
        return io.BufferedReader(ObjectReader(partial(backend.read, name, stat.etag), stat.size))

    return Found(stat.size, stat.etag, reader)


def open_file(storage: Storage, name: str) -> tuple[BinaryIO, int]:
    """
    Open a file to be read, and return it and its size in bytes; raises what :func:`find_file` does.

    It can be sought in, and not more than a few MiB of it are in memory, whatever storage it is in.

    :param name: in the storage.
    """
    found = find_file(storage, name)
    return found.open(), found.size


def _find_local(storage: FileSystemStorage, name: str) -> Found:
    try:
        status = os.stat(storage.path(name))
    except NotADirectoryError as error:
        raise _not_found(name) from error
    if not modes.S_ISREG(status.st_mode):
        raise _not_found(name)
    etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    return Found(status.st_size, etag, lambda: cast("BinaryIO", storage.open(name, "rb")))


def _not_found(name: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "There is no such file in the storage", name)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise as ours what any storage raises, whatever library that is from."""
    try:
        with translated_os_errors():
            yield
    except (UnusableUpload, InvalidRequest, ImproperlyConfigured, SuspiciousOperation):
        raise
    except Exception as error:
        # Its text may have an address.
        logger.error("a storage has failed: %s", type(error).__name__)
        raise StoreUnavailable(type(error).__name__) from error


class PlainStore:
    """
    What an uploaded file asks of a backend, for a storage that has none.

    :param storage: any that can open, delete, and tell sizes.
    """

    signs_types = False

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def stat(self, key: str, head: int = 0) -> Stat:
        """
        Return what the storage knows of a file.

        :param head: how many of its first bytes to return with it.
        :raises UploadGone: when it is not there.
        :raises StoreUnavailable: when it can't be read.
        """
        with translated_errors():
            try:
                size = self.storage.size(key)
            except (IsADirectoryError, NotADirectoryError) as error:
                raise UploadGone("a folder") from error
            try:
                changed = f"{self.storage.get_modified_time(key).timestamp():.6f}-"
            except NotImplementedError:
                changed = ""
        stat = Stat(size, f"{changed}{size:x}", None)
        if not head:
            return stat
        with StorageReader(self.storage, key, size, stat.etag) as reader:
            return replace(stat, head=reader.read(head))

    def pending_key_of(self, token: Token) -> str:
        """Return the name of what goes when an upload is saved."""
        return token.key

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; one that is gone already is no error."""
        for key in keys:
            delete_file(self.storage, key)


class StorageReader(ObjectReader):
    """
    A seekable stream over a file of any storage, which is opened once, when it is first read.

    :param name: of the file in its storage.
    :param size: bytes.
    :param etag: what :meth:`PlainStore.stat` has told of the file that is meant.
    """

    def __init__(self, storage: Storage, name: str, size: int, etag: str) -> None:
        super().__init__(self._read_at, size)
        self._storage = storage
        self._name = name
        self._etag = etag
        self._opened: File[Any] | None = None

    def _read_at(self, start: int, size: int) -> bytes:
        with translated_errors():
            if self._opened is None:
                self._opened = self._storage.open(self._name, "rb")
                if PlainStore(self._storage).stat(self._name).etag != self._etag:
                    raise UploadChanged("read another file than was validated")
                # Some are empty before they are read, and forget where to begin.
                self._opened.read(0)
            # Each time: Django's InMemoryStorage has one position for all who read.
            self._opened.seek(start)
            return cast("bytes", self._opened.read(size))

    def close(self) -> None:
        if not self.closed and self._opened is not None:
            self._opened.close()
        super().close()


def delete_file(storage: Storage, name: str) -> None:
    """
    Delete a file of any storage; one that is gone already is no error.

    :raises StoreUnavailable: when it can't be deleted.
    """
    try:
        with translated_errors():
            storage.delete(name)
    except UploadGone:
        pass
