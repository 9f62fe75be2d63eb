"""Fetching a remote file: real servers on loopback, which only S3UPLOAD_FILEPOND_FETCH_ALLOW makes reachable."""

from __future__ import annotations

import gzip
import logging
import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from s3upload.exceptions import InvalidRequest
from s3upload.filepond.exceptions import FetchFailed, FetchRefused, FetchTooLarge
from s3upload.filepond.fetching import CHUNK, MAX_URL, Fetched, Target, fetch
from tests.filepond.remote import Remote, answer, certificate, redirect, tls_context

BODY = bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["127.0.0.1"]
    settings.S3UPLOAD_FILEPOND_FETCH_MAX_SIZE = 1024**2
    settings.S3UPLOAD_FILEPOND_FETCH_TIMEOUT = 20
    settings.S3UPLOAD_FILEPOND_FETCH_REDIRECTS = 3


@pytest.fixture
def remote() -> Iterator[Remote]:
    """A server that may be reached."""
    with Remote() as server:
        yield server


@pytest.fixture
def inside() -> Iterator[Remote]:
    """A server of the site's own network, which may not be reached: at another address of loopback."""
    with Remote("127.0.0.2") as server:
        server.answers["/secret"] = answer(b"secret")
        yield server


@pytest.fixture
def soon(settings: Any) -> None:
    """There is little time for a fetch."""
    settings.S3UPLOAD_FILEPOND_FETCH_TIMEOUT = 0.4


Names = dict[str, list[list[str]]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """
    Names that the resolver knows; the addresses that each has, the first and each further time that it is asked.

    In place of a name server, which tests can't have; what is no such name goes to the system's resolver.
    """
    known: Names = {}
    ask = socket.getaddrinfo

    def resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in known:
            return ask(host, port, *arguments, **options)
        addresses = known[host].pop(0)
        return [found for address in addresses for found in ask(address, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The addresses that something would have been connected to; nobody is, as no test talks to the internet."""
    addresses: list[Any] = []

    def connect(sock: socket.socket, address: Any) -> None:
        addresses.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return addresses


def fetched(url: str) -> tuple[Fetched, bytes]:
    with fetch(url) as file:
        return file, b"".join(file.chunks())


def nothing_is_fetched(url: str) -> None:
    with pytest.raises(FetchFailed) as failed:
        fetched(url)
    assert str(failed.value) == "No file could be fetched from this address."


# --- a file ---------------------------------------------------------------------------------


def test_file_is_fetched(remote: Remote) -> None:
    remote.answers["/folder/photo.png"] = answer(BODY, "Content-Type: Image/PNG; q=1")

    file, body = fetched(f"{remote.address}/folder/photo.png")

    assert (file.name, file.content_type, file.size) == ("photo.png", "image/png", len(BODY))
    assert body == BODY


def test_file_comes_in_small_pieces(remote: Remote) -> None:
    remote.answers["/"] = answer(b"x" * 1024**2)

    with fetch(remote.address) as file:
        sizes = [len(chunk) for chunk in file.chunks()]

    assert max(sizes) <= CHUNK == 64 * 1024
    assert sum(sizes) == 1024**2


def test_chunked_answer_is_put_together(remote: Remote) -> None:
    remote.answers["/"] = answer(
        b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n", "Transfer-Encoding: chunked", length=""
    )

    file, body = fetched(remote.address)

    assert (file.size, body) == (None, b"abcde")


def test_answer_without_a_length_ends_with_the_connection(remote: Remote) -> None:
    remote.answers["/"] = answer(BODY, length="")

    file, body = fetched(remote.address)

    assert (file.size, body) == (None, BODY)


def test_empty_file_is_one(remote: Remote) -> None:
    remote.answers["/empty.txt"] = answer(b"")

    file, body = fetched(f"{remote.address}/empty.txt")

    assert (file.name, file.size, body) == ("empty.txt", 0, b"")


def test_file_by_ipv6(settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["::1"]
    with Remote("::1") as remote:
        remote.answers["/"] = answer(b"six")
        assert fetched(remote.address)[1] == b"six"

    assert f"Host: [::1]:{remote.port}\r\n" in remote.heads[0]


def test_query_goes_along_and_fragment_does_not(remote: Remote) -> None:
    remote.answers["/a?b=c&d=/%20"] = answer(b"found")

    assert fetched(f"{remote.address}/a?b=c&d=/%20#top")[1] == b"found"


def test_other_letters_are_quoted(remote: Remote) -> None:
    remote.answers["/f%C3%BCr%20dich.txt?%C3%A4=1"] = answer(b"found")

    file, body = fetched(f" {remote.address}/für dich.txt?ä=1 ")

    assert (file.name, body) == ("für dich.txt", b"found")


def test_nothing_of_the_server_is_sent_along(
    remote: Remote, inside: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment has a proxy, and credentials for that very host."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, inside.address)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    remote.answers["/"] = redirect("/next", "302 Found\r\nSet-Cookie: session=1")
    remote.answers["/next"] = answer(b"found")

    assert fetched(remote.address)[1] == b"found"

    assert inside.connections == 0
    for head in remote.heads:
        sent = {line.partition(":")[0].lower() for line in head.strip().split("\r\n")[1:]}
        assert sent == {"host", "accept", "accept-encoding", "connection", "user-agent"}


# --- its name and its type --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('attachment; filename="report.pdf"', "report.pdf"),
        ("attachment; filename=report.pdf", "report.pdf"),
        ("ATTACHMENT; FileName=report.pdf", "report.pdf"),
        ('inline; filename="a;b\\"c.pdf"', 'a;b"c.pdf'),
        ("attachment; filename*=UTF-8''%E2%82%AC.txt; filename=euro.txt", "€.txt"),
        ("attachment; filename=euro.txt; filename*=utf-8'en'%E2%82%AC.txt", "€.txt"),
        ("attachment; filename*=iso-8859-1''%A3.txt", "£.txt"),
        ('attachment; filename="größe.txt"', "größe.txt"),
        # Paths, line breaks, nothing
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\windows\\\\win.ini"', "win.ini"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("attachment; filename*=UTF-8''a%0D%0AX-Evil:%20b.txt", "aX-Evil: b.txt"),
        ("attachment; filename*=UTF-8''a%00.txt", "a.txt"),
        ('attachment; filename=".."', "file"),
        ("attachment; filename*=UTF-8''%2E%2E", "file"),
        # What says nothing, so that the address does
        ('attachment; filename=""', "from-the-url.bin"),
        ("attachment", "from-the-url.bin"),
        ("filename", "from-the-url.bin"),
        ("attachment; filename*=utf-7''a", "from-the-url.bin"),
        ("attachment; filename*=''", "from-the-url.bin"),
        ("attachment; filename*=%E2%82%AC", "from-the-url.bin"),
        ("attachment; filename*=zlib''a; filename=b.txt", "b.txt"),
        # What can't be decoded
        ("attachment; filename*=UTF-8''%FF.txt", "\N{REPLACEMENT CHARACTER}.txt"),
    ],
)
def test_name_is_what_the_answer_says(header: str, expected: str, remote: Remote) -> None:
    remote.answers["/from-the-url.bin"] = answer(b"", f"Content-Disposition: {header}")

    with fetch(f"{remote.address}/from-the-url.bin") as file:
        assert file.name == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b.txt", "b.txt"),
        ("/a%20b.txt?name=c.txt", "a b.txt"),
        ("/a/", "file"),
        ("/", "file"),
        ("/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("/a%0d%0ab.txt", "ab.txt"),
        ("/%22quoted%22.txt", '"quoted".txt'),
        ("/" + "x" * 300 + ".txt", "x" * 243 + ".txt"),
    ],
)
def test_else_it_is_the_last_part_of_the_address(path: str, expected: str, remote: Remote) -> None:
    remote.answers[path] = answer(b"")

    with fetch(remote.address + path) as file:
        assert file.name == expected


def test_name_is_that_of_the_last_address(remote: Remote) -> None:
    remote.answers["/download"] = redirect("/files/report.pdf")
    remote.answers["/files/report.pdf"] = answer(b"")

    with fetch(f"{remote.address}/download") as file:
        assert file.name == "report.pdf"


@pytest.mark.parametrize(
    "headers",
    [(), ("Content-Type: ",), ("Content-Type: text",), ("Content-Type: a/b/c",), (f"Content-Type: a/{'b' * 200}",)],
)
def test_type_that_is_none_is_not_passed_on(headers: tuple[str, ...], remote: Remote) -> None:
    remote.answers["/"] = answer(b"", *headers)

    with fetch(remote.address) as file:
        assert file.content_type == "application/octet-stream"


# --- addresses that are none --------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "photo.png",
        "//127.0.0.1/photo.png",
        "file:///etc/passwd",
        "ftp://127.0.0.1/photo.png",
        "gopher://127.0.0.1/",
        "data:text/plain,hello",
        "javascript:alert(1)",
        "blob:http://127.0.0.1/1",
        "http:///photo.png",
        "http:photo.png",
        "http://",
        "https://:443/",
        "http://user:password@127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://@127.0.0.1/",
        "http://8.8.8.8\\@127.0.0.1/",
        "http://127.0.0.1:80:80/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:http/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://[127.0.0.1]/",
        "http://a b/",
        "http://a..b/",
        "http://127.0.0.1%00.example.com/",
        "http://127.0.0.1\t/",
        "ht\ntp://127.0.0.1/",
        "http://127.0.0.1/\r\nX-Evil: 1",
        "http://127.0.0.1/a\x00b",
        "http://" + "x" * 64 + ".example/",
        "http://127.0.0.1/" + "x" * MAX_URL,
    ],
)
def test_address_that_is_none_is_refused(url: str, tried: list[Any]) -> None:
    with pytest.raises(FetchRefused, match="begins with https:// or http://"):
        fetched(url)

    assert tried == []


@pytest.mark.parametrize(
    ("url", "authority", "resource"),
    [
        ("HTTP://Example.COM", "example.com", "/"),
        ("http://example.com.:80/a", "example.com", "/a"),
        ("https://example.com:443?b", "example.com", "/?b"),
        ("https://example.com:80/", "example.com:80", "/"),
        ("http://bücher.example/ä", "xn--bcher-kva.example", "/%C3%A4"),
        ("http://[2A00::1]:8080/", "[2a00::1]:8080", "/"),
        ("http://example.com/a%2Fb;c?d=[e]", "example.com", "/a%2Fb;c?d=[e]"),
        ("http://example.com/a\\b", "example.com", "/a%5Cb"),
    ],
)
def test_address_is_taken_apart(url: str, authority: str, resource: str) -> None:
    target = Target.parse(url)

    assert (target.authority, target.resource) == (authority, resource)


# --- addresses that may not be reached ------------------------------------------------------------


INSIDE = [
    "127.0.0.2",
    "127.2",
    "0x7f.2",
    "0177.0.0.2",
    "2130706434",
    "0x7f000002",
    "127.0.0.2.",
    "１２７.0.0.2",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "[64:ff9b::7f00:2]",
    "[2002:7f00:2::]",
    "[::127.0.0.2]",
    "0.0.0.0",  # noqa: S104
    "0",
    "[::]",
    "[::1]",
    "localhost",
    "LocalHost.",
]


@pytest.mark.parametrize("host", INSIDE)
def test_what_is_inside_is_not_connected_to(host: str, tried: list[Any], settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = []

    nothing_is_fetched(f"http://{host}/")
    nothing_is_fetched(f"https://{host}/")

    assert tried == []


@pytest.mark.parametrize("host", INSIDE)
def test_what_is_inside_has_no_visitor(host: str, settings: Any) -> None:
    """The servers listen everywhere, so that a connection by whatever name would be one."""
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = []
    with Remote("0.0.0.0") as four, Remote("::") as six:  # noqa: S104
        for server in (four, six):
            nothing_is_fetched(f"http://{host}:{server.port}/")

            assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_what_is_allowed_is_allowed_however_it_is_written(host: str, remote: Remote) -> None:
    remote.answers["/"] = answer(b"found")

    assert fetched(f"http://{host}:{remote.port}")[1] == b"found"


def test_host_may_be_allowed_by_its_name(remote: Remote, names: Names, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["files.internal"]
    names["files.internal"] = [["127.0.0.1"]]
    names["other.internal"] = [["127.0.0.1"]]
    remote.answers["/"] = answer(b"found")

    assert fetched(f"http://Files.Internal.:{remote.port}")[1] == b"found"
    assert f"Host: files.internal:{remote.port}\r\n" in remote.heads[0]
    nothing_is_fetched(f"http://other.internal:{remote.port}")
    nothing_is_fetched(f"http://127.0.0.1:{remote.port}")
    assert remote.connections == 1


@pytest.mark.parametrize("others", [["127.0.0.2"], ["127.0.0.2", "8.8.8.8"], ["10.0.0.1"], ["::1"]])
def test_name_with_one_address_inside_is_inside(others: list[str], names: Names, tried: list[Any]) -> None:
    names["mixed.example"] = [["127.0.0.1", "8.8.8.8", *others], [*others, "8.8.8.8", "127.0.0.1"]]

    nothing_is_fetched("http://mixed.example/")
    nothing_is_fetched("http://mixed.example/")

    assert tried == []


def test_address_that_was_checked_is_the_one_that_is_connected_to(
    remote: Remote, names: Names, inside: Remote
) -> None:
    with Remote("127.0.0.2", port=remote.port) as other:
        names["rebinding.example"] = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]]
        remote.answers["/"] = answer(b"found")

        assert fetched(f"http://rebinding.example:{remote.port}/")[1] == b"found"
        assert len(names["rebinding.example"]) == 2, "a name is asked for once"
        # And the next time, it is looked at again.
        nothing_is_fetched(f"http://rebinding.example:{remote.port}/")

    assert other.connections == 0


def test_address_that_does_not_answer_is_not_the_last(remote: Remote, names: Names, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["127.0.0.0/8"]
    names["two.example"] = [["127.0.0.3", "127.0.0.1"]]
    remote.answers["/"] = answer(b"found")

    assert fetched(f"http://two.example:{remote.port}/")[1] == b"found"


@pytest.mark.parametrize("port", [22, 25, 6379, 8080, 0])
def test_port_of_something_else_is_not_connected_to(port: int, names: Names, tried: list[Any]) -> None:
    names["public.example"] = [["8.8.8.8"]]

    nothing_is_fetched(f"http://public.example:{port}/")

    assert tried == []


def test_port_is_that_of_all_addresses(names: Names, tried: list[Any]) -> None:
    """One of them is allowed, with all of its ports; the other one is public, with two."""
    names["mixed.example"] = [["127.0.0.1", "8.8.8.8"]]

    nothing_is_fetched("http://mixed.example:8080/")

    assert tried == []


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://public.example/", 80), ("https://public.example/", 443), ("http://public.example:443/", 443)],
)
def test_public_address_is_connected_to(url: str, port: int, names: Names, tried: list[Any]) -> None:
    names["public.example"] = [["8.8.8.8", "2606:4700:4700::1111"]]

    nothing_is_fetched(url)

    assert [address[:2] for address in tried] == [("8.8.8.8", port), ("2606:4700:4700::1111", port)]


def test_public_host_may_be_allowed_another_port(names: Names, tried: list[Any], settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["public.example"]
    names["public.example"] = [["8.8.8.8"]]

    nothing_is_fetched("http://public.example:8080/")

    assert tried == [("8.8.8.8", 8080)]


def test_name_that_does_not_exist_fails() -> None:
    nothing_is_fetched("http://nothing.invalid/")


def test_port_where_nobody_listens_fails() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]

    nothing_is_fetched(f"http://127.0.0.1:{port}/")


# --- redirects ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status",
    ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"],
)
def test_redirect_is_followed(status: str, remote: Remote) -> None:
    remote.answers["/a/b"] = redirect("../c?d", status)
    remote.answers["/c?d"] = answer(b"found")

    assert fetched(f"{remote.address}/a/b")[1] == b"found"


def test_redirect_may_have_other_letters(remote: Remote) -> None:
    remote.answers["/"] = redirect("/größe.txt")
    remote.answers["/gr%C3%B6%C3%9Fe.txt"] = answer(b"found")

    assert fetched(remote.address)[1] == b"found"


def test_redirect_to_another_host_goes_there(remote: Remote, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["127.0.0.1", "127.0.0.2"]
    with Remote("127.0.0.2") as other:
        other.answers["/"] = answer(b"found")
        remote.answers["/"] = redirect(f"{other.address}/")

        assert fetched(remote.address)[1] == b"found"


def test_redirect_to_what_is_inside_is_not_followed(remote: Remote, inside: Remote) -> None:
    remote.answers["/"] = redirect(f"{inside.address}/secret")

    nothing_is_fetched(remote.address)

    assert (remote.connections, inside.connections) == (1, 0)


def test_redirect_to_a_name_that_moved_inside_is_not_followed(remote: Remote, names: Names) -> None:
    with Remote("127.0.0.2", port=remote.port) as other:
        names["rebinding.example"] = [["127.0.0.1"], ["127.0.0.2"]]
        remote.answers["/"] = redirect("/secret")
        other.answers["/secret"] = answer(b"secret")

        nothing_is_fetched(f"http://rebinding.example:{remote.port}/")

    assert (remote.connections, other.connections) == (1, 0)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "data:text/plain,hello",
        "http://user:password@127.0.0.1/",
        "http://[::1",
        "https:///",
        "/" + "x" * MAX_URL,
        "/a\tb",
    ],
)
def test_redirect_to_what_is_no_address_is_not_followed(location: str, remote: Remote) -> None:
    remote.answers["/"] = redirect(location)

    nothing_is_fetched(remote.address)

    assert remote.connections == 1


def test_redirect_to_nowhere_fails(remote: Remote) -> None:
    remote.answers["/"] = answer(b"", status="302 Found")

    nothing_is_fetched(remote.address)


def test_redirects_are_counted(remote: Remote, settings: Any) -> None:
    remote.answers.update({f"/{number}": redirect(f"/{number + 1}") for number in range(3)})
    remote.answers["/3"] = answer(b"found")
    assert fetched(f"{remote.address}/0")[1] == b"found"

    settings.S3UPLOAD_FILEPOND_FETCH_REDIRECTS = 2
    nothing_is_fetched(f"{remote.address}/0")
    assert remote.connections == 4 + 3

    settings.S3UPLOAD_FILEPOND_FETCH_REDIRECTS = 0
    nothing_is_fetched(f"{remote.address}/0")
    assert fetched(f"{remote.address}/3")[1] == b"found"


def test_redirect_in_a_circle_ends(remote: Remote) -> None:
    remote.answers["/"] = redirect("/")

    nothing_is_fetched(remote.address)

    assert remote.connections == 4


# --- sizes -------------------------------------------------------------------------------------


def test_file_of_the_largest_size_is_fetched(remote: Remote, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_MAX_SIZE = len(BODY)
    remote.answers["/"] = answer(BODY)

    assert fetched(remote.address)[1] == BODY


def test_file_that_says_to_be_larger_is_not_read(remote: Remote) -> None:
    remote.answers["/"] = answer(b"", length=1024**2 + 1)

    with pytest.raises(FetchTooLarge, match=r"At most 1\.0\sMB are allowed"), fetch(remote.address):
        pytest.fail("the file was begun")


@pytest.mark.parametrize(
    ("headers", "piece"),
    [((), b"x" * CHUNK), (("Transfer-Encoding: chunked",), b"10000\r\n" + b"x" * CHUNK + b"\r\n")],
)
def test_endless_file_ends_at_the_limit(headers: tuple[str, ...], piece: bytes, remote: Remote) -> None:
    def endless() -> Iterator[bytes]:
        yield answer(b"", *headers, length="")
        while not remote.over.is_set():
            yield piece

    remote.answers["/"] = endless
    chunks: list[bytes] = []

    with fetch(remote.address) as file, pytest.raises(FetchTooLarge):
        chunks.extend(file.chunks())

    assert 1024**2 - CHUNK < sum(map(len, chunks)) <= 1024**2


@pytest.mark.parametrize("size", ["-1", "-ffffffffffffffff"])
def test_chunk_of_less_than_nothing_takes_no_memory(size: str, remote: Remote, settings: Any) -> None:
    """Python's own client takes all that comes for the chunk."""

    def endless() -> Iterator[bytes]:
        yield answer(f"{size}\r\n".encode(), "Transfer-Encoding: chunked", length="")
        while not remote.over.is_set():
            yield b"x" * CHUNK

    remote.answers["/"] = endless

    chunks: list[bytes] = []

    with fetch(remote.address) as file, pytest.raises((FetchTooLarge, FetchFailed)):
        chunks.extend(file.chunks())

    assert all(len(chunk) <= CHUNK for chunk in chunks)
    assert sum(map(len, chunks)) <= 1024**2


@pytest.mark.parametrize(
    ("given", "arrived"),
    [
        (answer(b"abc", length=4), b"abc"),
        (answer(b"", length=1), b""),
        (answer(b"5\r\nabc", "Transfer-Encoding: chunked", length=""), b"abc"),
        (answer(b"3\r\nabc\r\n", "Transfer-Encoding: chunked", length=""), b"abc"),
        (answer(b"3\r\nabc\r\nnonsense\r\n", "Transfer-Encoding: chunked", length=""), b"abc"),
        (answer(b"3\r\nabc\r\n0;" + b"x" * 70_000, "Transfer-Encoding: chunked", length=""), b"abc"),
    ],
)
def test_file_that_breaks_off_is_none(given: bytes, arrived: bytes, remote: Remote) -> None:
    remote.answers["/"] = given
    chunks: list[bytes] = []

    with fetch(remote.address) as file, pytest.raises(FetchFailed):
        chunks.extend(file.chunks())

    assert b"".join(chunks) == arrived


def test_what_comes_after_the_file_is_not_read(remote: Remote) -> None:
    remote.answers["/"] = answer(b"abc", length=2)

    file, body = fetched(remote.address)

    assert (file.size, body) == (2, b"ab")


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: +3",),
        ("Content-Length: 3_0",),
        ("Content-Length: ",),
        ("Content-Length: 3, 4",),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Content-Length: " + "9" * 30,),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ],
)
def test_answer_that_is_unclear_about_its_length_is_none(headers: tuple[str, ...], remote: Remote) -> None:
    remote.answers["/"] = answer(b"abc", *headers, length="")

    nothing_is_fetched(remote.address)


def test_length_that_is_said_twice_is_one(remote: Remote) -> None:
    remote.answers["/"] = answer(b"abc", "Content-Length: 3")

    assert fetched(remote.address)[0].size == 3


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", "unknown"])
def test_packed_file_is_not_taken(encoding: str, remote: Remote) -> None:
    remote.answers["/"] = answer(gzip.compress(bytes(10**6)), f"Content-Encoding: {encoding}")

    nothing_is_fetched(remote.address)

    assert "Accept-Encoding: identity\r\n" in remote.heads[0]


def test_file_that_says_not_to_be_packed_is_taken(remote: Remote) -> None:
    remote.answers["/"] = answer(b"plain", "Content-Encoding: Identity")

    assert fetched(remote.address)[1] == b"plain"


# --- answers that are no file ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "status",
    [
        "204 No Content",
        "206 Partial Content",
        "300 Multiple Choices",
        "304 Not Modified",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "407 Proxy Authentication Required",
        "500 Oops",
        "999 What",
    ],
)
def test_other_status_is_no_file(status: str, remote: Remote) -> None:
    remote.answers["/"] = answer(b"internal", status=status)

    nothing_is_fetched(remote.address)


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"-ERR unknown command\r\n" * 1000,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"y" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00",
    ],
)
def test_what_is_no_http_is_no_file(given: bytes, remote: Remote) -> None:
    remote.answers["/"] = given

    nothing_is_fetched(remote.address)


# --- time --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (answer(b"", length=1000), b"x"),
        (answer(b"", length=""), b"x"),
        (answer(b"", "Transfer-Encoding: chunked", length=""), b"1\r\nx\r\n"),
        (answer(b"", "Transfer-Encoding: chunked", length=""), b"0"),
        (answer(b"0\r\n", "Transfer-Encoding: chunked", length=""), b"X: y\r\n"),
    ],
    ids=["length", "until the end", "chunks", "size of a chunk", "trailers"],
)
def test_file_that_comes_drop_by_drop_ends(start: bytes, drop: bytes, remote: Remote) -> None:
    remote.answers["/"] = remote.dripping(start, drop)

    with fetch(remote.address) as file, pytest.raises(FetchFailed):
        list(file.chunks())


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b""),
    ],
    ids=["status", "name of a header", "value of a header", "continue", "nothing"],
)
def test_head_that_comes_drop_by_drop_ends(start: bytes, drop: bytes, remote: Remote) -> None:
    remote.answers["/"] = remote.dripping(start, drop)

    nothing_is_fetched(remote.address)


@pytest.mark.usefixtures("soon")
def test_redirects_have_one_time_for_all_of_them(remote: Remote, settings: Any) -> None:
    """Each of them takes a quarter of it, and there is no end of them."""
    settings.S3UPLOAD_FILEPOND_FETCH_REDIRECTS = 1000

    def slow() -> Iterator[bytes]:
        remote.over.wait(0.1)
        yield redirect("/")

    remote.answers["/"] = slow

    nothing_is_fetched(remote.address)

    assert remote.connections <= 5


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_server_that_says_nothing_is_not_waited_for(scheme: str) -> None:
    with Remote(silent=True) as remote:
        nothing_is_fetched(f"{scheme}://127.0.0.1:{remote.port}/")

        assert remote.connections == 1


@pytest.mark.usefixtures("soon")
def test_many_addresses_share_the_time(names: Names, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback has no address that swallows everything: that each of them takes all its time is made up here."""
    given = []

    def connect(sock: socket.socket, address: Any) -> None:
        given.append(sock.gettimeout() or 0)
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", connect)
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["127.0.0.0/8"]
    names["many.example"] = [[f"127.0.0.{number}" for number in range(1, 51)]]

    nothing_is_fetched("http://many.example/")

    assert len(given) == 50
    assert given[0] <= 0.4 / 50


@pytest.mark.usefixtures("soon")
def test_resolver_that_does_not_answer_is_not_waited_for(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*arguments: Any, **options: Any) -> Any:
        remote.over.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    nothing_is_fetched("http://slow.example/")


# --- TLS ---------------------------------------------------------------------------------------


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Remote]]:
    """Start a server with a certificate for the given names, which is trusted unless said otherwise."""
    servers: list[Remote] = []

    def start(*names: str, trusted: bool = True) -> Remote:
        file = certificate(tmp_path, *names)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(file))
        servers.append(Remote(context=tls_context(file)).__enter__())
        servers[-1].answers["/"] = answer(BODY)
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


def test_file_is_fetched_by_tls(secure: Callable[..., Remote]) -> None:
    remote = secure("127.0.0.1")

    assert fetched(remote.address)[1] == BODY


def test_certificate_and_host_are_those_of_the_name(secure: Callable[..., Remote], names: Names) -> None:
    remote = secure("files.example")
    asked: list[Any] = []
    assert remote._context
    remote._context.sni_callback = lambda sock, name, context: asked.append(name)
    names["files.example"] = [["127.0.0.1"]]

    assert fetched(f"https://files.example.:{remote.port}")[1] == BODY
    assert asked == ["files.example"]
    assert f"Host: files.example:{remote.port}\r\n" in remote.heads[0]
    # By the address, it is the certificate of somebody else.
    nothing_is_fetched(remote.address)
    assert len(remote.heads) == 1


def test_certificate_that_nobody_trusts_is_refused(secure: Callable[..., Remote]) -> None:
    remote = secure("127.0.0.1", trusted=False)

    nothing_is_fetched(remote.address)

    assert (remote.connections, remote.heads) == (1, [])


def test_server_without_tls_is_none_of_https(remote: Remote) -> None:
    nothing_is_fetched(remote.address.replace("http:", "https:"))


@pytest.mark.usefixtures("soon")
def test_drops_by_tls_end(secure: Callable[..., Remote]) -> None:
    remote = secure("127.0.0.1")
    remote.answers["/"] = remote.dripping(answer(b"", length=1000))

    with pytest.raises(FetchFailed):
        fetched(remote.address)


def test_line_that_is_cut_is_not_the_end_of_a_file(secure: Callable[..., Remote]) -> None:
    """Where the size is not said, TLS says what is the end."""
    remote = secure("127.0.0.1")
    remote.answers["/"] = answer(BODY, length="")
    assert fetched(remote.address)[1] == BODY

    def cut() -> Iterator[bytes]:
        yield answer(BODY, length="")
        raise ConnectionError

    remote.answers["/"] = cut
    nothing_is_fetched(remote.address)


# --- what is said --------------------------------------------------------------------------------


def test_log_names_the_host_and_nothing_else_of_the_address(
    remote: Remote, inside: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    remote.answers["/path-secret?query-secret"] = redirect(f"{inside.address}/secret?secret")
    remote.answers["/broken-secret"] = b"secret\r\n"

    nothing_is_fetched(f"{remote.address}/path-secret?query-secret")
    nothing_is_fetched(f"{remote.address}/broken-secret")
    with pytest.raises(FetchRefused):
        fetched(f"http://user:secret@127.0.0.1:{remote.port}/secret")

    assert [record.getMessage() for record in caplog.records if record.name.startswith("s3upload")] == [
        "no file could be fetched from 127.0.0.2: it has an address that is not public, and not allowed",
        "no file could be fetched from 127.0.0.1: BadStatusLine",
    ]
    assert "secret" not in caplog.text


def test_errors_keep_nothing_of_the_answer(remote: Remote) -> None:
    """What is reported of an error has its causes as well."""
    remote.answers["/"] = b"secret\r\n"

    with pytest.raises(FetchFailed) as failed:
        fetched(remote.address)

    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


@pytest.mark.parametrize(("error", "status"), [(FetchRefused(), 400), (FetchFailed(), 400), (FetchTooLarge(2), 413)])
def test_errors_are_those_of_a_request(error: InvalidRequest, status: int) -> None:
    assert error.status == status
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 (our own)


def test_errors_are_in_the_language_of_the_person() -> None:
    with translation.override("de"):
        assert str(FetchTooLarge(2)).startswith("Die Datei ist zu groß. Erlaubt sind höchstens 2")


def test_connection_is_closed_when_the_block_is_left(remote: Remote) -> None:
    remote.answers["/"] = remote.dripping(answer(b"", length=1000))

    with fetch(remote.address) as file:
        assert next(file.chunks()) == b"x"

    with pytest.raises(ValueError, match="inside of fetch"):
        next(file.chunks())


def test_error_of_the_block_is_its_own(remote: Remote) -> None:
    """A store that does not answer is no remote server that does not."""
    remote.answers["/"] = answer(BODY)

    with pytest.raises(ConnectionError, match="the store"), fetch(remote.address):
        raise ConnectionError("the store")
