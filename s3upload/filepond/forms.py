"""The form of ``process``: which of its entries is the file, what is said of that, and whether all of it came."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..exceptions import Malformed
from ..policy import clean_file_name
from .exceptions import BadUpload
from .models import TemporaryUpload
from .receivers import Receiver
from .receiving import CUT, Handler, begin_chunked, number_in, receive_whole, receiving

FIELD = "fp_upload_field"
"""The entry by which a page may say which of a form's entries is the FilePond's."""

# In JSON, and no backslash before it that would make it the text of these six characters.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class _Counted:
    """The body of a request, and how much of it was read."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.count = 0

    def read(self, *args: Any) -> bytes:
        data: bytes = self._stream.read(*args)
        self.count += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _parse(request: HttpRequest, handler: Handler) -> None:
    """Parse a form; its file goes to the handler as it arrives."""
    if hasattr(request, "_post"):
        # Middleware has looked already: the file is where Django puts one.
        _hand_over(request, handler)
        return
    # Browsers write forms in UTF-8; by other encodings that a header can name, texts come about that are none.
    request.encoding = "utf-8"
    body = _Counted(request._stream)
    request._stream = cast("Any", body)
    request.upload_handlers = [handler]
    _ = request.POST
    # Middleware may have read the body as a whole: then the form was parsed from that.
    count = len(request.body) if hasattr(request, "_body") else body.count
    # Django takes a form that breaks off for one that has ended.
    if count != number_in(request.META.get("CONTENT_LENGTH") or "0", "Content-Length"):
        raise BadUpload(CUT)


def _hand_over(request: HttpRequest, handler: Handler) -> None:
    for field, files in request.FILES.lists():
        for file in files:
            if not isinstance(file, UploadedFile):
                raise BadUpload(_("There is no file in the request."))
            handler.new_file(field, file.name or "", file.content_type or "", file.size)
            for data in file.chunks():
                handler.receive_data_chunk(data, 0)


def receive(request: HttpRequest, upload: TemporaryUpload) -> None:
    """
    Make an upload of the one file of a form.

    :param upload: unsaved.
    :raises BadUpload: when there is none, or more, or the form breaks off.
    :raises TooLong: when it may not be so large.
    """
    with ExitStack() as stack:
        receivers: list[Receiver] = []

        def start(field: str, name: str, content_type: str) -> Receiver:
            upload.field = _field(field)
            # No more than that; a form that does not say it is none.
            upload.size = number_in(request.META.get("CONTENT_LENGTH") or "0", "Content-Length")
            upload.describe(clean_file_name(name), content_type)
            receivers.append(stack.enter_context(receiving(upload)))
            return receivers[0]

        _parse(request, Handler(start))
        if not receivers or request.POST.get(FIELD, upload.field) != upload.field:
            raise BadUpload(_("There is no file in the request."))
        upload.metadata = _metadata(request, upload.field)
        receive_whole(upload, receivers[0])


def announce(request: HttpRequest, upload: TemporaryUpload) -> None:
    """
    Begin an upload that will come in chunks.

    :param upload: unsaved, with the size that was announced.
    :raises BadUpload: when the form has a file, or breaks off.
    :raises TooLong: when it may not be so large.
    """

    def refuse(*args: str) -> Receiver:
        raise BadUpload(_("A file that comes in chunks is announced without its bytes."))

    _parse(request, Handler(refuse))
    upload.field = _field(request.POST.get(FIELD) or next(iter(request.POST), ""))
    upload.metadata = _metadata(request, upload.field)
    begin_chunked(upload)


def _field(name: str) -> str:
    # Not every database can keep it, and no page has it.
    if "\0" in name:
        raise Malformed
    return name[:255]


def _metadata(request: HttpRequest, field: str) -> Any:
    entry = request.POST.get(field)
    if not entry:
        return None
    try:
        metadata = json.loads(entry)
        # Python takes more for JSON than databases do: NaN, numbers that are too large, halves of characters.
        written = json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode()
        if _NUL.search(written):
            raise ValueError("a NUL, which PostgreSQL does not keep")
    except (ValueError, RecursionError) as error:
        raise BadUpload(_("The metadata of the file could not be understood.")) from error
    return metadata
