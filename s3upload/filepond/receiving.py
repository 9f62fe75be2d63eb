"""Receiving uploads: whole in one request, or in chunks. What the client says of them is checked here."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any, Protocol, cast
from urllib.parse import unquote

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.db import router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import conf
from ..policy import clean_file_name, too_large
from .exceptions import BadUpload, OtherOffset, TooLong
from .models import TemporaryUpload
from .receivers import Receiver, receiver_for

logger = logging.getLogger(__name__)

READ = 64 * 1024
"""Bytes that are read at once."""

CUT = gettext_lazy("The file did not arrive as a whole.")

DIGITS = 20
"""Of a number in a header; more is more than any file has."""


class Readable(Protocol):
    """What a chunk is read from."""

    def read(self, size: int, /) -> bytes: ...


def number_in(value: str | None, header: str) -> int:
    """
    Return the number that a header has.

    :param header: its name.
    :raises BadUpload: when it has none, or is not there.
    """
    if value is None or not (value.isascii() and value.isdecimal()) or len(value) > DIGITS:
        raise BadUpload(_("The header %(name)s is missing, or is no number.") % {"name": header})
    return int(value)


def check_size(size: int) -> None:
    """
    Check that a file may be so large.

    :param size: bytes.
    :raises TooLong: when ``S3UPLOAD_MAX_SIZE`` is less.
    """
    if size > conf.MAX_SIZE:
        raise TooLong(too_large(size, conf.MAX_SIZE).message)


def name_in_header(value: str) -> str:
    """
    Return the name that the client has put into ``Upload-Name``, cleaned.

    A header has bytes: FilePond writes the UTF-8 of the name. Other clients percent-encode it, and what comes from
    those has ASCII alone; else a ``%`` is one.
    """
    if value.isascii():
        with suppress(UnicodeDecodeError):
            return clean_file_name(unquote(value, errors="strict"))
    with suppress(UnicodeDecodeError, UnicodeEncodeError):
        return clean_file_name(value.encode("latin-1").decode())
    return clean_file_name(value)


def begin_chunked(upload: TemporaryUpload) -> None:
    """
    Make the row of an upload that will come in chunks.

    :param upload: unsaved, with the size that was announced.
    :raises TooLong: when it may not be so large.
    """
    check_size(upload.size)
    upload.describe("")
    upload.save(force_insert=True)


def receive_chunk(upload: TemporaryUpload, offset: int, length: int, name: str, body: Readable) -> int:
    """
    Take one chunk, whole or not at all, and return how many bytes have arrived then.

    The one before it may come again: its answer was lost.

    :param offset: of its first byte in the file.
    :param length: bytes that are announced.
    :param name: of the file, cleaned; empty when the client says none.
    :raises OtherOffset: when another one is to come now.
    :raises BadUpload: when it is longer than the rest of the file, or ends early.
    :raises StoreUnavailable: when the store does not take it.
    """
    if offset + length > upload.size:
        raise BadUpload(_("The chunk ends behind the end of the file."))
    if offset != upload.offset or upload.is_complete:
        _check_repeated(upload, offset, length, body)
        return upload.offset
    if not length and offset < upload.size:
        raise BadUpload(_("The chunk is empty."))
    if name and not upload.upload_name:
        upload.describe(name)
    digest = hashlib.sha256()
    with receiving(upload) as receiver:
        for data in chunks_of(body, length):
            digest.update(data)
            receiver.write(data)
        if receiver.received != length:
            raise BadUpload(CUT)
        progress = {**receiver.settle(), "last": [offset, digest.hexdigest()]}
        _advance(upload, receiver, progress)
    return upload.offset


def receive_whole(upload: TemporaryUpload, receiver: Receiver) -> None:
    """
    Make the upload of what a receiver has received.

    :param upload: unsaved.
    :raises StoreUnavailable: when the store does not take it.
    """
    upload.size = receiver.received
    receiver.settle()
    with transaction.atomic(using=router.db_for_write(TemporaryUpload)):
        receiver.apply()
        upload.key = receiver.finish()
        upload.offset, upload.is_complete = receiver.received, True
        upload.save(force_insert=True)


def chunks_of(body: Readable, length: int) -> Iterator[bytes]:
    """Yield what is read, up to so many bytes."""
    while length > 0 and (data := body.read(min(READ, length))):
        length -= len(data)
        yield data


@contextmanager
def receiving(upload: TemporaryUpload) -> Iterator[Receiver]:
    """Give what takes the bytes of an upload, which are gone when it fails."""
    receiver = receiver_for(upload)
    try:
        yield receiver
    except BaseException:
        try:
            receiver.discard()
        except OSError as error:
            logger.warning("what is left of an upload could not be removed: %s", error.strerror)
        raise
    receiver.tidy()


def _check_repeated(upload: TemporaryUpload, offset: int, length: int, body: Readable) -> None:
    """Read a chunk that has come before, which must be the same."""
    last_offset, expected = upload.progress.get("last", (None, ""))
    if offset != last_offset or offset + length != upload.offset:
        # Nothing of the file is missing: the client sends an empty one where the file ends with a chunk.
        if upload.is_complete and offset == upload.size:
            return
        raise OtherOffset
    digest = hashlib.sha256()
    for data in chunks_of(body, length):
        digest.update(data)
    if digest.hexdigest() != expected:
        raise OtherOffset


def _advance(upload: TemporaryUpload, receiver: Receiver, progress: dict[str, Any]) -> None:
    using = router.db_for_write(TemporaryUpload)
    arrived = upload.offset + receiver.received
    changes: dict[str, Any] = {
        "offset": arrived,
        "progress": progress,
        "key": receiver.key,
        "upload_name": upload.upload_name,
        "content_type": upload.content_type,
        "changed": timezone.now(),
    }
    with transaction.atomic(using=using):
        # Of two at the same time, one finds the offset that it began with; its row is locked from here on.
        rows = TemporaryUpload.objects.using(using).filter(pk=upload.pk, offset=upload.offset, is_complete=False)
        if not rows.update(**changes):
            raise OtherOffset
        receiver.apply()
        if receiver.ends:
            changes |= {"is_complete": True, "key": receiver.finish(), "progress": {"last": progress["last"]}}
            TemporaryUpload.objects.using(using).filter(pk=upload.pk).update(**changes)
    for name, value in changes.items():
        setattr(upload, name, value)


class Handler(FileUploadHandler):
    """
    Sends on the one file of a form as it arrives.

    :param start: called with the entry's name, the file's name and its type; returns what takes its bytes.
    """

    def __init__(self, start: Callable[[str, str, str], Receiver]) -> None:
        super().__init__()
        self._start = start
        self._receiver: Receiver | None = None

    def new_file(self, field_name: str, file_name: str, content_type: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, content_type, *args, **kwargs)
        if self._receiver is not None:
            raise BadUpload(_("Send one file in each request."))
        self._receiver = self._start(field_name, file_name, content_type or "")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        receiver = cast("Receiver", self._receiver)
        check_size(receiver.received + len(raw_data))
        receiver.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[Any]:
        return UploadedFile(BytesIO(), self.file_name, self.content_type, file_size)
