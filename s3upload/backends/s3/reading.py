"""What the store knows of a pending object, and its bytes."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from ...exceptions import UploadChanged
from ..base import Stat
from .errors import etag_of, translated_errors

if TYPE_CHECKING:
    from .backend import S3Backend


def stat(backend: S3Backend, key: str) -> Stat:
    """Return what the store knows of an object."""
    options: Any = {"ChecksumMode": "ENABLED"} if backend.takes_checksums else {}
    with translated_errors("HeadObject"):
        answer = backend.client.head_object(**backend.target(key), **options)
        etag = etag_of(answer, "HeadObject")
    checksum = answer.get("ChecksumSHA256")
    return Stat(
        answer["ContentLength"],
        etag,
        answer.get("ContentType"),
        f"sha256:{checksum}" if checksum else None,
    )


def stat_with_head(backend: S3Backend, key: str, head: int) -> Stat:
    """Return what the store knows of an object, and its first bytes, but no checksum."""
    with translated_errors("GetObject"):
        answer = backend.client.get_object(**backend.target(key), Range=f"bytes=0-{head - 1}")
        with closing(answer["Body"]) as body:
            etag = etag_of(answer, "GetObject")
            # Who answers with the whole object instead names no range.
            size = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
            return Stat(int(size), etag, answer.get("ContentType"), head=body.read(head))


def read(backend: S3Backend, key: str, etag: str, start: int, size: int) -> bytes:
    """Return some bytes of the object that has the ETag."""
    with translated_errors("GetObject"):
        answer = backend.client.get_object(**backend.target(key), Range=f"bytes={start}-{start + size - 1}")
        with closing(answer["Body"]) as body:
            # Compared instead of sent as a condition: stores differ in how they understand If-Match.
            if etag_of(answer, "GetObject") != etag:
                raise UploadChanged("read another ETag than was validated")
            return body.read()
