"""Signatures of ours are boto3's, for the same moment; what stores make of them is in the contract and the attacks."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from s3upload.backends.s3 import signature
from s3upload.backends.s3.signature import Signer

PLACES = {
    "custom": {"endpoint_url": "http://127.0.0.1:9000"},
    "default-port": {"endpoint_url": "https://store.example:443"},
    "no-tls-default-port": {"endpoint_url": "http://store.example:80/"},
    "capitals": {"endpoint_url": "https://Store.Example:9000"},
    "zeros": {"endpoint_url": "https://store.example:0443"},
    "ipv6": {"endpoint_url": "http://[::1]:9000"},
    "path": {"endpoint_url": "https://store.example/s3/"},
    "virtual": {"endpoint_url": "https://store.example", "config": {"s3": {"addressing_style": "virtual"}}},
    "aws": {},
    "aws-virtual": {"config": {"s3": {"addressing_style": "virtual"}}},
    "frankfurt": {"region_name": "eu-central-1", "config": {"s3": {"addressing_style": "virtual"}}},
    "accelerated": {"config": {"s3": {"use_accelerate_endpoint": True}}},
    "dual-stack": {"region_name": "eu-west-1", "config": {"s3": {"use_dualstack_endpoint": True}}},
    "outpost": {
        "region_name": "us-west-2",
        "bucket": "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01234567890123456/accesspoint/uploads",
    },
    "access-point": {
        "region_name": "eu-west-1",
        "bucket": "arn:aws:s3:eu-west-1:123456789012:accesspoint/uploads",
    },
}

KEYS = ["k", "tmp/s3upload/abc", "a b+c/d%20e~f/ä/é(1)!*'.bin", "a//b", "~", "x" * 900]

HEADERS = {
    "Content-Length": "5",
    "Content-Type": "text/plain",
    "x-amz-checksum-sha256": "A" * 43 + "=",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-west-1:123456789012:key/a b",
}


def place(name: str, token: str | None) -> tuple[Any, str, Signer]:
    options: dict[str, Any] = {"region_name": "us-east-1", **PLACES[name]}
    bucket = options.pop("bucket", "uploads")
    config = Config(signature_version="s3v4").merge(Config(**options.pop("config", {})))
    client: Any = boto3.client(
        "s3",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        aws_session_token=token,
        config=config,
        **options,
    )
    return client, bucket, Signer(client, bucket, Credentials("AKID", "secret", token))


def freeze(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    then = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    monkeypatch.setattr(signature, "_now", lambda: then)


@pytest.mark.parametrize("token", [None, "a session/token+=="])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", PLACES)
def test_url_of_an_object_is_boto3s(monkeypatch: pytest.MonkeyPatch, name: str, key: str, token: str | None) -> None:
    client, bucket, signer = place(name, token)
    expected = client.generate_presigned_url(
        "put_object",
        Params={
            "Bucket": bucket,
            "Key": key,
            "ContentLength": 5,
            "ContentType": "text/plain",
            "ChecksumSHA256": HEADERS["x-amz-checksum-sha256"],
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": HEADERS["x-amz-server-side-encryption-aws-kms-key-id"],
        },
        ExpiresIn=600,
    )
    freeze(monkeypatch, parse_qs(urlsplit(expected).query)["X-Amz-Date"][0])
    assert_same(signer.put(key, {}, HEADERS, 600), expected)


@pytest.mark.parametrize("token", [None, "a session/token+=="])
@pytest.mark.parametrize("upload_id", ["2~abc_DEF-1.", "a/b+c=d e&f"])
@pytest.mark.parametrize("name", PLACES)
def test_url_of_a_part_is_boto3s(
    monkeypatch: pytest.MonkeyPatch, name: str, upload_id: str, token: str | None
) -> None:
    client, bucket, signer = place(name, token)
    expected = client.generate_presigned_url(
        "upload_part",
        Params={"Bucket": bucket, "Key": "a b", "UploadId": upload_id, "PartNumber": 10_000, "ContentLength": 5},
        ExpiresIn=3600,
    )
    freeze(monkeypatch, parse_qs(urlsplit(expected).query)["X-Amz-Date"][0])
    query = {"uploadId": upload_id, "partNumber": "10000"}
    assert_same(signer.put("a b", query, {"Content-Length": "5"}, 3600), expected)


def assert_same(url: str, expected: str) -> None:
    ours, theirs = urlsplit(url), urlsplit(expected)
    assert ours[:3] == theirs[:3]
    assert parse_qs(ours.query, strict_parsing=True) == parse_qs(theirs.query, strict_parsing=True)


@pytest.mark.parametrize("token", [None, "a session/token+=="])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", sorted(PLACES.keys() - {"access-point", "outpost"}))  # of which boto3 signs no forms
def test_form_is_boto3s(monkeypatch: pytest.MonkeyPatch, name: str, key: str, token: str | None) -> None:
    client, bucket, signer = place(name, token)
    fields = {"Content-Type": "text/plain", "x-amz-checksum-algorithm": "SHA256"}
    conditions = [["content-length-range", 5, 5]]
    expected = client.generate_presigned_post(
        bucket, key, dict(fields), [*({n: v} for n, v in fields.items()), *conditions], 600
    )
    freeze(monkeypatch, expected["fields"]["x-amz-date"])
    url, found = signer.post(key, fields, conditions, 600)
    assert url == expected["url"]
    # The policy may have its conditions in another order, and be signed differently then.
    theirs, ours = expected["fields"], found
    assert policy_of(ours) == policy_of(theirs)
    different = {"policy", "x-amz-signature"}
    assert {n: v for n, v in ours.items() if n not in different} == {
        n: v for n, v in theirs.items() if n not in different
    }
    assert ours.keys() == theirs.keys()


def policy_of(fields: dict[str, str]) -> tuple[str, list[str]]:
    policy = json.loads(b64decode(fields["policy"]))
    assert policy.keys() == {"expiration", "conditions"}
    return policy["expiration"], sorted(json.dumps(condition) for condition in policy["conditions"])


def test_signature_of_a_form_is_that_of_the_documentation() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html"""
    scope = object.__new__(signature._Scope)
    scope.name = "20151229/us-east-1/s3/aws4_request"
    scope._secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    assert scope.sign(DOCUMENTED_POLICY) == "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"


DOCUMENTED_POLICY = (
    "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2"
    "NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMt"
    "cmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29t"
    "L3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4"
    "LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0s"
    "DQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZP"
    "RE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1B"
    "Qy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
)


def test_credentials_that_change_are_asked_for_each_time() -> None:
    client, bucket, _signer = place("custom", None)
    credentials = Credentials("AKID", "secret")
    signer = Signer(client, bucket, credentials)
    first = signer.put("k", {}, {}, 60)
    credentials.access_key, credentials.secret_key, credentials.token = "OTHER", "another", "token"
    second = signer.put("k", {}, {}, 60)
    assert "AKID" in first
    assert "OTHER" in second
    assert parse_qs(urlsplit(second).query)["X-Amz-Security-Token"] == ["token"]


def test_access_key_may_have_slashes() -> None:
    client: Any = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9000",
        region_name="eu-west-1",
        aws_access_key_id="AK/ID/1",
        aws_secret_access_key="secret",
        config=Config(signature_version="s3v4"),
    )
    url = Signer(client, "uploads", Credentials("AK/ID/1", "secret")).put("k", {}, {}, 60)
    [credential] = parse_qs(urlsplit(url).query)["X-Amz-Credential"]
    assert credential.startswith("AK/ID/1/")
    assert credential.endswith("/eu-west-1/s3/aws4_request")


def test_clock_is_that_of_the_machine() -> None:
    before = int(time.time())
    [stamp] = parse_qs(urlsplit(place("custom", None)[2].put("k", {}, {}, 60)).query)["X-Amz-Date"]
    then = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    assert before <= then <= time.time()
