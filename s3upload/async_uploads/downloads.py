"""What a download is like: its headers, and the file itself where Django serves it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Generator
from functools import partial
from mimetypes import guess_type
from pathlib import PurePath
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.files.storage import Storage
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date

from ..policy import DEFAULT_TYPE, is_scriptable
from .fields import AsyncFileMixin

CHUNK = 64 * 1024
"""Bytes of a file that are read at once."""

# One range: RFC 9110, section 14.1.2. For several of them, the whole file is a right answer.
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


def download_headers(field: AsyncFileMixin, name: str) -> dict[str, str]:
    """
    Return the headers that a download is to have: those of the field's ``download_params``; to be saved, unless they
    say otherwise, and always when a browser could run it as a page of the site.

    :param name: of the stored file.
    """
    headers = {"content_disposition": "attachment", **field.download_params.get("parameters", {})}
    type_ = headers.get("content_type") or guess_type("./" + name)[0] or DEFAULT_TYPE
    kind = "attachment" if is_scriptable(type_) else headers["content_disposition"]
    if not kind.lower().startswith("attachment"):
        # The type that was looked at is the one that counts: the store may know another one, of a name before this.
        headers["content_type"] = type_
    if kind in ("attachment", "inline"):
        kind = cast("str", content_disposition_header(kind == "attachment", PurePath(name).name)) or kind
    return {**headers, "content_disposition": kind}


def file_response(request: HttpRequest, storage: Storage, name: str, size: int, modified: float) -> HttpResponseBase:
    """
    Return a file, or the one range of it that a request wants, as far as the browser has not got it.

    :param size: of the file, in bytes.
    :param modified: when it was, in seconds.
    """
    etag = f'"{int(modified * 1e6):x}-{size:x}"'
    known = {
        "ETag": etag,
        "Last-Modified": http_date(modified),
        "Accept-Ranges": "bytes",
        "Content-Type": guess_type("./" + name)[0] or DEFAULT_TYPE,
    }
    wanted = _wanted(request, size, (etag, known["Last-Modified"]))
    if wanted is None:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop = wanted
    is_part = stop - start < size
    chunks = _chunks(storage, name, *((0, 0) if request.method == "HEAD" else wanted))
    response = StreamingHttpResponse(
        # Under ASGI, Django would read all of an iterator that is not async before it sends the first byte.
        _in_turn(chunks) if isinstance(request, ASGIRequest) else chunks,
        status=206 if is_part else 200,
        headers={**known, "Content-Length": str(stop - start)},
    )
    if is_part:
        response["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return response
    conditional: Any = get_conditional_response(request, etag, int(modified), cast("Any", response))
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


def _chunks(storage: Storage, name: str, start: int, stop: int) -> Generator[bytes, None, None]:
    if start == stop:
        return
    # Opened when it is read: the browser may have it already.
    with storage.open(name) as file:
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
