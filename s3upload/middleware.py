"""The posted tokens become uploaded files; requests for the presign endpoint go to its view."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from typing import Any, Protocol, TypeVar, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.datastructures import MultiValueDict

from .conf import conf
from .exceptions import Forged, StoreUnavailable, UnusableUpload, UploadExpired, UploadForeign
from .files import DirectUploadedFile, RequestUploads
from .owners import identities_of
from .policy import field_identity
from .scopes import keepers
from .tokens import SUFFIX, SignedText, Token
from .views import endpoint, is_for_endpoint

logger = logging.getLogger(__name__)

_View = TypeVar("_View", bound=Callable[..., Any])

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


class Form(Protocol):
    """A parsed form: a request, or what somebody else has parsed of one. Its representation shows no tokens."""

    POST: QueryDict
    FILES: MultiValueDict[str, UploadedFile[Any]]

    def _mark_post_parse_error(self) -> None: ...


def claim(request: HttpRequest, form: Form | None = None, identity: Callable[[str], str] = field_identity) -> None:
    """
    Turn the posted tokens of a parsed form into uploaded files, under the names of their fields, in order.

    They stand before what was posted the ordinary way: where a form takes one file, a newly chosen one counts, and not
    the one kept from an earlier post. Asks nothing of the store. A token that has expired, or was given out for
    another field, becomes a file that can't be used: the form says so on its field.

    :param form: of the request, where somebody else has parsed it.
    :param identity: returns the field that an input is for, given its name.
    :raises Forged: when a token was not signed by this site.
    :raises TooManyFilesSent: when there are more than Django allows in a form; none has been looked at then.
    """
    form = cast("Form", request) if form is None else form
    entries = [name for name in form.POST if name.endswith(SUFFIX)]
    if not entries or _is_exempt(request):
        return
    names = [entry.removesuffix(SUFFIX) for entry in entries]
    try:
        claimed = claim_tokens(
            request,
            [
                (identity(name), [SignedText(signed) for signed in form.POST.getlist(entry)])
                for name, entry in zip(names, entries, strict=True)
            ],
        )
    except BaseException:
        # As Django does with a form that it can't parse: whoever asks again, an error report say, gets an empty one.
        form._mark_post_parse_error()
        raise
    # Tokens are no form data to a view, and have no place in its error reports.
    _remove(form, entries)
    for name, files in zip(names, claimed, strict=True):
        if files:
            form.FILES.setlist(name, [*files, *form.FILES.getlist(name)])


def claim_tokens(
    request: HttpRequest, posted: Sequence[tuple[str, Sequence[SignedText]]]
) -> list[list[DirectUploadedFile]]:
    """
    Turn posted tokens into uploaded files, in order; one that is posted twice for a field is one file.

    :param posted: fields, and what was posted for each; no variable shows it, as the error page of a developer would.
    :raises Forged: when a token was not signed by this site.
    :raises TooManyFilesSent: when there are more than Django allows in a form; none has been looked at then.
    """
    if sum(len(tokens) for _field, tokens in posted) > conf.max_files:
        raise TooManyFilesSent(
            f"The number of uploaded files exceeded {conf.max_files} (settings.DATA_UPLOAD_MAX_NUMBER_FILES)."
        )
    # Fields of an API may claim theirs one after the other.
    uploads = uploads_of(request) or RequestUploads(partial(identities_of, request))
    claimed = [
        [_claimed(request, uploads, signed, field) for signed in dict.fromkeys(tokens) if signed]
        for field, tokens in posted
    ]
    request.s3upload = uploads  # type: ignore[attr-defined]
    return claimed


def exempt(view: _View) -> _View:
    """Have the forms that a view is sent left alone: what is posted under the names of tokens there is none."""
    view.s3upload_exempt = True  # type: ignore[attr-defined]
    return view


def _is_exempt(request: HttpRequest) -> bool:
    # Middleware may look at the form before it is known which view that is for.
    try:
        match = request.resolver_match or resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return False
    return getattr(match.func, "s3upload_exempt", False)


def _claimed(request: HttpRequest, uploads: RequestUploads, signed: SignedText, field: str) -> DirectUploadedFile:
    try:
        token, expired = Token.unsign(signed)
    except Forged:
        for keeper in keepers():
            file = keeper.upload_of(request, uploads, signed, field)
            if file is not None:
                return file
        logger.warning("a forged token was posted for %r", field[:100])
        raise
    error: UnusableUpload | None = None
    if token.field != field:
        error = UploadForeign(f"a token for {token.field!r} was posted for {field[:100]!r}")
    elif expired:
        error = UploadExpired()
    elif uploads.has(token):
        error = UploadForeign("a token was posted for two fields")
    return uploads.add(token, signed, error)


def _remove(form: Form, names: list[str]) -> None:
    post = form.POST.copy()
    for name in names:
        del post[name]
    post._mutable = False
    form.POST = post
