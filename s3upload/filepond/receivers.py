"""
What takes the bytes of an upload as they arrive, for each kind of storage; holds none of them in memory.

One receiver is for one request. What it writes is not part of the upload before the row says so: a request that is
cut, or was overtaken by another one, has changed nothing. So its work is done in steps: :meth:`Receiver.write`,
:meth:`Receiver.settle`, then within the transaction that changes the row :meth:`Receiver.apply`, and for the last
byte :meth:`Receiver.finish`; at last :meth:`Receiver.tidy`, or :meth:`Receiver.discard` when it did not come so far.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from django.db import router
from django.utils import timezone

from ..backends import backend_for
from ..backends.base import Backend, Part, Pending
from ..exceptions import UnusableUpload, UploadChanged, UploadGone
from ..files import after_commit
from ..parts import MIB
from .exceptions import OtherOffset
from .files import translated_errors
from .models import TemporaryUpload, new_id

logger = logging.getLogger(__name__)

IN_MEMORY = MIB
"""Bytes that a request holds in memory at most; what is more is in an unnamed file until it is sent on."""

COPY = MIB
"""Bytes that are copied at once."""


class Receiver(ABC):
    """
    Takes some more bytes of an upload.

    :param upload: as it was when the request came.
    """

    def __init__(self, upload: TemporaryUpload) -> None:
        self.upload = upload
        self.storage = upload.place
        self.received = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self.received += len(data)
        with translated_errors():
            self._take(data)

    @property
    def ends(self) -> bool:
        """Whether the upload is whole with what has been received."""
        return self.upload.offset + self.received == self.upload.size

    @abstractmethod
    def _take(self, data: bytes) -> None: ...

    @abstractmethod
    def settle(self) -> dict[str, Any]:
        """Put what was received where it stays, and return what the next request must know of it."""

    @abstractmethod
    def apply(self) -> None:
        """Make it part of the upload; the row is locked now."""

    @abstractmethod
    def finish(self) -> str:
        """Make the file of what has come, and return its name in the storage; the row is locked now."""

    @abstractmethod
    def tidy(self) -> None:
        """Remove what is of no use any more when the transaction commits; the row has changed."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was received; the row has not changed."""


class FolderReceiver(Receiver):
    """On the local disk: a request writes a file of its own, which is then appended to that of the upload."""

    storage: FileSystemStorage

    def __init__(self, upload: TemporaryUpload) -> None:
        super().__init__(upload)
        self._path = self.storage.path(upload.key)
        self._piece = f"{self._path}.{new_id()}.part"
        self._file: IO[bytes] | None = None

    def _take(self, data: bytes) -> None:
        self._open().write(data)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self._file = open(self._piece, "xb")  # noqa: SIM115 (closed when the request has been received)
        return self._file

    def settle(self) -> dict[str, Any]:
        with translated_errors():
            self._open().close()
        return {}

    def apply(self) -> None:
        with translated_errors():
            if self.upload.offset == 0:
                os.replace(self._piece, self._path)
                return
            with open(self._path, "r+b") as whole, open(self._piece, "rb") as piece:
                if os.fstat(whole.fileno()).st_size < self.upload.offset:
                    raise UploadChanged("the file is shorter than what has arrived")
                # What a request left there that was killed before the row has changed.
                whole.truncate(self.upload.offset)
                whole.seek(self.upload.offset)
                shutil.copyfileobj(piece, whole, COPY)

    def finish(self) -> str:
        return self.upload.key

    def tidy(self) -> None:
        self._remove()

    def discard(self) -> None:
        if self._file is not None:
            # What a full disk has not taken is written once more when it is closed.
            with suppress(OSError):
                self._file.close()
        self._remove()
        if self.upload._state.adding:
            # The row could not be written: nobody will ask for the file.
            with suppress(FileNotFoundError):
                os.remove(self._path)
        with suppress(OSError):  # it is not empty
            os.rmdir(os.path.dirname(self._path))

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            os.remove(self._piece)


class SpoolingReceiver(Receiver):
    """Where the storage is elsewhere: what arrives is gathered in an unnamed file before it is sent on."""

    def __init__(self, upload: TemporaryUpload) -> None:
        super().__init__(upload)
        self._spool = _spool()
        self._saved: list[str] = []

    @property
    def _is_whole(self) -> bool:
        return self.upload.offset == 0 and self.ends

    def apply(self) -> None:
        pass  # what waits is known by its name, which the row has

    def _save(self, name: str, content: IO[bytes], size: int) -> str:
        # Of no type: storages may pack what has the type of a text, and tell the size of that.
        file = File(content, name)
        file.size = size
        with translated_errors():
            content.seek(0)
            saved = self.storage.save(name, file)
        self._saved.append(saved)
        return saved

    def discard(self) -> None:
        self._delete(self._saved)
        # What a full disk has not taken is written once more when it is closed.
        with suppress(OSError):
            self._spool.close()

    def _delete(self, names: list[str]) -> None:
        for name in names:
            try:
                self.storage.delete(name)
            except Exception as error:
                # Any storage's; the clean-up finds it.
                logger.warning("a piece of an upload could not be removed: %s", type(error).__name__)


class PartsReceiver(SpoolingReceiver):
    """
    On S3 and Azure: as the parts of a multipart upload, all of one length, because some stores insist on that.

    What is less than a part waits in an object of its own, the tail, for the next request.
    """

    def __init__(self, upload: TemporaryUpload, backend: Backend) -> None:
        super().__init__(upload)
        self._backend = backend
        known = upload.progress
        self._token = upload.token
        self._part_size: int = known.get("part_size") or _part_size(upload.size, backend)
        self._parts: list[str] = list(known.get("parts", ()))
        self._tail: str = known.get("tail", "")
        self._has_tail = False
        self._began = ""
        self._filled = 0
        self._is_over = False

    def _take(self, data: bytes) -> None:
        self._fetch_tail()
        view = memoryview(data)
        while view:
            # Not before there is more: a file of one part needs no upload in parts.
            if self._filled == self._part_size:
                self._put()
            taken = view[: self._part_size - self._filled]
            self._spool.write(taken)
            self._filled += len(taken)
            view = view[len(taken) :]

    def _fetch_tail(self) -> None:
        if not self._tail or self._has_tail:
            return
        stat = self._backend.stat(self._tail)
        for start in range(0, stat.size, COPY):
            self._spool.write(self._backend.read(self._tail, stat.etag, start, COPY))
        self._filled = stat.size
        self._has_tail = True

    def _put(self) -> None:
        if not self._token.upload_id:
            self._check_place()
            self._began = self._backend.begin(self._token)
            self._token = replace(self._token, upload_id=self._began)
        self._spool.seek(0)
        number = len(self._parts) + 1
        try:
            etag = self._backend.put_part(self._token, number, cast("IO[bytes]", self._spool), self._filled).etag
        except UploadGone:
            self._check_over()
            etag = ""
        self._parts.append(etag)
        self._spool.close()
        self._spool, self._filled = _spool(), 0

    def _check_place(self) -> None:
        # On Azure, an upload begins by writing over what has the name: that may be the whole file, where another
        # request with the same chunk was faster.
        upload = self.upload
        known = TemporaryUpload.objects.using(router.db_for_write(TemporaryUpload)).filter(pk=upload.pk)
        if not upload._state.adding and not known.filter(offset=upload.offset, is_complete=False).exists():
            raise OtherOffset

    def _check_over(self) -> None:
        # An earlier request has completed it, and could not say so in the row.
        if self._began or self._backend.stat(self.upload.key).size != self.upload.size:
            raise UploadGone("the upload in parts is over")
        self._is_over = True

    @property
    def _is_one_part(self) -> bool:
        return self.ends and not self._parts

    def settle(self) -> dict[str, Any]:
        self._fetch_tail()
        tail = ""
        if self._filled and not self._is_one_part:
            if self.ends or self._filled == self._part_size:
                self._put()
            else:
                name = f"{self.upload.key}.{new_id()}.tail"
                tail = self._save(name, cast("IO[bytes]", self._spool), self._filled)
        return {
            "upload_id": self._token.upload_id,
            "part_size": self._part_size,
            "parts": self._parts,
            "tail": tail,
        }

    def finish(self) -> str:
        if self._is_one_part:
            return self._save(self.upload.key, cast("IO[bytes]", self._spool), self._filled)
        parts = [Part(number, self._length(number), etag) for number, etag in enumerate(self._parts, 1)]
        try:
            if not self._is_over:
                self._backend.complete(self._token, parts)
        except UploadGone:
            self._check_over()
        return self.upload.key

    def _length(self, number: int) -> int:
        return min(self._part_size, self.upload.size - (number - 1) * self._part_size)

    def tidy(self) -> None:
        self._spool.close()
        if self._tail:
            after_commit(partial(self._delete, [self._tail]))

    def discard(self) -> None:
        super().discard()
        if self._began:
            try:
                self._end()
            except UnusableUpload as error:
                logger.warning("an upload in parts could not be ended: %s", error.detail)

    def _end(self) -> None:
        if self.upload._state.adding:
            self._backend.abort(self._token)
        else:
            # Nothing but that: of two requests with one chunk, the other one may have made the file meanwhile.
            self._backend.remove([Pending(self.upload.key, 0, timezone.now(), self._began)])


class PiecesReceiver(SpoolingReceiver):
    """In any other storage: each request is a file of its own, and the last one puts them together."""

    def __init__(self, upload: TemporaryUpload) -> None:
        super().__init__(upload)
        self._pieces: list[str] = list(upload.progress.get("pieces", ()))
        self._joined: list[str] = []

    def _take(self, data: bytes) -> None:
        self._spool.write(data)

    def settle(self) -> dict[str, Any]:
        if self.received and not self._is_whole:
            name = f"{self.upload.key}.{len(self._pieces) + 1}.{new_id()}.piece"
            self._pieces.append(self._save(name, cast("IO[bytes]", self._spool), self.received))
        return {"pieces": self._pieces}

    def finish(self) -> str:
        if self._is_whole:
            return self._save(self.upload.key, cast("IO[bytes]", self._spool), self.received)
        joined = io.BufferedReader(_Joined(self.storage, self._pieces))
        with joined:
            name = self._save(self.upload.key, cast("IO[bytes]", joined), self.upload.size)
        self._joined = self._pieces
        return name

    def tidy(self) -> None:
        self._spool.close()
        after_commit(partial(self._delete, self._joined))


class _Joined(io.RawIOBase):
    """Files one behind the other, each open as long as it is read."""

    def __init__(self, storage: Storage, names: list[str]) -> None:
        self._start: Callable[[], Iterator[Any]] = lambda: (storage.open(name) for name in names)
        self._rewind()

    def _rewind(self) -> None:
        self._files = self._start()
        self._file: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("only the beginning can be gone to")
        self._rewind()
        return 0

    def tell(self) -> int:
        return 0

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._file is None:
                self._file = next(self._files, None)
                if self._file is None:
                    return 0
            data = self._file.read(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
            self._file.close()
            self._file = None


def receiver_for(upload: TemporaryUpload) -> Receiver:
    """
    Return what takes the next bytes of an upload.

    :raises ConfigurationError: when the local folder may not be used.
    :raises LookupError: when its storage is none of the site's any more.
    """
    storage = upload.place
    if isinstance(storage, FileSystemStorage):
        return FolderReceiver(upload)
    backend = backend_for(storage)
    return PiecesReceiver(upload) if backend is None else PartsReceiver(upload, backend)


def _part_size(size: int, backend: Backend) -> int:
    # The least that the store takes: it is what waits for the next request, and is written twice. In MiB, because a
    # file has a limited number of parts.
    least = -(-size // (backend.limits.max_count * MIB)) * MIB
    return max(least, backend.limits.min_size, 5 * MIB)


def _spool() -> SpooledTemporaryFile[bytes]:
    return SpooledTemporaryFile(max_size=IN_MEMORY)
