"""A visitor of a site that is reached over HTTP only, in whatever process it runs. Has cookies and no JavaScript."""

from __future__ import annotations

import http.client
import json
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.wire import ENDPOINT, Page, parts_of, put_part, send


class Response(NamedTuple):
    status: int
    text: str

    @property
    def saved(self) -> list[str]:
        """The names that the test site says it saved under; none when it did not save."""
        return list(Page(self.text).result["saved"]) if 'id="result"' in self.text else []


class Visitor:
    """
    One person's browser; one connection for each request.

    :param timeout: seconds to wait for an answer.
    """

    def __init__(self, timeout: float = 60) -> None:
        self.timeout = timeout
        self.cookies: SimpleCookie = SimpleCookie()

    def request(self, method: str, url: str, body: str = "", content_type: str = "") -> Response:
        """
        Send a request with the cookies.

        :raises OSError: when the site does not answer.
        """
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=self.timeout)
        headers = {"Cookie": "; ".join(f"{name}={cookie.value}" for name, cookie in self.cookies.items())}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, url.partition(parts.netloc)[2], body.encode() or None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionResetError(str(error)) from error
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(cookie)
        return Response(answer.status, text)

    def get(self, url: str) -> Response:
        return self.request("GET", url)

    def ask(self, site: str, path: str, question: Any) -> Response:
        """Ask the presign endpoint of a site."""
        return self.request("POST", f"{site}{ENDPOINT}{path}", json.dumps(question), "application/json")

    def answer(self, site: str, path: str, question: Any) -> Any:
        """Return the answer of the presign endpoint, which must not refuse."""
        answer = self.ask(site, path, question)
        assert answer.status == 200, answer
        return json.loads(answer.text)

    def post(self, url: str, data: dict[str, Any]) -> Response:
        """Submit a form, with the CSRF token of the cookie."""
        fields = {"csrfmiddlewaretoken": self.cookies["csrftoken"].value, **data}
        return self.request("POST", url, urlencode(fields), "application/x-www-form-urlencoded")

    def upload(self, site: str, path: str, name: str, body: bytes, field: str = "file") -> str:
        """Choose a file in a page, and send it to the store; return its token."""
        policy = Page(self.get(site + path).text).file_input(field)["data-s3upload-policy"]
        files = [{"name": name, "size": len(body), "type": "application/octet-stream"}]
        [upload] = self.answer(site, "presign/", {"policy": policy, "files": files})["uploads"]
        token: str = upload["token"]
        if upload["method"] != "MULTIPART":
            assert send(upload, body, name) < 300
            return token
        chunks = parts_of(upload, body)
        signed = self.answer(site, "parts/", {"token": token, "parts": list(chunks)})["parts"]
        etags = [{"number": part["number"], "etag": put_part(part, chunks[part["number"]]).etag} for part in signed]
        self.answer(site, "complete/", {"token": token, "parts": etags})
        return token
