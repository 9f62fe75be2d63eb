"""Somebody who sends what no browser would, to the endpoint and to forms, over HTTP."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

from django.core import signing
from django.http import HttpResponse
from django.test import Client, RequestFactory

from s3upload.backends.filesystem import PERMIT_SALT
from s3upload.owners import owner_of
from s3upload.tokens import SALT, Token
from tests.pages import a_policy, a_token
from tests.wire import ENDPOINT

COOKIE = "c" * 32
"""The CSRF cookie of the attacker's browser, by which the tokens of this module are its own."""

OWNER = owner_of(RequestFactory(CSRF_COOKIE=COOKIE).get("/"))

PART = 5 * 1024**2
JSON_PATHS = ["presign/", "parts/", "list/", "complete/", "abort/"]

MINE = a_token(owner=OWNER, size=3 * PART, part_size=PART, upload_id="an-upload")
"""A token of the attacker's own, of a file in three parts."""

WHOLE = a_token(owner=OWNER)
"""The same, of a file in one request."""

THREE = [{"number": number, "etag": ""} for number in (1, 2, 3)]
A_FILE = {"name": "a.pdf", "size": 7, "type": "application/pdf"}


def good(path: str) -> dict[str, Any]:
    """Return a body that is nothing but well-formed, for a path of the endpoint."""
    if path == "presign/":
        return {"policy": a_policy().sign(), "files": [A_FILE]}
    more = {"parts/": {"parts": [1]}, "complete/": {"parts": THREE}}
    return {"token": MINE.sign(), **more.get(path, {})}


def attacker() -> Client:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = COOKIE
    return client


def ask(path: str, body: Any, content_type: str = "application/json", **extra: Any) -> HttpResponse:
    """Send a body to what is below the endpoint: text and bytes as they are, anything else as JSON."""
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return attacker().generic("POST", ENDPOINT + path, data, content_type=content_type, **extra)


def post(data: dict[str, Any], url: str = "/forms/plain/", **extra: Any) -> Any:
    """Post a form that is complete but for its file."""
    return attacker().post(url, {"csrfmiddlewaretoken": COOKIE, "title": "t", **data}, **extra)


def errors(response: Any, field: str = "file") -> list[str]:
    """Return the codes of a field's errors in the form that came back."""
    assert response.status_code == 200
    return [error.code for error in response.context["form"].errors.as_data().get(field, [])]


def bomb(size: int = 10_000_000) -> str:
    """Return a payload as `django.core.signing` compresses it: so many bytes out of a thousandth of them."""
    return "." + base64.urlsafe_b64encode(zlib.compress(b"[" + b" " * size + b"]")).decode().rstrip("=")


def forgeries(signed: str, salt: str) -> dict[str, str]:
    """
    Return what can be made of signed text by somebody who has no key.

    :param signed: text that is good.
    :param salt: its purpose.
    """
    payload, time, signature = signed.rsplit(":", 2)
    value = signing.loads(signed, salt=salt)
    other_payload, other_time, other_signature = signing.dumps([*value[:-1], "other"], salt=salt).rsplit(":", 2)
    plain = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return {
        "empty": "" if salt != SALT else ":",
        "a space": " ",
        "colons": "::",
        "NUL": "\0",
        "a number": "1",
        "null": "null",
        "payload alone": payload,
        "without signature": f"{payload}:{time}",
        "without time": f"{payload}:{signature}",
        "signature is empty": f"{payload}:{time}:",
        "signature is short": signed[:-1],
        "signature is long": signed + "A",
        "signature is padded": signed + "=",
        "signature of zeros": f"{payload}:{time}:{'A' * len(signature)}",
        "signature in another case": f"{payload}:{time}:{signature.swapcase()}",
        "signature backwards": f"{payload}:{time}:{signature[::-1]}",
        "signature of another": f"{payload}:{time}:{other_signature}",
        "payload of another": f"{other_payload}:{other_time}:{signature}",
        "payload is padded": f"{payload}=:{time}:{signature}",
        "payload is cut": f"{payload[:-4]}:{time}:{signature}",
        "payload is empty": f":{time}:{signature}",
        "time is later": f"{payload}:zzzzzz:{signature}",
        "time is negative": f"{payload}:-1:{signature}",
        "time is no number": f"{payload}:!:{signature}",
        "time is huge": f"{payload}:{'z' * 1000}:{signature}",
        "time twice": f"{payload}:{time}:{time}:{signature}",
        "twice": f"{signed}:{signed}",
        "in quotes": f'"{signed}"',
        "in brackets": f"[{signed}]",
        "a space before": " " + signed,
        "a line after": signed + "\nx",
        "colons encoded": signed.replace(":", "%3A"),
        "colons of another script": signed.replace(":", "："),
        "letters of another script": signed[:-1] + chr(ord(signed[-1]) + 0xFEE0),
        "other purpose": signing.dumps(value, salt=salt + "x"),
        "no purpose": signing.dumps(value),
        "key that is empty": signing.dumps(value, key=" ", salt=salt),
        "key of somebody else": signing.dumps(value, key="somebody else's", salt=salt),
        "unsigned JSON": f"{plain}:{time}:",
        "JWT without algorithm": "eyJhbGciOiJub25lIn0.e30.",
        "compressed": f".{payload}:{time}:{signature}",
        "compressed bomb": f"{bomb(1_000_000)}:{time}:{signature}",
        "pickle": "gASVDQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOULg:1:1",
        "template": "{{ settings.SECRET_KEY }}:{% debug %}:x",
        "SQL": "' OR 1=1 --:1:1",
        "long": "A" * 100_000,
        "many colons": ":" * 8000,
    }


OTHER_PURPOSES = {
    "policy": a_policy().sign(),
    "permit": WHOLE.sign(salt=PERMIT_SALT),
    "token": MINE.sign(),
}
"""What the site signs for something else."""


FAILURE = "something that nobody thought of"


def fail(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError(FAILURE)


def changed(**changes: Any) -> Token:
    return replace(MINE, **changes)
