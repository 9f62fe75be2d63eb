"""The addresses of a registry: begin an upload, get a policy, download. Translate, decide nothing."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import replace
from functools import partial
from mimetypes import guess_type
from pathlib import PurePath
from typing import Any, ClassVar, cast

from asgiref.sync import sync_to_async
from django.core import signing
from django.core.files.storage import Storage
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date
from django.views import View

from ..backends import backend_for
from ..conf import conf
from ..exceptions import Malformed, UploadGone
from ..policy import DEFAULT_TYPE, is_scriptable
from ..views import answer, chosen_file, error_response, grant
from ..widgets import make_policy
from .fields import DOWNLOAD_AGE, AsyncFileMixin
from .keeper import authorize, authorize_upload, find_instance
from .registry import AsyncFieldRegistry, default_async_field_registry
from .scope import Scope

FILE_SALT = "s3upload.async_uploads.file"

CHUNK = 64 * 1024
"""Bytes of a file that are read at once."""

# One range: RFC 9110, section 14.1.2. For several of them, the whole file is a right answer.
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")

# More digits no size has, and Python reads only so many.
_SIZE = re.compile(r"[0-9]{1,19}")


class UploadView(View):
    """
    What the views for uploads share: they answer in JSON.

    :param registry: whose fields are served.
    """

    registry: AsyncFieldRegistry = default_async_field_registry
    method: ClassVar[str]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == self.method:
            response = answer(request, lambda: JsonResponse(self.respond(request)))
        else:
            response = error_response(405, str(Malformed.default_message), Allow=self.method)
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response

    def respond(self, request: HttpRequest) -> dict[str, Any]:
        """
        Return the answer.

        :raises InvalidRequest: when there is none.
        """
        raise NotImplementedError


class GenerateUploadUrlView(UploadView):
    """
    Begin an upload: ``POST`` of ``{"async_field_id", "filename", "content_type", "size", "instance_id"?, "sha256"?}``,
    as JSON or as a form. The answer is that of the presign endpoint for one file.
    """

    method = "POST"

    def respond(self, request: HttpRequest) -> dict[str, Any]:
        return generate_upload_url(request, self.registry, _data(request))


def generate_upload_url(request: HttpRequest, registry: AsyncFieldRegistry, data: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a presigned request and its token, for a file that is to go into a field.

    :param data: what :class:`GenerateUploadUrlView` takes.
    :raises Malformed: when it is not that, or the registry has no such field.
    :raises NotAllowed: when who asks has not the permission.
    :raises Refused: when the file is too large or of another type.
    """
    field = _field(registry, data.get("async_field_id"))
    described = {"name": data.get("filename"), "type": data.get("content_type", ""), "size": data.get("size")}
    if data.get("sha256"):
        described["sha256"] = data["sha256"]
    file = chosen_file(described)
    instance_id = _instance_id(data)
    instance = find_instance(field, instance_id) if instance_id else None
    policy = make_policy(field.name, field, instance)
    if instance is None:
        policy = replace(policy, scope=str(Scope(registry.name, field.async_field_id, instance_id)))
    [answered] = grant(request, policy, [file])
    if "error" in answered:
        raise Malformed(answered["error"])
    return answered


class UploadPolicyView(UploadView):
    """
    Tell a script what may be uploaded: ``GET`` with ``async_field_id`` and, for an instance that is there,
    ``instance_id``. The answer is ``{"policy", "endpoint", "accept", "max_size"}``, for the script's ``upload()``.
    """

    method = "GET"

    def respond(self, request: HttpRequest) -> dict[str, Any]:
        return upload_policy(request, self.registry, request.GET)


def upload_policy(request: HttpRequest, registry: AsyncFieldRegistry, data: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what :class:`UploadPolicyView` answers.

    :raises Malformed: when the registry has no such field.
    :raises NotAllowed: when who asks has not the permission.
    """
    field = _field(registry, data.get("async_field_id"))
    policy = make_policy(field.name, field, authorize_upload(request, field, _instance_id(data)))
    return {
        "policy": policy.sign(),
        "endpoint": conf.endpoint_url,
        "accept": policy.accept,
        "max_size": policy.max_size,
    }


def _field(registry: AsyncFieldRegistry, field_id: Any) -> AsyncFileMixin:
    try:
        return registry.field(str(field_id))
    except LookupError as error:
        raise Malformed from error


def _instance_id(data: Mapping[str, Any]) -> str:
    instance_id = data.get("instance_id")
    if instance_id is None:
        return ""
    if type(instance_id) not in (str, int):
        raise Malformed
    return str(instance_id)


def _data(request: HttpRequest) -> Mapping[str, Any]:
    if request.content_type != "application/json":
        form = request.POST.dict()
        return {**form, "size": int(form["size"]) if _SIZE.fullmatch(str(form.get("size"))) else None}
    try:
        data = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    if not isinstance(data, dict):
        raise Malformed
    return data


class DownloadRedirectView(View):
    """
    Ask for the permission, and redirect to where the file can be read for a short time.

    :param registry: whose fields are served.
    """

    registry: AsyncFieldRegistry = default_async_field_registry
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, async_field_id: str, instance_id: str) -> HttpResponse:
        """
        :raises Http404: when there is no such field, or no file.
        :raises NotAllowed: when who asks has not the permission, or there is no such instance.
        """
        try:
            field = self.registry.field(async_field_id)
        except LookupError as error:
            raise Http404 from error
        instance = authorize(request, field, "detail", find_instance(field, instance_id))
        file = getattr(instance, field.name)
        if not file:
            raise Http404
        response = HttpResponseRedirect(self._address(field, file.name, cast("str", request.method)))
        # The next one may not have the permission, and this address can be used for a short time only.
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response

    def _address(self, field: AsyncFileMixin, name: str, method: str) -> str:
        age = field.download_params.get("expire", DOWNLOAD_AGE)
        headers = download_headers(field, name)
        backend = backend_for(field.storage)
        url = backend.download_url(name, age=age, method=method, **headers) if backend is not None else None
        if url is not None:
            return url
        signed = signing.dumps([field.async_field_id, name, age], salt=FILE_SALT)
        return self.registry.reverse("file", signed)


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


class SignedFileView(View):
    """
    Serve a file of a storage that serves nobody itself, at the address that :class:`DownloadRedirectView` has signed.

    :param registry: whose fields are served.
    """

    registry: AsyncFieldRegistry = default_async_field_registry
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, signed: str) -> HttpResponseBase:
        """
        :raises Http404: when the address was not signed here, or is too old, or the file is gone.
        """
        try:
            field_id, name, age = signing.loads(signed, salt=FILE_SALT)
            signing.loads(signed, salt=FILE_SALT, max_age=age)
            field = self.registry.field(field_id)
        except (signing.BadSignature, LookupError, ValueError, TypeError):
            # Not "from" it: its message has the signature, and would stand in the log.
            raise Http404 from None
        try:
            size, modified = field.storage.size(name), field.storage.get_modified_time(name).timestamp()
        except (FileNotFoundError, UploadGone) as error:
            raise Http404 from error
        headers = {header.replace("_", "-"): value for header, value in download_headers(field, name).items()}
        response = file_response(request, field.storage, name, size, modified)
        response.headers.setdefault("Cache-Control", f"private, max-age={age}")
        for header, value in headers.items():
            response[header] = value
        response["X-Content-Type-Options"] = "nosniff"
        return response


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
