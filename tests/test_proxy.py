"""The proxy carries what it gets, and misbehaves as it was told."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.conftest import S3Store
from tests.proxy import (
    OPERATIONS,
    Answer,
    Corrupt,
    HoldAnswer,
    HoldRequest,
    Proxy,
    Reset,
    Stall,
    Truncate,
    every,
    is_call,
)

BODY = random.Random(1).randbytes(3_000_000)


@pytest.fixture
def proxy(bucket: S3Store) -> Iterator[Proxy]:
    with Proxy(bucket.account.endpoint_url) as proxy:
        yield proxy


class Sender:
    """Sends objects through the proxy, on one connection."""

    def __init__(self, proxy: Proxy, bucket: S3Store) -> None:
        self.bucket = bucket
        url = urlsplit(proxy.address)
        self.host = url.netloc
        self.connection = HTTPConnection(self.host, timeout=20)
        # Signed for the address of the proxy, which must reach the store as it is.
        self.client: Any = replace(bucket.account, endpoint_url=proxy.address).client()

    def put(self, body: bytes = BODY, key: str = "key", *, forged: str = "") -> int:
        """Send an object; return the status."""
        url = self.client.generate_presigned_url("put_object", Params={"Bucket": self.bucket.bucket, "Key": key})
        target = url.partition(self.host)[2] + forged
        self.connection.request("PUT", target, body, {"Origin": "http://site.example"})
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


@pytest.fixture
def sender(proxy: Proxy, bucket: S3Store) -> Iterator[Sender]:
    sender = Sender(proxy, bucket)
    yield sender
    sender.connection.close()


def test_carries_requests_and_answers_on_one_connection(proxy: Proxy, sender: Sender, bucket: S3Store) -> None:
    assert [sender.put(BODY), sender.put(b""), sender.put(b"second", "other")] == [200, 200, 200]
    assert bucket.get("key") == b""
    assert bucket.get("other") == b"second"

    assert [(request.method, request.received, request.is_whole, request.status) for request in proxy.requests] == [
        ("PUT", len(BODY), True, 200),
        ("PUT", 0, True, 200),
        ("PUT", 6, True, 200),
    ]
    assert {request.connection for request in proxy.requests} == {1}
    assert proxy.requests[0].path == f"/{bucket.bucket}/key"


def test_carries_answers_of_any_length(proxy: Proxy, bucket: S3Store) -> None:
    bucket.put("key", BODY)
    for number in range(30):
        bucket.put(f"list/{number}", b"")
    client = Sender(proxy, bucket).client

    assert client.get_object(Bucket=bucket.bucket, Key="key")["Body"].read() == BODY
    assert client.head_object(Bucket=bucket.bucket, Key="key")["ContentLength"] == len(BODY)
    assert client.list_objects_v2(Bucket=bucket.bucket)["KeyCount"] == 31
    client.put_object(Bucket=bucket.bucket, Key="expect", Body=BODY)  # boto3 waits for "100 Continue" first
    client.delete_object(Bucket=bucket.bucket, Key="key")
    assert bucket.keys("key") == []
    assert bucket.get("expect") == BODY


def test_refusal_of_the_store_arrives(proxy: Proxy, sender: Sender, bucket: S3Store) -> None:
    assert sender.put(forged="0") == 403
    assert proxy.requests[0].status == 403
    assert bucket.keys() == []


@pytest.mark.parametrize("fault", [Reset(after=1_000_000), Truncate()])
def test_broken_connection(proxy: Proxy, sender: Sender, bucket: S3Store, fault: Any) -> None:
    proxy.add(fault)
    with pytest.raises((OSError, HTTPException)):
        sender.put()
    (request,) = fault.requests
    assert request is proxy.requests[0]
    assert request.status is None
    # The store has what it was sent whole, though nobody heard of it.
    assert request.is_whole == isinstance(fault, Truncate)
    assert bucket.keys() == (["key"] if isinstance(fault, Truncate) else [])

    sender.connection.close()
    assert sender.put() == 200
    assert bucket.get("key") == BODY


def test_reset_comes_after_that_many_bytes(proxy: Proxy, sender: Sender) -> None:
    fault = proxy.add(Reset(after=1_000_000))
    with pytest.raises(OSError, match=r"reset|pipe"):
        sender.put()

    assert fault.requests[0].received == 1_000_000


def test_answer_in_the_place_of_the_store(proxy: Proxy, sender: Sender, bucket: S3Store) -> None:
    fault = proxy.add(Answer(times=float("inf")))
    assert [sender.put(), sender.put()] == [503, 503]
    assert bucket.keys() == []
    fault.heal()

    assert sender.put() == 200
    assert [request.status for request in proxy.requests] == [503, 503, 200]


def test_answer_in_the_place_of_that_of_the_store(proxy: Proxy, sender: Sender, bucket: S3Store) -> None:
    bucket.put("key", BODY)
    error = b"<Error><Code>InternalError</Code><Message>It broke.</Message></Error>"
    copy = {"Bucket": bucket.bucket, "Key": "copy", "CopySource": {"Bucket": bucket.bucket, "Key": "key"}}
    fault = proxy.add(Answer(is_call("CopyObject"), status=200, body=error, carried=True))
    with pytest.raises(ClientError, match="InternalError"):
        sender.client.copy_object(**copy)
    assert fault.requests
    # The store has done it all the same.
    assert bucket.get("copy") == BODY
    sender.client.copy_object(**copy)


def test_refusal_of_a_request_for_a_head_has_no_body(proxy: Proxy, sender: Sender, bucket: S3Store) -> None:
    bucket.put("key", b"")
    proxy.add(Answer(is_call("HeadObject"), status=403))
    sender.connection.request("HEAD", f"/{bucket.bucket}/key")
    sender.connection.getresponse().read()
    assert sender.put() == 200


def test_operations_have_the_names_of_boto3(proxy: Proxy, sender: Sender, bucket: S3Store) -> None:
    client, target = sender.client, {"Bucket": bucket.bucket, "Key": "key"}
    source = {"CopySource": {"Bucket": bucket.bucket, "Key": "key"}}
    called: list[str] = []
    client.meta.events.register("before-call.s3", lambda model, **_: called.append(model.name))
    client.put_object(**target, Body=b"12")
    client.head_object(**target)
    client.get_object(**target)["Body"].read()
    client.copy_object(**{**target, "Key": "copy"}, **source)
    client.put_object_tagging(**target, Tagging={"TagSet": []})
    client.get_object_tagging(**target)
    client.delete_object_tagging(**target)
    uploads = [{**target, "UploadId": client.create_multipart_upload(**target)["UploadId"]} for _ in range(2)]
    part = client.upload_part(**uploads[0], PartNumber=1, Body=b"12")
    client.upload_part_copy(**uploads[1], PartNumber=1, **source)
    client.list_parts(**uploads[0])
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.complete_multipart_upload(**uploads[0], MultipartUpload=parts)
    client.abort_multipart_upload(**uploads[1])
    client.delete_object(**target)
    client.delete_objects(Bucket=bucket.bucket, Delete={"Objects": [{"Key": "copy"}]})

    assert [request.operation for request in proxy.requests] == called
    assert {*called, "PostObject"} == set(OPERATIONS.values())


def test_one_request_in_three_goes_wrong(proxy: Proxy, sender: Sender) -> None:
    proxy.add(Answer(every(3), times=float("inf")))
    assert [sender.put(b"") for _ in range(7)] == [200, 200, 503, 200, 200, 503, 200]


def test_stall_lasts_until_it_is_healed(proxy: Proxy, sender: Sender) -> None:
    fault = proxy.add(Stall(after=100_000))
    sender.connection.timeout = 0.5
    with pytest.raises(TimeoutError):
        sender.put()
    assert proxy.requests[0].received == 100_000

    fault.heal()
    sender.connection.close()
    sender.connection.timeout = 20
    assert sender.put() == 200


@pytest.mark.parametrize("fault", [HoldRequest(), HoldAnswer()])
def test_what_is_held_arrives_late(proxy: Proxy, sender: Sender, bucket: S3Store, fault: Any) -> None:
    proxy.add(fault)
    sender.connection.timeout = 0.5
    with pytest.raises(TimeoutError):
        sender.put(b"late")
    assert bucket.keys() == (["key"] if isinstance(fault, HoldAnswer) else [])

    fault.heal()
    deadline = time.monotonic() + 10
    while not bucket.keys() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert bucket.get("key") == b"late"


def test_one_byte_is_another(proxy: Proxy, sender: Sender, bucket: S3Store) -> None:
    proxy.add(Corrupt(at=1_234_567))
    assert sender.put() == 200
    wrong = bucket.get("key")

    assert [at for at, (one, other) in enumerate(zip(wrong, BODY, strict=True)) if one != other] == [1_234_567]


def test_only_what_matches_goes_wrong(proxy: Proxy, sender: Sender) -> None:
    proxy.add(Answer(matches=lambda request: request.path.endswith("/other")))

    assert [sender.put(), sender.put(key="other"), sender.put(key="other")] == [200, 503, 200]


def test_cut_line_refuses_and_is_mended_at_the_same_address(proxy: Proxy, sender: Sender) -> None:
    assert sender.put() == 200
    proxy.cut()
    with pytest.raises((OSError, HTTPException)):
        sender.put()
    sender.connection.close()
    with pytest.raises(ConnectionRefusedError):
        sender.put()
    sender.connection.close()

    proxy.mend()
    assert sender.put() == 200


def test_limited_line(proxy: Proxy, sender: Sender) -> None:
    proxy.speed = 5_000_000
    proxy.round_trip = 0.05
    start = time.monotonic()
    assert sender.put() == 200

    # At least: a machine that is busy takes longer.
    assert time.monotonic() - start > 0.6 + 2 * 0.05 - 0.1
