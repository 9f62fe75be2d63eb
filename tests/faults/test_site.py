"""What breaks at the site itself: its database, its clock, its key."""

from __future__ import annotations

import datetime
import random
import time
from types import SimpleNamespace
from typing import Any

import botocore.auth
import botocore.signers
import pytest
from django.core import signing
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from s3upload.backends.s3 import signature
from s3upload.exceptions import Forged, StoreUnavailable
from s3upload.files import DirectUploadedFile
from tests.conftest import S3Store
from tests.test_files import uploaded
from tests.test_storage import BODY, Site, save_document
from tests.testapp import models
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)

FORM = "/forms/document/"
SMALL = random.Random(5).randbytes(5000)
MIB = 1024**2

UNAVAILABLE = str(StoreUnavailable.default_message)
FORGED = str(Forged.default_message)


# --- the database -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 500])
def test_commit_that_fails_keeps_the_upload(status: int, ceph_store: S3Store, settings: Any) -> None:
    """The last moment at which a database says no: a foreign key that is looked at when the transaction commits."""
    settings.MIDDLEWARE = ["s3upload.middleware.S3UploadMiddleware"]

    def commit_nonsense(request: HttpRequest, upload: DirectUploadedFile) -> HttpResponse:
        try:
            with transaction.atomic():
                save_document(request, upload)
                models.Attachment.objects.create(document_id=0, file="attachments/a.txt")
        except IntegrityError:
            return HttpResponse(status=status)
        raise AssertionError("the commit did not fail")

    upload = uploaded(BODY)
    assert Site(commit_nonsense).post(upload.token.sign()).status_code == status
    assert not models.Document.objects.exists()
    assert ceph_store.get(upload.token.key) == BODY

    assert Site(save_document).post(upload.token.sign()).status_code == 200
    assert ceph_store.keys() == [models.Document.objects.get().file.name]


# --- the clock --------------------------------------------------------------------------------


def put_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the server's clock be wrong, ahead by so many seconds: for signatures of S3, and for Django's."""

    def now(remove_tzinfo: bool = True) -> datetime.datetime:
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        return moment.replace(tzinfo=None) if remove_tzinfo else moment

    for module in (botocore.auth, botocore.signers):
        monkeypatch.setattr(module, "get_current_datetime", now)
    monkeypatch.setattr(signature, "_now", lambda: now(remove_tzinfo=False))
    monkeypatch.setattr(signing, "time", SimpleNamespace(time=lambda: time.time() + seconds))


MINUTES = 60


@pytest.mark.parametrize("minutes", [20, -20])
def test_server_whose_clock_is_off_says_that_the_store_refuses(
    minutes: int, ceph_store: S3Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser()
    token = browser.upload(FORM, "file", "a.txt", SMALL)
    with monkeypatch.context() as patch:
        put_clock(patch, minutes * MINUTES)
        page = browser.submit(FORM, {"title": "t", "file-s3upload": token})
    [kept] = page.kept("file")
    assert "HeadObject: 403" in caplog.text
    assert not models.Document.objects.exists()

    page = browser.submit(FORM, {"title": "t", "file-s3upload": kept["value"]})
    assert [ceph_store.get(name) for name in page.result["saved"]] == [SMALL]


@pytest.mark.parametrize("minutes", [20, -20])
def test_large_file_cannot_begin_while_the_clock_is_off(
    minutes: int, ceph_store: S3Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser()
    policy = browser.policy(browser.client.get(FORM).content.decode(), "file")
    files = [{"name": "a.bin", "size": 20 * MIB, "type": "application/octet-stream"}]
    with monkeypatch.context() as patch:
        put_clock(patch, minutes * MINUTES)
        answer = browser.call("presign/", {"policy": policy, "files": files})
    assert (answer.status_code, answer.json()) == (503, {"error": UNAVAILABLE})
    assert "CreateMultipartUpload: RequestTimeTooSkewed" in caplog.text
    assert len(browser.presign(policy, files)) == 1


@pytest.mark.parametrize(
    ("minutes", "is_taken"), [(20, True), (-20, True), (-70, False)], ids=["ahead", "behind", "far-behind"]
)
def test_presigned_request_of_a_server_whose_clock_is_off(
    minutes: int, is_taken: bool, ceph_store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store looks at when it ends alone; what it refuses is an error that the page shows."""
    browser = Browser()
    with monkeypatch.context() as patch:
        put_clock(patch, minutes * MINUTES)
        upload = browser.choose(FORM, "file", "a.bin", len(SMALL))
    status = browser.send(upload, SMALL)
    assert status == (201 if is_taken else 403)
    assert bool(ceph_store.keys()) == is_taken


@pytest.mark.parametrize("minutes", [20, -20])
def test_servers_with_different_clocks(minutes: int, ceph_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy and a token from the future are good."""
    browser = Browser()
    with monkeypatch.context() as patch:
        patch.setattr(signing, "time", SimpleNamespace(time=lambda: time.time() + minutes * MINUTES))
        policy = browser.policy(browser.client.get(FORM).content.decode(), "file")
    files = [{"name": "a.bin", "size": len(SMALL), "type": "application/octet-stream"}]
    with monkeypatch.context() as patch:
        patch.setattr(signing, "time", SimpleNamespace(time=lambda: time.time() + 2 * minutes * MINUTES))
        [upload] = browser.presign(policy, files)
    assert browser.send(upload, SMALL) == 201
    page = browser.submit(FORM, {"title": "t", "file-s3upload": upload["token"]})
    assert [ceph_store.get(name) for name in page.result["saved"]] == [SMALL]


# --- SECRET_KEY -------------------------------------------------------------------------------


def rotate(settings: Any, *, fallback: bool) -> None:
    old, settings.SECRET_KEY = settings.SECRET_KEY, f"{settings.SECRET_KEY}, and the next one"
    settings.SECRET_KEY_FALLBACKS = [old, *settings.SECRET_KEY_FALLBACKS] if fallback else []


def test_key_is_rotated_between_all_steps(ceph_store: S3Store, settings: Any) -> None:
    browser = Browser()
    body = random.Random(6).randbytes(17 * MIB)
    policy = browser.policy(browser.client.get(FORM).content.decode(), "file")
    files = [{"name": "a.bin", "size": len(body), "type": "application/octet-stream"}]
    rotate(settings, fallback=True)
    [upload] = browser.presign(policy, files)
    rotate(settings, fallback=True)
    parts = browser.send_parts(upload, body)
    rotate(settings, fallback=True)
    assert len(browser.list_parts(upload["token"])) == len(parts)
    browser.complete(upload["token"], parts)
    rotate(settings, fallback=True)
    # The form comes back, and keeps the upload.
    [kept] = browser.submit(FORM, {"title": "", "file-s3upload": upload["token"]}).kept("file")
    rotate(settings, fallback=True)
    page = browser.submit(FORM, {"title": "t", "file-s3upload": kept["value"]})
    assert [ceph_store.get(name) for name in page.result["saved"]] == [body]


def test_key_is_rotated_under_somebody_who_is_signed_in(ceph_store: S3Store, settings: Any, admin_user: Any) -> None:
    browser = Browser(admin_user)
    token = browser.upload(FORM, "file", "a.bin", SMALL)
    rotate(settings, fallback=True)
    page = browser.submit(FORM, {"title": "t", "file-s3upload": token})
    assert [ceph_store.get(name) for name in page.result["saved"]] == [SMALL]


def test_key_is_exchanged_after_the_page_was_rendered(ceph_store: S3Store, settings: Any) -> None:
    browser = Browser()
    policy = browser.policy(browser.client.get(FORM).content.decode(), "file")
    rotate(settings, fallback=False)
    answer = browser.call("presign/", {"policy": policy, "files": []})
    assert (answer.status_code, answer.json()) == (403, {"error": FORGED})


BODIES: dict[str, Any] = {"parts/": {"parts": [1]}, "complete/": {"parts": [{"number": 1, "etag": ""}]}}


@pytest.mark.parametrize("path", ["parts/", "list/", "complete/", "abort/"])
def test_key_is_exchanged_while_a_large_file_is_sent(path: str, ceph_store: S3Store, settings: Any) -> None:
    browser = Browser()
    token = browser.choose(FORM, "file", "a.bin", 20 * MIB)["token"]
    rotate(settings, fallback=False)
    more: dict[str, Any] = {"parts/": {"parts": [1]}, "complete/": {"parts": [{"number": 1, "etag": ""}]}}.get(
        path, {}
    )
    answer = browser.call(path, {"token": token, **more})
    assert (answer.status_code, answer.json()) == (403, {"error": FORGED})


def test_key_is_exchanged_before_the_form_is_sent(ceph_store: S3Store, settings: Any) -> None:
    browser = Browser()
    token = browser.upload(FORM, "file", "a.bin", SMALL)
    rotate(settings, fallback=False)
    answer = browser.post(FORM, {"title": "t", "file-s3upload": token})
    assert answer.status_code == 403
    assert not models.Document.objects.exists()
    # The page that is loaded anew works.
    token = browser.upload(FORM, "file", "a.bin", SMALL)
    assert len(browser.submit(FORM, {"title": "t", "file-s3upload": token}).result["saved"]) == 1
