"""The addresses of a registry: begin an upload, get a policy, download. Translate, decide nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from mimetypes import guess_type
from typing import Any, ClassVar, cast

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.views import View

from ..backends import backend_for
from ..conf import conf
from ..downloads import file_response
from ..exceptions import Malformed, UploadGone
from ..policy import DEFAULT_TYPE
from ..views import answer, chosen_file, error_response, grant
from ..widgets import make_policy
from .downloads import download_headers
from .fields import DOWNLOAD_AGE, AsyncFileMixin
from .keeper import authorize, authorize_upload, find_instance
from .registry import AsyncFieldRegistry, default_async_field_registry
from .scope import Scope

FILE_SALT = "s3upload.async_uploads.file"

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
        response = file_response(
            request,
            partial(field.storage.open, name),
            size=size,
            etag=f"{int(modified * 1e6):x}-{size:x}",
            content_type=guess_type("./" + name)[0] or DEFAULT_TYPE,
            modified=modified,
        )
        response.headers.setdefault("Cache-Control", f"private, max-age={age}")
        for header, value in headers.items():
            response[header] = value
        response["X-Content-Type-Options"] = "nosniff"
        return response
