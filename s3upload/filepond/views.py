"""
FilePond's protocol: requests in, answers out.

https://pqina.nl/filepond/docs/api/server/
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar, cast

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from ..conf import conf
from ..exceptions import InvalidRequest, Malformed, StoreUnavailable, UnusableUpload
from ..middleware import exempt
from ..owners import owner_of
from ..views import check_same_origin
from .exceptions import BadUpload, FetchOff, NotThere
from .fetching import fetch
from .forms import announce, receive
from .models import StoredUpload, TemporaryUpload, is_id, user_of
from .places import stored_storage, temporary_alias
from .receiving import CUT, READ, check_size, name_in_header, number_in, receive_chunk, receive_whole, receiving
from .serving import response_for

logger = logging.getLogger(__name__)

_Upload = TypeVar("_Upload", TemporaryUpload, StoredUpload)


class FilePondView(APIView):
    """
    One of FilePond's verbs.

    Permissions are those that ``S3UPLOAD_FILEPOND_PERMISSION_CLASSES`` has for it, else Django REST framework's own
    default. Refusals are texts that FilePond can show.
    """

    permissions: ClassVar[dict[str, str]]
    """The names of the permissions, by method."""

    schema = None
    parser_classes = ()
    # The protocol is FilePond's, which says no version of a site's API.
    versioning_class = None

    def get_permissions(self) -> Sequence[BasePermission]:
        name = self.permissions.get(self.request.method or "", "")
        paths = conf.FILEPOND_PERMISSION_CLASSES.get(name)
        if paths is None:
            # Read when it is used: the class would have that of its import.
            paths = api_settings.DEFAULT_PERMISSION_CLASSES
        return [(import_string(path) if isinstance(path, str) else path)() for path in paths]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        # Files and texts, whatever is asked for.
        return self.renderer_classes[0](), "text/plain"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Authentication by session looks into the form for the CSRF token, and would have all of it read before it is
        # known who sends it. Here the token comes in a header.
        request._data = request._full_data = QueryDict()  # type: ignore[attr-defined]
        request._files = MultiValueDict()  # type: ignore[attr-defined]
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and _comes_with_cookies(request) and self.changes(request):
            check_same_origin(request._request)

    def changes(self, request: Request) -> bool:
        """Return whether a request changes something; what only reads is safe from other sites' pages."""
        return request.method not in ("GET", "HEAD")

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        if isinstance(exc, InvalidRequest):
            logger.warning("%s has refused: %s", type(self).__name__, type(exc).__name__)
            return text(str(exc), exc.status)
        if isinstance(exc, UnusableUpload):
            return text(str(exc.message), 503 if isinstance(exc, StoreUnavailable) else 400)
        if isinstance(exc, UnreadablePostError):
            # The connection was cut; whoever reads on hears of it.
            return text(str(CUT), 400)
        if isinstance(exc, MultiPartParserError | SuspiciousOperation | BadRequest):
            return text(str(Malformed.default_message), 400)
        response: Any = super().handle_exception(exc)
        if isinstance(exc, APIException):
            plain = text(_plain(exc.detail), response.status_code)
            for header in ("WWW-Authenticate", "Retry-After"):
                if header in response.headers:
                    plain[header] = response[header]
            return plain
        return text(_("There is nothing here."), response.status_code)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response


class ProcessView(FilePondView):
    """``POST``: a file, or the announcement of one in chunks; the answer is its id."""

    permissions: ClassVar[dict[str, str]] = {"POST": "POST_PROCESS"}

    def post(self, request: Request) -> HttpResponse:
        django_request = request._request
        upload = _new_upload(request)
        if "Upload-Length" in request.headers:
            upload.size = number_in(request.headers["Upload-Length"], "Upload-Length")
            announce(django_request, upload)
        else:
            receive(django_request, upload)
        return text(upload.upload_id)


class PatchView(FilePondView):
    """``PATCH``: a chunk; ``HEAD``: how many bytes have arrived."""

    permissions: ClassVar[dict[str, str]] = {"PATCH": "PATCH_PATCH", "HEAD": "PATCH_PATCH"}

    def patch(self, request: Request, upload_id: str = "") -> HttpResponse:
        upload = own(TemporaryUpload, request, _id_of(request, upload_id))
        headers = request.headers
        length = number_in(headers.get("Content-Length") or "0", "Content-Length")
        offset = number_in(headers.get("Upload-Offset"), "Upload-Offset")
        if "Upload-Length" in headers and number_in(headers["Upload-Length"], "Upload-Length") != upload.size:
            raise BadUpload(_("The file has another length than was announced."))
        name = name_in_header(headers.get("Upload-Name", ""))
        check_place(upload)
        arrived = receive_chunk(upload, offset, length, name, request._request)
        return HttpResponse(status=204, headers={"Upload-Offset": str(arrived)})

    def head(self, request: Request, upload_id: str = "") -> HttpResponse:
        upload = own(TemporaryUpload, request, _id_of(request, upload_id))
        return HttpResponse(headers={"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.size)})


class RevertView(FilePondView):
    """``DELETE``: an upload is not wanted any more; its id is the body."""

    permissions: ClassVar[dict[str, str]] = {"DELETE": "DELETE_REVERT"}

    def delete(self, request: Request) -> HttpResponse:
        own(TemporaryUpload, request, _id_in_body(request._request)).delete()
        return HttpResponse()


class RestoreView(FilePondView):
    """``GET``: the file of a temporary upload, for a page that was loaded again."""

    permissions: ClassVar[dict[str, str]] = {"GET": "GET_RESTORE", "HEAD": "GET_RESTORE"}

    def get(self, request: Request, upload_id: str = "") -> HttpResponseBase:
        upload = own(TemporaryUpload, request, _id_of(request, upload_id))
        if not upload.is_complete:
            raise NotThere
        return response_of(request, upload)


class LoadView(FilePondView):
    """``GET``: the file of a stored upload."""

    permissions: ClassVar[dict[str, str]] = {"GET": "GET_LOAD", "HEAD": "GET_LOAD"}

    def get(self, request: Request, upload_id: str = "") -> HttpResponseBase:
        stored = own(StoredUpload, request, _id_of(request, upload_id))
        try:
            return response_for(
                request._request,
                stored_storage(),
                stored.name,
                filename=stored.upload_name,
                content_type=stored.content_type,
            )
        except FileNotFoundError as error:
            raise NotThere from error


class FetchView(FilePondView):
    """
    ``GET`` and ``HEAD``: a file from an address becomes a temporary upload.

    The answer has its id in ``X-Content-Transfer-Id``, so that the client need not send the file back; that to
    ``GET`` has the file as well.
    """

    permissions: ClassVar[dict[str, str]] = {"GET": "GET_FETCH", "HEAD": "GET_FETCH"}

    def changes(self, request: Request) -> bool:
        return True

    def get(self, request: Request, target: str = "") -> HttpResponseBase:
        if not conf.FILEPOND_FETCH:
            raise FetchOff
        upload = _new_upload(request)
        with fetch(target or request.query_params.get("target", "")) as fetched:
            # No more than that: how large it is, not every site says beforehand.
            upload.size = fetched.size or conf.FILEPOND_FETCH_MAX_SIZE
            upload.describe(fetched.name, fetched.content_type)
            with receiving(upload) as receiver:
                for data in fetched.chunks():
                    check_size(receiver.received + len(data))
                    receiver.write(data)
                receive_whole(upload, receiver)
        response = response_of(request, upload)
        response["X-Content-Transfer-Id"] = upload.upload_id
        return response


PROCESS, PATCH, REVERT, RESTORE, LOAD, FETCH = (
    exempt(view.as_view()) for view in (ProcessView, PatchView, RevertView, RestoreView, LoadView, FetchView)
)

BY_PARAMETER = {"patch": PATCH, "restore": RESTORE, "load": LOAD, "fetch": FETCH}

BY_METHOD = {"POST": PROCESS, "DELETE": REVERT}


@exempt
@csrf_exempt
def root(request: HttpRequest) -> HttpResponseBase:
    """Answer for all verbs at one address, where the client was given that alone: ``server: "/fp/"``."""
    for parameter, view in BY_PARAMETER.items():
        if parameter in request.GET:
            return cast("HttpResponseBase", view(request, request.GET[parameter]))
    if request.method in BY_METHOD:
        return cast("HttpResponseBase", BY_METHOD[request.method](request))
    return text(_("There is nothing here."), 404)


def response_of(request: Request, upload: TemporaryUpload) -> HttpResponseBase:
    """
    Return the file of a temporary upload.

    :raises NotThere: when somebody has moved it away, or the site has given up its storage.
    """
    check_place(upload)
    try:
        return response_for(
            request._request,
            upload.place,
            upload.key,
            filename=upload.upload_name,
            content_type=upload.content_type,
        )
    except FileNotFoundError as error:
        raise NotThere from error


def own(model: type[_Upload], request: Request, upload_id: str) -> _Upload:
    """
    Return an upload of who asks.

    :param model: :class:`~s3upload.filepond.models.TemporaryUpload` or
        :class:`~s3upload.filepond.models.StoredUpload`.
    :raises NotThere: when there is none, or it is somebody else's.
    """
    found: _Upload | None = None
    if is_id(upload_id):
        found = model.objects.of(request._request).filter(pk=upload_id).first()
    if found is None:
        raise NotThere
    return found


def check_place(upload: TemporaryUpload) -> None:
    """
    Check that the site still has the storage that an upload was sent to.

    :raises NotThere: when it has not.
    """
    try:
        _ = upload.place
    except LookupError as error:
        raise NotThere from error


def text(content: str, status: int = 200) -> HttpResponse:
    """Return an answer that is a text."""
    return HttpResponse(content, status=status, content_type="text/plain; charset=utf-8")


def _plain(detail: Any) -> str:
    while isinstance(detail, list | dict):
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail), "")
    return str(detail)


def _comes_with_cookies(request: Request) -> bool:
    by = request.successful_authenticator
    return by is None or isinstance(by, SessionAuthentication)


def _new_upload(request: Request) -> TemporaryUpload:
    return TemporaryUpload(
        storage=temporary_alias(),
        owner_identity=owner_of(request._request),
        uploaded_by=user_of(request._request),
    )


def _id_of(request: Request, upload_id: str) -> str:
    return upload_id or request.query_params.get("id", "")


def _id_in_body(request: HttpRequest) -> str:
    return request.read(READ).decode(errors="replace").strip()
