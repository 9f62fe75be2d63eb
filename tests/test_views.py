"""The presign endpoint and the dummy, as the wire has them: what is answered, and what is refused how."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import boto3.session
import pytest
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import set_script_prefix

from s3upload.backends import backend_named
from s3upload.conf import POLICY_AGE, PRESIGNED_AGE
from s3upload.policy import ChosenFile, Policy
from s3upload.tokens import Token
from s3upload.views import endpoint
from tests.conftest import CallCount, FilesystemStore
from tests.pages import DUMMY, PRESIGN, a_policy, a_token, file_input, set_clock, use_unreachable_s3
from tests.wire import Browser, multipart

A_FILE = {"name": "a.pdf", "size": 7, "type": "application/pdf"}


@pytest.fixture(autouse=True)
def _filesystem(filesystem_store: FilesystemStore) -> None:
    """The store is a folder unless a test chooses another one."""


@pytest.fixture
def no_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code under test makes no client of boto3."""
    monkeypatch.setattr(boto3.session.Session, "client", lambda *args, **kwargs: pytest.fail("a client was made"))


def body_of(policy: Policy | str | None = None, *files: dict[str, Any], **more: Any) -> dict[str, Any]:
    signed = policy if isinstance(policy, str) else (policy or a_policy()).sign()
    return {"policy": signed, "files": list(files or [A_FILE]), **more}


def post(
    body: Any, content_type: str = "application/json", client: Client | None = None, **extra: Any
) -> HttpResponse:
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return (client or Client()).generic("POST", PRESIGN, data, content_type=content_type, **extra)


def refused(response: HttpResponse, status: int) -> str:
    """Expect a refusal as a whole, as the wire has it; return its text."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    answer = json.loads(response.content)
    assert list(answer) == ["error"]
    assert isinstance(answer["error"], str)
    assert answer["error"]
    return answer["error"]


def uploads(response: HttpResponse) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.content
    answer = json.loads(response.content)
    assert list(answer) == ["uploads"]
    return answer["uploads"]


# --- what is answered ----------------------------------------------------------------------------


def test_file_gets_a_presigned_request_and_a_token() -> None:
    (upload,) = uploads(post(body_of()))
    assert upload.keys() == {"token", "method", "url", "fields"}
    assert upload["method"] == "POST"
    assert upload["url"] == DUMMY
    token, expired = Token.unsign(upload["token"])
    assert not expired
    assert (token.name, token.size, token.content_type) == ("a.pdf", 7, "application/pdf")
    assert (token.storage, token.field) == ("default", "file")
    assert upload["fields"]["key"] == token.key
    assert token.key.startswith("tmp/s3upload/")


def test_files_are_answered_in_order_and_have_keys_of_their_own() -> None:
    files = [{"name": f"{number}.txt", "size": number, "type": ""} for number in range(100)]
    tokens = [Token.unsign(upload["token"])[0] for upload in uploads(post(body_of(None, *files)))]
    assert [token.name for token in tokens] == [file["name"] for file in files]
    assert [token.size for token in tokens] == list(range(100))
    assert len({token.key for token in tokens}) == 100


def test_two_files_of_one_name_are_two_files() -> None:
    first, second = uploads(post(body_of(None, A_FILE, A_FILE)))
    assert first["fields"]["key"] != second["fields"]["key"]


def test_no_files_are_no_uploads() -> None:
    assert uploads(post({"policy": a_policy().sign(), "files": []})) == []


def test_refused_file_is_told_in_its_place_and_the_others_go_on() -> None:
    policy = a_policy(max_size=10, accept=".pdf")
    too_large = {**A_FILE, "size": 11}
    wrong_type = {"name": "a.txt", "size": 1, "type": "text/plain"}
    answers = uploads(post(body_of(policy, too_large, A_FILE, wrong_type, A_FILE)))
    assert ["error" in answer for answer in answers] == [True, False, True, False]
    assert [list(answer) for answer in answers if "error" in answer] == [["error"], ["error"]]
    assert "too large" in answers[0]["error"]
    assert ".pdf" in answers[2]["error"]


def test_answer_is_not_kept_by_caches() -> None:
    assert post(body_of())["Cache-Control"] == "no-store"


@pytest.mark.parametrize("sha256", ["", base64.b64encode(bytes(32)).decode()])
def test_checksum_may_come_with_a_file(sha256: str) -> None:
    uploads(post(body_of(None, {**A_FILE, "sha256": sha256}, A_FILE)))


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_media_type_may_be_written_in_any_way(content_type: str) -> None:
    uploads(post(body_of(), content_type))


def test_request_needs_no_csrf_token_and_no_login() -> None:
    uploads(post(body_of(), client=Client(enforce_csrf_checks=True)))


def test_browser_without_cookies_gets_the_cookie_that_its_token_is_bound_to() -> None:
    response = post(body_of())
    assert "csrftoken" in response.cookies
    client = Client()
    post(body_of(), client=client)
    first = client.cookies["csrftoken"].value
    post(body_of(), client=client)
    assert client.cookies["csrftoken"].value == first


@pytest.mark.parametrize(
    "name", ["é" * 127, "😀.png", "a%2fb", "\ud800", "..", "x" * 100_000, "a\r\nb", "<b>", "&#" + "9" * 5000 + ";"]
)
def test_any_name_is_answered_with_a_token_that_can_be_posted(name: str) -> None:
    (upload,) = uploads(post(body_of(None, {**A_FILE, "name": name})))
    token, _expired = Token.unsign(upload["token"])
    assert token.name


# --- refused as a whole: malformed ---------------------------------------------------------------

DEEP = "[" * 200_000
GOOD = json.dumps(body_of("POLICY"))


def file_with(**changes: Any) -> dict[str, Any]:
    return body_of("POLICY", {**A_FILE, **changes})


def without(key: str) -> dict[str, Any]:
    return body_of("POLICY", {name: value for name, value in A_FILE.items() if name != key})


HOSTILE: list[Any] = [
    b"",
    b" ",
    b"\xff\xfe",
    b"\xff\xff\xff",
    b"\x00",
    "{",
    "null",
    "true",
    "1",
    '"text"',
    "[]",
    "{}",
    "NaN",
    "[NaN]",
    DEEP,
    DEEP + "]" * 200_000,
    '{"policy":' * 100_000,
    '{"policy": "P", "files": ' + DEEP + "]" * 200_000 + "}",
    GOOD[:-1],
    GOOD + "x",
    GOOD + GOOD,
    [body_of("P")],
    {"policy": "P"},
    {"files": [A_FILE]},
    body_of("P", more=1),
    {"policy": None, "files": [A_FILE]},
    {"policy": 1, "files": [A_FILE]},
    {"policy": ["P"], "files": [A_FILE]},
    {"policy": {}, "files": [A_FILE]},
    {"policy": "P", "files": None},
    {"policy": "P", "files": A_FILE},
    {"policy": "P", "files": "files"},
    {"policy": "P", "files": [None]},
    {"policy": "P", "files": ["a.pdf"]},
    {"policy": "P", "files": [[A_FILE]]},
    {"policy": "P", "files": [A_FILE, {}]},
    without("name"),
    without("size"),
    without("type"),
    file_with(key="tmp/mine"),
    file_with(name=""),
    file_with(name=None),
    file_with(name=1),
    file_with(name=["a"]),
    file_with(name={"a": 1}),
    file_with(size=-1),
    file_with(size=-(2**80)),
    file_with(size=2**63),
    file_with(size=10**400),
    file_with(size="7"),
    file_with(size=7.0),
    file_with(size=1e308),
    file_with(size=True),
    file_with(size=False),
    file_with(size=None),
    file_with(size=[]),
    file_with(type=None),
    file_with(type=1),
    file_with(type=True),
    *(
        file_with(sha256=sha256)
        for sha256 in (
            None,
            1,
            True,
            [],
            {},
            "x",
            "=",
            "\n",
            "A" * 44,
            "A" * 43,
            "é",
            "AAAA",
            "A" * 43 + "=\n",
            "\ud800",
        )
    ),
    body_of("POLICY", A_FILE, {**A_FILE, "sha256": "x"}),
    GOOD.replace('"size": 7', '"size": NaN'),
    GOOD.replace('"size": 7', '"size": Infinity'),
    GOOD.replace('"size": 7', '"size": ' + "9" * 100_000),
    GOOD.replace('"size": 7', '"size": 1e999'),
    GOOD.replace('"size": 7', '"size": 07'),
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_malformed_body_is_refused(body: Any, no_clients: None, call_count: CallCount, settings: Any) -> None:
    use_unreachable_s3(settings)
    refused(post(body), 400)
    assert not call_count


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "x"],
)
def test_other_media_type_is_refused(content_type: str) -> None:
    """With one of them a form of another site could be posted without asking first."""
    refused(post(body_of(), content_type), 400)


def test_body_that_breaks_off_is_refused() -> None:
    class Broken(io.BytesIO):
        def read(self, *args: Any) -> bytes:
            raise OSError("the browser has gone")

    request = RequestFactory().post(PRESIGN, body_of(), content_type="application/json")
    request._stream = Broken()
    refused(endpoint(request), 400)


# --- refused as a whole: too much ----------------------------------------------------------------


def test_more_files_than_a_form_may_have_are_refused(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    assert len(uploads(post(body_of(None, *[A_FILE] * 3)))) == 3
    refused(post(body_of(None, *[A_FILE] * 4)), 413)


def test_any_number_of_files_where_the_site_has_no_limit(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = None
    assert len(uploads(post(body_of(None, *[A_FILE] * 150)))) == 150


def test_longer_request_than_django_takes_is_refused(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    refused(post(body_of(None, {**A_FILE, "name": "x" * 1000})), 413)


# --- refused as a whole: forged, expired, not from here ------------------------------------------


@pytest.mark.parametrize(
    "policy", ["", "x", "x:y:z", "\ud800", a_policy().sign()[:-1], a_policy().sign() + "x", a_token().sign()]
)
def test_forged_policy_is_refused(policy: str, no_clients: None, settings: Any) -> None:
    use_unreachable_s3(settings)
    refused(post(body_of(policy)), 403)


def test_policy_of_a_page_that_was_open_for_longer_than_a_week_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 1_800_000_000)
    body = body_of()
    set_clock(monkeypatch, 1_800_000_000 + POLICY_AGE + 1)
    assert "open for too long" in refused(post(body), 403)


@pytest.mark.parametrize("storage", ["gone", "archive", "no.Model.field", "testapp.Document.title", "testapp.No.file"])
def test_policy_of_a_storage_that_takes_no_uploads_any_more_is_refused(storage: str) -> None:
    refused(post(body_of(a_policy(storage=storage))), 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://testserver:8000"},
        {"Origin": "http://testserver@evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Origin": "http://[::1"},
        {"Origin": "testserver"},
        {"Origin": "\x00"},
    ],
)
def test_request_of_another_site_is_refused(headers: dict[str, str]) -> None:
    assert "only be started from this site" in refused(post(body_of(), headers=headers), 403)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://testserver"},
        # A proxy that speaks TLS with the browser.
        {"Origin": "https://testserver"},
        {"Origin": "http://testserver"},
        {"Origin": "http://localhost:8000", "Host": "localhost:8000"},
    ],
)
def test_request_of_the_site_itself_is_answered(headers: dict[str, str]) -> None:
    uploads(post(body_of(), headers=headers))


def test_refusal_is_logged_without_policy_or_query(caplog: pytest.LogCaptureFixture) -> None:
    policy = a_policy().sign() + "x"
    with caplog.at_level(logging.DEBUG):
        Client().post(PRESIGN + "?secret=1", body_of(policy), content_type="application/json")
    assert any(record.name == "s3upload.views" for record in caplog.records)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("s3upload")]
    assert not any(policy in message or "secret" in message for message in ours)


# --- who may upload ------------------------------------------------------------------------------


def no_pdf(request: HttpRequest, policy: Policy, file: ChosenFile) -> None:
    assert isinstance(request, HttpRequest)
    assert isinstance(policy, Policy)
    if file.name.endswith(".pdf"):
        raise PermissionDenied(f"No PDF for {request.META['HTTP_USER_AGENT']}, not even {file.name}.")


def nobody(request: HttpRequest, policy: Policy, file: ChosenFile) -> None:
    raise PermissionDenied


def members(request: HttpRequest, policy: Policy, file: ChosenFile) -> None:
    if not request.user.is_authenticated:
        raise PermissionDenied


def test_authorize_refuses_with_its_message(settings: Any, no_clients: None, call_count: CallCount) -> None:
    use_unreachable_s3(settings)
    settings.S3UPLOAD_AUTHORIZE = "tests.test_views.no_pdf"
    text = {"name": "a.txt", "size": 1, "type": ""}
    answer = refused(post(body_of(None, text, A_FILE), headers={"User-Agent": "you"}), 403)
    assert answer == "No PDF for you, not even a.pdf."
    assert not call_count


def test_authorize_lets_pass(settings: Any) -> None:
    settings.S3UPLOAD_AUTHORIZE = "tests.test_views.no_pdf"
    assert len(uploads(post(body_of(None, {"name": "a.txt", "size": 1, "type": ""})))) == 1


def test_authorize_refuses_with_a_message_of_ours_when_it_has_none(settings: Any) -> None:
    settings.S3UPLOAD_AUTHORIZE = "tests.test_views.nobody"
    assert refused(post(body_of()), 403) == "You may not upload files here."


@pytest.mark.django_db
def test_authorize_knows_the_user(settings: Any, admin_client: Client) -> None:
    settings.S3UPLOAD_AUTHORIZE = "tests.test_views.members"
    refused(post(body_of()), 403)
    uploads(post(body_of(), client=admin_client))


# --- paths and methods ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["presign/", "parts/", "list/", "complete/", "abort/"])
def test_other_method_is_not_allowed(method: str, path: str) -> None:
    response = Client().generic(method, "/__s3upload__/" + path)
    assert response.status_code == 405
    assert response["Allow"] == "POST"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_dummy_takes_what_a_store_takes(method: str) -> None:
    response = Client().generic(method, DUMMY)
    assert response.status_code == 405
    assert response["Allow"] == "POST, PUT"


@pytest.mark.parametrize(
    "path", ["", "presign", "presign/x", "presign//", "/presign/", "parts", "x", "../admin/", "%2e%2e/", "\x00", "😀"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path_is_not_found(path: str, method: str) -> None:
    response = Client().generic(method, "/__s3upload__/" + path, "{}", content_type="application/json")
    assert response.status_code == 404
    assert json.loads(response.content).keys() == {"error"}


def test_paths_beside_the_endpoint_belong_to_the_site() -> None:
    for path in ("/__s3upload__", "/__s3upload__x/presign/", "/x/__s3upload__/presign/"):
        response = Client().post(path, body_of(), content_type="application/json")
        assert response.status_code == 404
        assert "json" not in response["Content-Type"]


def test_endpoint_can_be_elsewhere(settings: Any) -> None:
    settings.S3UPLOAD_ENDPOINT = "/files/up/"
    assert post(body_of()).status_code == 404
    client = Client()
    page = client.get("/forms/plain/")
    assert file_input(page, "file")["data-s3upload-endpoint"] == "/files/up/"
    (upload,) = uploads(client.post("/files/up/presign/", body_of(), content_type="application/json"))
    assert upload["url"] == "/files/up/dummy/"


@pytest.mark.django_db
def test_endpoint_of_a_site_below_a_prefix() -> None:
    handler, requests = WSGIHandler(), RequestFactory(SCRIPT_NAME="/site")
    try:
        page = handler(requests.get("/forms/plain/").environ, lambda status, headers: None)
        assert file_input(page, "file")["data-s3upload-endpoint"] == "/site/__s3upload__/"
        # The server takes the prefix off the path.
        request = requests.post(PRESIGN, body_of(), content_type="application/json")
        (upload,) = uploads(handler(request.environ, lambda status, headers: None))
        assert upload["url"] == "/site/__s3upload__/dummy/"
    finally:
        set_script_prefix("/")


# --- languages -----------------------------------------------------------------------------------


@pytest.fixture
def with_languages(settings: Any) -> None:
    middleware = list(settings.MIDDLEWARE)
    middleware.insert(2, "django.middleware.locale.LocaleMiddleware")
    settings.MIDDLEWARE = middleware


REFUSED_WAYS: dict[str, Callable[..., str]] = {
    "malformed": lambda **extra: refused(post("{", **extra), 400),
    "forged": lambda **extra: refused(post(body_of("x"), **extra), 403),
    "elsewhere": lambda **extra: refused(post(body_of(), HTTP_ORIGIN="null", **extra), 403),
    "too many": lambda **extra: refused(post(body_of(None, *[A_FILE] * 101), **extra), 413),
    "too large": lambda **extra: uploads(post(body_of(a_policy(max_size=1)), **extra))[0]["error"],
    "type": lambda **extra: uploads(post(body_of(a_policy(accept=".x")), **extra))[0]["error"],
}


@pytest.mark.parametrize("way", REFUSED_WAYS)
@pytest.mark.parametrize("language", ["de", "fr", "es"])
@pytest.mark.usefixtures("with_languages")
def test_refusal_is_in_the_language_of_the_browser(way: str, language: str) -> None:
    english = REFUSED_WAYS[way]()
    translated = REFUSED_WAYS[way](HTTP_ACCEPT_LANGUAGE=f"{language};q=0.9,en;q=0.5")
    assert translated != english
    assert REFUSED_WAYS[way](HTTP_ACCEPT_LANGUAGE="en") == english


@pytest.mark.usefixtures("with_languages")
def test_refusal_is_in_the_language_of_the_page_where_addresses_tell_it(settings: Any) -> None:
    """LocaleMiddleware then takes the endpoint's address, which has no language in it, for one in LANGUAGE_CODE."""
    settings.ROOT_URLCONF = "tests.urls_with_languages"
    english = REFUSED_WAYS["malformed"]()
    assert REFUSED_WAYS["malformed"](HTTP_ACCEPT_LANGUAGE="de") != english


def test_refusal_is_in_the_language_of_a_site_that_has_only_one() -> None:
    english = REFUSED_WAYS["malformed"]()
    assert REFUSED_WAYS["malformed"](HTTP_ACCEPT_LANGUAGE="de") == english


# --- on S3, of which presigning asks nothing -----------------------------------------------------


def test_public_address_of_the_store_is_in_the_presigned_request(settings: Any, call_count: CallCount) -> None:
    use_unreachable_s3(settings)
    settings.S3UPLOAD_PUBLIC_ENDPOINT_URL = "https://files.example.org"
    (upload,) = uploads(post(body_of()))
    assert urlsplit(upload["url"])[:2] == ("https", "files.example.org")
    assert not call_count


def test_public_address_of_one_storage_comes_first(settings: Any) -> None:
    use_unreachable_s3(settings, public_endpoint_url="https://own.example.org:8443")
    settings.S3UPLOAD_PUBLIC_ENDPOINT_URL = "https://files.example.org"
    (upload,) = uploads(post(body_of()))
    assert urlsplit(upload["url"]).netloc == "own.example.org:8443"


def test_address_of_the_storage_where_there_is_no_public_one(settings: Any) -> None:
    use_unreachable_s3(settings)
    (upload,) = uploads(post(body_of()))
    assert upload["url"].startswith("http://127.0.0.1:9/")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_address_on_aws_is_that_of_the_region(method: str, settings: Any) -> None:
    """Another one may answer with a redirect, which no browser follows in a preflight."""
    settings.S3UPLOAD_METHOD = method
    use_unreachable_s3(settings, endpoint_url=None, addressing_style=None)
    (upload,) = uploads(post(body_of()))
    assert urlsplit(upload["url"]).netloc == "bucket.s3.eu-central-1.amazonaws.com"


def test_address_on_aws_of_a_bucket_that_fits_no_certificate(settings: Any) -> None:
    use_unreachable_s3(settings, endpoint_url=None, addressing_style=None, bucket_name="my.bucket")
    (upload,) = uploads(post(body_of()))
    assert urlsplit(upload["url"]).netloc == "s3.eu-central-1.amazonaws.com"


def test_address_that_is_none_fails_and_says_why_to_the_developer(settings: Any) -> None:
    use_unreachable_s3(settings, endpoint_url="http://a_b")
    with pytest.raises(ImproperlyConfigured, match="Invalid endpoint"):
        post(body_of())


def test_method_put(settings: Any, call_count: CallCount) -> None:
    use_unreachable_s3(settings)
    settings.S3UPLOAD_METHOD = "PUT"
    (upload,) = uploads(post(body_of()))
    assert upload.keys() == {"token", "method", "url", "headers"}
    assert upload["method"] == "PUT"
    assert upload["headers"]["Content-Type"] == "application/pdf"
    assert not call_count


def test_store_without_credentials_fails_and_says_why_to_the_developer(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A wrong set-up is no fault of the visitor: it is an error of the site, in its log."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    use_unreachable_s3(settings, access_key=None, secret_key=None)
    with pytest.raises(ImproperlyConfigured, match="no credentials for S3UploadStorage"):
        post(body_of())


# --- the dummy -----------------------------------------------------------------------------------


def presigned(**changes: Any) -> dict[str, Any]:
    return uploads(post(body_of(None, {**A_FILE, **changes})))[0]


def send(fields: dict[str, str], body: bytes = b"content", client: Client | None = None, **extra: Any) -> HttpResponse:
    form, content_type = multipart(fields, body, "blob")
    return (client or Client()).generic("POST", DUMMY, form, content_type=content_type, **extra)


def test_dummy_takes_what_was_presigned(filesystem_store: FilesystemStore) -> None:
    fields = presigned()["fields"]
    assert send(fields).status_code == 201
    assert filesystem_store.get(fields["key"]) == b"content"


def test_dummy_takes_a_file_larger_than_memory_allows(filesystem_store: FilesystemStore, settings: Any) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 5000
    body = b"x" * 100_000
    fields = presigned(size=len(body))["fields"]
    assert send(fields, body).status_code == 201
    assert filesystem_store.get(fields["key"]) == body
    assert filesystem_store.keys() == [fields["key"]]


def test_dummy_takes_an_empty_file(filesystem_store: FilesystemStore) -> None:
    fields = presigned(size=0)["fields"]
    assert send(fields, b"").status_code == 201
    assert filesystem_store.get(fields["key"]) == b""


@pytest.mark.parametrize("body", [b"", b"short", b"content, and more"])
def test_dummy_refuses_another_size(body: bytes, filesystem_store: FilesystemStore) -> None:
    refused(send(presigned()["fields"], body), 403)
    assert filesystem_store.keys() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "tmp/s3upload/mine"},
        {"key": "../../escape"},
        {"key": "/etc/passwd"},
        {"key": ""},
        {"Content-Type": "text/html"},
        {"Content-Type": ""},
        {"permit": ""},
        {"permit": "x:y:z"},
        {"permit": a_token().sign()},
        {"permit": a_policy().sign()},
    ],
)
def test_dummy_refuses_what_was_not_permitted(changes: dict[str, str], filesystem_store: FilesystemStore) -> None:
    refused(send({**presigned()["fields"], **changes}), 403)
    assert filesystem_store.keys() == []


def test_dummy_refuses_the_permit_of_another_upload(filesystem_store: FilesystemStore) -> None:
    refused(send({**presigned()["fields"], "permit": presigned()["fields"]["permit"]}), 403)
    assert filesystem_store.keys() == []


def test_dummy_refuses_a_permit_older_than_an_hour(
    monkeypatch: pytest.MonkeyPatch, filesystem_store: FilesystemStore
) -> None:
    set_clock(monkeypatch, 1_800_000_000)
    fields = presigned()["fields"]
    set_clock(monkeypatch, 1_800_000_000 + PRESIGNED_AGE + 1)
    refused(send(fields), 403)
    assert filesystem_store.keys() == []


def test_dummy_refuses_other_sites(filesystem_store: FilesystemStore) -> None:
    refused(send(presigned()["fields"], headers={"Origin": "http://evil.example"}), 403)
    assert filesystem_store.keys() == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x--", "multipart/form-data; boundary=x"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"file=a", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
    ],
)
def test_dummy_refuses_a_malformed_request(body: bytes, content_type: str) -> None:
    assert Client().generic("POST", DUMMY, body, content_type=content_type).status_code == 400


def a_part(**changes: Any) -> dict[str, Any]:
    """Return the presigned request of the first part of a large file, of 5 MiB."""
    upload = presigned(size=16 * 1024**2 + 1, **changes)
    return backend_named("default").presign_part(Token.unsign(upload["token"])[0], 1)


def put(url: str, body: bytes, **extra: Any) -> HttpResponse:
    return Client().generic("PUT", url, body, content_type="", **extra)


FIVE_MIB = bytes(5 * 1024**2)


def test_dummy_takes_a_part_and_answers_as_s3_does() -> None:
    answer = put(a_part()["url"], FIVE_MIB)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["ETag"] == f'"{hashlib.sha256(FIVE_MIB).hexdigest()}"'
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("length", ["", "0", "5", "-1", "x", str(5 * 1024**2 - 1), str(5 * 1024**2 + 1)])
def test_dummy_refuses_a_part_that_announces_another_length(length: str) -> None:
    refused(put(a_part()["url"], FIVE_MIB, CONTENT_LENGTH=length), 403)


def test_dummy_refuses_a_part_that_ends_early(filesystem_store: FilesystemStore) -> None:
    request = RequestFactory().generic("PUT", a_part()["url"], FIVE_MIB, content_type="")
    request._stream = io.BytesIO(b"short")
    answer = endpoint(request)
    assert answer.status_code == 400
    assert b"<Code>RequestTimeout</Code>" in answer.content
    assert filesystem_store.keys() == []


def test_dummy_takes_no_part_for_a_whole_file_and_no_file_for_a_part(filesystem_store: FilesystemStore) -> None:
    fields = presigned()["fields"]
    refused(put(f"{DUMMY}?{urlencode({'permit': fields['permit']})}", b"content"), 403)
    permit = parse_qs(urlsplit(a_part()["url"]).query)["permit"][0]
    refused(send({**fields, "permit": permit}, FIVE_MIB), 403)
    assert filesystem_store.keys() == []


@pytest.mark.parametrize("query", ["", "?permit=", "?permit=x:y:z", "?permit=%ED%A0%80", "?permit", "?x=1"])
def test_dummy_refuses_a_part_without_permit(query: str) -> None:
    refused(put(DUMMY + query, b"content"), 403)


def test_dummy_refuses_a_part_of_another_site() -> None:
    refused(put(a_part()["url"], FIVE_MIB, headers={"Origin": "http://evil.example"}), 403)


def test_dummy_refuses_the_permit_of_a_part_older_than_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 1_800_000_000)
    part = a_part()
    set_clock(monkeypatch, 1_800_000_000 + PRESIGNED_AGE + 1)
    refused(put(part["url"], FIVE_MIB), 403)


def test_dummy_refuses_a_part_of_a_storage_that_is_no_folder_any_more(settings: Any) -> None:
    part = a_part()
    use_unreachable_s3(settings)
    refused(put(part["url"], FIVE_MIB), 403)


def test_dummy_says_which_content_is_wrong(filesystem_store: FilesystemStore) -> None:
    fields = presigned(sha256=base64.b64encode(hashlib.sha256(b"content").digest()).decode())["fields"]
    answer = send(fields, b"CONTENT")
    assert answer.status_code == 400
    assert b"<Code>BadDigest</Code>" in answer.content
    assert filesystem_store.keys() == []
    assert send(fields, b"content").status_code == 201


def test_dummy_is_not_there_where_it_may_not_serve(settings: Any, filesystem_store: FilesystemStore) -> None:
    fields = presigned()["fields"]
    body = body_of()
    settings.S3UPLOAD_DUMMY = None
    response = send(fields)
    assert response.status_code == 404
    assert filesystem_store.keys() == []
    refused(post(body), 403)


def test_dummy_serves_while_developing(settings: Any, filesystem_store: FilesystemStore) -> None:
    settings.S3UPLOAD_DUMMY = None
    settings.DEBUG = True
    fields = presigned()["fields"]
    assert send(fields).status_code == 201
    assert filesystem_store.keys() == [fields["key"]]


def test_browser_can_upload_without_csrf_token(filesystem_store: FilesystemStore) -> None:
    browser = Browser()
    browser.upload("/forms/plain/", "file", "a.txt", b"content")
    assert len(filesystem_store.keys("tmp/s3upload/")) == 1
