"""A server on loopback that answers with the very bytes that it is told, as slowly as it is told."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = bytes | Callable[[], Iterable[bytes]]


def answer(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | str | None = None) -> bytes:
    """
    Return an answer.

    :param length: what it says of its body; the truth when left out, nothing when empty.
    """
    said = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", *([] if said == "" else [f"Content-Length: {said}"]), *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"elsewhere", f"Location: {location}", status=status)


class Remote:
    """
    The server; a context manager. Each connection gets one answer and is closed.

    :param host: the address of loopback that it listens at.
    :param context: makes it speak TLS.
    :param silent: whether it accepts connections and does nothing else.
    :param port: its port; a free one when left out.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        *,
        context: ssl.SSLContext | None = None,
        silent: bool = False,
        port: int = 0,
    ) -> None:
        self.answers: dict[str, Answer] = {}
        """By what is asked for, path and query."""
        self.heads: list[str] = []
        """The head of each request."""
        self.connections = 0
        self.over = threading.Event()
        """Set when the server ends: what is slow waits for it."""
        self._host = host
        self._context = context
        self._silent = silent
        self._listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=16
        )
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen)]

    @property
    def address(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._context else 'http'}://{host}:{self.port}"

    def dripping(self, start: bytes, drop: bytes = b"x") -> Callable[[], Iterator[bytes]]:
        """Return an answer that begins at once, and goes on little by little without an end."""

        def drip() -> Iterator[bytes]:
            yield start
            while not self.over.wait(0.02):
                yield drop

        return drip

    def __enter__(self) -> Remote:
        self._threads[0].start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.over.set()
        # Wakes who waits for a connection, which closing alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _listen(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # Who asks may go away at any time, or refuse the certificate.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            if self._silent:
                self.over.wait()
            elif self._context:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    self._answer(secured)
                    with contextlib.suppress(OSError):
                        secured.unwrap().close()
            else:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            received = connection.recv(4096)
            if not received:
                return
            head += received
            if head.startswith(b"\x16"):  # a handshake of TLS: RFC 8446, section 5.1
                connection.sendall(answer(status="400 Bad Request"))
                return
        self.heads.append(head.decode())
        given = self.answers.get(head.decode().split(" ")[1], answer(b"nothing", status="404 Not Found"))
        for piece in (given,) if isinstance(given, bytes) else given():
            connection.sendall(piece)


def certificate(folder: Path, *names: str) -> Path:
    """Make a certificate for names and addresses, signed by itself; return the file that has it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "s3upload tests")])
    alternatives = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        # All that newer versions of Python want of a certificate that signs: RFC 5280, section 4.2.1.
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage("digital_signature", "key_cert_sign"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def _usage(*purposes: str) -> x509.KeyUsage:
    names = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{name: name in purposes for name in names})


def tls_context(file: Path) -> ssl.SSLContext:
    """Return the context of a server that has a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
