"""Files in parts on the wire: what is answered, what is refused and how, and what that costs."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from s3upload.backends import backend_named
from s3upload.conf import TOKEN_AGE
from s3upload.tokens import SALT, Token
from tests.conftest import CallCount, FilesystemStore, S3Store
from tests.pages import a_policy, a_token, set_clock, use_unreachable_s3
from tests.test_storage import S3_STORES, open_multipart_uploads
from tests.test_views import refused
from tests.wire import ENDPOINT, Browser, put_part, sha256

MIB = 1024 * 1024
PART = 5 * MIB
LARGE = 16 * MIB + 1
FORM = "/forms/document/"

PATHS = ["parts/", "list/", "complete/", "abort/"]


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def call(path: str, body: Any, **extra: Any) -> HttpResponse:
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return Client().generic("POST", ENDPOINT + path, data, content_type="application/json", **extra)


@pytest.fixture
def anybody(settings: Any) -> None:
    """A site without sessions and CSRF protection: nobody owns an upload."""
    settings.MIDDLEWARE = ["s3upload.middleware.S3UploadMiddleware"]


@pytest.fixture
def unreachable(settings: Any, anybody: None, call_count: CallCount) -> CallCount:
    """A store where nobody answers; what it is asked is counted."""
    use_unreachable_s3(settings)
    return call_count


# --- from the choice to the row -----------------------------------------------------------------

CHECKED = pytest.mark.parametrize("more", [{}, {"sha256": ""}], ids=["unchecked", "checked"])


@CHECKED
@pytest.mark.django_db(transaction=True)
def test_large_file_is_sent_in_parts_and_saved(store: Any, call_count: CallCount, more: dict[str, str]) -> None:
    body = noise(LARGE)
    browser = Browser()
    token = browser.upload(FORM, "file", "large.bin", body, **more)
    uploading = {"CreateMultipartUpload": 1, "ListParts": 1, "CompleteMultipartUpload": 1}
    is_s3 = store.name != "filesystem"
    assert call_count == (uploading if is_s3 else {})
    call_count.clear()
    page = browser.submit(FORM, {"title": "t", "file-s3upload": token})
    [saved] = page.result["saved"]
    # What a small file costs.
    assert call_count == ({"HeadObject": 1, "CopyObject": 1, "DeleteObjects": 1} if is_s3 else {})
    assert store.get(saved) == body
    assert store.keys() == [saved]


def test_answer_for_a_large_file_says_how_it_is_sent(filesystem_store: FilesystemStore) -> None:
    upload = Browser().choose(FORM, "file", "a.bin", LARGE)
    assert upload.keys() == {"token", "method", "part_size"}
    assert (upload["method"], upload["part_size"]) == ("MULTIPART", PART)
    checked = Browser().choose(FORM, "file", "a.bin", LARGE, sha256="")
    assert checked == {"token": checked["token"], "method": "MULTIPART", "part_size": PART, "checksum": "SHA-256"}


@CHECKED
def test_upload_goes_on_where_it_stopped(store: Any, more: dict[str, str]) -> None:
    body = noise(LARGE)
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", len(body), **more)
    token = upload["token"]
    assert browser.list_parts(token) == []
    sent = browser.send_parts(upload, body, [3, 1])
    arrived = browser.list_parts(token)
    assert [(part["number"], part["size"]) for part in arrived] == [(1, PART), (3, PART)]
    assert {part["etag"].strip('"') for part in arrived} == {part["etag"].strip('"') for part in sent}
    sent = browser.send_parts(upload, body, [2, 4])
    browser.complete(token, sorted([*arrived_without_size(arrived), *sent], key=lambda part: part["number"]))
    assert store.get(Token.unsign(token)[0].key) == body


def arrived_without_size(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"number": part["number"], "etag": part["etag"]} for part in parts]


def test_list_of_a_complete_upload_has_every_part(store: Any) -> None:
    """A browser that comes back after the end has nothing to send."""
    browser = Browser()
    token = browser.upload(FORM, "file", "a.bin", bytes(LARGE))
    assert browser.list_parts(token) == [
        *({"number": number, "size": PART, "etag": ""} for number in (1, 2, 3)),
        {"number": 4, "size": MIB + 1, "etag": ""},
    ]


def test_complete_again_is_answered_alike(store: Any) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", LARGE)
    sent = browser.send_parts(upload, bytes(LARGE))
    for _ in range(3):
        browser.complete(upload["token"], sent)
    # The page may have been loaded anew, and knows no ETags any more.
    browser.complete(upload["token"], [{"number": number, "etag": ""} for number in (1, 2, 3, 4)])


@pytest.mark.parametrize("quotes", [True, False])
def test_etags_that_a_page_cannot_read_are_those_of_the_store(store: Any, quotes: bool) -> None:
    body = noise(LARGE)
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", LARGE)
    sent = browser.send_parts(upload, body)
    for part in sent[::2]:
        part["etag"] = ""
    if not quotes:
        sent = [{**part, "etag": part["etag"].strip('"')} for part in sent]
    browser.complete(upload["token"], sent)
    assert store.get(Token.unsign(upload["token"])[0].key) == body


@pytest.mark.parametrize("etag", ['"0"', "x", '""x', "W/", "\ud800"])
def test_other_etag_is_refused_and_the_upload_goes_on(store: Any, etag: str) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", LARGE)
    sent = browser.send_parts(upload, bytes(LARGE))
    other = [*sent[:-1], {"number": 4, "etag": etag}]
    refused(browser.call("complete/", {"token": upload["token"], "parts": other}), 400)
    assert store.keys("tmp/s3upload/") == [] or store.name == "filesystem"
    browser.complete(upload["token"], sent)


def test_upload_with_a_part_missing_is_not_completed(store: Any) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", LARGE)
    sent = browser.send_parts(upload, bytes(LARGE), [1, 2, 4])
    all_of_them = [*sent[:2], {"number": 3, "etag": ""}, sent[2]]
    refused(browser.call("complete/", {"token": upload["token"], "parts": all_of_them}), 400)
    browser.send_parts(upload, bytes(LARGE), [3])
    browser.complete(upload["token"], all_of_them)


@S3_STORES
def test_part_of_another_length_is_noticed_at_the_end(store: S3Store) -> None:
    """However it got there: lengths are signed, but stores have been seen to copy parts from elsewhere."""
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", LARGE)
    sent = browser.send_parts(upload, bytes(LARGE))
    token, _expired = Token.unsign(upload["token"])
    longer = store.client.upload_part(
        Bucket=store.bucket, Key=token.key, UploadId=token.upload_id, PartNumber=4, Body=bytes(MIB + 2)
    )
    for etag in ("", longer["ETag"]):
        sent[3]["etag"] = etag
        refused(browser.call("complete/", {"token": upload["token"], "parts": sent}), 400)
    assert store.keys() == []


# --- to abort -----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["begun", "half", "sent", "completed"])
def test_abort_leaves_nothing(store: Any, when: str) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", LARGE)
    numbers = {"begun": [], "half": [2]}.get(when)
    sent = browser.send_parts(upload, bytes(LARGE), numbers) if numbers != [] else []
    if when == "completed":
        browser.complete(upload["token"], sent)
    browser.abort(upload["token"])
    assert store.keys() == []
    assert store.name == "filesystem" or open_multipart_uploads(store) == []
    browser.abort(upload["token"])


def test_upload_that_was_aborted_is_gone(store: Any) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", LARGE)
    sent = browser.send_parts(upload, bytes(LARGE))
    [late] = browser.ask("parts/", {"token": upload["token"], "parts": [4]})["parts"]
    browser.abort(upload["token"])
    assert "no longer there" in refused(browser.call("list/", {"token": upload["token"]}), 400)
    assert "no longer there" in refused(browser.call("complete/", {"token": upload["token"], "parts": sent}), 400)
    assert put_part(late, bytes(MIB + 1), browser.client).is_refusal
    assert store.keys() == []


@pytest.mark.parametrize("arrived", [True, False])
def test_abort_of_a_small_file(store: Any, arrived: bool) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.txt", 5, sha256=sha256(b"12345"))
    if arrived:
        assert browser.send(upload, b"12345") < 300
    for _ in range(2):
        browser.abort(upload["token"])
        assert store.keys() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [5, LARGE])
def test_abort_after_the_form_was_saved_does_not_touch_the_file(store: Any, size: int) -> None:
    browser = Browser()
    token = browser.upload(FORM, "file", "a.bin", bytes(size))
    [saved] = browser.submit(FORM, {"title": "t", "file-s3upload": token}).result["saved"]
    browser.abort(token)
    assert store.keys() == [saved]
    assert len(store.get(saved)) == size


# --- refused: malformed -------------------------------------------------------------------------

PLAIN = a_token(size=LARGE, part_size=PART, upload_id="an-upload")
SIGNED = PLAIN.sign()
WITH_CHECKSUMS = replace(PLAIN, has_checksums=True).sign()
WHOLE = a_token().sign()
SUM = sha256(b"")
FOUR = [{"number": number, "etag": ""} for number in (1, 2, 3, 4)]


def four_with(index: int, **changes: Any) -> dict[str, Any]:
    parts = [dict(part) for part in FOUR]
    parts[index].update(changes)
    return {"token": SIGNED, "parts": parts}


MALFORMED: list[tuple[str, Any]] = [
    *((path, body) for path in PATHS for body in ("", "{", "null", "[]", '"x"', "1", "{}", "[" * 100_000)),
    *((path, {"token": token}) for path in ("list/", "abort/") for token in (None, 1, True, [], {}, [SIGNED])),
    *((path, {"token": SIGNED, "more": 1}) for path in ("list/", "abort/")),
    *((path, {"token": SIGNED, "parts": []}) for path in ("list/", "abort/")),
    *((path, {"token": SIGNED}) for path in ("parts/", "complete/")),
    *((path, {"parts": [1]}) for path in ("parts/", "complete/")),
    *((path, {"token": SIGNED, "parts": parts}) for path in ("parts/", "complete/") for parts in (None, 1, "1", {})),
    *(("parts/", {"token": SIGNED, "parts": [1], name: []}) for name in ("etags", "checksum")),
    *(
        ("parts/", {"token": SIGNED, "parts": [number]})
        for number in (0, 5, -1, True, 1.0, 1.5, "1", None, [1], {"number": 1}, 2**63, 10**300, -(10**300))
    ),
    ("parts/", {"token": SIGNED, "parts": [1, 2, 3, 4, 5]}),
    ("parts/", {"token": SIGNED, "parts": [1, 2, 1]}),
    *(
        ("parts/", json.dumps({"token": SIGNED, "parts": [9]}).replace("9]", f"{number}]"))
        for number in ("NaN", "1e999")
    ),
    # Checksums: one for each part where the token says so, and else none.
    ("parts/", {"token": SIGNED, "parts": [1], "checksums": [SUM]}),
    ("parts/", {"token": SIGNED, "parts": [], "checksums": [SUM]}),
    ("parts/", {"token": WITH_CHECKSUMS, "parts": [1]}),
    ("parts/", {"token": WITH_CHECKSUMS, "parts": [1], "checksums": []}),
    ("parts/", {"token": WITH_CHECKSUMS, "parts": [1, 2], "checksums": [SUM]}),
    ("parts/", {"token": WITH_CHECKSUMS, "parts": [1], "checksums": [SUM, SUM]}),
    *(
        ("parts/", {"token": WITH_CHECKSUMS, "parts": [1], "checksums": checksums})
        for checksums in (None, SUM, {}, 1, [None], [1], [[SUM]], [SUM.encode().hex()])
    ),
    *(
        ("parts/", {"token": WITH_CHECKSUMS, "parts": [1], "checksums": [checksum]})
        for checksum in (
            "",
            "x",
            SUM[:-1],
            SUM + "=",
            SUM[:-2] + "\n=",
            SUM + "\r\nx: y",
            "é" + SUM,
            SUM[4:],
            "A" * 44,
        )
    ),
    # All parts, in order, each once.
    *(
        ("complete/", {"token": SIGNED, "parts": parts})
        for parts in (
            [],
            FOUR[:3],
            FOUR[1:],
            [FOUR[0], FOUR[2], FOUR[3]],
            FOUR[::-1],
            [*FOUR, FOUR[3]],
            [*FOUR[:3], FOUR[2]],
            [FOUR[0], *FOUR],
            [*FOUR, {"number": 5, "etag": ""}],
            [{"number": 0, "etag": ""}, *FOUR],
            [1, 2, 3, 4],
            [[1, ""]],
            [None],
        )
    ),
    *(("complete/", four_with(0, number=number)) for number in (True, 1.0, "1", None, [1], -1, 10**300)),
    *(("complete/", four_with(3, etag=etag)) for etag in (None, 1, True, [""], {})),
    ("complete/", four_with(1, size=PART)),
    ("complete/", {"token": SIGNED, "parts": [*FOUR[:3], {"number": 4}]}),
    ("complete/", {"token": SIGNED, "parts": [*FOUR[:3], {"etag": ""}]}),
    # A file that is sent in one request.
    ("parts/", {"token": WHOLE, "parts": [1]}),
    ("parts/", {"token": WHOLE, "parts": []}),
    ("list/", {"token": WHOLE}),
    ("complete/", {"token": WHOLE, "parts": []}),
    ("complete/", {"token": WHOLE, "parts": [FOUR[0]]}),
]


@pytest.mark.parametrize(("path", "body"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_body_is_refused(unreachable: CallCount, path: str, body: Any) -> None:
    refused(call(path, body), 400)
    assert not unreachable


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_media_type_is_refused(unreachable: CallCount, path: str, content_type: str) -> None:
    body = json.dumps({"token": SIGNED})
    refused(Client().generic("POST", ENDPOINT + path, body, content_type=content_type), 400)
    assert not unreachable


def test_more_parts_than_one_request_may_ask_for(unreachable: CallCount) -> None:
    token = replace(PLAIN, size=2000 * PART)
    body: dict[str, Any] = {"token": token.sign(), "parts": list(range(1, 1001))}
    answer = call("parts/", body)
    assert answer.status_code == 200
    parts = json.loads(answer.content)["parts"]
    assert [part["number"] for part in parts] == list(range(1, 1001))
    assert len({part["url"] for part in parts}) == 1000
    refused(call("parts/", {**body, "parts": list(range(1, 1002))}), 413)
    refused(call("parts/", {**body, "checksums": [SUM] * 1001}), 413)
    # Signing asks nobody.
    assert not unreachable


def test_list_that_is_longer_than_django_takes_is_refused(unreachable: CallCount, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    refused(call("complete/", {"token": SIGNED, "parts": [{"number": 1, "etag": "x" * 1000}]}), 413)
    assert not unreachable


# --- refused: forged, expired, of somebody else -------------------------------------------------

BODIES: dict[str, dict[str, Any]] = {"parts/": {"parts": [1]}, "list/": {}, "complete/": {"parts": FOUR}, "abort/": {}}

FORGED = {
    "empty": "",
    "text": "x:y:z",
    "shortened": SIGNED[:-1],
    "extended": SIGNED + "x",
    "surrogates": "\ud800:\ud800:\ud800",
    "long": "x" * 100_000,
    "policy": a_policy().sign(),
    "other salt": signing.dumps("x", salt="s3upload.dummy"),
    "other shape": signing.dumps(["x"] * 12, salt=SALT),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("forged", FORGED)
def test_forged_token_is_refused(unreachable: CallCount, path: str, forged: str) -> None:
    refused(call(path, {"token": FORGED[forged], **BODIES[path]}), 403)
    assert not unreachable


@pytest.mark.parametrize("path", PATHS)
def test_token_older_than_a_day_is_refused(unreachable: CallCount, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 1_800_000_000)
    signed = PLAIN.sign()
    set_clock(monkeypatch, 1_800_000_000 + TOKEN_AGE + 1)
    if path == "abort/":
        # What it stands for may still be there; this store does not answer.
        refused(call(path, {"token": signed}), 503)
        return
    assert "open for too long" in refused(call(path, {"token": signed, **BODIES[path]}), 403)
    assert not unreachable


@pytest.mark.parametrize("path", PATHS)
def test_token_of_nobody_here_is_refused(unreachable: CallCount, path: str) -> None:
    signed = replace(PLAIN, owner="somebody").sign()
    assert "does not belong" in refused(call(path, {"token": signed, **BODIES[path]}), 403)
    assert not unreachable


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("storage", ["gone", "archive", "no.Model.field"])
def test_token_of_a_storage_that_takes_no_uploads_is_refused(unreachable: CallCount, path: str, storage: str) -> None:
    signed = replace(PLAIN, storage=storage).sign()
    refused(call(path, {"token": signed, **BODIES[path]}), 403)
    assert not unreachable


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_request_of_another_site_is_refused(unreachable: CallCount, path: str, headers: dict[str, str]) -> None:
    refused(call(path, {"token": SIGNED, **BODIES[path]}, headers=headers), 403)
    assert not unreachable


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("who", ["other browser", "other user", "logged out"])
def test_upload_of_somebody_else_is_refused(filesystem_store: FilesystemStore, path: str, who: str) -> None:
    owner = Browser(User.objects.create_user("one") if who != "other browser" else None)
    upload = owner.choose(FORM, "file", "a.bin", LARGE)
    if who == "logged out":
        stranger = owner
        owner.client.logout()
    else:
        stranger = Browser(User.objects.create_user("two") if who == "other user" else None)
        stranger.get(FORM)
    refused(stranger.call(path, {"token": upload["token"], **BODIES[path]}), 403)
    token, _expired = Token.unsign(upload["token"])
    assert backend_named("default").list_parts(token) == []  # it is still there


@pytest.mark.django_db(transaction=True)
def test_upload_goes_on_when_somebody_logs_in_meanwhile(filesystem_store: FilesystemStore) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", LARGE)
    sent = browser.send_parts(upload, bytes(LARGE), [1, 2])
    # A login makes another CSRF cookie, but not in a client that has the old one.
    browser.client.force_login(User.objects.create_user("one"))
    sent += browser.send_parts(upload, bytes(LARGE), [3, 4])
    assert len(browser.list_parts(upload["token"])) == 4
    browser.complete(upload["token"], sent)
    page = browser.submit(FORM, {"title": "t", "file-s3upload": upload["token"]})
    assert filesystem_store.keys() == page.result["saved"]


# --- a store that does not answer ---------------------------------------------------------------


@pytest.mark.parametrize("path", ["list/", "complete/", "abort/"])
def test_store_that_does_not_answer(unreachable: CallCount, path: str, caplog: pytest.LogCaptureFixture) -> None:
    assert "could not be reached" in refused(call(path, {"token": SIGNED, **BODIES[path]}), 503)
    assert unreachable
    assert SIGNED not in caplog.text


def test_upload_cannot_begin_in_a_store_that_does_not_answer(unreachable: CallCount) -> None:
    files = [{"name": "a", "size": size, "type": ""} for size in (1, LARGE)]
    assert "could not be reached" in refused(call("presign/", {"policy": a_policy().sign(), "files": files}), 503)
    assert unreachable == {"CreateMultipartUpload": 1}


# --- whatever else comes ------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=10), children, max_size=4),
    max_leaves=8,
)
tokens = st.sampled_from(
    [SIGNED, WITH_CHECKSUMS, WHOLE, replace(PLAIN, storage="gone").sign(), replace(PLAIN, owner="x").sign()]
)
numbers = st.integers(-1, 6) | st.integers() | json_values
checksums = st.just(SUM) | st.binary(max_size=40).map(lambda data: data.hex()) | json_values
parts = st.lists(
    numbers
    | st.fixed_dictionaries(
        {}, optional={"number": numbers, "etag": st.sampled_from(["", '""', "x"]) | json_values, "size": json_values}
    ),
    max_size=6,
)
bodies = json_values | st.fixed_dictionaries(
    {},
    optional={
        "token": tokens | tokens | tokens | json_values,
        "parts": parts | st.just(FOUR) | json_values,
        "checksums": st.lists(checksums, max_size=6) | json_values,
        "more": json_values,
    },
)


@pytest.mark.usefixtures("anybody")
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PATHS), bodies)
def test_whatever_comes_gets_a_clear_answer(filesystem_store: FilesystemStore, path: str, body: Any) -> None:
    answer = call(path, json.dumps(body))
    assert answer.status_code in {200, 400, 403, 413}
    if answer.status_code == 200:
        assert json.loads(answer.content).keys() <= {"parts"}
    else:
        refused(answer, answer.status_code)
    assert filesystem_store.keys() == []
