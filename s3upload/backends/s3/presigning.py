"""Requests that browsers may send, signed: a whole object by POST or PUT, one part, and a download."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...conf import PRESIGNED_AGE, conf
from ...tokens import Token
from .errors import translated_errors

if TYPE_CHECKING:
    from .backend import S3Backend

# The parameters of boto3 that go into signatures, and the headers that browsers send for them.
HEADERS = {
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "ChecksumAlgorithm": "x-amz-checksum-algorithm",
    "ChecksumSHA256": "x-amz-checksum-sha256",
}


def presign(backend: S3Backend, token: Token, sha256: str | None) -> dict[str, Any]:
    """Return a presigned request for a whole object, by the method that the storage, the site or the store wants."""
    wanted = getattr(backend.storage, "upload_method", None) or conf.METHOD
    # Of the access points that a bucket may be named by, S3 takes no forms.
    takes_forms = backend.provider.post and not backend.bucket.startswith("arn:")
    method = wanted or ("POST" if takes_forms else "PUT")
    headers = backend.encryption(token.key)
    if sha256 and backend.takes_checksums:
        headers |= {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": sha256}
    sign = _presign_put if method == "PUT" else _presign_post
    with translated_errors("signing"):
        return sign(backend, token, headers)


def _presign_post(backend: S3Backend, token: Token, headers: dict[str, str]) -> dict[str, Any]:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    fields = {
        "Content-Type": token.content_type,
        "success_action_status": "201",
        **{HEADERS[name]: value for name, value in headers.items()},
    }
    url, fields = backend.signer.post(
        backend.full_key(token.key), fields, [["content-length-range", token.size, token.size]], PRESIGNED_AGE
    )
    return {"method": "POST", "url": url, "fields": fields}


def _presign_put(backend: S3Backend, token: Token, headers: dict[str, str]) -> dict[str, Any]:
    headers.pop("ChecksumAlgorithm", None)
    sent = {"Content-Type": token.content_type, **{HEADERS[name]: value for name, value in headers.items()}}
    # The length is a signed header, which the browser sends of itself and no script can set.
    signed = sent | {"Content-Length": str(token.size)}
    url = backend.signer.put(backend.full_key(token.key), {}, signed, PRESIGNED_AGE)
    return {"method": "PUT", "url": url, "headers": sent}


def presign_part(backend: S3Backend, token: Token, number: int, checksum: str | None) -> dict[str, Any]:
    """Return the presigned PUT of one part."""
    sent = {HEADERS["ChecksumSHA256"]: checksum} if checksum else {}
    signed = sent | {"Content-Length": str(token.part_length(number))}
    query = {"uploadId": token.upload_id, "partNumber": str(number)}
    with translated_errors("signing"):
        url = backend.signer.put(backend.full_key(token.key), query, signed, PRESIGNED_AGE)
    return {"url": url, "headers": sent}


def download_url(backend: S3Backend, name: str, age: int, method: str, headers: Mapping[str, str]) -> str:
    """Return the address of a stored object, as :meth:`.Backend.download_url` says."""
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    parameters = {f"Response{header.title().replace('_', '')}": value for header, value in headers.items()}
    if method == "HEAD":
        # Only for GET can an answer have other headers than the object's.
        parameters = {}
    storage = backend.storage
    with translated_errors("signing"):
        if storage.custom_domain:
            # A content delivery network has signatures of its own, or none.
            return str(storage.url(name, parameters=parameters, expire=age, http_method=method))
        return backend.presigner.generate_presigned_url(
            f"{method.lower()}_object", Params={**backend.target(name), **parameters}, ExpiresIn=age
        )
