"""Files that FilePond loads and restores: their bytes, their names, and what a browser may do with them."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import tracemalloc
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage
from django.http.response import HttpResponseBase
from django.test import AsyncRequestFactory, RequestFactory

from s3upload.exceptions import UploadChanged
from s3upload.filepond.serving import content_disposition, response_for
from tests.conftest import CallCount, program
from tests.filepond.uploads import BODY, MIB, PLACES, use_target
from tests.settings import NODE_MODULES


@pytest.fixture(params=PLACES)
def storage(request: pytest.FixtureRequest) -> Storage:
    """Where the file is: each kind of place in turn."""
    return use_target(request, request.param)


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Storage:
    return use_target(request, "folder")


def ask(
    storage: Storage, method: str = "GET", filename: str = "a.txt", type_: str = "text/plain", **headers: str
) -> HttpResponseBase:
    """Return the answer to a request for a file, which is there as "a"."""
    if not storage.exists("a"):
        storage.save("a", ContentFile(BODY))
    request = RequestFactory().generic(method, "/", headers={k.replace("_", "-"): v for k, v in headers.items()})
    return response_for(request, storage, "a", filename=filename, content_type=type_)


def body_of(response: Any) -> bytes:
    try:
        return b"".join(response.streaming_content) if response.streaming else response.content
    finally:
        response.close()


async def body_under_asgi(storage: Storage, **headers: str) -> tuple[HttpResponseBase, bytes]:
    request = AsyncRequestFactory().get("/", headers=headers)
    response: Any = response_for(request, storage, "a", filename="a.txt", content_type="text/plain")
    assert response.is_async
    return response, b"".join([chunk async for chunk in response])


# --- the bytes ------------------------------------------------------------------------------


def test_file_is_sent(storage: Storage) -> None:
    response = ask(storage)

    assert response.status_code == 200
    assert response.streaming
    assert response["Content-Type"] == "text/plain"
    assert response["Content-Length"] == str(len(BODY))
    assert response["Accept-Ranges"] == "bytes"
    assert body_of(response) == BODY


def test_head_opens_nothing(storage: Storage) -> None:
    response = ask(storage, "HEAD")
    storage.delete("a")

    assert (response.status_code, response["Content-Length"], body_of(response)) == (200, str(len(BODY)), b"")


def test_head_costs_one_call(request: pytest.FixtureRequest, call_count: CallCount) -> None:
    storage = use_target(request, "ceph")
    body_of(ask(storage))
    call_count.clear()
    request_ = RequestFactory().head("/")
    body_of(response_for(request_, storage, "a", filename="a", content_type="text/plain"))

    assert call_count == {"HeadObject": 1}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=100000-199999", slice(100_000, 200_000)),
        ("bytes=255990-", slice(255_990, None)),
        ("bytes=-10", slice(-10, None)),
        ("bytes=255990-999999", slice(255_990, None)),
    ],
)
def test_one_range(storage: Storage, asked: str, expected: slice) -> None:
    response = ask(storage, Range=asked)
    start, stop, _step = expected.indices(len(BODY))

    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {start}-{stop - 1}/{len(BODY)}"
    assert response["Content-Length"] == str(stop - start)
    assert body_of(response) == BODY[expected]


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=999999-1000000", "bytes=-0"])
def test_range_that_is_not_there(storage: Storage, asked: str) -> None:
    response = ask(storage, Range=asked)

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(BODY)}"
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("asked", ["bytes=", "bytes=-", "lines=1-2", "bytes=5-1", "bytes=0-1,5-6", "bytes=a-b", "x"])
def test_range_that_makes_no_sense(folder: Storage, asked: str) -> None:
    response = ask(folder, Range=asked)

    assert (response.status_code, body_of(response)) == (200, BODY)


def test_what_the_browser_has_is_not_sent_again(storage: Storage) -> None:
    etag = ask(storage)["ETag"]
    again = ask(storage, If_None_Match=etag)
    other = ask(storage, If_None_Match='"another"')

    assert (again.status_code, body_of(again)) == (304, b"")
    assert (other.status_code, body_of(other)) == (200, BODY)
    assert body_of(ask(storage, Range="bytes=0-4", If_Range=etag)) == BODY[:5]
    assert body_of(ask(storage, Range="bytes=0-4", If_Range='"another"')) == BODY


def test_under_asgi(storage: Storage) -> None:
    ask(storage).close()
    response, body = asyncio.run(body_under_asgi(storage))
    assert (response.status_code, body) == (200, BODY)
    response, body = asyncio.run(body_under_asgi(storage, Range="bytes=5-9"))
    assert (response.status_code, body) == (206, BODY[5:10])


def test_empty_file(storage: Storage) -> None:
    storage.save("a", ContentFile(b""))
    response = ask(storage)

    assert (response.status_code, response["Content-Length"], body_of(response)) == (200, "0", b"")


@pytest.mark.parametrize("name", ["nothing", "nothing/a", "there"])
def test_file_that_is_not_there(storage: Storage, name: str) -> None:
    storage.save("there/a", ContentFile(b"in a folder"))
    with pytest.raises(FileNotFoundError):
        response_for(RequestFactory().get("/"), storage, name, filename="a.txt", content_type="text/plain")


def test_another_file_is_not_sent_as_the_rest(request: pytest.FixtureRequest) -> None:
    storage = use_target(request, "ceph")
    storage.save("a", ContentFile(bytes(MIB)))
    response: Any = ask(storage)
    chunks = iter(response.streaming_content)
    sent = len(next(chunks))
    storage.delete("a")
    storage.save("a", ContentFile(bytes(MIB - 1)))
    with pytest.raises(UploadChanged):
        sent += sum(map(len, chunks))
    response.close()

    assert 0 < sent < MIB


@pytest.mark.parametrize("kind", ["folder", "shelf", "ceph"])
@pytest.mark.parametrize("is_async", [False, True])
def test_large_file_takes_little_memory(request: pytest.FixtureRequest, kind: str, is_async: bool) -> None:
    storage = use_target(request, kind)
    storage.save("a", ContentFile(bytes(64 * MIB)))
    # The first call to a store takes memory for all that follow.
    ask(storage, "HEAD").close()

    async def size_under_asgi() -> int:
        response: Any = response_for(
            AsyncRequestFactory().get("/"), storage, "a", filename="a", content_type="text/plain"
        )
        size = 0
        async for chunk in response:
            size += len(chunk)
        return size

    tracemalloc.start()
    try:
        if is_async:
            size = asyncio.run(size_under_asgi())
        else:
            response: Any = ask(storage)
            size = sum(map(len, response.streaming_content))
            response.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert size == 64 * MIB
    assert peak < 16 * MIB


def test_file_is_closed_when_the_browser_leaves(folder: Storage) -> None:
    assert isinstance(folder, FileSystemStorage)
    response: Any = ask(folder)
    next(iter(response.streaming_content))
    # An open file would be told by the garbage collector, which the tests take for an error.
    response.close()


# --- what a browser may do with it ----------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-1"}, {"Range": "bytes=999999-"}, {"If_None_Match": "*"}])
def test_every_answer_is_guarded(folder: Storage, headers: Any) -> None:
    response = ask(folder, **headers)

    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cache-Control"] == "private, no-cache"
    response.close()


@pytest.mark.parametrize(
    ("filename", "type_", "kind"),
    [
        ("a.txt", "text/plain", "inline"),
        ("a.png", "image/png", "inline"),
        ("a", "application/pdf", "inline"),
        ("a.png", "IMAGE/PNG; charset=x", "inline"),
        ("a.html", "text/html", "attachment"),
        ("a.txt", "text/html; charset=utf-8", "attachment"),
        ("a.html", "text/plain", "attachment"),
        ("a.html", "image/png", "attachment"),
        ("a.svg", "image/svg+xml", "attachment"),
        ("a.js", "text/javascript", "attachment"),
        ("a.css", "text/css", "attachment"),
        ("a.xml", "application/xml", "attachment"),
        ("a.bin", "application/octet-stream", "attachment"),
        ("a.txt", "", "attachment"),
        ("a.txt", "nonsense", "attachment"),
        ("a.txt", "text/plain\r\nSet-Cookie: a=b", "attachment"),
        ("a.txt", "unknown/unknown", "attachment"),
        ("a.txt", "multipart/x-mixed-replace", "attachment"),
    ],
)
def test_page_is_to_be_saved(folder: Storage, filename: str, type_: str, kind: str) -> None:
    response = ask(folder, filename=filename, type_=type_)

    assert response["Content-Disposition"].partition(";")[0] == kind
    assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", response["Content-Type"])
    assert "Set-Cookie" not in response
    response.close()


# --- its name -------------------------------------------------------------------------------

NAMES = [
    "report.txt",
    "a report, 2nd.txt",
    "a;b.txt",
    'the "best".txt',
    "'quoted'",
    "it's.txt",
    "''.txt",
    "100%.txt",
    "100%25.txt",
    "%E4.txt",
    "Übergröße.txt",
    "日本語.txt",
    "🦆🦆.png",
    "a\nb.txt",
    "a\r\nSet-Cookie: a=b",
    "back\\slash.txt",
    "a/b?c#d&e=f+g@h:i$j.txt",
    "filename=evil.txt",
    "filename*=UTF-8''evil.txt",
    "a; filename=evil.txt",
    "\u202egnp.txt",
    "a\tb*(c)<d>|e.txt",
]

ASK_THE_CLIENT = """
const source = require("fs").readFileSync(process.argv[1], "utf8");
const start = source.indexOf("const getFileNameFromHeader = ");
const end = source.indexOf("\\nconst ", start + 1);
const read = new Function(`${source.slice(start, end)}; return getFileNameFromHeader;`)();
const headers = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(headers.map((header) => read(`content-disposition: ${header}`))));
"""


def test_filepond_reads_the_name() -> None:
    client = NODE_MODULES / "filepond" / "dist" / "filepond.esm.js"
    headers = [content_disposition(name, type_) for name in NAMES for type_ in ("image/png", "text/html")]
    answer = subprocess.run(
        [program("node"), "-e", ASK_THE_CLIENT, str(client)],
        input=json.dumps(headers),
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
    )

    assert json.loads(answer.stdout) == [name for name in NAMES for _ in range(2)]


@pytest.mark.parametrize("name", NAMES)
def test_browser_reads_the_name(name: str) -> None:
    header = content_disposition(name, "image/png")
    match = re.fullmatch(r"(inline|attachment); filename\*=UTF-8''([^\s;\"']+); filename=\"([\x20-\x7e]+)\"", header)

    assert match is not None, header
    assert unquote(match[2]) == name
    assert '"' not in match[3]
    assert "\\" not in match[3]


@pytest.mark.parametrize("name", ["", "\udcff.txt"])
def test_name_that_can_not_be_said(folder: Storage, name: str) -> None:
    header = ask(folder, filename=name)["Content-Disposition"]

    assert header in (
        "inline; filename*=UTF-8''file; filename=\"file\"",
        "inline; filename*=UTF-8''%3F.txt; filename=\"?.txt\"",
    )
