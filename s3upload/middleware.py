"""The posted tokens become uploaded files; requests for the presign endpoint go to its view."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .conf import conf
from .exceptions import Forged, StoreUnavailable, UnusableUpload, UploadExpired, UploadForeign
from .files import DirectUploadedFile, RequestUploads
from .owners import identities_of
from .policy import field_identity
from .tokens import SUFFIX, SignedText, Token
from .views import endpoint, is_for_endpoint

logger = logging.getLogger(__name__)

FORM_TYPES = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})


class S3UploadMiddleware:
    """
    Serves the presign endpoint, and puts the files that browsers sent to the store into ``request.FILES``.

    Goes behind the middleware that knows who is asking: sessions, CSRF protection, authentication.

    :param get_response: the rest of the site, sync or async.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        if not apps.is_installed("s3upload"):
            # Its forms would be posted the ordinary way, and nobody would know why.
            raise ImproperlyConfigured('S3UploadMiddleware needs "s3upload" in INSTALLED_APPS.')
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._answer_async(request)
        if is_for_endpoint(request):
            return endpoint(request)
        if may_have_uploads(request):
            prepare(request)
        response: HttpResponseBase = self.get_response(request)
        uploads = uploads_of(request)
        if uploads is not None:
            finish(uploads, response)
        return response

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        if is_for_endpoint(request):
            return await sync_to_async(endpoint)(request)
        if may_have_uploads(request):
            prepare(request)
        response: HttpResponseBase = await self.get_response(request)
        uploads = uploads_of(request)
        if uploads is not None:
            await sync_to_async(finish)(uploads, response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer with 503 when a view could not reach the store."""
        if isinstance(exception, StoreUnavailable):
            return HttpResponse(exception.message, status=503, content_type="text/plain; charset=utf-8")
        return None


def may_have_uploads(request: HttpRequest) -> bool:
    """Return whether a request can carry tokens: whether it is a form."""
    return request.method == "POST" and request.content_type in FORM_TYPES


def prepare(request: HttpRequest) -> None:
    """
    Have the tokens claimed when the form is parsed.

    Until somebody looks at the form, nothing is read: a view can still set upload handlers, or read the stream.
    """
    if hasattr(request, "_post"):
        # Middleware further out has looked already.
        claim(request)
    else:
        request.__class__ = _claiming(cast("Any", type(request)))


def uploads_of(request: HttpRequest) -> RequestUploads | None:
    """Return the uploads of a request; ``None`` when it has none, or nobody has looked at its form."""
    return getattr(request, "s3upload", None)


def finish(uploads: RequestUploads, response: HttpResponseBase) -> None:
    """Delete the pending objects that were saved."""
    uploads.finish(delete=response.status_code < 500)


@cache
def _claiming(request_class: Any) -> type[HttpRequest]:
    # A class, and no method of the one request: requests are copied.
    class ClaimingRequest(request_class):  # type: ignore[misc]
        def _load_post_and_files(self) -> None:
            super()._load_post_and_files()
            claim(self)

    ClaimingRequest.__name__ = request_class.__name__
    ClaimingRequest.__qualname__ = request_class.__qualname__
    ClaimingRequest.__module__ = request_class.__module__
    return ClaimingRequest


def claim(request: HttpRequest) -> None:
    """
    Turn the posted tokens of a parsed form into uploaded files, under the names of their fields, in order.

    They stand before what was posted the ordinary way: where a form takes one file, a newly chosen one counts, and not
    the one kept from an earlier post. Asks nothing of the store. A token that has expired, or was given out for
    another field, becomes a file that can't be used: the form says so on its field.

    :raises Forged: when a token was not signed by this site.
    :raises TooManyFilesSent: when there are more than Django allows in a form; none has been looked at then.
    """
    entries = [name for name in request.POST if name.endswith(SUFFIX)]
    if not entries:
        return
    # No variable shows the tokens: the error page of a developer shows variables.
    if sum(len(request.POST.getlist(entry)) for entry in entries) > conf.max_files:
        _empty(request)
        raise TooManyFilesSent(
            f"The number of uploaded files exceeded {conf.max_files} (settings.DATA_UPLOAD_MAX_NUMBER_FILES)."
        )
    uploads = RequestUploads(partial(identities_of, request))
    try:
        # A token that is posted twice is one file.
        claimed = {
            entry: [
                _claimed(uploads, signed, entry.removesuffix(SUFFIX))
                for signed in map(SignedText, dict.fromkeys(request.POST.getlist(entry)))
                if signed
            ]
            for entry in entries
        }
    except BaseException:
        _empty(request)
        raise
    # Tokens are no form data to a view, and have no place in its error reports.
    _remove(request, entries)
    request.s3upload = uploads  # type: ignore[attr-defined]
    for entry, files in claimed.items():
        name = entry.removesuffix(SUFFIX)
        if files:
            request.FILES.setlist(name, [*files, *request.FILES.getlist(name)])


def _claimed(uploads: RequestUploads, signed: str, name: str) -> DirectUploadedFile:
    try:
        token, expired = Token.unsign(signed)
    except Forged:
        logger.warning("a forged token was posted for %r", name[:100])
        raise
    error: UnusableUpload | None = None
    if token.field != field_identity(name):
        error = UploadForeign(f"a token for {token.field!r} was posted for {name[:100]!r}")
    elif expired:
        error = UploadExpired()
    elif uploads.has(token):
        error = UploadForeign("a token was posted for two fields")
    return uploads.add(token, signed, error)


def _empty(request: HttpRequest) -> None:
    # As Django does with a form that it can't parse: whoever asks again, an error report say, gets an empty one.
    request._mark_post_parse_error()  # type: ignore[attr-defined]


def _remove(request: HttpRequest, names: list[str]) -> None:
    post = request.POST.copy()
    for name in names:
        del post[name]
    post._mutable = False
    request.POST = post  # type: ignore[assignment]
