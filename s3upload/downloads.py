"""A file as the answer to a request: streamed, or the one range of it that is wanted, or that nothing has changed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol, cast

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date

CHUNK = 64 * 1024
"""Bytes of a file that are read at once."""

# One range: RFC 9110, section 14.1.2. For several of them, the whole file is a right answer.
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


class Stream(Protocol):
    """What a file is read from."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> object: ...


Open = Callable[[], AbstractContextManager[Stream]]
"""Opens a file; called when its bytes are sent, and not where there are none to send."""


def file_response(
    request: HttpRequest, open_file: Open, *, size: int, etag: str, content_type: str, modified: float | None = None
) -> HttpResponseBase:
    """
    Return a file, or the one range of it that a request wants, as far as the browser has not got it.

    :param size: of the file, in bytes.
    :param etag: without quotes; changes whenever the content does.
    :param modified: when it was, in seconds; ``None`` where nobody knows.
    """
    quoted = f'"{etag}"'
    known = {"ETag": quoted, "Accept-Ranges": "bytes", "Content-Type": content_type}
    if modified is not None:
        known["Last-Modified"] = http_date(modified)
    wanted = _wanted(request, size, (quoted, known.get("Last-Modified", quoted)))
    if wanted is None:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop = wanted
    is_part = stop - start < size
    chunks = _chunks(open_file, *((0, 0) if request.method == "HEAD" else wanted))
    response = StreamingHttpResponse(
        # Under ASGI, Django would read all of an iterator that is not async before it sends the first byte.
        _in_turn(chunks) if isinstance(request, ASGIRequest) else chunks,
        status=206 if is_part else 200,
        headers={**known, "Content-Length": str(stop - start)},
    )
    if is_part:
        response["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return response
    when = None if modified is None else int(modified)
    conditional: Any = get_conditional_response(request, quoted, when, cast("Any", response))
    if conditional is not response:
        response.close()
    return cast("HttpResponseBase", conditional)


def _wanted(request: HttpRequest, size: int, validators: tuple[str, str]) -> tuple[int, int] | None:
    """Return the first byte that is wanted and the one behind the last; ``None`` where there are no such bytes."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or match[0] == "bytes=-" or request.headers.get("If-Range", validators[0]) not in validators:
        return 0, size
    first, last = match.groups()
    if not first:
        return (max(size - int(last), 0), size) if int(last) and size else None
    start, stop = int(first), min(int(last) + 1 if last else size, size)
    if last and int(last) < int(first):
        return 0, size
    return (start, stop) if start < size else None


def _chunks(open_file: Open, start: int, stop: int) -> Generator[bytes, None, None]:
    if start == stop:
        return
    # Opened when it is read: the browser may have it already.
    with open_file() as file:
        file.seek(start)
        while start < stop and (chunk := file.read(min(CHUNK, stop - start))):
            start += len(chunk)
            yield chunk


async def _in_turn(chunks: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    try:
        while chunk := await sync_to_async(partial(next, chunks, b""))():
            yield chunk
    finally:
        # The browser may have left.
        await sync_to_async(chunks.close)()
