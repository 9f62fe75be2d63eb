"""Secrets: what an onlooker finds in pages, logs, error pages and reports."""

from __future__ import annotations

import copy
import json
import logging
import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.client import BaseClient
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pprint
from django.test import Client
from django.urls import path
from django.utils.log import AdminEmailHandler

from s3upload import exceptions
from s3upload.backends import backend_named
from s3upload.backends.s3.signature import Signer
from s3upload.exceptions import UnusableUpload
from s3upload.policy import ChosenFile, Policy
from s3upload.tokens import SignedText, Token
from tests import urls
from tests.attacks.hostile import FAILURE, PART, changed, fail
from tests.conftest import FilesystemStore, S3Store
from tests.pages import a_policy, use_unreachable_s3
from tests.testapp.forms import PlainForm
from tests.wire import ENDPOINT, Browser

pytestmark = pytest.mark.django_db

# Error pages show lines of source as well.
SECRET_OF_THE_STORE = secrets.token_hex(16)
EARLIER_KEY = secrets.token_hex(32)


class Reports(AdminEmailHandler):
    """The mails to the administrators, with everything that Django can put into them."""

    def __init__(self) -> None:
        super().__init__(include_html=True)
        self.mails: list[str] = []

    def send_mail(
        self, subject: str, message: str, *args: Any, html_message: str | None = None, **kwargs: Any
    ) -> None:
        self.mails += [subject, message, html_message or ""]


@pytest.fixture(params=["page", "mail"])
def report(request: pytest.FixtureRequest, settings: Any) -> Any:
    """Make a request that fails; return the developer's error page, or the administrators' mail."""
    reports = Reports()
    logger = logging.getLogger("django.request")
    logger.addHandler(reports)

    def make(browser: Browser, call: Callable[[], Any]) -> str:
        settings.DEBUG = request.param == "page"
        browser.client.raise_request_exception = False
        response = call()
        assert response.status_code == 500
        text = response.content.decode() if settings.DEBUG else "\n".join(reports.mails)
        # The report is one that shows variables.
        assert FAILURE in text
        assert "local vars" in text.lower()
        return text

    yield make
    logger.removeHandler(reports)


def a_user_with_session() -> Browser:
    return Browser(User.objects.create_user("alice", password="alice's password"))


def secrets_of(browser: Browser, settings: Any) -> dict[str, str]:
    return {
        "the site's key": settings.SECRET_KEY,
        "an earlier key": EARLIER_KEY,
        "the session": browser.client.cookies["sessionid"].value,
        "the store's key": SECRET_OF_THE_STORE,
    }


def assert_secret(text: str, **values: str) -> None:
    for what, secret in values.items():
        # Long values are cut where they are shown.
        for part in {secret, secret[:60], secret[-43:]}:
            assert part not in text, f"{what} is shown"


@pytest.fixture
def s3(settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [EARLIER_KEY]
    use_unreachable_s3(settings, secret_key=SECRET_OF_THE_STORE)


@pytest.fixture
def alice(s3: None) -> Browser:
    browser = a_user_with_session()
    browser.get("/forms/plain/")
    return browser


def token_of(browser: Browser, size: int = 7) -> str:
    """Return a token of a file that has not been sent; one in parts would have its upload begun."""
    (upload,) = browser.presign(a_policy().sign(), [{"name": "a.pdf", "size": 7, "type": ""}])
    token, _expired = Token.unsign(upload["token"])
    return upload["token"] if size == 7 else changed(owner=token.owner, size=size).sign()


# --- reports of what nobody thought of -----------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["parts/", "list/", "complete/", "abort/"])
def test_report_of_the_endpoint(
    alice: Browser, report: Any, endpoint: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(alice, 3 * PART)
    more: dict[str, Any] = {
        "parts/": {"parts": [1]},
        "complete/": {"parts": [{"number": number, "etag": ""} for number in (1, 2, 3)]},
    }
    monkeypatch.setattr(BaseClient, "_make_api_call", fail)
    monkeypatch.setattr(Signer, "put", fail)
    text = report(alice, lambda: alice.call(endpoint, {"token": token, **more.get(endpoint, {})}))
    assert_secret(text, token=token, **secrets_of(alice, settings))


PRESIGNED: list[dict[str, str]] = []


def sign_once(sign: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if PRESIGNED:
        fail()
    url, fields = sign(backend_named("default").signer, *args, **kwargs)  # type: ignore[attr-defined]
    PRESIGNED.append(fields)
    return url, fields


def test_report_of_presigning(alice: Browser, report: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first file has been answered when the second one fails."""
    PRESIGNED.clear()
    monkeypatch.setattr(Signer, "post", partial(sign_once, Signer.post))
    files = [{"name": name, "size": 7, "type": ""} for name in ("a.pdf", "b.pdf")]
    text = report(alice, lambda: alice.call("presign/", {"policy": a_policy().sign(), "files": files}))
    [fields] = PRESIGNED
    assert_secret(text, signature=fields["x-amz-signature"], policy=fields["policy"], **secrets_of(alice, settings))


def test_report_of_signing(alice: Browser, report: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3upload.backends.s3.signature.b64encode", fail)
    files = [{"name": "a.pdf", "size": 7, "type": ""}]
    text = report(alice, lambda: alice.call("presign/", {"policy": a_policy().sign(), "files": files}))
    assert_secret(text, **secrets_of(alice, settings))


def test_report_of_the_sites_own_permission(alice: Browser, report: Any, settings: Any) -> None:
    settings.S3UPLOAD_AUTHORIZE = "tests.attacks.hostile.fail"
    policy = a_policy().sign()
    body = {"policy": policy, "files": [{"name": "a.pdf", "size": 7, "type": ""}]}
    text = report(alice, lambda: alice.call("presign/", body))
    assert_secret(text, policy=policy, **secrets_of(alice, settings))


@pytest.mark.parametrize("where", ["endpoint", "form"])
def test_report_of_a_database_that_is_down(
    alice: Browser, report: Any, where: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for the session when the owner of a token is compared: the site's key is close."""
    token = token_of(alice, 3 * PART)
    monkeypatch.setattr(SessionStore, "load", fail)
    call = {
        "endpoint": lambda: alice.call("list/", {"token": token}),
        "form": lambda: alice.post("/echo/", {"file-s3upload": token}),
    }[where]
    assert_secret(report(alice, call), token=token, **secrets_of(alice, settings))


def failing_view(request: HttpRequest) -> HttpResponse:
    form = PlainForm(request.POST, request.FILES)
    post, files = request.POST, request.FILES
    if form.is_valid():
        cleaned, upload = form.cleaned_data, form.cleaned_data["file"]
        content, variables = upload.read(), {"upload": upload, "token": upload.token, "vars": dir(upload)}
        raise RuntimeError(FAILURE, post, files, cleaned, content, variables, upload)
    return HttpResponse(status=400)


urlpatterns = [*urls.urlpatterns, path("fails/", failing_view)]


def test_report_of_a_view_with_an_upload(filesystem_store: FilesystemStore, report: Any, settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.SECRET_KEY_FALLBACKS = [EARLIER_KEY]
    browser = a_user_with_session()
    token = browser.upload("/forms/plain/", "file", "a.txt", b"content")
    text = report(browser, lambda: browser.post("/fails/", {"title": "t", "file-s3upload": token}))
    assert "LocalUploadedFile: a.txt" in text
    assert_secret(text, token=token, **secrets_of(browser, settings))


def test_report_of_a_storage_that_cannot_be_made(
    alice: Browser, report: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the form is not claimed to its end: nobody may see what was posted."""
    tokens = [token_of(alice) for _ in range(2)]
    monkeypatch.setattr("s3upload.files.backend_named", fail)
    text = report(alice, lambda: alice.post("/echo/", {"file-s3upload": tokens}))
    assert_secret(text, first=tokens[0], second=tokens[1], **secrets_of(alice, settings))


@pytest.mark.parametrize("encoding", ["multipart", "urlencoded", "json"])
def test_report_of_an_api(
    alice: Browser, report: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    tokens = [token_of(alice) for _ in range(2)]
    monkeypatch.setattr("s3upload.files.backend_named", fail)
    body: Any = {"file-s3upload": tokens}
    options = {
        "multipart": {"data": body},
        "urlencoded": {"data": urlencode(body, doseq=True), "content_type": "application/x-www-form-urlencoded"},
        "json": {"data": {"a": [body]}, "content_type": "application/json"},
    }[encoding]
    text = report(alice, lambda: alice.client.post("/api/look/", **options))
    assert "requests.py" in text
    assert_secret(text, first=tokens[0], second=tokens[1], **secrets_of(alice, settings))


class MissingManifest(StaticFilesStorage):
    def url(self, name: str) -> str:  # type: ignore[override]
        if name.endswith("s3upload.js"):
            fail()
        return super().url(name)


def test_report_of_a_form_that_comes_back_without_its_script(
    filesystem_store: FilesystemStore, report: Any, settings: Any
) -> None:
    browser = a_user_with_session()
    token = browser.upload("/forms/plain/", "file", "a.txt", b"content")
    settings.SECRET_KEY_FALLBACKS = [EARLIER_KEY]
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": f"{__name__}.MissingManifest"}}
    # Without a title it comes back, with the upload kept. In this page the input alone asks for the script.
    text = report(browser, lambda: browser.post("/forms/plain/no-media/", {"file-s3upload": token}))
    assert "widgets.py" in text
    assert_secret(text, token=token, **secrets_of(browser, settings))


# --- logs ----------------------------------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return what a site's log has at every level, tracebacks and all; SQL is Django's business."""
    formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")
    records = [record for record in caplog.records if record.name.startswith(("s3upload", "django.request"))]
    records += [record for record in caplog.records if record.name.startswith("django.security")]
    return "\n".join(formatter.format(record) for record in records)


def test_logs_of_an_upload_and_of_everything_that_is_refused(
    ceph_store: S3Store, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.SECRET_KEY_FALLBACKS = [EARLIER_KEY]
    caplog.set_level(logging.DEBUG)
    browser = a_user_with_session()
    stranger = Browser()
    stranger.get("/forms/plain/")
    upload = browser.choose("/forms/plain/", "file", "a.txt", 7)
    assert browser.send(upload, b"content") == 201
    token, fields = upload["token"], upload["fields"]
    large = browser.choose("/forms/plain/", "file", "b.bin", 17 * 1024**2)
    parts = browser.ask("parts/", {"token": large["token"], "parts": [1]})["parts"]
    refused = [
        stranger.call("list/", {"token": large["token"]}),
        browser.call("complete/", {"token": large["token"], "parts": []}),
        browser.call("list/", {"token": token}),
        browser.call("abort/", {"token": token + "x"}),
        browser.call("presign/", {"policy": token, "files": []}),
        browser.client.post(f"{ENDPOINT}nowhere/?token={token}", {}),
        stranger.post("/echo/", {"file-s3upload": token}),
        browser.post("/echo/", {"file-s3upload": token + "x"}),
        browser.client.post("/forms/plain/", {"file-s3upload": token}),
    ]
    assert [answer.status_code for answer in refused] == [403, 400, 400, 403, 403, 404, 400, 403, 403]
    assert browser.submit("/forms/plain/", {"title": "t", "file-s3upload": token}).result["saved"]
    settings.STORAGES["default"]["OPTIONS"]["secret_key"] = SECRET_OF_THE_STORE
    settings.STORAGES = dict(settings.STORAGES)
    assert browser.call("abort/", {"token": large["token"]}).status_code == 503
    settings.STORAGES["default"]["OPTIONS"]["secret_key"] = ceph_store.account.secret_key
    settings.STORAGES = dict(settings.STORAGES)
    browser.abort(large["token"])
    text = logged(caplog)
    assert text.count("refused") >= 6
    assert "SignatureDoesNotMatch" in text
    assert_secret(
        text,
        token=token,
        large=large["token"],
        signature=fields["x-amz-signature"],
        policy=fields["policy"],
        part=parts[0]["url"].rpartition("X-Amz-Signature=")[2],
        key=fields["key"],
        csrf=browser.client.cookies["csrftoken"].value,
        store=ceph_store.account.secret_key,
        user="alice",
        **secrets_of(browser, settings),
    )


def test_name_of_an_entry_is_no_line_of_the_log(caplog: pytest.LogCaptureFixture, alice: Browser) -> None:
    name = "file\r\nERROR forged line \u202e" + "x" * 1_000_000
    csrf = alice.client.cookies["csrftoken"].value
    for signed, status in (("x:y:z", 403), (token_of(alice), 400)):
        body = urlencode({"csrfmiddlewaretoken": csrf, f"{name}-s3upload": signed})
        answer = alice.client.post("/echo/", body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code == status
    text = logged(caplog)
    assert "a forged token was posted for 'file" in text
    assert not re.search("^ERROR forged", text, re.MULTILINE)
    assert "\u202e" not in text
    assert len(text) < 20_000


# --- what is said of an upload -------------------------------------------------------------------


def test_signed_text_is_text_that_is_not_shown() -> None:
    text = SignedText("a:b:c")
    assert text == "a:b:c"
    assert str(text) == f"{text}" == "a:b:c"
    assert json.loads(json.dumps({"token": text})) == {"token": "a:b:c"}
    assert hash(text) == hash("a:b:c")
    for value in (text, [text], {"token": text}, {text: 1}, copy.deepcopy(text)):
        for shown in (repr(value), pprint(value)):
            assert "a:b:c" not in shown
            assert "<signed>" in shown


ERRORS = [
    getattr(exceptions, name)
    for name in dir(exceptions)
    if isinstance(getattr(exceptions, name), type) and issubclass(getattr(exceptions, name), UnusableUpload)
]


@pytest.mark.parametrize("error_class", [cls for cls in ERRORS if cls is not UnusableUpload])
def test_errors_do_not_show_what_is_meant_for_the_log(error_class: type[UnusableUpload]) -> None:
    error = error_class("tmp/s3upload/abc")
    for shown in (str(error), repr(error), str(error.messages), str(error.args)):
        assert "tmp/s3upload" not in shown


def test_upload_does_not_show_its_token(filesystem_store: FilesystemStore) -> None:
    browser = Browser()
    token = browser.upload("/forms/several/", "files", "a.txt", b"x")
    answer = browser.post("/forms/several/", {"files-s3upload": token})
    (upload,) = answer.context["form"].files.getlist("files")
    assert upload.signed_token == token
    for shown in (repr(upload), str(upload), pprint(vars(upload)), pprint(answer.context["form"].files)):
        assert token[:40] not in shown


# --- pages of others, and caches -----------------------------------------------------------------


def test_page_of_a_form_tells_nobody_about_the_visitor(filesystem_store: FilesystemStore) -> None:
    """It may be kept by a cache, policy and all: what differs from visitor to visitor is the CSRF token alone."""
    pages = [browser.client.get("/forms/plain/").content.decode() for browser in (a_user_with_session(), Browser())]
    policies = {Browser().policy(page, "file").rpartition(":")[0].rpartition(":")[0] for page in pages}
    assert len(policies) == 1
    without = [re.sub(r'(name="csrfmiddlewaretoken" value|data-s3upload-policy)="[^"]+"', "", page) for page in pages]
    assert without[0] == without[1]


@pytest.mark.parametrize("where", ["presign/", "list/", "nowhere/", "dummy/", ""])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_answers_are_kept_by_nobody_and_are_no_pages(
    filesystem_store: FilesystemStore, where: str, method: str, settings: Any
) -> None:
    settings.MIDDLEWARE = [entry for entry in settings.MIDDLEWARE if not entry.endswith("SecurityMiddleware")]
    answer = Client().generic(method, ENDPOINT + where, b"{}", content_type="application/json")
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def says_the_name(request: HttpRequest, policy: Policy, file: ChosenFile) -> None:
    raise PermissionDenied(f"Not {file.name}.")


def test_message_of_the_site_is_no_page(settings: Any, s3: None) -> None:
    settings.S3UPLOAD_AUTHORIZE = f"{__name__}.says_the_name"
    body = {"policy": a_policy().sign(), "files": [{"name": "<script>alert(1).pdf", "size": 7, "type": ""}]}
    answer = Browser().call("presign/", body)
    assert "<script>" in answer.json()["error"]
    assert answer["Content-Type"] == "application/json"
    assert answer["X-Content-Type-Options"] == "nosniff"
