"""
Requests that are like good ones, with something changed by chance: never a 500, never a call to the store.

S3UPLOAD_FUZZ is how many (a few in every run of the tests), S3UPLOAD_FUZZ_SEED which ones.
"""

from __future__ import annotations

import json
import os
import random
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.test.client import BOUNDARY, encode_multipart

from s3upload.exceptions import Forged
from s3upload.policy import Policy, clean_file_name
from s3upload.tokens import Token
from tests.attacks.hostile import A_FILE, COOKIE, THREE, WHOLE, attacker, changed
from tests.conftest import CallCount
from tests.pages import a_policy
from tests.wire import ENDPOINT

COUNT = int(os.environ.get("S3UPLOAD_FUZZ", "1500"))
SEED = int(os.environ.get("S3UPLOAD_FUZZ_SEED", "4"))

# All of them somebody else's, and no file so large that its upload would begin: no request may come as far as the
# store.
TOKENS = [changed(owner="somebody").sign(), WHOLE.sign().replace("A", "B"), changed(field="x", owner="y").sign()]
POLICY = a_policy(max_size=10**6).sign()

BODIES: dict[str, dict[str, Any]] = {
    "presign/": {"policy": POLICY, "files": [A_FILE, {"name": "é.txt", "size": 0, "type": "", "sha256": ""}]},
    "parts/": {"token": TOKENS[0], "parts": [1, 2], "checksums": []},
    "list/": {"token": TOKENS[0]},
    "complete/": {"token": TOKENS[0], "parts": THREE},
    "abort/": {"token": TOKENS[1]},
    "dummy/": {},
    "nowhere/": {},
}
FORM = {"csrfmiddlewaretoken": COOKIE, "title": "t"}
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
URLENCODED = "application/x-www-form-urlencoded"

PIECES = [
    *(
        b"\0",
        b"\r\n",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"\\u0000",
        b"%00",
        b"%ED%A0%80",
        b"&#0;",
    ),
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"null", b"true", b"NaN", b"-1", b"1e999", b"9" * 400, b"0x1"),
    *(b"-s3upload", b"token", b"policy", b"../", b"&", b"=", b";", b"--", BOUNDARY.encode(), b"filename*=utf-8''%ff"),
    *(b"[" * 2000, b'{"a":' * 2000, b"A" * 9000, b"&x-s3upload=y" * 40, b"Content-Transfer-Encoding: base64\r\n"),
    *(token.encode() for token in TOKENS),
]
HEADERS = {
    "CONTENT_TYPE": [
        "application/json",
        "application/json; charset=utf-16",
        MULTIPART,
        URLENCODED,
        "text/plain",
        'multipart/form-data; boundary="',
        "multipart/form-data; boundary=" + "x" * 300,
        "application/x-www-form-urlencoded; charset=latin-1",
    ],
    "HTTP_ACCEPT_LANGUAGE": ["de", "en;q=0.5, fr;q=1", "*", "x" * 600, "zh-hans-" * 100, ",;=q", "de;q=nan", "-"],
    "HTTP_ORIGIN": [
        "http://testserver",
        "null",
        "http://[",
        "http://evil.example",
        "//",
        "http://testserver:99999999",
    ],
    "HTTP_SEC_FETCH_SITE": ["same-origin", "cross-site", "", "none"],
    "HTTP_CONTENT_ENCODING": ["gzip"],
    "HTTP_COOKIE": ["csrftoken=x; sessionid=\xff", "csrftoken", ";;==", "a" * 5000],
}


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return something like it."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice((0, 1, 1, 4, 30)))
        replaced = data[start:end]
        others = (
            b"",
            rng.choice(PIECES),
            rng.choice(PIECES),
            rng.randbytes(rng.randint(1, 4)),
            replaced * 2,
            replaced.swapcase(),
            data[: rng.randint(0, len(data))],
        )
        data = data[:start] + rng.choice(others) + data[end:]
        if rng.random() < 0.05:
            data = data[: rng.randint(0, len(data))]
    return data


def headers(rng: random.Random, content_type: str) -> dict[str, str]:
    chosen = {"CONTENT_TYPE": content_type}
    while rng.random() < 0.4:
        name = rng.choice(list(HEADERS))
        value = rng.choice(HEADERS[name])
        if rng.random() < 0.5:
            value = mutated(rng, value.encode("latin-1")).decode("latin-1")
        # Without what no server lets pass.
        chosen[name] = "".join(char for char in value if char.isprintable() and char < "\u0100")
    return chosen


def a_request(rng: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    """Return method, path, body and headers."""
    if rng.random() < 0.5:
        path = rng.choice(list(BODIES))
        body, content_type, path = json.dumps(BODIES[path]).encode(), "application/json", ENDPOINT + path
    else:
        path = rng.choice(["/forms/plain/", "/forms/several/", "/forms/document/"])
        entries = {**FORM, **{f"{name}-s3upload": rng.choice(TOKENS) for name in ("file", "files", "x")}}
        if rng.random() < 0.5:
            entries = {**FORM, "file-s3upload": TOKENS[0]}
        if rng.random() < 0.6:
            body, content_type = encode_multipart(BOUNDARY, entries), MULTIPART
        else:
            body, content_type = "&".join(f"{name}={value}" for name, value in entries.items()).encode(), URLENCODED
    body, extra = mutated(rng, body), headers(rng, content_type)
    if rng.random() < 0.03:
        extra["CONTENT_LENGTH"] = rng.choice(("", "0", str(len(body) // 2)))
    method = "POST" if rng.random() < 0.97 else rng.choice(("GET", "PUT", "HEAD", "OPTIONS", "X"))
    return method, path, body, extra


@pytest.fixture
def client(settings: Any) -> Client:
    """The attacker's, on a site that knows languages."""
    middleware = list(django_settings.MIDDLEWARE)
    settings.MIDDLEWARE = [*middleware[:2], "django.middleware.locale.LocaleMiddleware", *middleware[2:]]
    return attacker()


@pytest.fixture
def elsewhere(client: Client, settings: Any) -> Client:
    """The attacker's, on the same site without this package."""
    client.handler.load_middleware()
    settings.MIDDLEWARE = [entry for entry in settings.MIDDLEWARE if not entry.startswith("s3upload.")]
    other = attacker()
    other.handler.load_middleware()
    return other


# A long run takes its time.
@pytest.mark.timeout(0)
@pytest.mark.django_db
def test_requests_of_all_kinds(client: Client, elsewhere: Client, asked: CallCount) -> None:
    answers: dict[str, set[int]] = {"endpoint": set(), "form": set()}
    too_much_for_django = 0
    for number in range(COUNT):
        rng = random.Random(f"{SEED}-{number}")
        method, path, body, extra = a_request(rng)
        for one in (client, elsewhere):
            one.cookies.clear()
            one.cookies["csrftoken"] = COOKIE
            one.exc_info = None
        about = f"S3UPLOAD_FUZZ_SEED={SEED}, request {number}: {method} {path} {extra} {body[:500]!r}"
        try:
            answer = client.generic(method, path, body, **extra)
        except Exception as error:
            # Some charsets and lengths are too much for Django itself.
            if not path.startswith(ENDPOINT):
                with suppress(type(error)):
                    elsewhere.generic(method, path, body, **extra)
                    pytest.fail(f"{error!r} here alone: {about}")
                too_much_for_django += 1
                continue
            error.add_note(about)
            raise
        at = "endpoint" if path.startswith(ENDPOINT) else "form"
        allowed = {200, 400, 403, 404, 405, 413} if at == "endpoint" else {200, 400, 403, 405}
        assert answer.status_code in allowed, f"{answer.status_code}: {about}"
        assert not asked, f"{dict(asked)}: {about}"
        if at == "endpoint" and answer["Content-Type"] == "application/json":
            assert json.loads(answer.content or b"{}") is not None, about
        answers[at].add(answer.status_code)
    # They get as far as there is to get.
    assert answers["endpoint"] >= {200, 400, 403, 404, 405}
    assert answers["form"] >= {200, 400, 403}
    assert too_much_for_django < COUNT / 20


def test_signed_text_of_all_kinds() -> None:
    for number in range(COUNT):
        rng = random.Random(f"{SEED}-{number}")
        for good, unsign in ((rng.choice(TOKENS[::2]), Token.unsign), (POLICY, Policy.unsign)):
            text = mutated(rng, good.encode()).decode(errors=rng.choice(("replace", "surrogateescape")))
            # One good token in the place of another is no forgery.
            if text not in (*TOKENS, POLICY):
                with pytest.raises(Forged):
                    unsign(text)
        name = clean_file_name(mutated(rng, b"../a b.tar.gz").decode(errors="surrogateescape") or "x")
        assert name.isprintable()
        assert "/" not in name
