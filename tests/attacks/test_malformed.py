"""What the endpoint is sent that is not what the wire has: a clear answer, and no call to the store."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.attacks.hostile import A_FILE, JSON_PATHS, MINE, THREE, ask, attacker, good
from tests.conftest import CallCount
from tests.pages import a_policy
from tests.test_views import refused
from tests.wire import ENDPOINT

# --- no JSON, or not an object of ours -----------------------------------------------------------

# Given the text of a good body.
BODIES: dict[str, Callable[[str], str | bytes]] = {
    "nothing": lambda good: "",
    "blank": lambda good: " \r\n\t",
    "NUL": lambda good: "\0",
    "NUL after it": lambda good: good + "\0",
    "cut": lambda good: good[:-1],
    "cut in a string": lambda good: good[: good.index(":") + 4],
    "more after it": lambda good: good + "{}",
    "twice, by lines": lambda good: good + "\n" + good,
    "in an array": lambda good: f"[{good}]",
    "in a string": lambda good: json.dumps(good),
    "in an object": lambda good: f'{{"body": {good}}}',
    "one key more": lambda good: good[:-1] + ', "key": "tmp/s3upload/mine"}',
    "empty key more": lambda good: good[:-1] + ', "": ""}',
    "prototype": lambda good: good[:-1] + ', "__proto__": {}}',
    "keys in another case": lambda good: good.replace('"policy"', '"Policy"').replace('"token"', '"Token"'),
    "keys with NUL": lambda good: good.replace('"policy"', '"policy\\u0000"').replace('"token"', '"token\\u0000"'),
    "apostrophes": lambda good: good.replace('"', "'"),
    "no quotes": lambda good: good.replace('"', ""),
    "comma at the end": lambda good: good[:-1] + ",}",
    "comment": lambda good: "/* */" + good,
    "JavaScript": lambda good: f"({good})",
    "prefix against hijacking": lambda good: ")]}',\n" + good,
    "line break in a string": lambda good: good.replace('": "', '": "\n', 1),
    "wrong escape": lambda good: good.replace('": "', '": "\\x', 1),
    "half an escape": lambda good: good.replace('": "', '": "\\u12', 1),
    "constants": lambda good: "NaN",
    "infinite": lambda good: "-Infinity",
    "digits": lambda good: "9" * 10_000,
    "minus": lambda good: "-",
    "surrogate": lambda good: '"\\ud800"',
    "deep arrays": lambda good: "[" * 100_000 + "]" * 100_000,
    "deep objects": lambda good: '{"token":' * 50_000 + "1" + "}" * 50_000,
    "no UTF-8": lambda good: good.encode() + b"\xff",
    "UTF-8 cut": lambda good: good.replace('": "', '": "é', 1).encode()[:-200] + b"\xc3",
    "overlong UTF-8": lambda good: good.encode().replace(b"{", b"\xc1\xbb"),
    "surrogates as UTF-8": lambda good: good.encode().replace(b'": "', b'": "\xed\xa0\x80', 1) + b"\xed",
    "UTF-16 cut": lambda good: good.encode("utf-16")[:-1],
    "UTF-32 without order": lambda good: b"\0\0\0{" + good.encode("utf-8"),
    "UTF-7": lambda good: good.encode("utf-7").replace(b"{", b"+AHs-"),
    "EBCDIC": lambda good: good.encode("cp500"),
    "packed": lambda good: gzip.compress(good.encode()),
    "form": lambda good: "token=a&policy=b&files=c&parts=d",
    "XML": lambda good: '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": lambda good: "!!python/object/apply:os.system ['true']",
    "pickle": lambda good: b"\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
}


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("what", BODIES)
def test_body_that_is_no_object_of_the_wire(path: str, what: str, asked: CallCount) -> None:
    body = BODIES[what](json.dumps(good(path)))
    assert body != json.dumps(good(path))
    refused(ask(path, body), 400)
    assert not asked


@pytest.mark.parametrize("path", JSON_PATHS)
def test_last_of_two_values_counts_and_is_checked(path: str, asked: CallCount) -> None:
    """Whoever looks at a request on its way may see the first one."""
    key = next(iter(good(path)))
    twice = json.dumps(good(path))[:-1] + f', "{key}": "forged"}}'
    refused(ask(path, twice), 403)
    assert not asked


WRONG_TYPES: dict[str, Any] = {
    "null": None,
    "true": True,
    "number": 1,
    "float": 1.5,
    "array": [MINE.sign()],
    "object": {"": MINE.sign()},
}


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("what", WRONG_TYPES)
def test_value_of_another_type(path: str, what: str, asked: CallCount) -> None:
    for key in good(path):
        value = WRONG_TYPES[what] if key not in ("files", "parts") or what != "array" else "text"
        refused(ask(path, {**good(path), key: value}), 400)
    assert not asked


# --- numbers -------------------------------------------------------------------------------------

NUMBERS = {
    "negative": "-1",
    "minus zero as float": "-0.0",
    "float": "1.0",
    "exponent": "1e0",
    "too large": "9223372036854775808",
    "far too large": "1" + "0" * 400,
    "more digits than Python reads": "9" * 5000,
    "infinite": "1e999",
    "Infinity": "Infinity",
    "NaN": "NaN",
    "true": "true",
    "null": "null",
    "text": '"1"',
    "text of other digits": '"١"',
    "hexadecimal": "0x1",
    "leading zero": "01",
    "plus": "+1",
    "array": "[1]",
    "object": "{}",
}

PLACES = {
    "size of a file": ("presign/", {"policy": a_policy().sign(), "files": [{**A_FILE, "size": "NUMBER"}]}),
    "part to send": ("parts/", {"token": MINE.sign(), "parts": ["NUMBER"]}),
    "part that was sent": (
        "complete/",
        {"token": MINE.sign(), "parts": [*THREE[:2], {"number": "NUMBER", "etag": ""}]},
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", NUMBERS)
def test_number_that_is_none(place: str, number: str, asked: CallCount) -> None:
    path, body = PLACES[place]
    refused(ask(path, json.dumps(body).replace('"NUMBER"', NUMBERS[number])), 400)
    assert not asked


# --- around the body -----------------------------------------------------------------------------

CONTENT_TYPES = [
    "text/plain",
    "text/plain; application/json",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/json",
    "text/javascript",
    "application/javascript",
    "application/jsonp",
    "application/json-patch+json",
    "application/csp-report",
    "application/ld+json",
    "application/*",
    "*/*",
    "application",
    "application/json, text/plain",
    "text/plain, application/json",
    '"application/json"',
    "application/json\0",
    "; charset=application/json",
]


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_content_type_that_a_form_or_a_script_elsewhere_could_send(
    path: str, content_type: str, asked: CallCount
) -> None:
    refused(ask(path, good(path), content_type), 400)
    assert not asked


@pytest.mark.parametrize(
    "charset", ["utf-16", "utf-7", "hex", "zlib", "rot13", "idna", "unicode_escape", "x" * 1000, "utf-8\r\nX: y"]
)
def test_charset_of_the_header_changes_nothing(charset: str, asked: CallCount) -> None:
    """JSON says itself what it is in (RFC 8259)."""
    answer = ask("presign/", good("presign/"), f"application/json; charset={charset}")
    assert answer.status_code == 200
    assert ask("presign/", "{", f"application/json; charset={charset}").status_code == 400
    assert not asked


METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "POST ", "*"]


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_other_method_is_refused_whatever_it_says(path: str, method: str, asked: CallCount) -> None:
    body = json.dumps({**good(path), "_method": "POST"})
    headers = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST"}
    answer = attacker().generic(
        method, f"{ENDPOINT}{path}?_method=POST", body, content_type="application/json", headers=headers
    )
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert not asked


@pytest.mark.parametrize(
    "path",
    [
        "presign/../abort/",
        "%2e%2e/admin/",
        "presign/;x",
        "presign/\0",
        "presign/%00",
        "PRESIGN/",
        "presign/" + "x" * 10_000,
        "__init__",
        "dummy/../presign/",
        "\u202e",
        "presign\\",
        "{{7*7}}",
        "<script>",
    ],
)
def test_path_that_is_none_of_ours(path: str, asked: CallCount) -> None:
    answer = ask(path, good("presign/"))
    refused(answer, 404)
    assert path not in answer.content.decode()
    assert not asked


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_dummy_is_not_there_in_production(method: str, asked: CallCount) -> None:
    refused(attacker().generic(method, ENDPOINT + "dummy/", b"x"), 404)
    assert not asked
