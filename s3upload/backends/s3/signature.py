"""
Signature Version 4 of what browsers send.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html

boto3 signs as well, but finds the address and checks its parameters anew each time, which takes ten times as long: a
file of 1 GB has sixty parts. Here it is asked once, for the address. A test holds the signatures to boto3's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

ALGORITHM = "AWS4-HMAC-SHA256"

DEFAULT_PORTS = {"http": 80, "https": 443}
"""Ports that browsers leave out of the ``Host`` that they send."""


class Signer:
    """
    Signs requests for the objects of one bucket.

    :param client: whose address and region they are for.
    :param bucket: its name, or whatever else boto3 takes for one.
    :param credentials: who signs; asked each time, since those of a role change.
    """

    def __init__(self, client: S3Client, bucket: str, credentials: Credentials) -> None:
        self.bucket = bucket
        self._credentials = credentials
        url = urlsplit(client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}))
        self._origin = f"{url.scheme}://{url.netloc}"
        self._host = _host_of(url)
        self._path = url.path.removesuffix("k")
        [credential] = parse_qs(url.query)["X-Amz-Credential"]
        # An access key of some stores has slashes as well.
        *_key, _date, self._region, self._service, _end = credential.split("/")

    def put(self, key: str, query: dict[str, str], headers: dict[str, str], age: int) -> str:
        """
        Return the URL that a browser may PUT to.

        :param key: of the object.
        :param query: what else the URL says.
        :param headers: what the browser has to send, and nothing else of what S3 gives a meaning to.
        :param age: seconds after which it is worth nothing.
        """
        scope = _Scope(self._credentials, self._region, self._service)
        signed = {"host": self._host} | {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        names = ";".join(sorted(signed))
        parameters = query | {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": scope.credential,
            "X-Amz-Date": scope.time,
            "X-Amz-Expires": str(age),
            "X-Amz-SignedHeaders": names,
        }
        if scope.session_token:
            parameters["X-Amz-Security-Token"] = scope.session_token
        text = "&".join(f"{_quoted(name)}={_quoted(parameters[name])}" for name in sorted(parameters))
        path = self._path + quote(key, safe="/~")
        lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
        request = "\n".join(["PUT", path, text, *lines, "", names, "UNSIGNED-PAYLOAD"])
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = scope.sign("\n".join([ALGORITHM, scope.time, scope.name, digest]))
        return f"{self._origin}{path}?{text}&X-Amz-Signature={signature}"

    def post(self, key: str, fields: dict[str, str], conditions: list[Any], age: int) -> tuple[str, dict[str, str]]:
        """
        Return the URL that a browser may POST a form to, and the fields of the form but the file.

        :param key: of the object.
        :param fields: what the form has to say, exactly.
        :param conditions: further ones of the policy.
        :param age: seconds after which it is worth nothing.
        """
        scope = _Scope(self._credentials, self._region, self._service)
        fields = fields | {
            "key": key,
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": scope.credential,
            "x-amz-date": scope.time,
        }
        if scope.session_token:
            fields["x-amz-security-token"] = scope.session_token
        policy = {
            "expiration": (scope.now + timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [{"bucket": self.bucket}, *({name: fields[name]} for name in fields), *conditions],
        }
        fields["policy"] = b64encode(json.dumps(policy).encode()).decode()
        fields["x-amz-signature"] = scope.sign(fields["policy"])
        return self._origin + (self._path.rstrip("/") or "/"), fields


class _Scope:
    """Who signs, when, and for where."""

    def __init__(self, credentials: Credentials, region: str, service: str) -> None:
        # No variable holds the secret: error reports show variables.
        access_key, self._secret, self.session_token = credentials.get_frozen_credentials()[:3]
        self.now = _now()
        self.time = self.now.strftime("%Y%m%dT%H%M%SZ")
        self.name = f"{self.time[:8]}/{region}/{service}/aws4_request"
        self.credential = f"{access_key}/{self.name}"

    def sign(self, text: str) -> str:
        return reduce(_digest, [*self.name.split("/"), text], f"AWS4{self._secret}".encode()).hex()


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _host_of(url: SplitResult) -> str:
    # As browsers send it: in lower case, without user and password, and without the port that the scheme stands for.
    host = url.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    return host if url.port in (None, DEFAULT_PORTS[url.scheme]) else f"{host}:{url.port}"


def _now() -> datetime:
    return datetime.now(UTC)


def _quoted(text: str) -> str:
    return quote(text, safe="~")
