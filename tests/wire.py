"""
What a browser does on the wire, without a browser.

A :class:`Browser` has cookies and no JavaScript: it gets a page, reads the policies in it, asks for presigned
requests, sends files as they say, whole or in parts, and posts the form with the tokens. What is sent can be changed
on the way.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from django.test import Client

ENDPOINT = "/__s3upload__/"
PRESIGN_URL = ENDPOINT + "presign/"


@dataclass(frozen=True)
class Answer:
    """
    What a store answered to a presigned request.

    :param status: 0 when the store would not even hear the request to its end.
    :param etag: with its quotes, as the header has it; empty without one.
    """

    status: int
    etag: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        return self.status == 0 or 400 <= self.status < 500


class Page(HTMLParser):
    """The inputs of a rendered page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inputs: list[dict[str, str | None]] = []
        self._script = False
        self._json = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.inputs.append(dict(attrs))
        self._script = tag == "script" and dict(attrs).get("id") == "result"

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if self._script:
            self._json += data

    def file_input(self, field: str) -> dict[str, str | None]:
        """Return the attributes of a file input."""
        return next(i for i in self.inputs if i.get("name") == field and i.get("type") == "file")

    def kept(self, field: str) -> list[dict[str, str | None]]:
        """Return the attributes of the hidden inputs that stand for uploads which the form still has."""
        return [i for i in self.inputs if i.get("name") == f"{field}-s3upload"]

    @property
    def result(self) -> dict[str, Any]:
        """What the test site says that it saved and received (testapp/views.py)."""
        value: dict[str, Any] = json.loads(self._json)
        return value


class Browser:
    """
    A person's browser, with cookies of its own.

    :param user: who is logged in.
    """

    def __init__(self, user: Any = None) -> None:
        self.client = Client(enforce_csrf_checks=True)
        if user is not None:
            self.client.force_login(user)

    def get(self, url: str) -> Page:
        answer = self.client.get(url)
        assert answer.status_code == 200, f"{url}: {answer.status_code}"
        return Page(answer.content.decode())

    def policy(self, html: str, field: str) -> str:
        """Return the signed policy of a file input."""
        policy = Page(html).file_input(field)["data-s3upload-policy"]
        assert policy
        return policy

    def call(self, path: str, body: Any, **headers: Any) -> Any:
        """Return Django's response to a request for what is below the endpoint."""
        return self.client.post(ENDPOINT + path, body, content_type="application/json", **headers)

    def ask(self, path: str, body: Any, **headers: Any) -> dict[str, Any]:
        """Return the answer to a request that is not refused."""
        answer = self.call(path, body, **headers)
        assert answer.status_code == 200, f"{path}: {answer.status_code}: {answer.content!r}"
        value: dict[str, Any] = answer.json()
        return value

    def presign(self, policy: str, files: list[dict[str, Any]], **headers: Any) -> list[dict[str, Any]]:
        """
        Return the endpoint's answer for each of the chosen files.

        :param files: ``{"name", "size", "type"}`` each.
        """
        uploads: list[dict[str, Any]] = self.ask("presign/", {"policy": policy, "files": files}, **headers)["uploads"]
        return uploads

    def choose(
        self,
        url: str,
        field: str,
        name: str,
        size: int,
        type: str = "application/octet-stream",  # noqa: A002
        **more: Any,
    ) -> dict[str, Any]:
        """Choose a file on a page; return the endpoint's answer for it."""
        policy = self.policy(self.client.get(url).content.decode(), field)
        [upload] = self.presign(policy, [{"name": name, "size": size, "type": type, **more}])
        assert "error" not in upload, upload["error"]
        return upload

    def send(self, upload: dict[str, Any], body: bytes, name: str = "blob") -> int:
        """Send a file as its presigned request says; return the status that the store answered with."""
        return send(upload, body, name, self.client)

    def send_parts(
        self, upload: dict[str, Any], body: bytes, numbers: list[int] | None = None
    ) -> list[dict[str, Any]]:
        """
        Send parts of a file to the store.

        :param numbers: of the parts; all when left out.
        :returns: ``{"number", "etag"}`` each.
        """
        parts = parts_of(upload, body)
        numbers = list(parts) if numbers is None else numbers
        question: dict[str, Any] = {"token": upload["token"], "parts": numbers}
        if "checksum" in upload:
            question["checksums"] = [sha256(parts[number]) for number in numbers]
        sent = []
        for part in self.ask("parts/", question)["parts"]:
            answer = put_part(part, parts[part["number"]], self.client)
            assert answer.is_success, f"the store answered {answer.status}"
            sent.append({"number": part["number"], "etag": answer.etag})
        return sent

    def list_parts(self, token: str) -> list[dict[str, Any]]:
        """Return what the store has of a file."""
        parts: list[dict[str, Any]] = self.ask("list/", {"token": token})["parts"]
        return parts

    def complete(self, token: str, parts: list[dict[str, Any]]) -> None:
        assert self.ask("complete/", {"token": token, "parts": parts}) == {}

    def abort(self, token: str) -> None:
        assert self.ask("abort/", {"token": token}) == {}

    def upload(
        self,
        url: str,
        field: str,
        name: str,
        body: bytes,
        type: str = "application/octet-stream",  # noqa: A002
        **more: Any,
    ) -> str:
        """Choose a file on a page and send it to the store, whole or in parts; return its token."""
        upload = self.choose(url, field, name, len(body), type, **more)
        token: str = upload["token"]
        if upload["method"] == "MULTIPART":
            self.complete(token, self.send_parts(upload, body))
            return token
        status = self.send(upload, body, name)
        assert 200 <= status < 300, f"the store answered {status}"
        return token

    def post(self, url: str, data: dict[str, Any], **extra: Any) -> Any:
        """Submit a form, with the CSRF token of a page; return Django's response."""
        if "csrftoken" not in self.client.cookies:
            self.client.get(url)
        cookie = self.client.cookies.get("csrftoken")
        return self.client.post(url, {"csrfmiddlewaretoken": cookie.value if cookie else "", **data}, **extra)

    def submit(self, url: str, data: dict[str, Any]) -> Page:
        """Submit a form, and return the page that comes back."""
        answer = self.post(url, data)
        assert answer.status_code == 200, f"{url}: {answer.status_code}"
        return Page(answer.content.decode())


def send(upload: dict[str, Any], body: bytes, name: str = "blob", client: Client | None = None) -> int:
    """
    Send a file as its presigned request says: to the store, or by the test client to the dummy.

    :returns: the status that the store answered with.
    """
    url = upload["url"]
    if upload["method"] == "PUT":
        return _request("PUT", url, body, upload["headers"])
    form, content_type = multipart(upload["fields"], body, name)
    if url.startswith("/"):
        answer = (client or Client()).generic("POST", url, form, content_type=content_type)
        return int(answer.status_code)
    return _request("POST", url, form, {"Content-Type": content_type})


def parts_of(upload: dict[str, Any], body: bytes) -> dict[int, bytes]:
    """Return the parts of a file, by their numbers."""
    size = upload["part_size"]
    return {1 + start // size: body[start : start + size] for start in range(0, len(body), size)}


def sha256(data: bytes) -> str:
    """Return a checksum as the wire has it."""
    return b64encode(hashlib.sha256(data).digest()).decode()


def put_part(part: dict[str, Any], body: bytes, client: Client | None = None) -> Answer:
    """Send a part as its presigned request says: to the store, or by the test client to the dummy."""
    if part["url"].startswith("/"):
        answer = (client or Client()).generic("PUT", part["url"], body, content_type="")
        return Answer(answer.status_code, answer.headers.get("ETag", ""))
    try:
        return _answer("PUT", part["url"], body, part["headers"])
    except urllib.error.URLError as error:
        if isinstance(error.reason, (BrokenPipeError, ConnectionResetError)):
            return Answer(0)
        raise


def multipart(fields: dict[str, str], body: bytes, name: str) -> tuple[bytes, str]:
    """Return a form with the file last, as ``multipart/form-data`` (RFC 7578), and its media type."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in fields.items()
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    type_ = fields.get("Content-Type", "application/octet-stream")
    parts += [f"{file}Content-Type: {type_}\r\n\r\n".encode(), body, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _request(method: str, url: str, body: bytes, headers: dict[str, str]) -> int:
    return _answer(method, url, body, headers).status


def _answer(method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(int(answer.status), answer.headers.get("ETag", ""))
    except urllib.error.HTTPError as answer:
        answer.close()
        return Answer(answer.code)
