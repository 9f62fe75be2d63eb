"""Uploading in parts."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from ...exceptions import UploadChanged, UploadGone
from ...tokens import Token
from ..base import Part
from .errors import OVER, translated_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

    from .backend import S3Backend

ABORTS = 3
"""A part that arrives while its upload is aborted may need another one, says the documentation of the API."""


def begin(backend: S3Backend, token: Token, parameters: dict[str, Any]) -> str:
    """
    Begin an upload, and return its id.

    :param parameters: of boto3, for the object.
    """
    if token.has_checksums:
        parameters = {**parameters, "ChecksumAlgorithm": "SHA256"}
    with translated_errors("CreateMultipartUpload"):
        return backend.client.create_multipart_upload(**backend.target(token.key), **parameters)["UploadId"]


def put_part(backend: S3Backend, token: Token, number: int, body: IO[bytes], size: int) -> Part:
    """Put a part there."""
    checksum: Any = {"ChecksumAlgorithm": "SHA256"} if token.has_checksums else {}
    with translated_errors("UploadPart", OVER):
        answer = backend.client.upload_part(
            **backend.upload_of(token), PartNumber=number, Body=body, ContentLength=size, **checksum
        )
    return Part(number, size, answer["ETag"].strip('"'), answer.get("ChecksumSHA256"))


def list_parts(backend: S3Backend, token: Token) -> list[Part]:
    """Return the parts that have arrived."""
    with translated_errors("ListParts", OVER):
        pages = backend.client.get_paginator("list_parts").paginate(**backend.upload_of(token))
        return [
            Part(part["PartNumber"], part["Size"], part["ETag"].strip('"'), part.get("ChecksumSHA256"))
            for page in pages
            for part in page.get("Parts", ())
        ]


def complete(backend: S3Backend, token: Token, parts: list[Part]) -> None:
    """Make the object of its parts, and compare the checksum of the whole with theirs."""
    completed: list[CompletedPartTypeDef] = []
    for part in parts:
        completed.append({"PartNumber": part.number, "ETag": part.etag})
        if part.checksum:
            completed[-1]["ChecksumSHA256"] = part.checksum
    with translated_errors("CompleteMultipartUpload", OVER):
        answer = backend.copier.complete_multipart_upload(
            **backend.upload_of(token), MultipartUpload={"Parts": completed}
        )
    if token.in_place:
        backend.mark_new(token)
    checksum = answer.get("ChecksumSHA256", "")
    if checksum and checksum != _composite(parts):
        backend.delete([token.key])
        raise UploadChanged("the checksum of the whole is not that of the parts")


def _composite(parts: list[Part]) -> str | None:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html, "composite"
    if not all(part.checksum for part in parts):
        return None
    digests = b"".join(b64decode(part.checksum or "") for part in parts)
    return f"{b64encode(hashlib.sha256(digests).digest()).decode()}-{len(parts)}"


def abort(backend: S3Backend, token: Token) -> bool:
    """Abort an upload; return whether it was still open."""
    was_open = False
    with suppress(UploadGone):
        for _attempt in range(ABORTS):
            with translated_errors("AbortMultipartUpload", OVER):
                backend.client.abort_multipart_upload(**backend.upload_of(token))
            was_open = True
            if not list_parts(backend, token):
                break
    return was_open


def is_open(backend: S3Backend, token: Token) -> bool:
    """Return whether an upload is neither completed nor aborted."""
    try:
        list_parts(backend, token)
    except UploadGone:
        return False
    return True
