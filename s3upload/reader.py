"""A stream over an object that is read by range."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from .exceptions import UploadChanged

FIRST_READ = 64 * 1024
"""Bytes that a reader fetches first: enough for the header of an image."""

LARGEST_READ = 4 * 1024**2
"""Bytes that a reader fetches at once, and holds, at most."""


class ObjectReader(io.RawIOBase):
    """
    A seekable stream over an object that is read by range.

    Reads ahead, twice as far each time that reading went on where it had stopped.

    :param fetch: returns up to ``size`` bytes from ``start`` on, given ``(start, size)``.
    :param size: of the object, in bytes.
    :param head: its first bytes, where they are there already.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, head: bytes = b"") -> None:
        self._fetch = fetch
        self._size = size
        self._position = 0
        self._window = head
        self._window_start = 0
        self._ahead = FIRST_READ

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"can't seek to {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self.closed:
            raise ValueError("the file is closed")
        target = memoryview(buffer).cast("B")
        if self._position >= self._size or not len(target):
            return 0
        offset = self._position - self._window_start
        if not 0 <= offset < len(self._window):
            self._read_ahead()
            offset = 0
        data = memoryview(self._window)[offset : offset + len(target)]
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read_ahead(self) -> None:
        goes_on = self._window and self._position == self._window_start + len(self._window)
        self._ahead = min(self._ahead * 2, LARGEST_READ) if goes_on else FIRST_READ
        self._window = b""  # not two of them at a time
        self._window = self._fetch(self._position, min(self._ahead, self._size - self._position))
        self._window_start = self._position
        if not self._window:
            raise UploadChanged("the object is shorter than it was")
