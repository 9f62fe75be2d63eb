"""Who may do what, and to whose uploads."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from rest_framework.authentication import BaseAuthentication
from rest_framework.versioning import AcceptHeaderVersioning, BaseVersioning, NamespaceVersioning
from rest_framework.views import APIView

from s3upload.filepond.models import TemporaryUpload
from s3upload.filepond.views import PROCESS
from tests.filepond.conftest import BODY, OPEN, FilePond, Place, body_of, content_of, refusal, said
from tests.testapp.models import Document

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = "3" * 22
FETCH = "/fp/fetch/?target=https://example.com/"


def test_default_is_that_of_the_rest_framework(in_folder: Place, settings: Any) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"]}
    pond = FilePond(Client())

    for response in (
        pond.process(),
        pond.begin(12),
        pond.patch(UNKNOWN, 0, BODY),
        pond.client.head(f"/fp/patch/{UNKNOWN}"),
        pond.revert(UNKNOWN),
        pond.restore(UNKNOWN),
        pond.client.get(f"/fp/load/{UNKNOWN}"),
        pond.client.get(FETCH),
        pond.client.head(FETCH),
    ):
        assert response.status_code == 403
    assert in_folder.is_empty


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("POST_PROCESS", lambda pond, id_: pond.process()),
        ("POST_PROCESS", lambda pond, id_: pond.begin(12)),
        ("PATCH_PATCH", lambda pond, id_: pond.patch(id_, 0, BODY)),
        ("PATCH_PATCH", lambda pond, id_: pond.client.head(f"/fp/patch/{id_}")),
        ("DELETE_REVERT", lambda pond, id_: pond.revert(id_)),
        ("GET_RESTORE", lambda pond, id_: pond.restore(id_)),
        ("GET_LOAD", lambda pond, id_: pond.client.get(f"/fp/load/{id_}")),
        ("GET_FETCH", lambda pond, id_: pond.client.get(FETCH)),
        ("GET_FETCH", lambda pond, id_: pond.client.head(FETCH)),
    ],
)
def test_each_endpoint_has_its_permission(
    in_folder: Place, pond: FilePond, settings: Any, name: str, ask: Any
) -> None:
    upload_id = said(pond.begin(12))
    admins = ["rest_framework.permissions.IsAuthenticated", "rest_framework.permissions.IsAdminUser"]
    settings.S3UPLOAD_FILEPOND_PERMISSION_CLASSES = {**OPEN, name: admins}

    assert ask(pond, upload_id).status_code == 403
    assert TemporaryUpload.objects.count() == 1


def test_form_of_who_may_not_is_not_read(in_folder: Place, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_PERMISSION_CLASSES = {"POST_PROCESS": ["rest_framework.permissions.IsAdminUser"]}
    request = RequestFactory().post("/fp/process/", {"filepond": SimpleUploadedFile("a.txt", BODY)})

    assert PROCESS(request).status_code == 403
    assert request.read() != b""


def test_session_needs_the_csrf_token_in_a_header(in_folder: Place, pond: FilePond) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = pond.client.cookies
    strict.cookies["csrftoken"] = token = "a" * 32

    assert refusal(strict.post("/fp/process/", {"filepond": SimpleUploadedFile("a.txt", BODY)}), 403)
    response = strict.post(
        "/fp/process/", {"filepond": SimpleUploadedFile("a.txt", BODY)}, headers={"X-CSRFToken": token}
    )
    assert content_of(said(response)) == BODY


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_page_of_another_site_is_refused(in_folder: Place, is_open: None, headers: dict[str, str]) -> None:
    client = Client(headers=headers)

    assert refusal(client.post("/fp/process/", {"filepond": SimpleUploadedFile("a.txt", BODY)}), 403)
    assert refusal(client.get(FETCH), 403)
    assert in_folder.is_empty


def test_visitor_without_a_name_has_uploads_too(place: Place, is_open: None) -> None:
    mine, yours = FilePond(Client()), FilePond(Client())

    upload_id = said(mine.process())

    assert body_of(mine.restore(upload_id)) == BODY
    assert refusal(yours.restore(upload_id), 404)
    assert mine.revert(upload_id).status_code == 200
    assert place.is_empty


def test_upload_is_of_who_made_it(place: Place, pond: FilePond, other: FilePond) -> None:
    begun, whole = said(pond.begin(12)), said(pond.process())

    answers = {
        refusal(other.patch(begun, 0, BODY), 404),
        refusal(other.restore(whole), 404),
        refusal(other.revert(whole), 404),
        refusal(other.revert(begun), 404),
        refusal(other.client.get(f"/fp/load/{whole}"), 404),
        # As if there were none.
        refusal(other.restore(UNKNOWN), 404),
    }

    assert len(answers) == 1
    assert other.client.head(f"/fp/patch/{begun}").status_code == 404
    assert pond.offset(begun) == 0
    assert content_of(whole) == BODY


def test_upload_stays_the_users_when_the_key_of_the_site_changes(
    in_folder: Place, pond: FilePond, settings: Any
) -> None:
    upload_id = said(pond.process())
    TemporaryUpload.objects.update(owner_identity="made by a key that is none any more")

    assert body_of(pond.restore(upload_id)) == BODY


def test_image_of_another_site_fetches_nothing(in_folder: Place, pond: FilePond, settings: Any) -> None:
    """Without TLS, a browser says only where it comes from."""
    settings.S3UPLOAD_FILEPOND_FETCH = True

    assert "from this site" in refusal(pond.client.get(FETCH, headers={"Referer": "http://evil.example/a"}), 403)


class Device(BaseAuthentication):
    """Knows what is no user of the site, and has a record of its own."""

    def authenticate(self, request: Any) -> tuple[Document, None]:
        device = Document.objects.create(title="a device")
        device.is_authenticated = True  # type: ignore[attr-defined]
        return device, None


def test_who_is_no_user_has_uploads_too(
    in_folder: Place, is_open: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(APIView, "authentication_classes", [Device])

    upload = TemporaryUpload.objects.get(pk=said(FilePond(Client()).process()))

    assert upload.uploaded_by is None


@pytest.mark.parametrize("versioning", [AcceptHeaderVersioning, NamespaceVersioning])
def test_site_whose_api_has_versions(
    in_folder: Place, pond: FilePond, monkeypatch: pytest.MonkeyPatch, versioning: type[BaseVersioning]
) -> None:
    monkeypatch.setattr(APIView, "versioning_class", versioning)
    monkeypatch.setattr(versioning, "allowed_versions", ["v1"])

    assert content_of(said(pond.process())) == BODY
