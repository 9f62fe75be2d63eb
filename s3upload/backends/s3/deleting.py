"""Removing objects and unfinished uploads, many at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ...exceptions import StoreUnavailable, UploadGone
from ..base import Pending
from .errors import OVER, translated_errors

if TYPE_CHECKING:
    from .backend import S3Backend

logger = logging.getLogger(__name__)

DELETE_LIMIT = 1000

ABORTED_TOGETHER = 8


def delete(backend: S3Backend, keys: Iterable[str]) -> None:
    """Delete objects; what can't be deleted is logged."""
    keys = list(keys)
    for start in range(0, len(keys), DELETE_LIMIT):
        _delete(backend, keys[start : start + DELETE_LIMIT])


def delete_alone(backend: S3Backend, key: str) -> None:
    """
    Delete an object.

    :raises StoreUnavailable: when it can't be deleted, too.
    """
    # What names it goes afterwards: it must still be found when this one fails.
    if _delete(backend, [key]):
        raise StoreUnavailable("DeleteObjects")


def _delete(backend: S3Backend, keys: list[str]) -> set[str]:
    """Delete as many objects as one request takes; return the full keys of those that can't be deleted."""
    objects: Any = [{"Key": backend.full_key(key)} for key in keys]
    with translated_errors("DeleteObjects"):
        answer = backend.client.delete_objects(Bucket=backend.bucket, Delete={"Objects": objects, "Quiet": True})
    errors = answer.get("Errors", [])
    for error in errors:
        logger.warning("a pending object could not be deleted: %s", error.get("Code"))
    return {error.get("Key", "") for error in errors}


def remove(backend: S3Backend, pending: Iterable[Pending]) -> tuple[list[Pending], int]:
    """Remove objects and unfinished uploads; return what is gone now, and how many could not be removed."""
    removed: list[Pending] = []
    objects: list[Pending] = []
    uploads: list[Pending] = []
    for one in pending:
        (uploads if one.upload_id else objects).append(one)
    for start in range(0, len(objects), DELETE_LIMIT):
        batch = objects[start : start + DELETE_LIMIT]
        refused = _delete(backend, [one.key for one in batch])
        removed += [one for one in batch if backend.full_key(one.key) not in refused]
    failed = len(objects) - len(removed)
    if uploads:
        with ThreadPoolExecutor(max_workers=ABORTED_TOGETHER) as pool:
            outcomes = list(pool.map(lambda upload: _end(backend, upload), uploads))
        removed += [one for one, outcome in zip(uploads, outcomes, strict=True) if outcome]
        failed += outcomes.count(None)
    return removed, failed


def _end(backend: S3Backend, upload: Pending) -> bool | None:
    """Abort an unfinished upload; return whether that was done here, and ``None`` when it can't be done."""
    target: Any = {**backend.target(upload.key), "UploadId": upload.upload_id}
    try:
        with translated_errors("AbortMultipartUpload", OVER):
            backend.client.abort_multipart_upload(**target)
    except UploadGone:
        return False
    except StoreUnavailable as error:
        if not error.answered:
            raise
        return None
    return True
