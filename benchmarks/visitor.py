"""
What a browser does on the wire, for every variant: get the form, send the files where they belong, post the form.

Bytes come from one buffer, again and again: a file of 5 GB needs no room here. What a visitor computes is not counted;
the requests are those that the variant's script makes.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import cache
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlsplit

from .stage import Site
from .variants import VARIANTS

BLOCK = bytes(1024 * 1024)

BOUNDARY = "----a-boundary-that-no-file-has"

TYPE = "application/octet-stream"

WHOLE = 16 * 1024**2
"""Bytes up to which the script of s3upload sends a file whole, and tells its checksum beforehand."""

FIRST, TOGETHER = 5, 2
"""Parts that the script of s3upload has signed in its first request, and in every further one."""


class Visitor:
    """
    One person's browser, on one site; keeps its connections to the store.

    :param path: of the page with the form.
    """

    def __init__(self, site: Site, path: str = "/") -> None:
        self.site = site
        self.path = path
        self.cookie = ""
        self._stores: dict[str, http.client.HTTPConnection] = {}

    def visit(self, size: int, count: int = 1) -> None:
        """Upload so many files of so many bytes in one form."""
        self.post(self.choose(size, count))

    def choose(self, size: int, count: int = 1) -> Form:
        """Get the form, choose files and, where that is the variant's way, send them to the store."""
        page = FormPage(self._ask_site("GET", self.path).decode())
        form = Form(page.csrf_token, [(f"file-{number}.bin", size) for number in range(count)])
        if VARIANTS[self.site.variant].app == "s3upload":
            self._upload_to_s3upload(page, form)
        elif VARIANTS[self.site.variant].app == "s3file":
            self._upload_to_s3file(page, form)
        return form

    def post(self, form: Form) -> None:
        """Post the form, with the files themselves if they are not in the store."""
        if VARIANTS[self.site.variant].is_direct:
            fields = [("csrfmiddlewaretoken", form.csrf_token), *form.fields]
            # As the browser posts a form whose type is multipart.
            body, length = multipart(fields, [])
        else:
            body, length = multipart([("csrfmiddlewaretoken", form.csrf_token)], form.files)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(length)}
        self._ask_site("POST", self.path, body, headers)

    def close(self) -> None:
        for connection in self._stores.values():
            connection.close()

    def _upload_to_s3upload(self, page: FormPage, form: Form) -> None:
        files = [
            {"name": name, "size": size, "type": TYPE, "sha256": checksum(size) if size <= WHOLE else ""}
            for name, size in form.files
        ]
        question = {"policy": page.file_input["data-s3upload-policy"], "files": files}
        uploads = self._ask_endpoint("presign/", question)["uploads"]
        for (name, size), upload in zip(form.files, uploads, strict=True):
            form.fields.append(("file-s3upload", upload["token"]))
            if upload["method"] == "MULTIPART":
                self._send_parts(upload, size)
            elif upload["method"] == "PUT":
                self._put(upload, size)
            else:
                self._post_to_store(upload["url"], list(upload["fields"].items()), name, size)

    def _send_parts(self, upload: dict, size: int) -> None:
        part_size, token = upload["part_size"], upload["token"]
        lengths = {1 + at // part_size: min(part_size, size - at) for at in range(0, size, part_size)}
        etags = []
        for numbers in batches(list(lengths)):
            question = {"token": token, "parts": numbers}
            if "checksum" in upload:
                question["checksums"] = [checksum(lengths[number]) for number in numbers]
            for part in self._ask_endpoint("parts/", question)["parts"]:
                etags.append({"number": part["number"], "etag": self._put(part, lengths[part["number"]])})
        self._ask_endpoint("complete/", {"token": token, "parts": etags})

    def _upload_to_s3file(self, page: FormPage, form: Form) -> None:
        start = "data-fields-"
        signed = [(name.removeprefix(start), text) for name, text in page.file_input.items() if name.startswith(start)]
        fields = [*signed, ("success_action_status", "201"), ("Content-Type", TYPE)]
        form.fields += [("s3file", "file"), ("file-s3f-signature", page.file_input["data-s3f-signature"])]
        for name, size in form.files:
            answer = self._post_to_store(page.file_input["data-url"], fields, name, size)
            key = re.search(r"<Key>(.*)</Key>", answer.decode())
            assert key, answer
            form.fields.append(("file", unescape(key[1])))

    def _post_to_store(self, url: str, fields: list[tuple[str, str]], name: str, size: int) -> bytes:
        body, length = multipart(fields, [(name, size)])
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(length)}
        return self._ask_store("POST", url, body, headers)[0]

    def _put(self, request: dict, size: int) -> str:
        headers = {**request["headers"], "Content-Length": str(size)}
        return self._ask_store("PUT", request["url"], blocks(size), headers)[1]

    def _ask_store(self, method: str, url: str, body: Iterable[bytes], headers: dict[str, str]) -> tuple[bytes, str]:
        netloc = urlsplit(url).netloc
        connection = self._stores.setdefault(netloc, http.client.HTTPConnection(netloc, timeout=600))
        connection.request(method, url.partition(netloc)[2], body, headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status < 300, f"{method} {url.partition('?')[0]}: {answer.status} {content!r}"
        return content, answer.headers.get("ETag", "")

    def _ask_endpoint(self, path: str, question: dict) -> dict:
        body = json.dumps(question).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Origin": self.site.url}
        return json.loads(self._ask_site("POST", f"/__s3upload__/{path}", [body], headers))

    def _ask_site(
        self, method: str, path: str, body: Iterable[bytes] | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        # A connection for each request: gunicorn's sync workers keep none.
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=900)
        try:
            connection.request(method, path, body, {"Cookie": self.cookie, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, f"{self.site.variant}: {method} {path}: {answer.status} {content[:2000]!r}"
        if cookie := answer.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return content


class Form:
    """
    A form that is filled in.

    :param files: name and size of each that was chosen.
    """

    def __init__(self, csrf_token: str, files: list[tuple[str, int]]) -> None:
        self.csrf_token = csrf_token
        self.files = files
        self.fields: list[tuple[str, str]] = []


class FormPage(HTMLParser):
    """The inputs of the page that count."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.csrf_token = ""
        self.file_input: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if attributes.get("type") == "file":
            self.file_input = attributes
        elif attributes.get("name") == "csrfmiddlewaretoken":
            self.csrf_token = attributes["value"]


def batches(numbers: list[int]) -> Iterator[list[int]]:
    """Yield parts as the script of s3upload has them signed."""
    yield numbers[:FIRST]
    for at in range(FIRST, len(numbers), TOGETHER):
        yield numbers[at : at + TOGETHER]


def multipart(fields: list[tuple[str, str]], files: list[tuple[str, int]]) -> tuple[Iterator[bytes], int]:
    """
    Return a form as RFC 7578 has it, piece by piece, and its length in bytes.

    :param files: name and size of each file of the field ``file``.
    """
    start = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    ).encode()
    heads = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {TYPE}\r\n\r\n".encode()
        for name, _ in files
    ]
    end = f"--{BOUNDARY}--\r\n".encode()
    length = len(start) + len(end) + sum(len(head) + size + 2 for head, (_, size) in zip(heads, files, strict=True))

    def pieces() -> Iterator[bytes]:
        yield start
        for head, (_, size) in zip(heads, files, strict=True):
            yield head
            yield from blocks(size)
            yield b"\r\n"
        yield end

    return pieces(), length


def blocks(size: int) -> Iterator[bytes]:
    """Yield so many bytes."""
    for _ in range(size // len(BLOCK)):
        yield BLOCK
    if rest := size % len(BLOCK):
        yield BLOCK[:rest]


@cache
def checksum(size: int) -> str:
    """Return the SHA-256 of a file, or a part, of so many bytes."""
    digest = hashlib.sha256()
    for block in blocks(size):
        digest.update(block)
    return b64encode(digest.digest()).decode()
