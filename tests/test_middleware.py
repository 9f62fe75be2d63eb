"""Tokens become uploaded files when the form is parsed; nothing else of a request is touched."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from s3upload import scopes
from s3upload.backends.filesystem import FileSystemBackend
from s3upload.conf import TOKEN_AGE
from s3upload.exceptions import Forged, StoreUnavailable
from s3upload.files import DirectUploadedFile, RequestUploads
from s3upload.middleware import S3UploadMiddleware, prepare
from s3upload.owners import owner_of
from s3upload.policy import field_identity
from s3upload.scopes import Keeper
from s3upload.tokens import MAX_LENGTH, SignedText
from tests.conftest import CallCount, FilesystemStore
from tests.pages import PRESIGN, a_policy, a_token, kept, set_clock, use_unreachable_s3
from tests.testapp import views
from tests.testapp.forms import DocumentForm
from tests.testapp.models import Document
from tests.wire import Browser, Page

pytestmark = pytest.mark.django_db

URLENCODED = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _filesystem(filesystem_store: FilesystemStore) -> None:
    """The store is a folder unless a test chooses another one."""


@pytest.fixture
def store_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileSystemBackend, "stat", lambda *args: pytest.fail("the store was asked"))


@pytest.fixture
def browser() -> Browser:
    """A browser that has been on a page of the site."""
    browser = Browser()
    browser.get("/forms/plain/")
    return browser


def received(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    return json.loads(response.content)


def errors(response: Any, field: str = "file") -> list[str]:
    """Return the codes of a field's errors in the form of a page that came back."""
    assert response.status_code == 200
    return [error.code for error in response.context["form"].errors.as_data().get(field, [])]


def pending(browser: Browser, name: str = "a.txt", body: bytes = b"content", form: str = "document") -> str:
    return browser.upload(f"/forms/{form}/", "file", name, body)


# --- what a view gets ----------------------------------------------------------------------------


def test_token_is_a_file_under_the_name_of_the_field(browser: Browser) -> None:
    token = pending(browser)
    answer = received(browser.post("/echo/", {"title": "t", "file-s3upload": token}))
    (file,) = answer["files"]["file"]
    assert (file["name"], file["size"], file["content_type"]) == ("a.txt", 7, "text/plain")


def test_token_is_no_form_data_to_the_view(browser: Browser) -> None:
    answer = received(browser.post("/echo/", {"title": "t", "file-s3upload": pending(browser)}))
    assert answer["post"].keys() == {"csrfmiddlewaretoken", "title"}


def test_post_data_stays_immutable(browser: Browser) -> None:
    request = RequestFactory().post("/", {"title": "t", "file-s3upload": a_token().sign()})
    S3UploadMiddleware(lambda request: HttpResponse(request.POST["title"]))(request)
    with pytest.raises(AttributeError, match="immutable"):
        request.POST["title"] = "changed"


def test_files_keep_their_order_and_their_names(browser: Browser) -> None:
    names = ["b.txt", "a.txt", "b.txt", "c.txt"]
    tokens = [browser.upload("/forms/several/", "files", name, name.encode()) for name in names]
    answer = received(browser.post("/echo/", {"files-s3upload": tokens}))
    assert [file["name"] for file in answer["files"]["files"]] == names


def test_two_files_of_one_name_are_saved_as_two_files(browser: Browser, filesystem_store: FilesystemStore) -> None:
    tokens = [browser.upload("/forms/several/", "files", "a.txt", body) for body in (b"one", b"two")]
    page = browser.submit("/forms/several/", {"title": "t", "files-s3upload": tokens})
    assert [filesystem_store.get(name) for name in page.result["saved"]] == [b"one", b"two"]


def test_file_of_the_form_and_token_come_together(browser: Browser) -> None:
    token = browser.upload("/forms/several/", "files", "sent-before.txt", b"x")
    ordinary = SimpleUploadedFile("with-the-form.txt", b"ordinary")
    answer = received(browser.post("/echo/", {"files": ordinary, "files-s3upload": token}))
    assert [file["name"] for file in answer["files"]["files"]] == ["sent-before.txt", "with-the-form.txt"]


def test_file_that_was_chosen_anew_counts_and_not_the_kept_one(browser: Browser) -> None:
    """Without the script, which would have removed the kept one."""
    token = browser.upload("/forms/plain/", "file", "kept.txt", b"kept")
    answer = browser.post(
        "/forms/plain/", {"title": "t", "file": SimpleUploadedFile("new.txt", b"new"), "file-s3upload": token}
    )
    assert Page(answer.content.decode()).result["saved"] == ["plain/new.txt"]


def test_tokens_are_claimed_where_other_middleware_has_read_the_form(browser: Browser, settings: Any) -> None:
    token = pending(browser)
    settings.MIDDLEWARE = [f"{__name__}.ReadsTheForm", *settings.MIDDLEWARE]
    answer = received(browser.post("/echo/", {"title": "t", "file-s3upload": token}))
    assert [file["name"] for file in answer["files"]["file"]] == ["a.txt"]
    assert answer["post"].keys() == {"csrfmiddlewaretoken", "title"}


class ReadsTheForm:
    """As those do that look for an overridden method, or at what a bot fills in."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        assert request.POST
        return self.get_response(request)


def test_middleware_without_the_app_does_not_start(settings: Any) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "s3upload"]
    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        S3UploadMiddleware(lambda request: HttpResponse())


def test_copied_request_has_the_form(rf: RequestFactory) -> None:
    request = rf.post("/", {"title": "t"})
    prepare(request)
    assert copy.copy(request).POST == {"title": ["t"]}
    assert repr(request) == "<WSGIRequest: POST '/'>"


def test_whoever_asks_again_after_a_forged_token_gets_an_empty_form(rf: RequestFactory) -> None:
    """As Django does with a form that it can't parse: nobody takes it for a form without a file."""
    request = rf.post("/", {"title": "t", "file-s3upload": "forged"})
    prepare(request)
    with pytest.raises(Forged):
        _ = request.POST
    assert not request.POST
    assert not request.FILES


def test_urlencoded_form_can_have_tokens(browser: Browser) -> None:
    token = pending(browser)
    csrf = browser.client.cookies["csrftoken"].value
    body = f"csrfmiddlewaretoken={csrf}&title=t&file-s3upload={token}"
    answer = received(browser.client.post("/echo/", body, content_type=URLENCODED))
    assert [file["name"] for file in answer["files"]["file"]] == ["a.txt"]


def test_empty_token_is_no_file(browser: Browser) -> None:
    answer = received(browser.post("/echo/", {"file-s3upload": ""}))
    assert answer["files"] == {}
    assert answer["post"].keys() == {"csrfmiddlewaretoken"}


def test_form_without_tokens_is_as_ever(browser: Browser) -> None:
    answer = received(browser.post("/echo/", {"a": ["1", "2"], "file": SimpleUploadedFile("a.txt", b"x")}))
    assert answer["post"]["a"] == ["1", "2"]
    assert [file["class"] for file in answer["files"]["file"]] == ["InMemoryUploadedFile"]


@pytest.mark.django_db(transaction=True)
def test_model_form_saves_the_file(browser: Browser, filesystem_store: FilesystemStore) -> None:
    page = browser.submit("/forms/document/", {"title": "t", "file-s3upload": pending(browser)})
    assert page.result["saved"] == ["documents/a.txt"]
    assert filesystem_store.get("documents/a.txt") == b"content"
    assert filesystem_store.keys() == ["documents/a.txt"]


def test_row_of_a_formset_may_have_another_number_than_when_it_was_rendered(browser: Browser) -> None:
    url = "/documents/formset/"
    first = browser.upload(url, "form-0-file", "first.txt", b"1")
    second = browser.upload(url, "form-1-file", "second.txt", b"2")
    form = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0", "form-0-title": "a", "form-1-title": "b"}
    page = browser.submit(url, {**form, "form-0-file-s3upload": second, "form-1-file-s3upload": first})
    assert page.result["saved"] == ["documents/second.txt", "documents/first.txt"]


def test_row_that_a_script_adds_can_have_uploads(browser: Browser) -> None:
    """Its policy was rendered in the template of a row, before it had a number."""
    policy = a_policy(field=field_identity("form-__prefix__-file")).sign()
    (upload,) = browser.presign(policy, [{"name": "a.txt", "size": 1, "type": ""}])
    assert browser.send(upload, b"x") == 201
    rows = {"form-TOTAL_FORMS": "3", "form-INITIAL_FORMS": "0", "form-2-title": "t"}
    page = browser.submit("/documents/formset/", {**rows, "form-2-file-s3upload": upload["token"]})
    assert page.result["saved"] == ["documents/a.txt"]


# --- when the store is asked ---------------------------------------------------------------------


def test_file_that_nobody_looks_at_is_not_asked_about(browser: Browser, store_is_not_asked: None) -> None:
    token = pending(browser)
    answer = received(browser.post("/echo/json/", {"file-s3upload": token}, content_type="application/json"))
    assert answer["files"] == 0
    request = RequestFactory().post("/", {"file-s3upload": token})
    response = S3UploadMiddleware(lambda request: HttpResponse(request.FILES["file"].name))(request)
    assert response.content == b"a.txt"


def test_form_without_csrf_token_fails_before_the_store_is_asked(settings: Any, call_count: CallCount) -> None:
    use_unreachable_s3(settings)
    client = Client(enforce_csrf_checks=True)
    response = client.post("/forms/document/", {"title": "t", "file-s3upload": a_token().sign()})
    assert response.status_code == 403
    assert not call_count


# --- what is not touched -------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/plain", "multipart/mixed; boundary=x", ""])
@pytest.mark.parametrize("path", ["/echo/body/", "/echo/stream/"])
def test_view_can_read_the_raw_body(path: str, content_type: str) -> None:
    body = b"any bytes \x00\xff" * 100_000 if path == "/echo/stream/" else b"any bytes \x00\xff"
    answer = received(Client().post(path, body, content_type=content_type))
    assert answer["sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("path", ["/echo/body/", "/echo/stream/"])
@pytest.mark.parametrize("content_type", [MULTIPART_CONTENT, URLENCODED])
def test_view_can_read_the_raw_body_of_a_form(path: str, content_type: str) -> None:
    body = encode_multipart(BOUNDARY, {"file-s3upload": "x", "file": SimpleUploadedFile("a.txt", b"y")})
    answer = received(Client().generic("POST", path, body, content_type=content_type))
    assert answer["sha256"] == hashlib.sha256(body).hexdigest()


def test_view_can_read_json() -> None:
    answer = received(Client().post("/echo/json/", {"file-s3upload": "x"}, content_type="application/json"))
    assert answer["json"] == {"file-s3upload": "x"}


def test_view_can_set_upload_handlers(browser: Browser) -> None:
    data = {"title": "t", "ordinary": SimpleUploadedFile("b.txt", b"x"), "file-s3upload": pending(browser)}
    answer = received(browser.post("/echo/upload-handlers/", data))
    assert [file["name"] for file in answer["files"]["file"]] == ["a.txt"]
    assert answer["files"]["ordinary"][0]["class"] == "InMemoryUploadedFile"


def test_view_that_is_exempt_from_csrf_gets_its_files(browser: Browser) -> None:
    token = pending(browser)
    answer = received(browser.client.post("/echo/csrf-exempt/", {"file-s3upload": token}))
    assert [file["name"] for file in answer["files"]["file"]] == ["a.txt"]


def test_nothing_is_read_of_a_request_before_the_view_does() -> None:
    class Untouchable(io.BytesIO):
        def read(self, *args: Any) -> bytes:
            pytest.fail("the body was read")

        readline = read

    request = RequestFactory().post("/", {"file-s3upload": "x"})
    request._stream = Untouchable()
    assert S3UploadMiddleware(lambda request: HttpResponse("ok"))(request).content == b"ok"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_left_alone(method: str) -> None:
    response = Client().generic(method, "/echo/?file-s3upload=x", b"file-s3upload=x", content_type=URLENCODED)
    assert response.status_code == 200


# --- tokens that can't be used -------------------------------------------------------------------


@pytest.mark.parametrize("forged", ["x", "x:y:z", "\x00", "😀", "a" * (MAX_LENGTH + 1), "{token}x", "x{token}"])
def test_forged_token_is_refused_and_nothing_is_saved(
    browser: Browser, filesystem_store: FilesystemStore, forged: str
) -> None:
    good = pending(browser)
    entries = {"title": "t", "file-s3upload": forged.replace("{token}", good)}
    assert browser.post("/forms/document/", entries).status_code == 403
    assert not Document.objects.exists()
    assert not filesystem_store.keys("documents/")


def test_one_forged_token_among_others_is_refused(browser: Browser) -> None:
    token = browser.upload("/forms/several/", "files", "a.txt", b"x")
    response = browser.post("/forms/several/", {"title": "t", "files-s3upload": [token, token + "x"]})
    assert response.status_code == 403


def test_signed_text_longer_than_any_token_is_refused(browser: Browser) -> None:
    token = a_token(key="x" * MAX_LENGTH).sign()
    assert browser.post("/forms/document/", {"title": "t", "file-s3upload": token}).status_code == 403


def test_expired_token_is_an_error_on_the_field(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 1_800_000_000)
    token = pending(browser)
    set_clock(monkeypatch, 1_800_000_000 + TOKEN_AGE + 1)
    response = browser.post("/forms/document/", {"title": "t", "file-s3upload": token})
    assert errors(response) == ["upload_expired"]
    assert not kept(response, "file")
    assert not Document.objects.exists()


def test_token_of_another_field_is_an_error_on_the_field(browser: Browser) -> None:
    one, other = (browser.upload("/forms/two/", "first", "a.txt", b"x") for _ in range(2))
    response = browser.post("/forms/two/", {"first-s3upload": one, "second-s3upload": other})
    assert errors(response, "second") == ["upload_foreign"]
    assert errors(response, "first") == []


def test_token_that_is_posted_twice_in_one_field_is_one_file(browser: Browser) -> None:
    first, second = (browser.upload("/forms/several/", "files", name, b"x") for name in ("a.txt", "b.txt"))
    page = browser.submit("/forms/several/", {"title": "t", "files-s3upload": [first, second, first]})
    assert page.result["saved"] == ["plain/a.txt", "plain/b.txt"]


def test_token_that_is_posted_in_two_rows_is_an_error_in_the_second(browser: Browser) -> None:
    url = "/documents/formset/"
    token = browser.upload(url, "form-0-file", "a.txt", b"x")
    form = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0", "form-0-title": "a", "form-1-title": "b"}
    response = browser.post(url, {**form, "form-0-file-s3upload": token, "form-1-file-s3upload": token})
    first, second = (row.errors.as_data() for row in response.context["formset"])
    assert first == {}
    assert [error.code for error in second["file"]] == ["upload_foreign"]
    assert not Document.objects.exists()
    assert [field["value"] for field in kept(response, "form-0-file")] == [token]
    assert kept(response, "form-1-file") == []
    # Without it, the first one goes.
    page = browser.submit(url, {**form, "form-1-title": "", "form-0-file-s3upload": token})
    assert page.result["saved"] == ["documents/a.txt"]


def test_token_for_a_text_field_is_no_text(browser: Browser) -> None:
    token = pending(browser)
    response = browser.post("/forms/document/", {"title-s3upload": token, "file-s3upload": token})
    assert errors(response, "title") == ["required"]
    assert not Document.objects.exists()


@pytest.mark.parametrize("name", ["nothing", "", "csrfmiddlewaretoken", "FILE", "file-s3upload", "file-clear"])
def test_token_for_what_is_no_field_of_the_form_is_ignored(filesystem_store: FilesystemStore, name: str) -> None:
    filesystem_store.put("tmp/s3upload/abc", b"content")

    def view(request: HttpRequest) -> HttpResponse:
        form = DocumentForm(request.POST, request.FILES)
        assert form.is_valid()
        return HttpResponse(form.cleaned_data["file"].name)

    cookie = {"CSRF_COOKIE": "c" * 32}
    owner = owner_of(RequestFactory(**cookie).get("/"))
    token = a_token(owner=owner, content_type="text/plain").sign()
    request = RequestFactory(**cookie).post("/", {"title": "t", "file-s3upload": token, f"{name}-s3upload": token})
    assert S3UploadMiddleware(view)(request).content == b"report.pdf"


def test_vanished_upload_is_an_error_on_the_field(browser: Browser, filesystem_store: FilesystemStore) -> None:
    token = pending(browser)
    (key,) = filesystem_store.keys()
    (filesystem_store.folder / key).unlink()
    response = browser.post("/forms/document/", {"title": "t", "file-s3upload": token})
    assert errors(response) == ["upload_gone"]
    assert not kept(response, "file")


@pytest.mark.django_db(transaction=True)
def test_token_that_was_used_is_an_error_on_the_field(browser: Browser) -> None:
    token = pending(browser)
    browser.submit("/forms/document/", {"title": "t", "file-s3upload": token})
    response = browser.post("/forms/document/", {"title": "again", "file-s3upload": token})
    assert errors(response) == ["upload_gone"]
    assert Document.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_error_of_a_token_outside_of_a_form_is_a_bad_request(browser: Browser) -> None:
    token = pending(browser)
    browser.submit("/forms/document/", {"title": "t", "file-s3upload": token})
    assert browser.post("/echo/", {"file-s3upload": token}).status_code == 400


@pytest.mark.parametrize("limit", [3, None])
def test_as_many_tokens_as_a_form_may_have_files(browser: Browser, settings: Any, limit: int | None) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = limit
    tokens = [browser.upload("/forms/several/", "files", "a.txt", b"x") for _ in range(4)]
    three = browser.post("/forms/several/", {"title": "t", "files-s3upload": tokens[:3]})
    assert three.status_code == 200
    four = browser.post("/forms/several/", {"title": "t", "files-s3upload": tokens})
    assert four.status_code == (400 if limit else 200)


@pytest.mark.parametrize("path", ["/forms/several/", "/echo/csrf-exempt/"])
def test_error_page_of_a_developer_shows_no_token(browser: Browser, settings: Any, path: str) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    settings.DEBUG = True
    tokens = [browser.upload("/forms/several/", "files", "a.txt", b"x") for _ in range(2)]
    response = browser.post(path, {"title": "t", "files-s3upload": tokens})
    assert response.status_code == 400
    page = response.content.decode()
    assert "TooManyFilesSent" in page
    for token in tokens:
        assert token[:40] not in page


# --- whose token it is ---------------------------------------------------------------------------


def foreign(browser: Browser, token: str) -> bool:
    response = browser.post("/forms/document/", {"title": "t", "file-s3upload": token})
    if "form" not in (response.context or {}):
        return False
    assert errors(response) == ["upload_foreign"]
    assert not kept(response, "file")
    assert not Document.objects.exists()
    return True


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="alice's")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob", password="bob's")


def test_token_of_a_user_is_for_that_user(alice: User, bob: User) -> None:
    token = pending(Browser(alice))
    assert foreign(Browser(bob), token)
    assert foreign(Browser(), token)


def test_user_can_go_on_in_another_session(alice: User) -> None:
    assert not foreign(Browser(alice), pending(Browser(alice)))


def test_token_of_a_browser_is_for_that_browser(browser: Browser) -> None:
    token = pending(browser)
    assert foreign(Browser(), token)
    assert not foreign(browser, token)


def with_session(browser: Browser) -> Browser:
    session = browser.client.session
    session["cart"] = 1
    session.save()
    return browser


def test_token_of_a_session_is_for_that_session() -> None:
    browser = with_session(Browser())
    token = pending(browser)
    assert foreign(with_session(Browser()), token)
    assert not foreign(browser, token)


def test_browser_that_gets_a_session_meanwhile_keeps_its_uploads(browser: Browser) -> None:
    token = pending(browser)
    assert not foreign(with_session(browser), token)


class RemembersVisits:
    """As sites do that count what anonymous visitors look at: every request writes to the session."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return self.get_response(request)


COOKIES = "django.contrib.sessions.backends.signed_cookies"
DATABASE = "django.contrib.sessions.backends.db"
REMEMBERS_VISITS = f"{__name__}.RemembersVisits"


@pytest.mark.parametrize("engine", [COOKIES, DATABASE])
@pytest.mark.parametrize("auth", [True, False])
def test_visitor_whose_session_changes_all_the_time_keeps_the_uploads(settings: Any, engine: str, auth: bool) -> None:
    settings.SESSION_ENGINE = engine
    settings.MIDDLEWARE = site_that_remembers_visits(auth)
    browser = Browser()
    browser.get("/forms/plain/")
    before = browser.client.cookies["sessionid"].value
    token = pending(browser)
    browser.get("/forms/plain/")
    assert (browser.client.cookies["sessionid"].value != before) is (engine == COOKIES)
    assert browser.client.session["visits"] > 3
    assert foreign(Browser(), token)
    assert not foreign(browser, token)


@pytest.mark.parametrize("auth", [True, False])
def test_visitor_with_a_session_that_has_ended_keeps_the_uploads(settings: Any, auth: bool) -> None:
    """The new one begins between choosing a file and posting the form."""
    settings.MIDDLEWARE = [path for path in site_that_remembers_visits(auth) if path != REMEMBERS_VISITS]
    browser, other = Browser(), Browser()
    for one in (browser, other):
        one.get("/forms/plain/")
        one.client.cookies["sessionid"] = "s" * 32
    page = browser.client.get("/forms/document/").content.decode()
    (upload,) = browser.presign(browser.policy(page, "file"), [{"name": "a.txt", "size": 1, "type": ""}])
    assert browser.send(upload, b"x") == 201
    settings.MIDDLEWARE = site_that_remembers_visits(auth)
    browser.client.handler.load_middleware()
    other.client.handler.load_middleware()
    # A session that is none makes nobody of two the same.
    assert foreign(other, upload["token"])
    assert not foreign(browser, upload["token"])


def site_that_remembers_visits(auth: bool) -> list[str]:
    return [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        *(["django.contrib.auth.middleware.AuthenticationMiddleware"] if auth else []),
        REMEMBERS_VISITS,
        "s3upload.middleware.S3UploadMiddleware",
    ]


def test_token_of_a_user_is_nobodys_after_logout(alice: User) -> None:
    browser = Browser(alice)
    token = pending(browser)
    browser.client.logout()
    assert foreign(browser, token)


def test_token_of_a_user_is_good_again_after_login(alice: User) -> None:
    browser = Browser(alice)
    token = pending(browser)
    browser.client.logout()
    browser.client.force_login(alice)
    assert not foreign(browser, token)


def test_upload_of_an_anonymous_browser_is_nobodys_after_login(browser: Browser, alice: User) -> None:
    """Login gives the browser another CSRF token on purpose: an attacker may have planted the one before."""
    token = pending(browser)
    alice.is_staff = True
    alice.save()
    login = {"username": "alice", "password": "alice's", "next": "/"}
    assert browser.post("/admin/login/", login).status_code == 302
    assert foreign(browser, token)


def test_stolen_token_does_not_take_the_file_away(alice: User, bob: User) -> None:
    browser = Browser(alice)
    token = pending(browser)
    assert foreign(Browser(bob), token)
    assert not foreign(browser, token)


# --- the store does not answer -------------------------------------------------------------------


def test_store_that_does_not_answer_is_an_error_on_the_field(browser: Browser, settings: Any) -> None:
    use_unreachable_s3(settings, client_config=quick())
    (upload,) = browser.presign(
        browser.policy(browser.client.get("/forms/document/").content.decode(), "file"),
        [{"name": "a.txt", "size": 7, "type": ""}],
    )
    response = browser.post("/forms/document/", {"title": "t", "file-s3upload": upload["token"]})
    assert errors(response) == ["store_unavailable"]
    # It may answer when the form is posted again.
    assert [field["data-s3upload-name"] for field in kept(response, "file")] == ["a.txt"]


def test_store_that_does_not_answer_outside_of_a_form_is_503(browser: Browser, settings: Any) -> None:
    use_unreachable_s3(settings, client_config=quick())
    (upload,) = browser.presign(
        browser.policy(browser.client.get("/forms/document/").content.decode(), "file"),
        [{"name": "a.txt", "size": 7, "type": ""}],
    )
    response = browser.post("/echo/", {"file-s3upload": upload["token"]})
    assert response.status_code == 503
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode() == str(StoreUnavailable.default_message)


def quick() -> Any:
    from botocore.config import Config

    return Config(connect_timeout=1, retries={"total_max_attempts": 1})


# --- sync and async ------------------------------------------------------------------------------


def test_middleware_is_sync_or_async_as_what_is_behind_it() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    request = RequestFactory().get("/")
    assert iscoroutinefunction(S3UploadMiddleware(view))
    assert asyncio.run(S3UploadMiddleware(view)(request)).status_code == 200
    synchronous = S3UploadMiddleware(lambda request: HttpResponse())
    assert not iscoroutinefunction(synchronous)
    assert synchronous(request).status_code == 200


def async_client(browser: Browser) -> AsyncClient:
    client = AsyncClient(enforce_csrf_checks=True)
    client.cookies = browser.client.cookies
    return client


@pytest.mark.django_db(transaction=True)
def test_async_view_gets_its_files(browser: Browser) -> None:
    token = pending(browser)
    data = {"csrfmiddlewaretoken": browser.client.cookies["csrftoken"].value, "file-s3upload": token}
    client = async_client(browser)
    answer = received(asyncio.run(client.post("/echo/async/", data)))
    assert [(file["name"], file["size"]) for file in answer["files"]["file"]] == [("a.txt", 7)]


@pytest.mark.django_db(transaction=True)
def test_async_view_saves_a_file(browser: Browser, filesystem_store: FilesystemStore) -> None:
    token = pending(browser)
    data = {"csrfmiddlewaretoken": browser.client.cookies["csrftoken"].value, "title": "t", "file-s3upload": token}
    client = async_client(browser)
    response = asyncio.run(client.post("/documents/async/", data))
    assert Page(response.content.decode()).result["saved"] == ["documents/a.txt"]
    assert filesystem_store.keys() == ["documents/a.txt"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("entry", "status"), [("x:y:z", 403), ("", 200)])
def test_forged_token_for_an_async_view(browser: Browser, entry: str, status: int) -> None:
    browser.get("/forms/document/")
    data = {"csrfmiddlewaretoken": browser.client.cookies["csrftoken"].value, "title": "t", "file-s3upload": entry}
    client = async_client(browser)
    assert asyncio.run(client.post("/documents/async/", data)).status_code == status


@pytest.mark.django_db(transaction=True)
def test_endpoint_answers_async(browser: Browser) -> None:
    policy = browser.policy(browser.client.get("/forms/plain/").content.decode(), "file")
    body = {"policy": policy, "files": [{"name": "a.txt", "size": 1, "type": ""}]}
    response = asyncio.run(async_client(browser).post(PRESIGN, json.dumps(body), content_type="application/json"))
    assert "token" in response.json()["uploads"][0]


@pytest.mark.django_db(transaction=True)
def test_async_view_can_read_the_raw_body() -> None:
    answer = received(asyncio.run(AsyncClient().post("/echo/stream/", b"bytes", content_type="text/plain")))
    assert answer["sha256"] == hashlib.sha256(b"bytes").hexdigest()


def test_files_are_ours_alone() -> None:
    request = RequestFactory().post("/", {"file-s3upload": a_token().sign()})
    S3UploadMiddleware(lambda request: HttpResponse(request.POST.get("x", "")))(request)
    assert isinstance(request.FILES["file"], DirectUploadedFile)


# --- what is no token ---------------------------------------------------------------------------


class Ids(Keeper):
    """An app whose uploads are known by ids."""

    def upload_of(
        self, request: HttpRequest, uploads: RequestUploads, posted: SignedText, field: str
    ) -> DirectUploadedFile | None:
        return uploads.add(a_token(field=field), posted) if posted == "an id" else None


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scopes._keepers, "ids", Ids())


@pytest.mark.usefixtures("ids")
def test_app_knows_what_an_id_stands_for() -> None:
    request = RequestFactory().post("/echo/", {"file-s3upload": "an id"})
    prepare(request)

    assert [file.name for file in request.FILES.getlist("file")] == [a_token().name]
    assert not request.POST


@pytest.mark.usefixtures("ids")
def test_what_no_app_knows_is_forged(browser: Browser) -> None:
    assert browser.post("/echo/", {"file-s3upload": "another id"}).status_code == 403


@pytest.mark.parametrize("is_read_before", [False, True])
def test_form_of_an_exempt_view_is_left_alone(
    browser: Browser, settings: Any, monkeypatch: pytest.MonkeyPatch, is_read_before: bool
) -> None:
    if is_read_before:
        settings.MIDDLEWARE = ["tests.filepond.test_process.reads_forms", *settings.MIDDLEWARE]
    monkeypatch.setattr(views.echo, "s3upload_exempt", True, raising=False)

    answer = received(browser.post("/echo/", {"file-s3upload": "{}"}))

    assert answer["post"]["file-s3upload"] == ["{}"]
    assert answer["files"] == {}
