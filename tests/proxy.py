"""
A proxy before a store, that misbehaves on demand: for browsers, and for the server.

It takes HTTP/1.1 apart as far as needed to know one request from the next; what it passes on, it passes on as it came,
the ``Host`` too, which is signed.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

CHUNK = 256 * 1024

RECEIVE_BUFFER = 128 * 1024
"""Bytes that wait unread: what the browser has sent is then about what the proxy has got."""

SMALL = 64 * 1024
"""Bytes of a body that is held together with its head."""

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)

OPERATIONS = {
    ("HEAD", False, ""): "HeadObject",
    ("GET", False, ""): "GetObject",
    ("PUT", False, ""): "PutObject",
    ("PUT", True, ""): "CopyObject",
    ("PUT", False, "partNumber"): "UploadPart",
    ("PUT", True, "partNumber"): "UploadPartCopy",
    ("DELETE", False, ""): "DeleteObject",
    ("POST", False, ""): "PostObject",
    ("POST", False, "delete"): "DeleteObjects",
    ("POST", False, "uploads"): "CreateMultipartUpload",
    ("POST", False, "uploadId"): "CompleteMultipartUpload",
    ("GET", False, "uploadId"): "ListParts",
    ("DELETE", False, "uploadId"): "AbortMultipartUpload",
    ("GET", False, "tagging"): "GetObjectTagging",
    ("PUT", False, "tagging"): "PutObjectTagging",
    ("DELETE", False, "tagging"): "DeleteObjectTagging",
}
"""The operations of S3 by method, whether something is copied, and what the query has."""

GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


@dataclass(eq=False)
class Request:
    """One request, as far as it has come."""

    method: str
    target: str
    length: int
    """Bytes that its body has."""
    connection: int
    copies: bool = False
    """Whether it names an object that the store is to copy."""
    received: int = 0
    """Bytes of its body that have arrived here."""
    status: int | None = None
    """What it is answered with, from just before the answer goes out; None until then."""
    fault: Fault | None = None

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def part(self) -> int | None:
        """The number of the part that it uploads; None if it uploads none."""
        number = parse_qs(urlsplit(self.target).query).get("partNumber")
        return int(number[0]) if number and self.method == "PUT" else None

    @property
    def operation(self) -> str:
        """The name that S3 has for it; empty for what is none of `OPERATIONS`."""
        query = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        telling = ("partNumber", "uploadId", "uploads", "delete", "tagging")
        return OPERATIONS.get((self.method, self.copies, next((name for name in telling if name in query), "")), "")

    @property
    def is_whole(self) -> bool:
        """Whether its body has arrived here to the last byte."""
        return self.received == self.length


Match = Callable[[Request], bool]


def carries_bytes(request: Request) -> bool:
    """Match what uploads something: no preflight."""
    return request.method in ("PUT", "POST")


def is_part(number: int) -> Match:
    """Match the upload of one part."""
    return lambda request: request.part == number


def is_call(*operations: str) -> Match:
    """Match some operations of S3, such as ``"CopyObject"``."""
    return lambda request: request.operation in operations


def every(number: int) -> Match:
    """Match one request in so many, evenly: the last of them."""
    count = itertools.count(1)
    return lambda request: next(count) % number == 0


@dataclass(eq=False)
class Fault:
    """
    What goes wrong with a request.

    :param matches: which requests it happens to.
    :param times: how often it happens; for good, if infinite.
    """

    matches: Match = carries_bytes
    times: float = 1
    requests: list[Request] = field(default_factory=list)
    """Those that it happened to."""

    def heal(self) -> None:
        """Let it happen to no further request."""
        self.times = 0


AFault = TypeVar("AFault", bound=Fault)


@dataclass(eq=False)
class Reset(Fault):
    """The connection is reset when so many bytes of the body have gone through; at the end of shorter ones."""

    after: int = 0


@dataclass(eq=False)
class Waiting(Fault):
    """Something waits until the fault is healed."""

    def heal(self) -> None:
        super().heal()
        self.healed.set()

    def __post_init__(self) -> None:
        self.healed = threading.Event()
        self.reached = threading.Event()
        """Whether something waits; of an answer, whether the store has given it."""


@dataclass(eq=False)
class Stall(Waiting):
    """No byte more goes through and no answer comes; healed, or when the browser gives up, the connection is reset."""

    after: int = 0


@dataclass(eq=False)
class HoldRequest(Waiting):
    """The request is late: it goes to the server when the fault is healed, whether the browser still waits or not."""


@dataclass(eq=False)
class HoldAnswer(Waiting):
    """The server does as it is told, and its answer is late."""


@dataclass(eq=False)
class Answer(Fault):
    """
    The proxy answers in the store's place. A page of another origin may read the answer.

    :param headers: further ones, such as ``Location``.
    :param carried: whether the store gets the request all the same, and does as it says.
    """

    status: int = 503
    body: bytes = SLOW_DOWN
    headers: dict[str, str] = field(default_factory=dict)
    carried: bool = False


@dataclass(eq=False)
class Truncate(Fault):
    """The store gets the request and does as it says; its answer breaks off in the first line."""


@dataclass(eq=False)
class Corrupt(Fault):
    """One byte of the body is another than was sent."""

    at: int = 0


@dataclass(eq=False)
class Edit(Fault):
    """The head of the answer says something else than the store has said."""

    old: bytes = b""
    new: bytes = b""


class Proxy:
    """
    Carries HTTP to a server; a context manager.

    :param address: of the server, such as ``http://127.0.0.1:8000``.
    """

    def __init__(self, address: str) -> None:
        url = urlsplit(address)
        assert url.hostname
        assert url.port
        self.target = (url.hostname, url.port)
        self.requests: list[Request] = []
        """Everything that was asked for, in the order of arrival."""
        self.speed: float | None = None
        """Bytes per second that each connection carries up."""
        self.round_trip = 0.0
        """Seconds that a connection takes to be made, and an answer to come back."""
        self.port = 0
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._connections: list[_Connection] = []
        self._count = 0
        self.mend()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cut()

    def add(self, fault: AFault) -> AFault:
        """Let it happen from now on; return it."""
        self._faults.append(fault)
        return fault

    def mend(self) -> None:
        """Let connections through, at the same address as before."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=[self._listener], daemon=True)
        self._accepting.start()

    def cut(self) -> None:
        """End every connection at once, and refuse new ones."""
        # A thread that accepts wakes up at a shutdown, not at a close. With it over, no connection is added.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self.sever()

    def sever(self) -> None:
        """End every connection at once; new ones get through."""
        connections, self._connections = self._connections, []
        for connection in connections:
            connection.hang_up()
        for connection in connections:
            connection.join()

    def uploads_of(self, number: int) -> list[Request]:
        """Return the requests that uploaded a part, or tried to."""
        return [request for request in list(self.requests) if request.part == number]

    @property
    def parts(self) -> list[Request]:
        """The requests that uploaded parts, or tried to."""
        return [request for request in list(self.requests) if request.part is not None]

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _address = listener.accept()
                self._count += 1
                connection = _Connection(self, near, self._count)
                self._connections = [one for one in self._connections if one.is_alive()] + [connection]
                connection.start()

    def _begin(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            fault = next((one for one in self._faults if one.times > 0 and one.matches(request)), None)
            if fault is not None:
                request.fault = fault
                fault.times -= 1
                fault.requests.append(request)


class _Broken(OSError):
    """Raised when the connection is over, by design or because an end is gone."""


class _Connection(threading.Thread):
    """One connection of the browser's, and the one to the server that goes with it."""

    def __init__(self, proxy: Proxy, near: socket.socket, number: int) -> None:
        super().__init__(daemon=True)
        self.proxy = proxy
        self.number = number
        self.near = _End(near)
        self.far: _End | None = None
        self.buffer = memoryview(bytearray(CHUNK))
        self.free_at = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            self._wait(self.proxy.round_trip)
            while self._exchange():
                pass
        self.hang_up()
        for end in (self.near, self.far):
            if end is not None:
                end.socket.close()

    def hang_up(self) -> None:
        """End both connections; the thread notices and closes them."""
        self.over.set()
        for end in (self.near, self.far):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.socket.shutdown(socket.SHUT_RDWR)

    def _exchange(self) -> bool:
        """Carry a request there and its answer back; return whether another may follow."""
        head = self.near.head()
        if not head:
            return False
        method, target, _version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        assert _header(head, b"transfer-encoding") is None, "browsers say how long their uploads are"
        length = int(_header(head, b"content-length") or 0)
        copies = _header(head, b"x-amz-copy-source") is not None
        request = Request(method, target, length, self.number, copies)
        self.proxy._begin(request)
        fault = request.fault

        if isinstance(fault, Answer) and not fault.carried:
            if (_header(head, b"expect") or "").lower() == "100-continue":
                self.near.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._take(request, length)
            self._wait(self.proxy.round_trip)
            self._answer_instead(request, fault)
            return True

        held = b""
        if isinstance(fault, HoldRequest):
            # All of a small one is here before anybody hears of it: who has sent it may be killed at once.
            while length <= SMALL and _header(head, b"expect") is None and request.received < length:
                held += bytes(self._receive(request, length - request.received))
            self._hold(fault)
        self._reach()
        assert self.far is not None
        self.far.socket.sendall(head + held)
        if isinstance(fault, Corrupt):
            self._carry(request, min(fault.at, length - 1))
            flipped = self._take(request, 1)[0] ^ 1
            self.far.socket.sendall(bytes([flipped]))
        if isinstance(fault, (Reset, Stall)):
            self._carry(request, min(fault.after, length))
            # At once, also when the browser is left waiting: LocalStack lets nobody write a part that it waits for.
            _reset(self.far.socket)
            if isinstance(fault, Stall):
                self._stall(fault)
            _reset(self.near.socket)
            raise _Broken
        early = self._carry(request, length - request.received)
        goes_on = self._answer(request, early)
        if not request.is_whole:
            # Chromium sends all of the body before it looks for an answer.
            self._take(request, length - request.received)
            self.far.socket.close()
            self.far = None
        return goes_on

    def _reach(self) -> None:
        """Have a connection to the server: it may have closed the one of the last request."""
        if self.far is not None and self.far.is_readable():
            self.far.socket.close()
            self.far = None
        if self.far is None:
            self.far = _End(socket.create_connection(self.proxy.target))

    def _carry(self, request: Request, count: int) -> bytes:
        """Pass on bytes of the body, up to an answer that does not wait for all of it; return the head of that."""
        assert self.far is not None
        while count:
            ready = [self.near.socket] if self.near.pending else self._readable()
            if self.far.socket in ready:
                head = self.far.head()
                if not head:
                    raise _Broken
                if _status(head) >= 200:
                    return head
                self.near.socket.sendall(head)
                continue
            got = self._receive(request, count)
            self.far.socket.sendall(got)
            count -= len(got)
        return b""

    def _readable(self) -> list[socket.socket]:
        assert self.far is not None
        ready: list[socket.socket] = select.select([self.near.socket, self.far.socket], [], [])[0]
        return ready

    def _take(self, request: Request, count: int) -> bytes:
        """Read bytes of the body and keep them here; return the last of them."""
        got = memoryview(b"\0")
        while count:
            got = self._receive(request, count)
            count -= len(got)
        return bytes(got)

    def _receive(self, request: Request, count: int) -> memoryview:
        speed = self.proxy.speed
        at_once = CHUNK if speed is None else max(1024, min(CHUNK, int(speed / 50)))
        got = self.near.receive(self.buffer[: min(count, at_once)])
        request.received += got
        if speed is not None:
            # A wait that was a little too long is made up for by the next.
            now = time.monotonic()
            self.free_at = max(self.free_at, now - 0.05) + got / speed
            self._wait(self.free_at - now)
        return self.buffer[:got]

    def _answer(self, request: Request, head: bytes) -> bool:
        assert self.far is not None
        while not head or _status(head) < 200:
            head = self.far.head()
            if not head:
                raise _Broken
            if _status(head) < 200:
                self.near.socket.sendall(head)
        self._wait(self.proxy.round_trip)
        if isinstance(request.fault, HoldAnswer):
            self._hold(request.fault)
        if isinstance(request.fault, Truncate):
            self.near.socket.sendall(head[: len("HTTP/1.1 2")])
            raise _Broken
        if isinstance(request.fault, Answer):
            self._answer_instead(request, request.fault)
            # What the store says more on this connection is not to be taken for its next answer.
            raise _Broken
        if isinstance(request.fault, Edit):
            head = head.replace(request.fault.old, request.fault.new)
        # Whoever has the answer finds it here too.
        request.status = _status(head)
        self.near.socket.sendall(head)
        if request.method != "HEAD" and _status(head) not in (204, 304):
            self._answer_body(head)
        return (_header(head, b"connection") or "").lower() != "close"

    def _answer_instead(self, request: Request, fault: Answer) -> None:
        request.status = fault.status
        self.near.socket.sendall(_answer(fault, with_body=request.method != "HEAD"))

    def _answer_body(self, head: bytes) -> None:
        assert self.far is not None
        far, near = self.far, self.near.socket
        length = _header(head, b"content-length")
        if (_header(head, b"transfer-encoding") or "").lower() == "chunked":
            size = -1
            while size:
                line = far.line()
                size = int(line.split(b";")[0], 16)
                near.sendall(line)
                self._pass_back(size)
                near.sendall(far.line())  # after the last chunk: no trailers, as stores send none
        elif length is not None:
            self._pass_back(int(length))
        else:
            with contextlib.suppress(_Broken):
                while True:
                    near.sendall(self.buffer[: far.receive(self.buffer)])
            raise _Broken

    def _pass_back(self, count: int) -> None:
        assert self.far is not None
        while count:
            got = self.far.receive(self.buffer[: min(count, CHUNK)])
            self.near.socket.sendall(self.buffer[:got])
            count -= got

    def _stall(self, fault: Stall) -> None:
        poll = select.poll()
        poll.register(self.near.socket, GONE)
        while not fault.healed.is_set():
            if poll.poll(100):
                raise _Broken

    def _hold(self, fault: Waiting) -> None:
        fault.reached.set()
        while not fault.healed.wait(0.1):
            if self.over.is_set():
                raise _Broken

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and self.over.wait(seconds):
            raise _Broken


class _End:
    """A socket, and what was read of it too early."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self.pending = b""

    def head(self) -> bytes:
        """Return the head of a message with the empty line; nothing when the other side has closed instead."""
        return self._until(b"\r\n\r\n")

    def line(self) -> bytes:
        return self._until(b"\r\n")

    def _until(self, end: bytes) -> bytes:
        while end not in self.pending:
            got = self.socket.recv(65536)
            if not got:
                return b""
            self.pending += got
        length = self.pending.index(end) + len(end)
        found, self.pending = self.pending[:length], self.pending[length:]
        return found

    def receive(self, into: memoryview) -> int:
        """Read some bytes, one at least; return how many."""
        if self.pending:
            got = min(len(into), len(self.pending))
            into[:got] = self.pending[:got]
            self.pending = self.pending[got:]
            return got
        got = self.socket.recv_into(into)
        if not got:
            raise _Broken
        return got

    def is_readable(self) -> bool:
        """Return whether something came, or the other side has closed."""
        return bool(select.select([self.socket], [], [], 0)[0])


def _status(head: bytes) -> int:
    return int(head.split(b" ", 2)[1]) if head else 0


def _header(head: bytes, name: bytes) -> str | None:
    match = re.search(rb"\r\n" + re.escape(name) + rb":[ \t]*([^\r\n]*)", head, re.IGNORECASE)
    return match and match[1].strip().decode("latin-1")


def _answer(fault: Answer, *, with_body: bool) -> bytes:
    headers = {
        "Content-Type": "application/xml",
        "Content-Length": str(len(fault.body)),
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag",
        **fault.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {fault.status} Proxy\r\n{lines}\r\n".encode() + (fault.body if with_body else b"")


def _reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
