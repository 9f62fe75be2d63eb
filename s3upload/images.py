"""Django's ``ImageField`` looks at an uploaded image: by range, and within limits."""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import ValidationError
from django.forms import ImageField

from .exceptions import Refused, UnusableUpload
from .files import DirectUploadedFile
from .policy import too_large

LARGEST_LOOK = 64 * 1024**2
"""Bytes that Pillow may read of an image to tell what it is; that is all of it for some formats."""

MOST_READS = 100_000
"""How often it may read: the header of a JPEG can be padded without end, and Pillow reads that byte by byte."""

LONGEST_LINE = 64 * 1024
"""Bytes after which a line of a header ends, whatever is there."""

_to_python = ImageField.to_python


def image_to_python(self: ImageField, data: Any) -> Any:
    """Do what ``ImageField.to_python`` does, which this calls, without reading the whole of an upload."""
    if not isinstance(data, DirectUploadedFile):
        return _to_python(self, data)
    view = _ImageView(data)
    try:
        _to_python(self, cast("Any", view))
    except ValidationError as error:
        # Django calls an image broken that could not be read.
        if isinstance(error.__cause__, (UnusableUpload, Refused)):
            raise error.__cause__ from None
        raise
    data.image = view.image
    data.content_type = view.content_type
    data.seek(0)
    return data


class _ImageView:
    """
    An upload as Django's ``ImageField`` looks at it.

    It would read the whole file into memory, unless there is a path. Pillow, which gets the path, takes a file as
    well, of which it reads what it needs.
    """

    image: Any = None
    content_type: str | None = None

    def __init__(self, upload: DirectUploadedFile) -> None:
        self.name = upload.name
        self.size = upload.size
        self.temporary_file_path = lambda: _LimitedReader(upload)


class _LimitedReader:
    """
    An upload as Pillow reads it: some formats it would read into memory as a whole, however large.

    How many pixels an image has, which can be far more than it has bytes, Pillow looks at before it unpacks any
    (https://pillow.readthedocs.io/en/stable/reference/limits.html).
    """

    def __init__(self, upload: DirectUploadedFile) -> None:
        self._file = upload.file
        self._size = upload.size
        self._bytes_left = LARGEST_LOOK
        self._reads_left = MOST_READS
        self.seek = self._file.seek
        self.tell = self._file.tell

    def read(self, size: int = -1) -> bytes:
        left = max(self._size - self.tell(), 0)
        self._count(left if size < 0 else min(size, left))
        data: bytes = self._file.read(size)
        return data

    def readline(self, size: int = -1) -> bytes:
        # Formats with a header of text ask for lines, of files that have none as well.
        line: bytes = self._file.readline(LONGEST_LINE if size < 0 else min(size, LONGEST_LINE))
        self._count(len(line))
        return line

    def _count(self, size: int) -> None:
        self._bytes_left -= size
        self._reads_left -= 1
        if self._bytes_left < 0:
            raise too_large(self._size, LARGEST_LOOK)
        if self._reads_left < 0:
            raise OSError("a header that takes so many reads is none")
