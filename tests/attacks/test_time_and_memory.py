"""The worker's time and memory: what one request can cost at most."""

from __future__ import annotations

import asyncio
import io
import json
import zlib
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core import signing
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.test import RequestFactory

from s3upload.conf import MAX_BODY, MAX_FILES
from s3upload.exceptions import Forged
from s3upload.policy import MAX_LENGTH as MAX_POLICY
from s3upload.policy import SALT as POLICY_SALT
from s3upload.policy import Policy
from s3upload.tokens import MAX_LENGTH as MAX_TOKEN
from s3upload.tokens import SALT as TOKEN_SALT
from s3upload.tokens import Token
from s3upload.views import endpoint
from tests.attacks.hostile import A_FILE, COOKIE, JSON_PATHS, PART, ask, attacker, bomb, changed, good, post
from tests.conftest import CallCount
from tests.pages import a_policy
from tests.test_views import refused
from tests.wire import ENDPOINT


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that a signature is calculated of, from now on."""
    lengths: list[int] = []
    signature = signing.Signer.signature

    def counted(self: signing.Signer, value: str, *args: Any, **kwargs: Any) -> str:
        lengths.append(len(value))
        return signature(self, value, *args, **kwargs)

    monkeypatch.setattr(signing.Signer, "signature", counted)
    return lengths


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of what is unpacked from now on."""
    lengths: list[int] = []
    decompress = zlib.decompress

    def counted(data: bytes, *args: Any, **kwargs: Any) -> bytes:
        lengths.append(len(data))
        return decompress(data, *args, **kwargs)

    monkeypatch.setattr(zlib, "decompress", counted)
    return lengths


# --- a request for the endpoint ------------------------------------------------------------------


class Endless(io.RawIOBase):
    """A body that does not end; reading all of it, or more than a request may have, fails the test."""

    given = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 <= size <= MAX_BODY + 1
        self.given += size
        assert self.given <= MAX_BODY + 1, f"{self.given} bytes were read"
        return b" " * size


@pytest.mark.parametrize("limit", [None, 10**12])
@pytest.mark.parametrize("path", JSON_PATHS)
def test_body_is_read_up_to_a_limit_whatever_the_site_allows(path: str, limit: int | None, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = limit
    request = RequestFactory().post(ENDPOINT + path, b"{}", content_type="application/json")
    # As with "Transfer-Encoding: chunked": no length is announced.
    request.META.pop("CONTENT_LENGTH", None)
    request._stream = Endless()  # type: ignore[assignment]
    refused(endpoint(request), 413)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("length", [MAX_BODY, MAX_BODY + 1])
def test_limit_holds_on_asgi(length: int, announced: bool, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    body = json.dumps(good("list/")).encode().ljust(length)
    headers = [(b"host", b"testserver"), (b"content-type", b"application/json")]
    headers += [(b"content-length", str(length).encode())] * announced
    scope = {"type": "http", "method": "POST", "path": ENDPOINT + "list/", "headers": headers, "query_string": b""}

    async def status() -> int:
        browser = ApplicationCommunicator(get_asgi_application(), {**scope, "http_version": "1.1"})
        for start in range(0, length, 2**16):
            chunk = body[start : start + 2**16]
            more = start + len(chunk) < length
            await browser.send_input({"type": "http.request", "body": chunk, "more_body": more})
        answer = await browser.receive_output(30)
        await browser.wait(30)
        return int(answer["status"])

    # Within the limit it is read, and its token is nobody's here.
    assert asyncio.run(status()) == (403 if length <= MAX_BODY else 413)


def test_body_that_other_middleware_has_read_has_the_same_limit(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    request = RequestFactory().post(ENDPOINT + "list/", b" " * (MAX_BODY + 1), content_type="application/json")
    assert len(request.body) == MAX_BODY + 1
    refused(endpoint(request), 413)


def test_site_can_set_a_lower_limit(settings: Any, asked: CallCount) -> None:
    body = json.dumps(good("list/"))
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(body) - 1
    refused(ask("list/", body), 413)
    assert not asked


def look_at_the_body(request: HttpRequest, policy: Policy, file: Any) -> None:
    assert json.loads(request.body)["files"] == [A_FILE]
    assert json.loads(request.read())["files"] == [A_FILE]


def test_who_is_asked_for_permission_can_look_at_the_body(settings: Any, asked: CallCount) -> None:
    settings.S3UPLOAD_AUTHORIZE = f"{__name__}.look_at_the_body"
    assert ask("presign/", good("presign/")).status_code == 200


def test_ten_thousand_parts_with_long_etags_are_within_the_limit(settings: Any, asked: CallCount) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    token = changed(name="𠜎" * 63, size=10_000 * PART).sign()
    parts = [{"number": number, "etag": f'"{number:064x}"'} for number in range(1, 10_001)]
    body = json.dumps({"token": token, "parts": parts}, separators=(",", ":"))
    assert len(body) > 900_000
    # It is the store that does not answer.
    refused(ask("complete/", body), 503)
    assert asked == {"ListParts": 1}


@pytest.mark.parametrize("path", ["presign/", "parts/", "complete/"])
def test_lists_of_thousands_cost_no_call(path: str, settings: Any, asked: CallCount) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = None
    many = {
        "presign/": {"policy": a_policy().sign(), "files": [A_FILE] * (MAX_FILES + 1)},
        "parts/": {"token": changed(size=10_000 * PART).sign(), "parts": list(range(1, 10_001))},
        "complete/": {"token": changed().sign(), "parts": [{"number": 1, "etag": ""}] * 40_000},
    }[path]
    refused(ask(path, json.dumps(many, separators=(",", ":"))), 400 if path == "complete/" else 413)
    assert not asked


def test_as_many_files_as_the_limit_are_answered(settings: Any, asked: CallCount) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = None
    files = [{"name": "a", "size": 1, "type": ""}] * MAX_FILES
    answer = ask("presign/", {"policy": a_policy().sign(), "files": files})
    assert len(json.loads(answer.content)["uploads"]) == MAX_FILES
    assert not asked


def test_site_can_set_another_number_of_files(settings: Any, asked: CallCount) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    refused(ask("presign/", {"policy": a_policy().sign(), "files": [A_FILE] * 3}), 413)


# --- signed text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("unsign", "limit"), [(Policy.unsign, MAX_POLICY), (Token.unsign, MAX_TOKEN)])
def test_text_that_is_too_long_is_not_even_hashed(unsign: Any, limit: int, signatures: list[int]) -> None:
    with pytest.raises(Forged):
        unsign("x:" * (limit // 2) + "x")
    assert signatures == []
    with pytest.raises(Forged):
        unsign("x:" * (limit // 2))
    assert signatures


def test_policy_that_would_be_too_long_is_told_to_the_developer() -> None:
    fits = a_policy(accept=",".join(f".{number}" for number in range(3000)))
    assert Policy.unsign(fits.sign()) == fits
    with pytest.raises(ImproperlyConfigured, match=r"'file' has .* shorter accept"):
        a_policy(accept="x" * MAX_POLICY).sign()


@pytest.mark.parametrize("salt", [POLICY_SALT, TOKEN_SALT])
def test_nothing_is_unpacked_before_its_signature_is_checked(salt: str, unpacked: list[int], asked: CallCount) -> None:
    forged = f"{bomb(2_000_000)}:1tU3Ds:{'A' * 43}"
    assert len(forged) < MAX_TOKEN
    body = {"policy": forged, "files": [A_FILE]} if salt == POLICY_SALT else {"token": forged}
    refused(ask("presign/" if salt == POLICY_SALT else "list/", body), 403)
    assert post({"file-s3upload": forged}).status_code == 403
    assert unpacked == []
    # One that the site has signed would be.
    packed = signing.TimestampSigner(salt=salt).sign(bomb(1000))
    refused(ask("presign/" if salt == POLICY_SALT else "list/", {**body, next(iter(body)): packed}), 403)
    assert len(unpacked) == 1


# --- a form --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [10, None])
def test_too_many_tokens_are_refused_before_one_is_looked_at(
    limit: int | None, settings: Any, signatures: list[int], asked: CallCount
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = limit
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    count = MAX_FILES if limit is None else limit
    token = changed().sign()
    signatures.clear()
    assert post({"file-s3upload": [token] * (count + 1)}, "/forms/several/").status_code == 400
    # Spread over names of fields as well.
    spread = {f"{number}-s3upload": token for number in range(count + 1)}
    assert post(spread, "/forms/several/").status_code == 400
    assert signatures == []
    assert not asked


def test_thousand_forged_tokens_cost_one_signature(settings: Any, signatures: list[int], asked: CallCount) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    forged = [f"{'A' * 200}:1tU3Ds:{number:043}" for number in range(MAX_FILES)]
    assert post({"files-s3upload": forged}, "/forms/several/").status_code == 403
    assert len(signatures) == 1
    assert not asked


def test_thousand_copies_of_a_token_cost_one_signature(settings: Any, signatures: list[int], asked: CallCount) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    token = changed(owner="somebody", field="files").sign()
    signatures.clear()
    assert post({"files-s3upload": [token] * MAX_FILES}, "/forms/several/").status_code == 200
    # The form that comes back has its policy signed.
    assert signatures.count(len(token.rpartition(":")[0])) == 1
    assert len(signatures) == 2
    assert not asked


def test_form_without_csrf_token_asks_nothing_of_the_store(settings: Any, asked: CallCount) -> None:
    tokens = [changed(key=f"tmp/s3upload/{number}", field="files").sign() for number in range(100)]
    client = attacker()
    entries = {"title": "t", "files-s3upload": tokens}
    assert client.post("/forms/several/", entries).status_code == 403
    assert not asked
    # With it, the form looks at each of them.
    assert client.post("/forms/several/", {**entries, "csrfmiddlewaretoken": COOKIE}).status_code == 200
    assert asked.total() == 100
