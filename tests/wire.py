"""
What a browser does on the wire, without a browser.

A :class:`Browser` has cookies and no JavaScript: it gets a page, reads the policies in it, asks for presigned
requests, sends files as they say and posts the form with the tokens. What is sent can be changed on the way.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from html.parser import HTMLParser
from typing import Any

from django.test import Client

PRESIGN_URL = "/__s3upload__/presign/"


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

    def presign(self, policy: str, files: list[dict[str, Any]], **headers: Any) -> list[dict[str, Any]]:
        """
        Return the endpoint's answer for each of the chosen files.

        :param files: ``{"name", "size", "type"}`` each.
        """
        answer = self.client.post(
            PRESIGN_URL, {"policy": policy, "files": files}, content_type="application/json", **headers
        )
        assert answer.status_code == 200, f"{answer.status_code}: {answer.content!r}"
        uploads: list[dict[str, Any]] = answer.json()["uploads"]
        return uploads

    def send(self, upload: dict[str, Any], body: bytes, name: str = "blob") -> int:
        """Send a file as its presigned request says; return the status that the store answered with."""
        return send(upload, body, name, self.client)

    def upload(
        self,
        url: str,
        field: str,
        name: str,
        body: bytes,
        type: str = "application/octet-stream",  # noqa: A002
    ) -> str:
        """Choose a file on a page and send it to the store; return its token."""
        policy = self.policy(self.client.get(url).content.decode(), field)
        [upload] = self.presign(policy, [{"name": name, "size": len(body), "type": type}])
        assert "error" not in upload, upload["error"]
        status = self.send(upload, body, name)
        assert 200 <= status < 300, f"the store answered {status}"
        token: str = upload["token"]
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
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        answer.close()
        return answer.code
