"""The presign endpoint: JSON in, JSON out; decides nothing."""

from __future__ import annotations

import json
import logging
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header

from . import multipart
from .backends import backend_named
from .backends.filesystem import PATH as DUMMY_PATH
from .backends.filesystem import BadDigest, FileSystemBackend, Incomplete, Permit
from .conf import conf
from .exceptions import (
    Expired,
    Forged,
    InvalidRequest,
    Malformed,
    NotAllowed,
    StoreUnavailable,
    TooLarge,
    UnusableUpload,
    UploadForeign,
    UploadGone,
)
from .owners import identities_of, owner_of
from .policy import ChosenFile, Policy, clean_file_name
from .presign import presign
from .scopes import keeper_of
from .tokens import SignedText, Token

MAX_PARTS = 1000
"""Parts that one request may ask for."""

NOTHING: Mapping[str, type] = {}

logger = logging.getLogger(__name__)


def is_for_endpoint(request: HttpRequest) -> bool:
    """Return whether a request is for the presign endpoint rather than for the site."""
    return request.path_info.startswith(conf.ENDPOINT)


def endpoint(request: HttpRequest) -> HttpResponse:
    """Answer a request for the presign endpoint, or for what is below it."""
    response = _answer(request)
    # The answers are for one browser, and no pages, whatever is in them.
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _answer(request: HttpRequest) -> HttpResponse:
    view = VIEWS.get(request.path_info.removeprefix(conf.ENDPOINT))
    if view is None or (view is dummy_view and not conf.serves_dummy):
        return error_response(404, _("There is nothing here."))
    allowed = ("POST", "PUT") if view is dummy_view else ("POST",)
    if request.method not in allowed:
        return error_response(405, str(Malformed.default_message), Allow=", ".join(allowed))
    with translation.override(_language_of(request)):
        return answer(request, lambda: _checked(request, view))


def answer(request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    """Return what a view of uploads answers, or its refusal as ``{"error"}``."""
    try:
        return view()
    except InvalidRequest as error:
        logger.warning("refused %s: %s", request.path_info, type(error).__name__)
        return error_response(error.status, str(error))
    except UnusableUpload as error:
        return error_response(503 if isinstance(error, StoreUnavailable) else 400, str(error.message))


def presign_view(request: HttpRequest) -> HttpResponse:
    """``{"policy", "files": [{"name", "size", "type"}, …]}`` -> ``{"uploads": […]}``."""
    body = _json(request, {"policy": str, "files": list})
    if len(body["files"]) > conf.max_files:
        raise TooLarge
    files = [chosen_file(file) for file in body["files"]]
    return JsonResponse({"uploads": grant(request, Policy.unsign(body["policy"]), files)})


def grant(request: HttpRequest, policy: Policy, files: Sequence[ChosenFile]) -> list[dict[str, Any]]:
    """
    Return what :func:`s3upload.presign.presign` does, if who asks may upload.

    :param policy: verified.
    :raises NotAllowed: when ``S3UPLOAD_AUTHORIZE`` or the keeper of the policy's scope says no.
    """
    keeper = keeper_of(policy.scope)
    try:
        if conf.AUTHORIZE is not None:
            authorize = import_string(conf.AUTHORIZE)
            for file in files:
                authorize(request, policy, file)
        if keeper is not None:
            keeper.authorize(request, policy, files)
    except InvalidRequest:
        raise
    except PermissionDenied as error:
        raise NotAllowed(str(error) or None) from error
    owner = owner_of(request)
    if keeper is None:
        return presign(policy, files, owner)
    return presign(policy, files, owner, partial(keeper.granted, request, policy))


def parts_view(request: HttpRequest) -> HttpResponse:
    """``{"token", "parts": [number, …], "checksums"?: […]}`` -> ``{"parts": [{"number", "url", "headers"}, …]}``."""
    body = _json(request, {"token": str, "parts": list}, {"checksums": list})
    numbers, checksums = body["parts"], body.get("checksums")
    if max(len(numbers), len(checksums or ())) > MAX_PARTS:
        raise TooLarge
    if any(type(number) is not int for number in numbers) or not all(map(_is_sha256, checksums or ())):
        raise Malformed
    return JsonResponse({"parts": multipart.presign_parts(_token_in_parts(request, body), numbers, checksums)})


def list_view(request: HttpRequest) -> HttpResponse:
    """``{"token"}`` -> ``{"parts": [{"number", "size", "etag"}, …]}``."""
    body = _json(request, {"token": str})
    return JsonResponse({"parts": multipart.list_parts(_token_in_parts(request, body))})


def complete_view(request: HttpRequest) -> HttpResponse:
    """``{"token", "parts": [{"number", "etag"}, …]}`` -> ``{}``."""
    body = _json(request, {"token": str, "parts": list})
    parts = [_object(part, {"number": int, "etag": str}) for part in body["parts"]]
    multipart.complete(_token_in_parts(request, body), [(part["number"], part["etag"]) for part in parts])
    return JsonResponse({})


def abort_view(request: HttpRequest) -> HttpResponse:
    """``{"token"}`` -> ``{}``."""
    # Also when the token has expired: what it stands for may still be there.
    token = _token(request, _json(request, {"token": str}), may_be_expired=True)
    # A row may have it, and the page is an old one.
    if not _is_wanted(token):
        multipart.abort(token)
    return JsonResponse({})


def _is_wanted(token: Token) -> bool:
    key = multipart.backend_of(token).pending_key_of(token)
    with suppress(Forged):
        keeper = keeper_of(token.scope)
        return keeper is not None and key in keeper.kept([key])
    return False  # the app is not installed any more


def dummy_view(request: HttpRequest) -> HttpResponse:
    """A presigned request to the filesystem dummy, answered as S3 answers it."""
    try:
        return _put_part(request) if request.method == "PUT" else _post_object(request)
    except BadDigest:
        return _store_error(400, "BadDigest")
    except Incomplete:
        return _store_error(400, "RequestTimeout")
    except UploadGone:
        return _store_error(404, "NoSuchUpload")


def _post_object(request: HttpRequest) -> HttpResponse:
    file = request.FILES.get("file")
    # As S3 refuses a field that the policy does not list.
    if not isinstance(file, UploadedFile) or request.POST.keys() - {"key", "Content-Type", "permit"}:
        raise Malformed
    permit = Permit.unsign(request.POST.get("permit", ""))
    agreed = (permit.key, permit.content_type, permit.size)
    if permit.upload_id or agreed != (request.POST.get("key"), request.POST.get("Content-Type"), file.size):
        raise Forged
    _dummy_of(permit).write(permit, file)
    return HttpResponse(status=201)


def _put_part(request: HttpRequest) -> HttpResponse:
    permit = Permit.unsign(request.GET.get("permit", ""))
    if not permit.upload_id or request.headers.get("Content-Length") != str(permit.size):
        raise Forged
    etag = _dummy_of(permit).write_part(permit, request)
    return HttpResponse(headers={"ETag": f'"{etag}"'})


def _dummy_of(permit: Permit) -> FileSystemBackend:
    try:
        backend = backend_named(permit.storage)
    except LookupError as error:
        raise Forged from error
    if not isinstance(backend, FileSystemBackend):
        raise Forged
    return backend


def _store_error(status: int, code: str) -> HttpResponse:
    return HttpResponse(f"<Error><Code>{code}</Code></Error>", status=status, content_type="application/xml")


VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "presign/": presign_view,
    "parts/": parts_view,
    "list/": list_view,
    "complete/": complete_view,
    "abort/": abort_view,
    DUMMY_PATH: dummy_view,
}


def _token(request: HttpRequest, body: Mapping[str, Any], *, may_be_expired: bool = False) -> Token:
    token, expired = Token.unsign(body["token"])
    if token.owner not in identities_of(request):
        raise NotAllowed(UploadForeign.default_message)
    if expired and not may_be_expired:
        raise Expired
    return token


def _token_in_parts(request: HttpRequest, body: Mapping[str, Any]) -> Token:
    token = _token(request, body)
    if not token.part_size:
        raise Malformed
    return token


def _language_of(request: HttpRequest) -> str | None:
    # That of the page, which the script sends. LocaleMiddleware, whose sign is the attribute, knows the page's
    # language from its address, and has no such address here.
    if hasattr(request, "LANGUAGE_CODE"):
        for code, _quality in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
            with suppress(LookupError):
                return translation.get_supported_language_variant(code)
    return translation.get_language()


def _checked(request: HttpRequest, view: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    check_same_origin(request)
    return view(request)


def check_same_origin(request: HttpRequest) -> None:
    """
    Check that no page of another site has the visitor's browser ask.

    :raises NotAllowed: when one has.
    """
    # No page of another site may have the visitor's cookies used here. Of the headers that no script can set,
    # Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) says it best; it is missing without TLS.
    site = request.headers.get("Sec-Fetch-Site")
    # A request that only asks has no Origin.
    origin = request.headers.get("Origin", request.headers.get("Referer"))
    if site is not None:
        same = site == "same-origin"
    elif origin is not None:
        # Not the scheme: behind a proxy it may not be known here.
        same = _host_of(origin) == request.get_host()
    else:
        same = True  # no browser: there is no visitor whose cookies could be used
    if not same:
        raise NotAllowed(_("Uploads can only be started from this site."))


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as "http://["
        return None


def _json(request: HttpRequest, keys: dict[str, type], optional: Mapping[str, type] = NOTHING) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise Malformed
    try:
        body = json.loads(_body_of(request))
    except (ValueError, RecursionError, OSError) as error:
        raise Malformed from error
    body = _object(body, keys, optional)
    return body | {key: SignedText(body[key]) for key in ("policy", "token") if key in body}


def _body_of(request: HttpRequest) -> bytes:
    # Not request.body, which takes what the browser announces for what it sends, and reads all of it into memory where
    # the site has no DATA_UPLOAD_MAX_MEMORY_SIZE.
    if not hasattr(request, "_body"):
        body = request.read(conf.max_body + 1)
        # Who is asked whether somebody may upload can look at it, as at that of any request.
        request._body = body
        request._stream = BytesIO(body)
    if len(request.body) > conf.max_body:
        raise TooLarge
    return request.body


def _object(value: Any, keys: dict[str, type], optional: Mapping[str, type] = NOTHING) -> dict[str, Any]:
    if not isinstance(value, dict) or not keys.keys() <= value.keys() <= keys.keys() | optional.keys():
        raise Malformed
    # Exactly the type: True is an int to Python, and not to JSON.
    if any(type(value[key]) is not type_ for key, type_ in {**optional, **keys}.items() if key in value):
        raise Malformed
    return value


def _is_sha256(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(b64decode(value, validate=True)) == 32
    except ValueError:
        return False


def chosen_file(value: Any) -> ChosenFile:
    """
    Return a file as a browser describes it.

    :param value: ``{"name", "size", "type", "sha256"?}``, of whatever types.
    :raises Malformed: when it is not that.
    """
    file = _object(value, {"name": str, "size": int, "type": str}, {"sha256": str})
    sha256 = file.get("sha256")
    if not file["name"] or not 0 <= file["size"] < 2**63 or (sha256 and not _is_sha256(sha256)):
        raise Malformed
    return ChosenFile(clean_file_name(file["name"]), file["size"], file["type"], sha256)


def error_response(status: int, message: str, **headers: str) -> JsonResponse:
    """Return a refusal, as the wire has it."""
    return JsonResponse({"error": message}, status=status, headers=headers)
