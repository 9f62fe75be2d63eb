"""Files for FilePond to show: stored ones that it loads, temporary ones that it restores."""

from __future__ import annotations

from mimetypes import guess_type
from urllib.parse import quote

from django.core.files.storage import Storage
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..downloads import file_response
from ..policy import DEFAULT_TYPE, FALLBACK_NAME, UNKNOWN_TYPES, is_scriptable, media_type
from .files import find_file

# What decodeURI() of JavaScript leaves encoded: https://tc39.es/ecma262/#sec-decodeuri-encodeduri
_NOT_DECODED = ";/?:@&=+$,#"


def response_for(
    request: HttpRequest, storage: Storage, name: str, *, filename: str, content_type: str
) -> HttpResponseBase:
    """
    Return a file as FilePond expects it: streamed, or the one range of it that is wanted, with its name.

    A browser shows none of it as a page of the site: what could be one is to be saved, under a policy without scripts.

    :param name: in the storage.
    :param filename: as it was chosen.
    :param content_type: as the server has decided.
    :raises FileNotFoundError: when it is not there.
    :raises OSError: when a local file can't be looked at.
    :raises StoreUnavailable: when a store refuses or does not answer.
    """
    found = find_file(storage, name)
    type_ = media_type(content_type) or DEFAULT_TYPE
    response = file_response(request, found.open, size=found.size, etag=found.etag, content_type=type_)
    response["Content-Disposition"] = content_disposition(filename, type_)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    # The browser may keep it, and asks each time: who may not read it any more gets no answer, who may gets it without
    # a second transfer.
    response["Cache-Control"] = "private, no-cache"
    return response


def content_disposition(filename: str, content_type: str) -> str:
    """
    Return the header that tells FilePond, and any browser, the name of a file.

    FilePond takes the last of the names and decodes it by ``decodeURI()``; browsers prefer the first, which is that of
    RFC 6266, section 4.3.

    :param filename: as it was chosen.
    :param content_type: the media type that it is sent with.
    """
    filename = filename or FALLBACK_NAME
    guessed = guess_type("./" + filename)[0] or ""
    is_page = content_type in UNKNOWN_TYPES or is_scriptable(content_type) or is_scriptable(guessed)
    kind = "attachment" if is_page else "inline"
    exact = quote(filename, safe="", errors="replace")
    # FilePond looks for the parameter inside of the name, too.
    shown = quote(filename, safe=f" {_NOT_DECODED}", errors="replace").replace("filename", "filenam%65")
    return f"{kind}; filename*=UTF-8''{exact}; filename=\"{shown}\""
