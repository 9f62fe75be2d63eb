"""
Getting a remote file for FilePond's ``fetch``, without becoming a way into the site's own network.

It stands on Python's own HTTP client, with connections of its own: no library for this keeps all of the rules below at
once, and what larger clients add, pools, retries, proxies and decoding, would have to be kept from going around them.

- The address that was checked is the one that is connected to: a name is resolved once for each connection, and all of
  its addresses have to be public, or allowed by ``S3UPLOAD_FILEPOND_FETCH_ALLOW``. So it is with each redirect.
- Ports are 80 and 443, any port of what is allowed.
- There is one time limit for everything, from the name's resolution to the last byte, and every wait is for what is
  left of it.
- Nothing of the server or the visitor is sent along: no cookie, credential, referrer or proxy's password.
- A visitor learns nothing of what refuses, and why; the log names the host and the reason, and no path or query.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse
from ipaddress import ip_address
from threading import Thread
from typing import Any, cast
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..conf import conf
from ..policy import DEFAULT_TYPE, clean_file_name, media_type
from .addresses import Allowed, ascii_host
from .exceptions import FetchFailed, FetchRefused, FetchTooLarge

logger = logging.getLogger(__name__)

CHUNK = 64 * 1024
"""Bytes that are read at once."""

MAX_URL = 8 * 1024
"""Characters of an address; a presigned one with a session's token has two thousand."""

PORTS = {"http": 80, "https": 443}

REDIRECTS = frozenset({301, 302, 303, 307, 308})

HEADERS = {
    "Accept": "*/*",
    # What is packed could be a thousand times as large when it is unpacked.
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "django-s3upload-direct",
}

# Those that every recipient knows: RFC 8187, section 3.2.
_CHARSETS = frozenset({"utf-8", "iso-8859-1"})

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class Fetched:
    """
    A remote file: what is known of it, and its bytes as they arrive.

    :param name: as the other side gives it, cleaned.
    :param content_type: the media type that it declares, without parameters.
    :param size: bytes, where it says so beforehand.
    """

    def __init__(self, target: Target, response: HTTPResponse, max_size: int) -> None:
        self.name = clean_file_name(_disposed_name(response.headers) or target.name)
        self.content_type = media_type(response.headers.get("Content-Type", "")) or DEFAULT_TYPE
        self.size = _announced_size(target, response)
        if self.size is not None and self.size > max_size:
            raise FetchTooLarge(max_size)
        self._target = target
        self._response: HTTPResponse | None = response
        self._max_size = max_size

    def chunks(self) -> Iterator[bytes]:
        """
        Yield the bytes of the file, at most 64 KiB at once; to be used one time, inside of :func:`fetch`.

        :raises FetchTooLarge: when there are more than are allowed.
        :raises FetchFailed: when there are fewer than the size says, or the time is over.
        """
        count = 0
        while chunk := self._read():
            count += len(chunk)
            if count > self._max_size:
                raise FetchTooLarge(self._max_size)
            yield chunk
        if self.size is not None and count != self.size:
            raise _failed(self._target, f"the answer broke off after {count} of {self.size} bytes")

    def _read(self) -> bytes:
        if self._response is None:
            raise ValueError("the file can be read inside of fetch() only: its connection is closed")
        with _translated_errors(self._target):
            # Not read(): that one may take what it gets into memory until it has what it wants.
            return self._response.read1(CHUNK)

    def _close(self) -> None:
        self._response = None


@contextmanager
def fetch(url: str) -> Iterator[Fetched]:
    """
    Get a remote file; its bytes arrive while they are read, and the connection is closed in the end.

    The time limit holds for all that is done with the file inside of the block.

    :param url: absolute, of ``http`` or ``https``.
    :raises FetchRefused: when the URL is none of these, is too long or has credentials.
    :raises FetchFailed: when nothing is to be had there.
    :raises FetchTooLarge: when the file is larger than ``S3UPLOAD_FILEPOND_FETCH_MAX_SIZE``.
    :raises ImproperlyConfigured: when ``S3UPLOAD_FILEPOND_FETCH_ALLOW`` can't be understood.
    """
    deadline = Deadline(conf.FILEPOND_FETCH_TIMEOUT)
    allowed = Allowed.from_settings()
    target = Target.parse(url)
    with ExitStack() as answer:
        response = answer.enter_context(_answer(target, allowed, deadline))
        redirects = 0
        while response.status in REDIRECTS:
            redirects += 1
            if redirects > conf.FILEPOND_FETCH_REDIRECTS:
                raise _failed(target, "too many redirects")
            target = _redirected(target, response)
            answer.close()
            response = answer.enter_context(_answer(target, allowed, deadline))
        _check(target, response)
        fetched = Fetched(target, response, conf.FILEPOND_FETCH_MAX_SIZE)
        answer.callback(fetched._close)
        yield fetched


@dataclass(frozen=True, slots=True)
class Target:
    """
    What is asked for, and where.

    :param url: that says so.
    :param scheme: ``http`` or ``https``.
    :param host: its name or address, as :func:`~s3upload.filepond.addresses.ascii_host` returns it.
    :param port: of the host.
    :param resource: path and query, quoted.
    """

    url: str
    scheme: str
    host: str
    port: int
    resource: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """
        Return what a URL asks for.

        :raises FetchRefused: when it is too long, not of HTTP or has credentials.
        """
        url = url.strip(" ")
        _check_url(url)
        try:
            parts = urlsplit(url)
            host, port = ascii_host(parts.hostname or ""), parts.port
        except ValueError:  # its message has the URL
            raise FetchRefused from None
        if parts.scheme not in PORTS or "@" in parts.netloc:
            raise FetchRefused
        resource = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        if parts.query:
            resource += "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~[]")
        return cls(url, parts.scheme, host, PORTS[parts.scheme] if port is None else port, resource)

    @property
    def authority(self) -> str:
        """The host as the header ``Host`` has it: RFC 9110, section 7.2."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])


class Deadline:
    """
    The end of the time that something may take.

    :param seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """
        Return the seconds that are left, more than none.

        :raises TimeoutError: when none are.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Socket(socket.socket):
    deadline: Deadline

    def recv_into(self, *arguments: Any) -> int:
        # A limit on each wait alone would not end a file that comes byte by byte.
        self.settimeout(self.deadline.left())
        return super().recv_into(*arguments)


class _TLSSocket(ssl.SSLSocket):
    deadline: Deadline

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(*arguments)


class _Connection(HTTPConnection):
    def __init__(self, target: Target, allowed: Allowed, deadline: Deadline) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        self._allowed = allowed
        self._deadline = deadline

    def connect(self) -> None:
        # Kept from here on, so that it is closed when something fails.
        sock: _Socket | _TLSSocket
        self.sock = sock = _connected(self._target, self._allowed, self._deadline)
        if self._target.scheme == "https":
            self.sock = sock = self._secured(sock)
        sock.deadline = self._deadline
        sock.settimeout(self._deadline.left())

    def _secured(self, sock: socket.socket) -> _TLSSocket:
        context = ssl.create_default_context()
        context.sslsocket_class = _TLSSocket
        context.set_alpn_protocols(["http/1.1"])
        sock.settimeout(self._deadline.left())
        # Where the size was not said, the end of the file is the end of TLS (RFC 9112, section 9.8); who cuts the
        # line can't say that.
        secured = context.wrap_socket(sock, server_hostname=self._target.host, suppress_ragged_eofs=False)
        return cast("_TLSSocket", secured)


@contextmanager
def _answer(target: Target, allowed: Allowed, deadline: Deadline) -> Iterator[HTTPResponse]:
    connection = _Connection(target, allowed, deadline)
    try:
        with _translated_errors(target):
            connection.request("GET", target.resource, headers={"Host": target.authority, **HEADERS})
            response = connection.getresponse()
        with response:
            yield response
    finally:
        connection.close()


def _connected(target: Target, allowed: Allowed, deadline: Deadline) -> _Socket:
    found = _resolved(target, deadline)
    if target.host not in allowed.hosts:
        addresses = [ip_address(address[0]) for _family, _kind, _protocol, _name, address in found]
        # Where one of them is inside, the name is: or somebody makes it so.
        if not all(map(allowed.may_reach, addresses)):
            raise _failed(target, "it has an address that is not public, and not allowed")
        if target.port not in PORTS.values() and not all(address in allowed for address in addresses):
            raise _failed(target, f"port {target.port} is not allowed")
    error: OSError = ConnectionError("the name has no address")
    for number, (family, kind, protocol, _name, address) in enumerate(found):
        sock = _Socket(family, kind, protocol)
        try:
            # An address that swallows everything leaves time for the others.
            sock.settimeout(deadline.left() / (len(found) - number))
            sock.connect(address)
        except OSError as failure:
            sock.close()
            error = failure
        else:
            return sock
    raise error


def _resolved(target: Target, deadline: Deadline) -> list[Any]:
    answer: Future[list[Any]] = Future()

    def resolve() -> None:
        try:
            answer.set_result(socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))
        except Exception as error:
            answer.set_exception(error)

    # The system's resolver can't be told how long it may take; left alone, it comes to its own end.
    Thread(target=resolve, name="s3upload-resolve", daemon=True).start()
    return answer.result(deadline.left())


def _check_url(url: str) -> None:
    # Python's functions for URLs drop control characters without a word: what they say would be of another URL.
    if len(url) > MAX_URL or _CONTROLS.search(url):
        raise FetchRefused


def _redirected(target: Target, response: HTTPResponse) -> Target:
    location = response.headers.get("Location")
    if location is None:
        raise _failed(target, "a redirect without a location")
    try:
        _check_url(location)
        return Target.parse(urljoin(target.url, _as_utf8(location)))
    except (FetchRefused, ValueError):
        raise _failed(target, "a redirect to what is no address of a file") from None


def _check(target: Target, response: HTTPResponse) -> None:
    if response.status != 200:
        raise _failed(target, f"the answer's status is {response.status}")
    encodings = ",".join(response.headers.get_all("Content-Encoding", []))
    if encodings.strip().lower() not in ("", "identity"):
        raise _failed(target, "the answer is encoded, which was not asked for")


def _announced_size(target: Target, response: HTTPResponse) -> int | None:
    encodings = response.headers.get_all("Transfer-Encoding")
    if encodings:
        if [encoding.lower() for encoding in encodings] != ["chunked"]:
            raise _failed(target, "the answer has a transfer encoding that was not asked for")
        # Of two lengths, that of the chunks counts: RFC 9112, section 6.3.
        return None
    announced = {size.strip() for size in response.headers.get_all("Content-Length", [])}
    if not announced:
        return None
    size = announced.pop()
    if announced or re.fullmatch(r"[0-9]{1,18}", size) is None:
        raise _failed(target, "the answer's length is no number")
    return int(size)


def _disposed_name(headers: HTTPMessage) -> str:
    # RFC 6266, section 4.3: filename* wins.
    names = {"plain": "", "encoded": ""}
    parameters = cast("list[tuple[str, Any]]", headers.get_params(header="Content-Disposition") or [])
    for parameter, value in parameters[1:]:
        if parameter.lower() != "filename":
            continue
        if isinstance(value, str):
            names["plain"] = _as_utf8(value)
        elif (charset := (value[0] or "").lower()) in _CHARSETS:
            names["encoded"] = value[2].encode("latin-1").decode(charset, "replace")
    return names["encoded"] or names["plain"]


def _as_utf8(text: str) -> str:
    # http.client reads headers as Latin-1; what has other letters in it is mostly UTF-8.
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


@contextmanager
def _translated_errors(target: Target) -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, ValueError, ArithmeticError) as error:
        # The last two are what http.client makes of some nonsense, such as a chunk of less than nothing.
        # Not "from" it: its message can have what was answered.
        raise _failed(target, type(error).__name__) from None


def _failed(target: Target, reason: str) -> FetchFailed:
    logger.warning("no file could be fetched from %s: %s", target.host, reason)
    return FetchFailed()
