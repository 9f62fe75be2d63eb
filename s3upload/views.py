"""The presign endpoint: JSON in, JSON out; decides nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header

from .backends import backend_named
from .backends.filesystem import PATH as DUMMY_PATH
from .backends.filesystem import check_permit
from .conf import conf
from .exceptions import Forged, InvalidRequest, Malformed, NotAllowed, StoreUnavailable, TooLarge
from .owners import owner_of
from .policy import ChosenFile, Policy, clean_file_name
from .presign import presign

if TYPE_CHECKING:
    from .backends.filesystem import FileSystemBackend

logger = logging.getLogger(__name__)


def is_for_endpoint(request: HttpRequest) -> bool:
    """Return whether a request is for the presign endpoint rather than for the site."""
    return request.path_info.startswith(conf.ENDPOINT)


def endpoint(request: HttpRequest) -> HttpResponse:
    """Answer a request for the presign endpoint, or for what is below it."""
    view = VIEWS.get(request.path_info.removeprefix(conf.ENDPOINT))
    if view is None or (view is dummy_view and not conf.serves_dummy):
        return _error(404, _("There is nothing here."))
    if request.method != "POST":
        return _error(405, str(Malformed.default_message), Allow="POST")
    with translation.override(_language_of(request)):
        try:
            _check_same_origin(request)
            response = view(request)
        except InvalidRequest as error:
            logger.warning("refused %s: %s", request.path_info, type(error).__name__)
            response = _error(error.status, str(error))
        except StoreUnavailable as error:
            response = _error(503, str(error.message))
    response["Cache-Control"] = "no-store"
    return response


def presign_view(request: HttpRequest) -> HttpResponse:
    """``{"policy", "files": [{"name", "size", "type"}, …]}`` -> ``{"uploads": […]}``."""
    body = _json(request, {"policy": str, "files": list})
    if conf.max_files is not None and len(body["files"]) > conf.max_files:
        raise TooLarge
    files = [_chosen_file(file) for file in body["files"]]
    policy = Policy.unsign(body["policy"])
    if conf.AUTHORIZE is not None:
        authorize = import_string(conf.AUTHORIZE)
        try:
            for file in files:
                authorize(request, policy, file)
        except PermissionDenied as error:
            raise NotAllowed(str(error) or None) from error
    return JsonResponse({"uploads": presign(policy, files, owner_of(request))})


def dummy_view(request: HttpRequest) -> HttpResponse:
    """A presigned POST to the filesystem dummy, answered as S3 answers it."""
    file = request.FILES.get("file")
    # As S3 refuses a field that the policy does not list.
    if not isinstance(file, UploadedFile) or request.POST.keys() - {"key", "Content-Type", "permit"}:
        raise Malformed
    token = check_permit(
        request.POST.get("permit", ""),
        request.POST.get("key", ""),
        request.POST.get("Content-Type", ""),
        file.size or 0,
    )
    try:
        backend = cast("FileSystemBackend", backend_named(token.storage))
    except LookupError as error:
        raise Forged from error
    backend.write(token.key, file)
    return HttpResponse(status=201)


VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {"presign/": presign_view, DUMMY_PATH: dummy_view}


def _language_of(request: HttpRequest) -> str | None:
    # That of the page, which the script sends. LocaleMiddleware, whose sign is the attribute, knows the page's
    # language from its address, and has no such address here.
    if hasattr(request, "LANGUAGE_CODE"):
        for code, _quality in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
            with suppress(LookupError):
                return translation.get_supported_language_variant(code)
    return translation.get_language()


def _check_same_origin(request: HttpRequest) -> None:
    # No page of another site may have the visitor's cookies used here. Of the headers that no script can set,
    # Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) says it best; it is missing without TLS.
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
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


def _json(request: HttpRequest, keys: dict[str, type]) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise Malformed
    try:
        body = json.loads(request.body)
    except RequestDataTooBig as error:
        raise TooLarge from error
    except (ValueError, RecursionError, OSError) as error:
        raise Malformed from error
    return _object(body, keys)


def _object(value: Any, keys: dict[str, type]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys.keys():
        raise Malformed
    # Exactly the type: True is an int to Python, and not to JSON.
    if any(type(value[key]) is not type_ for key, type_ in keys.items()):
        raise Malformed
    return value


def _chosen_file(value: Any) -> ChosenFile:
    file = _object(value, {"name": str, "size": int, "type": str})
    if not file["name"] or not 0 <= file["size"] < 2**63:
        raise Malformed
    return ChosenFile(clean_file_name(file["name"]), file["size"], file["type"])


def _error(status: int, message: str, **headers: str) -> JsonResponse:
    return JsonResponse({"error": message}, status=status, headers=headers)
