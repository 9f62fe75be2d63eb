"""Files in parts, and checksums: what every backend promises of them."""

from __future__ import annotations

import hashlib
import http.client
import io
import itertools
import logging
import random
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config

from s3upload.backends import backend_named
from s3upload.backends.base import Backend, Part
from s3upload.exceptions import StoreUnavailable, UploadChanged, UploadGone
from s3upload.tokens import Token
from tests.backends.test_contract import listening, signed_ago
from tests.conftest import S3Store
from tests.pages import use_unreachable_s3
from tests.test_storage import CEPH, S3_STORES, open_multipart_uploads, with_options
from tests.wire import Answer, put_part, send, sha256

MIB = 1024 * 1024
PART = 5 * MIB
BODY = b"twelve bytes"

STORES = ["filesystem", "ceph", "localstack", "azurite"]

# A signature of Azure's is for an address and a permission, and its blocks have no ETags.
SIGNED_PARTS = pytest.mark.parametrize("store", ["filesystem", "ceph", "localstack"], indirect=True)
AZURITE = pytest.mark.parametrize("store", ["azurite"], indirect=True)

LOCALSTACK = pytest.mark.parametrize("store", ["localstack"], indirect=True)

# Ceph 16 knows no checksums.
VERIFYING = pytest.mark.parametrize("store", ["filesystem", "localstack"], indirect=True)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def backend(store: Any) -> Backend:
    return backend_named("default")


def token_for(backend: Backend, size: int = len(BODY), **changes: Any) -> Token:
    values = {
        "storage": "default",
        "key": backend.new_key("a.txt"),
        "name": "a name.txt",
        "size": size,
        "content_type": "text/x-own",
        "field": "file",
        "owner": "",
        "part_size": PART,
        **changes,
    }
    return Token(**values)


def begun(backend: Backend, size: int = len(BODY), **changes: Any) -> Token:
    """Return the token of an upload that has begun; of one small part, unless more is asked for."""
    token = token_for(backend, size, **changes)
    return replace(token, upload_id=backend.begin(token))


def send_part(backend: Backend, token: Token, number: int, body: bytes, checksum: str | None = None) -> Answer:
    return put_part(backend.presign_part(token, number, checksum), body)


def sent(backend: Backend, body: bytes, **changes: Any) -> Token:
    """Return the token of an upload whose parts are all there."""
    token = begun(backend, len(body), **changes)
    for number in range(1, token.part_count + 1):
        part = body[(number - 1) * PART : number * PART]
        assert send_part(backend, token, number, part, sha256(part) if token.has_checksums else None).is_success
    return token


def completed(backend: Backend, body: bytes, **changes: Any) -> Token:
    token = sent(backend, body, **changes)
    backend.complete(token, backend.list_parts(token))
    return token


def leftovers(store: Any) -> list[Any]:
    """Return what there is in the store: objects, and uploads that are open."""
    if store.name == "filesystem":
        return [path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*") if path.name != "tmp"]
    return [*store.keys(), *open_uploads(store)]


def open_uploads(store: Any) -> list[Any]:
    uploads: list[Any] = store.uploads() if store.name == "azurite" else open_multipart_uploads(store)
    return uploads


def nothing(store: Any) -> list[str]:
    """Return what is left when nothing is: a folder keeps that of the pending prefix."""
    return ["tmp/s3upload"] if store.name == "filesystem" else []


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


# --- from the first part to the object --------------------------------------------------------


@pytest.mark.parametrize("size", [1, PART, PART + 1, 2 * PART + 345])
def test_parts_make_the_object(store: Any, backend: Backend, size: int) -> None:
    body = noise(size)
    token = completed(backend, body)
    assert store.get(token.key) == body
    assert store.keys() == [token.key]
    assert backend.stat(token.key).size == size
    if store.name != "filesystem":
        assert open_uploads(store) == []


def test_parts_that_came_to_the_server_make_the_object(store: Any, backend: Backend) -> None:
    body = noise(2 * PART + 345)
    token = begun(backend, len(body))
    parts = [
        backend.put_part(
            token, number, io.BytesIO(body[(number - 1) * PART : number * PART]), token.part_length(number)
        )
        for number in (1, 2, 3)
    ]

    assert [(part.number, part.size, part.etag) for part in backend.list_parts(token)] == [
        (part.number, part.size, part.etag) for part in parts
    ]
    backend.complete(token, parts)
    assert store.get(token.key) == body
    assert backend.stat(token.key).content_type in (None, token.content_type)


def test_part_that_came_to_the_server_replaces_the_one_before(store: Any, backend: Backend) -> None:
    token = begun(backend)
    backend.put_part(token, 1, io.BytesIO(b"other  bytes"), len(BODY))

    part = backend.put_part(token, 1, io.BytesIO(BODY), len(BODY))

    backend.complete(token, [part])
    assert store.get(token.key) == BODY


@pytest.mark.parametrize("store", ["filesystem", "ceph", "localstack"], indirect=True)
def test_part_that_came_to_the_server_too_late(store: Any, backend: Backend) -> None:
    token = begun(backend)
    backend.abort(token)

    with pytest.raises(UploadGone):
        backend.put_part(token, 1, io.BytesIO(BODY), len(BODY))

    assert leftovers(store) == nothing(store)


def test_parts_can_be_sent_in_any_order_and_at_the_same_time(store: Any, backend: Backend) -> None:
    body = noise(2 * PART + 1)
    token = begun(backend, len(body))
    answers: dict[int, Answer] = {}

    def send_one(number: int) -> None:
        answers[number] = send_part(backend, token, number, body[(number - 1) * PART : number * PART])

    threads = [threading.Thread(target=send_one, args=[number]) for number in (3, 2, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    parts = backend.list_parts(token)
    assert [(part.number, part.size) for part in parts] == [(1, PART), (2, PART), (3, 1)]
    if store.name != "azurite":
        assert [f'"{part.etag}"' for part in parts] == [answers[number].etag for number in (1, 2, 3)]
    backend.complete(token, parts)
    assert store.get(token.key) == body


@S3_STORES
def test_completed_object_has_the_type_of_the_token(store: S3Store, backend: Backend) -> None:
    token = completed(backend, BODY)
    assert backend.stat(token.key).content_type == "text/x-own"
    assert store.head(token.key)["Metadata"] == {}


@S3_STORES
def test_upload_in_parts_is_below_the_location(store: S3Store, settings: Any) -> None:
    with_options(settings, store, location="some/where é")
    backend = backend_named("default")
    token = completed(backend, BODY)
    assert store.keys() == [f"some/where é/{token.key}"]
    backend.abort(token)
    assert store.keys() == []


def test_nothing_is_there_before_it_is_complete(store: Any, backend: Backend) -> None:
    token = sent(backend, BODY)
    with pytest.raises(UploadGone):
        backend.stat(token.key)


def test_read_of_an_object_in_parts(backend: Backend) -> None:
    body = noise(PART + 100)
    token = completed(backend, body)
    etag = backend.stat(token.key).etag
    assert backend.read(token.key, etag, PART - 5, 10) == body[PART - 5 : PART + 5]
    with pytest.raises(UploadChanged):
        backend.read(token.key, "another", 0, 1)


# --- a presigned part is for one part of one length ---------------------------------------------


@SIGNED_PARTS
@pytest.mark.parametrize("body", [BODY + b"!", BODY[:-1], b""], ids=["longer", "shorter", "empty"])
def test_part_of_another_length_is_refused(backend: Backend, body: bytes) -> None:
    token = begun(backend)
    assert send_part(backend, token, 1, body).is_refusal
    assert backend.list_parts(token) == []


@SIGNED_PARTS
def test_last_part_is_shorter_than_the_others(backend: Backend) -> None:
    token = begun(backend, PART + 7)
    assert send_part(backend, token, 2, bytes(8)).is_refusal
    assert send_part(backend, token, 1, bytes(7)).is_refusal
    assert backend.list_parts(token) == []
    assert send_part(backend, token, 2, bytes(7)).is_success


@S3_STORES
@pytest.mark.parametrize("what", ["number", "key", "upload", "expiry", "signature"])
def test_part_of_another_address_is_refused(store: S3Store, backend: Backend, what: str) -> None:
    token, other = begun(backend, 2 * PART), begun(backend)
    part = backend.presign_part(replace(token, size=len(BODY)), 1)
    url = part["url"]
    signature = url.rpartition("X-Amz-Signature=")[2]
    changed = {
        "number": url.replace("partNumber=1", "partNumber=2"),
        "key": url.replace(token.key, other.key),
        "upload": url.replace(token.upload_id, other.upload_id),
        "expiry": url.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000"),
        "signature": url.replace(signature, signature[::-1]),
    }[what]
    assert changed != url
    assert put_part({**part, "url": changed}, BODY).is_refusal
    assert backend.list_parts(token) == backend.list_parts(other) == []
    assert put_part(part, BODY).is_success


@SIGNED_PARTS
def test_address_of_a_part_says_how_long_it_lives(backend: Backend) -> None:
    """The script asks for another one in time, and has nothing else to know it by."""
    assert "X-Amz-Expires=3600" in urlsplit(backend.presign_part(begun(backend), 1)["url"]).query


def test_presigned_part_expires_after_an_hour(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    token = begun(backend)
    with signed_ago(monkeypatch, 3700):
        late = backend.presign_part(token, 1)
    with signed_ago(monkeypatch, 3500):
        in_time = backend.presign_part(token, 1)
    assert put_part(late, BODY).is_refusal
    assert backend.list_parts(token) == []
    assert put_part(in_time, BODY).is_success


@S3_STORES
def test_part_is_sent_to_the_public_address(store: S3Store, settings: Any) -> None:
    public = store.account.endpoint_url.replace("127.0.0.1", "localhost")
    with_options(settings, store, public_endpoint_url=public)
    backend = backend_named("default")
    token = begun(backend)
    part = backend.presign_part(token, 1)
    assert part["url"].startswith(public)
    assert put_part(part, BODY).is_success


# As AWS does it; Ceph 16 takes any header.
@LOCALSTACK
@pytest.mark.parametrize("header", ["x-amz-copy-source", "x-amz-meta-colour", "x-amz-acl"])
def test_header_of_a_part_that_was_not_signed_is_refused(store: S3Store, backend: Backend, header: str) -> None:
    token = begun(backend)
    part = backend.presign_part(token, 1)
    assert put_part({**part, "headers": {**part["headers"], header: "public-read"}}, BODY).is_refusal
    assert backend.list_parts(token) == []


def raw_put(url: str, headers: dict[str, str], body: bytes) -> None:
    """Send exactly these headers and this body, whatever the store thinks of them."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=2)
    connection.putrequest("PUT", f"{address.path}?{address.query}", skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    try:
        connection.endheaders(body)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass  # it waits for more, or has had enough
    finally:
        connection.close()


FRAMES: dict[str, tuple[dict[str, str], bytes]] = {
    "exact": ({"Content-Length": "12"}, bytes(12)),
    "no body": ({"Content-Length": "12"}, b""),
    "empty": ({"Content-Length": "0"}, b""),
    "no length": ({}, b""),
    "chunked": ({"Transfer-Encoding": "chunked"}, b"c\r\n" + bytes(12) + b"\r\n0\r\n\r\n"),
    "chunked, empty": ({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n"),
    "chunked, with a length": ({"Transfer-Encoding": "chunked", "Content-Length": "12"}, b"0\r\n\r\n"),
}


RANGES = [{}, *({"x-amz-copy-source-range": f"bytes={range_}"} for range_ in ("0-11", "4-15", "0-0", "0-"))]


@S3_STORES
@pytest.mark.parametrize("frame", FRAMES)
def test_bytes_of_another_object_are_never_a_part(store: S3Store, backend: Backend, frame: str) -> None:
    """Some stores mind no headers that were not signed; the site's key can read every object of the bucket."""
    store.put("secret/long", b"secrets and more")
    store.put("secret/exact", b"secret bytes")
    zeros = send_part(backend, begun(backend), 1, bytes(12)).etag.strip('"')
    headers, body = FRAMES[frame]
    token = begun(backend)
    for source, range_ in itertools.product(("secret/exact", "secret/long"), RANGES):
        part = backend.presign_part(token, 1)
        copied = {"x-amz-copy-source": f"/{store.bucket}/{source}", **range_}
        raw_put(part["url"], {**part["headers"], **headers, **copied}, body)
        # Of what was sent itself, a store may have taken some.
        assert {arrived.etag for arrived in backend.list_parts(token)} <= {zeros}, (source, range_)


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_changed_permit_of_a_part_is_refused(store: Any, backend: Backend) -> None:
    token = begun(backend)
    part = backend.presign_part(token, 1)
    whole = backend.presign(replace(token, part_size=0, upload_id=""))["fields"]["permit"]
    address, _equals, permit = part["url"].rpartition("=")
    for other in ("", permit[:-1], permit[1:], permit.swapcase(), whole):
        assert put_part({"url": f"{address}={other}", "headers": {}}, BODY).status == 403
    fields = {"key": token.key, "Content-Type": "", "permit": permit.replace("%3A", ":")}
    assert send({"method": "POST", "url": address.partition("?")[0], "fields": fields}, BODY) == 403
    assert backend.list_parts(token) == []
    assert store.keys() == []


# --- what has arrived ---------------------------------------------------------------------------


def test_parts_are_listed_as_they_arrive(store: Any, backend: Backend) -> None:
    token = begun(backend, 2 * PART + 3)
    assert backend.list_parts(token) == []
    third = send_part(backend, token, 3, b"abc")
    assert [(part.number, part.size) for part in backend.list_parts(token)] == [(3, 3)]
    first = send_part(backend, token, 1, bytes(PART))
    parts = backend.list_parts(token)
    assert [(part.number, part.size) for part in parts] == [(1, PART), (3, 3)]
    if store.name != "azurite":
        assert [f'"{part.etag}"' for part in parts] == [first.etag, third.etag]


@SIGNED_PARTS
def test_part_that_is_sent_again_is_replaced(store: Any, backend: Backend) -> None:
    token = begun(backend)
    first = send_part(backend, token, 1, BODY)
    again = send_part(backend, token, 1, BODY)
    assert again.etag == first.etag
    other = send_part(backend, token, 1, BODY[::-1])
    assert other.etag != first.etag
    [part] = backend.list_parts(token)
    assert f'"{part.etag}"' == other.etag
    backend.complete(token, [part])
    assert store.get(token.key) == BODY[::-1]


@S3_STORES
def test_long_list_comes_in_pages(store: S3Store, backend: Any, call_count: Any) -> None:
    token = begun(backend, 5 * PART)
    small = replace(token, size=len(BODY))
    for number in (5, 1, 4, 2, 3):
        # Of the length that a part of the small token has: parts are listed, whatever they are.
        part = backend.presign_part(replace(small, size=(number - 1) * PART + len(BODY)), number)
        assert put_part(part, BODY).is_success
    backend.client.meta.events.register(
        "provide-client-params.s3.ListParts", lambda params, **_: {**params, "MaxParts": 2}
    )
    assert [part.number for part in backend.list_parts(token)] == [1, 2, 3, 4, 5]
    assert call_count["ListParts"] == 3


def test_uploads_are_listed_apart(backend: Backend) -> None:
    one, other = begun(backend), begun(backend)
    again = replace(one, upload_id=backend.begin(one))
    assert send_part(backend, one, 1, BODY).is_success
    assert backend.list_parts(other) == backend.list_parts(again) == []


@pytest.mark.parametrize("end", ["complete", "abort", "never begun"])
def test_list_of_an_upload_that_is_over(backend: Backend, end: str) -> None:
    token = sent(backend, BODY)
    parts = backend.list_parts(token)
    if end == "complete":
        backend.complete(token, parts)
    elif end == "abort":
        backend.abort(token)
    else:
        token = replace(token, upload_id="nobody-s")
    with pytest.raises(UploadGone):
        backend.list_parts(token)


# --- to complete --------------------------------------------------------------------------------


def test_complete_again_does_no_harm(store: Any, backend: Backend) -> None:
    token = sent(backend, BODY)
    parts = backend.list_parts(token)
    backend.complete(token, parts)
    stat = backend.stat(token.key)
    with suppress(UploadGone):  # Ceph says yes again
        backend.complete(token, parts)
    assert backend.stat(token.key) == stat
    assert store.get(token.key) == BODY


@pytest.mark.parametrize("others", ["missing", "changed"])
def test_complete_with_parts_that_are_not_there(store: Any, backend: Backend, others: str) -> None:
    token = sent(backend, BODY)
    [part] = backend.list_parts(token)
    other = replace(part, number=2) if others == "missing" else replace(part, etag=part.etag[::-1])
    with pytest.raises(UploadChanged):
        backend.complete(token, [other])
    assert store.keys(token.key) == [] or store.name == "filesystem"
    backend.complete(token, [part])
    assert store.get(token.key) == BODY


def test_complete_after_abort(store: Any, backend: Backend) -> None:
    token = sent(backend, BODY)
    parts = backend.list_parts(token)
    backend.abort(token)
    # Ceph says that somebody else is about to complete it.
    with pytest.raises(StoreUnavailable if store.name == "ceph" else UploadGone):
        backend.complete(token, parts)
    assert leftovers(store) == nothing(store)


@S3_STORES
def test_object_whose_checksum_is_not_that_of_its_parts_is_not_kept(store: S3Store, backend: Backend) -> None:
    """The store answers with the checksum of what it has put together."""
    token = sent(backend, BODY, has_checksums=True)
    [part] = backend.list_parts(token)
    client = backend.copier  # type: ignore[attr-defined]
    client.meta.events.register(
        "after-call.s3.CompleteMultipartUpload",
        lambda parsed, **_: parsed.update(ChecksumSHA256=f"{sha256(b'something else')}-1"),
    )
    with pytest.raises(UploadChanged):
        backend.complete(token, [part])
    assert leftovers(store) == []


# --- to abort -----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["begun", "sent", "completed", "aborted"])
def test_abort_leaves_nothing(store: Any, backend: Backend, when: str) -> None:
    token = begun(backend, PART + 1) if when == "begun" else sent(backend, noise(PART + 1), has_checksums=True)
    if when == "completed":
        backend.complete(token, backend.list_parts(token))
    if when == "aborted":
        backend.abort(token)
    backend.abort(token)
    assert leftovers(store) == nothing(store)
    # Azure takes it, and removes it after a week; the clean-up does so before.
    assert send_part(backend, token, 2, b"x").is_refusal or store.name == "azurite"
    assert leftovers(store) == nothing(store)
    with pytest.raises(UploadGone):
        backend.list_parts(token)


def test_abort_of_one_leaves_the_others(store: Any, backend: Backend) -> None:
    other, pending = sent(backend, BODY), completed(backend, BODY)
    backend.abort(begun(backend))
    assert len(backend.list_parts(other)) == 1
    assert store.keys(pending.key) == [pending.key]


@pytest.mark.parametrize("arrived", [True, False])
def test_abort_of_a_file_in_one_request(store: Any, backend: Backend, arrived: bool) -> None:
    token = token_for(backend, part_size=0)
    if arrived:
        assert send(backend.presign(token, sha256(BODY)), BODY) < 300
    backend.abort(token)
    assert leftovers(store) in ([], nothing(store))
    backend.abort(token)


def test_abort_while_parts_are_under_way(store: Any, backend: Backend) -> None:
    """Whatever the moment: nothing that can be seen, and nothing that can be completed."""
    body = noise(1024 * 1024)
    for delay in range(12):
        token = begun(backend, 40 * PART)
        # Parts of one length, small enough to be many.
        requests = [
            backend.presign_part(replace(token, size=(number - 1) * PART + len(body)), number)
            for number in range(1, 9)
        ]
        started = threading.Semaphore(0)

        def send_some(mine: list[Any], started: threading.Semaphore = started) -> None:
            for request in mine:
                started.release()
                put_part(request, body)

        threads = [threading.Thread(target=send_some, args=[requests[first::4]]) for first in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(min(delay, 8)):
            started.acquire(timeout=10)
        backend.abort(token)
        for thread in threads:
            thread.join()
        with pytest.raises(UploadGone):
            backend.list_parts(token)
        assert leftovers(store) == nothing(store)


# --- checksums ----------------------------------------------------------------------------------


@VERIFYING
def test_part_that_is_not_what_its_checksum_says_is_refused(backend: Backend) -> None:
    token = begun(backend, has_checksums=True)
    assert send_part(backend, token, 1, BODY[::-1], sha256(BODY)).status == 400
    assert backend.list_parts(token) == []
    assert send_part(backend, token, 1, BODY, sha256(BODY)).is_success


@S3_STORES
def test_checksum_of_a_part_is_signed(store: S3Store, backend: Backend) -> None:
    token = begun(backend, has_checksums=True)
    part = backend.presign_part(token, 1, sha256(BODY))
    assert part["headers"] == {"x-amz-checksum-sha256": sha256(BODY)}
    assert put_part({**part, "headers": {}}, BODY).is_refusal
    other = BODY[::-1]
    assert put_part({**part, "headers": {"x-amz-checksum-sha256": sha256(other)}}, other).is_refusal
    assert backend.list_parts(token) == []
    assert put_part(part, BODY).is_success


@pytest.mark.parametrize("size", [len(BODY), PART + 9])
def test_checksum_of_an_object_in_parts_is_that_of_its_parts(store: Any, backend: Backend, size: int) -> None:
    body = noise(size)
    token = completed(backend, body, has_checksums=True)
    sums = [b64decode(sha256(body[start : start + PART])) for start in range(0, size, PART)]
    composite = b64encode(hashlib.sha256(b"".join(sums)).digest()).decode()
    stat = backend.stat(token.key)
    assert stat.checksum == (None if store.name in ("ceph", "azurite") else f"sha256:{composite}-{len(sums)}")
    assert store.get(token.key) == body


@VERIFYING
def test_checksums_of_parts_are_listed(backend: Backend) -> None:
    token = sent(backend, BODY, has_checksums=True)
    assert [part.checksum for part in backend.list_parts(token)] == [sha256(BODY)]


def test_object_in_parts_without_checksums_has_none(backend: Backend) -> None:
    assert backend.stat(completed(backend, BODY).key).checksum is None


METHODS = pytest.mark.parametrize("method", ["POST", "PUT"])


@METHODS
def test_checksum_of_a_whole_object(store: Any, backend: Backend, settings: Any, method: str) -> None:
    settings.S3UPLOAD_METHOD = method
    token = token_for(backend, part_size=0)
    assert send(backend.presign(token, sha256(BODY)), BODY) < 300
    stat = backend.stat(token.key)
    assert stat.checksum == (None if store.name in ("ceph", "azurite") else f"sha256:{sha256(BODY)}")
    assert stat.size == len(BODY)


@METHODS
@VERIFYING
def test_whole_object_that_is_not_what_its_checksum_says_is_refused(
    store: Any, backend: Backend, settings: Any, method: str
) -> None:
    settings.S3UPLOAD_METHOD = method
    token = token_for(backend, part_size=0)
    assert send(backend.presign(token, sha256(BODY)), BODY[::-1]) == 400
    assert store.keys() == []


@METHODS
@S3_STORES
def test_checksum_of_a_whole_object_is_signed(store: S3Store, backend: Backend, settings: Any, method: str) -> None:
    settings.S3UPLOAD_METHOD = method
    token = token_for(backend, part_size=0)
    upload = backend.presign(token, sha256(BODY))
    values = upload["headers" if method == "PUT" else "fields"]
    assert values["x-amz-checksum-sha256"] == sha256(BODY)
    other = {**values, "x-amz-checksum-sha256": sha256(BODY[::-1])}
    without = {name: value for name, value in values.items() if name != "x-amz-checksum-sha256"}
    where = "headers" if method == "PUT" else "fields"
    assert 400 <= send({**upload, where: other}, BODY[::-1]) < 500
    assert 400 <= send({**upload, where: without}, BODY[::-1]) < 500
    assert store.keys() == []


@METHODS
@pytest.mark.parametrize("said", [None, ""])
def test_whole_object_without_checksum_is_not_checked(
    store: Any, backend: Backend, settings: Any, method: str, said: str | None
) -> None:
    settings.S3UPLOAD_METHOD = method
    token = token_for(backend, part_size=0)
    upload = backend.presign(token, said)
    assert not [name for name in {**upload.get("headers", {}), **upload.get("fields", {})} if "checksum" in name]
    assert send(upload, BODY[::-1]) < 300
    assert backend.stat(token.key).checksum is None


@LOCALSTACK
@METHODS
def test_no_checksums_where_boto3_is_told_to_calculate_none(
    store: S3Store, settings: Any, method: str, call_count: Any
) -> None:
    config = Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"})
    with_options(settings, store, client_config=config, upload_method=method)
    backend = backend_named("default")
    assert not backend.takes_checksums
    token = token_for(backend, part_size=0)
    upload = backend.presign(token, sha256(BODY))
    assert not [name for name in {**upload.get("headers", {}), **upload.get("fields", {})} if "checksum" in name]
    assert send(upload, BODY) < 300
    assert backend.stat(token.key).checksum is None


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_checksum_of_a_folder_goes_with_its_object(store: Any, backend: Backend) -> None:
    token = token_for(backend, part_size=0)
    assert send(backend.presign(token, sha256(BODY)), BODY) < 300
    assert send(backend.presign(token), BODY[::-1]) < 300
    assert backend.stat(token.key).checksum is None
    assert send(backend.presign(token, sha256(BODY)), BODY) < 300
    assert len(leftovers(store)) == len(nothing(store)) + 2
    backend.delete([token.key])
    assert leftovers(store) == nothing(store)


# --- what the store is told ---------------------------------------------------------------------


@pytest.mark.parametrize("in_place", [False, True])
def test_upload_begins_with_the_encryption_of_the_storage(settings: Any, in_place: bool) -> None:
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}
    use_unreachable_s3(settings, object_parameters={**encryption, "CacheControl": "no-cache"})
    backend: Any = backend_named("default")
    told: dict[str, Any] = {}
    backend.client.meta.events.register(
        "provide-client-params.s3.CreateMultipartUpload", lambda params, **_: told.update(params)
    )
    with pytest.raises(StoreUnavailable):
        backend.begin(token_for(backend, in_place=in_place))
    assert {**told, **encryption} == told
    # What else the storage says is for what stays: a copy gets it when it is made.
    assert ("CacheControl" in told) == ("Tagging" in told) == in_place


@LOCALSTACK
def test_upload_to_a_bucket_that_wants_encryption(store: S3Store, settings: Any) -> None:
    with_options(settings, store, object_parameters={"ServerSideEncryption": "AES256"})
    backend = backend_named("default")
    token = completed(backend, BODY)
    assert store.head(token.key)["ServerSideEncryption"] == "AES256"


# --- a store that does not do what it should ----------------------------------------------------

OPERATIONS: dict[str, Callable[[Any, Token], object]] = {
    "begin": lambda backend, token: backend.begin(token),
    "list_parts": lambda backend, token: backend.list_parts(token),
    "complete": lambda backend, token: backend.complete(token, [Part(1, 12, "0" * 32)]),
    "abort": lambda backend, token: backend.abort(token),
    "is_pending": lambda backend, token: backend.is_pending(token),
    "mark_new": lambda backend, token: backend.mark_new(token),
    "keep": lambda backend, token: backend.keep(token.key, {}),
    "keep with tags": lambda backend, token: backend.keep(token.key, {"Tagging": "a=b"}),
}


@CEPH
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("trouble", ["closed", "silent", "credentials", "bucket"])
def test_store_that_does_not_answer_or_refuses(
    store: S3Store, settings: Any, operation: str, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    client_config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    with listening(answers=trouble == "silent") as address:
        changes = {
            "closed": {"endpoint_url": address},
            "silent": {"endpoint_url": address},
            "credentials": {"secret_key": "nobody's secret"},
            "bucket": {"bucket_name": "test-other-buckets-name", "access_key": "nobody"},
        }[trouble]
        with_options(settings, store, client_config=client_config, **changes)
        backend = backend_named("default")
        token = token_for(backend, upload_id="2~nobody-s-upload")
        with caplog.at_level(logging.DEBUG, logger="s3upload"), pytest.raises(StoreUnavailable) as raised:
            OPERATIONS[operation](backend, token)
    records = [record for record in caplog.records if record.name.partition(".")[0] == "s3upload"]
    formatted = "\n".join(logging.Formatter().format(record) for record in records)
    secrets = ("nobody", "main-secret", "main-access", "127.0.0.1", token.key, "Signature=", "/")
    for said, secret in itertools.product((formatted, str(raised.value), raised.value.detail), secrets):
        assert secret not in said
    assert [record.levelname for record in records] == ["ERROR"]


@pytest.mark.parametrize("operation", ["begin", "list_parts", "complete"])
def test_folder_that_cannot_be_used(filesystem_store: Any, operation: str) -> None:
    (filesystem_store.folder / "tmp").write_bytes(b"not a folder")
    backend = backend_named("default")
    with pytest.raises(StoreUnavailable):
        OPERATIONS[operation](backend, token_for(backend, upload_id="x"))
