"""What is below the pending prefix, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..base import CLAIM_SUFFIX, IN_PLACE, UUID, Page, Pending, is_ours, pending_prefix, position
from .errors import clock_of, translated_errors

if TYPE_CHECKING:
    from .backend import S3Backend

LIST_LIMIT = 1000


def list_pending(backend: S3Backend) -> Iterator[Page]:
    """Give the pending objects."""
    for now, contents, done in _list(backend, "list_objects_v2", "Contents", pending_prefix()):
        found = [Pending(key, one["Size"], one["LastModified"]) for key, one in contents if is_ours(key)]
        yield Page(now, found, done)


def list_unfinished(backend: S3Backend) -> Iterator[Page]:
    """Give the unfinished uploads in parts."""
    for now, uploads, done in _list(backend, "list_multipart_uploads", "Uploads", pending_prefix()):
        found = [Pending(key, 0, one["Initiated"], one["UploadId"]) for key, one in uploads if is_ours(key)]
        yield Page(now, found, done)


def list_in_place(backend: S3Backend) -> Iterator[Page]:
    """Give the records of uploads in place, and the claims."""
    for now, contents, done in _list(backend, "list_objects_v2", "Contents", pending_prefix() + IN_PLACE):
        found = [
            Pending(key, one["Size"], one["LastModified"])
            for key, one in contents
            if is_ours(key.removesuffix(CLAIM_SUFFIX), IN_PLACE)
        ]
        yield Page(now, found, done)


def _list(
    backend: S3Backend, operation: Any, what: str, prefix: str
) -> Iterator[tuple[datetime, list[tuple[str, dict[str, Any]]], float]]:
    """
    Give the store's clock, what is directly below a prefix, and which part of the list has been seen.

    :param operation: the name of boto3's method.
    :param what: where its answer has the list.
    :param prefix: below the storage's location.
    """
    start = backend.full_key(prefix).rstrip("/") + "/"
    pages = backend.client.get_paginator(operation).paginate(
        Bucket=backend.bucket, Prefix=start, Delimiter="/", PaginationConfig={"PageSize": LIST_LIMIT}
    )
    answers = iter(pages)

    def next_answer() -> dict[str, Any] | None:
        with translated_errors(operation):
            return next(answers, None)

    following = next_answer()
    while (answer := following) is not None:
        # Asked for before this one is given: not every store goes on after an upload that is there no more.
        following = next_answer()
        # Below the storage's location, as everywhere.
        found = [(prefix + one["Key"].removeprefix(start), one) for one in answer.get(what, ())]
        done = 1.0
        if answer.get("IsTruncated"):
            uuids = [match[0] for key, _one in found[-1:] if (match := UUID.match(key, len(prefix)))]
            done = position(uuids[0]) if uuids else 0.0
        yield clock_of(answer), found, done
