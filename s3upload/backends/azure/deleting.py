"""Removing blobs and unfinished uploads, many at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient

from ...exceptions import StoreUnavailable, UploadGone
from ..base import Pending
from .blocks import OVER
from .errors import NameTaken, code_of, quoted, translated_errors

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient

    from .backend import AzureBackend

logger = logging.getLogger(__name__)

DELETE_LIMIT = 256
"""Blobs that one batch takes: https://learn.microsoft.com/rest/api/storageservices/blob-batch"""

TOGETHER = 16

UNCOMMITTED = "uncommitted"
"""The upload id of blocks that came when their upload was over: there is no blob, and no ETag."""

# Whoever holds the address of a part can make snapshots as well.
WITH_SNAPSHOTS: dict[str, Any] = {"delete_snapshots": "include"}


def delete(backend: AzureBackend, keys: Iterable[str]) -> None:
    """Delete blobs; what can't be deleted is logged."""
    names = [backend.full_key(key) for key in keys]
    for start in range(0, len(names), DELETE_LIMIT):
        batch = names[start : start + DELETE_LIMIT]
        with translated_errors("DeleteBlob"):
            if len(batch) == 1:
                _delete(backend.container.get_blob_client(batch[0]))
                continue
            answers = list(backend.container.delete_blobs(*batch, raise_on_any_failure=False, **WITH_SNAPSHOTS))
        codes = [answer.headers.get("x-ms-error-code", "") for answer in answers if answer.status_code >= 300]
        if "LeaseIdMissing" in codes:
            # Which one it is need not be told by the order of the answers.
            with translated_errors("DeleteBlob"), ThreadPoolExecutor(max_workers=TOGETHER) as pool:
                list(pool.map(lambda name: _delete(backend.container.get_blob_client(name)), batch))
            continue
        refused = [code for code in codes if code != "BlobNotFound"]
        if len(refused) == len(batch):
            logger.error("the store refused DeleteBlob: %s", refused[0])
            raise StoreUnavailable(refused[0])
        for code in refused:
            logger.warning("a pending object could not be deleted: %s", code)


def _delete(blob: BlobClient) -> bool:
    """Delete a blob; return whether it was there."""
    try:
        try:
            blob.delete_blob(**WITH_SNAPSHOTS)
        except HttpResponseError as error:
            if code_of(error) != "LeaseIdMissing":
                raise
            _break_lease(blob)
            blob.delete_blob(**WITH_SNAPSHOTS)
    except ResourceNotFoundError as error:
        if code_of(error) == "ContainerNotFound":
            raise
        return False
    return True


def _break_lease(blob: BlobClient) -> None:
    # Whoever holds the address of a part can lease the blob, for ever.
    BlobLeaseClient(blob).break_lease(lease_break_period=0)


def end(backend: AzureBackend, key: str, upload_id: str = "") -> bool:
    """
    Remove an upload in blocks, whatever there is of it; return whether that was done here.

    :param upload_id: of the only upload that is meant; any, and what it has made, when left out.
    """
    blob = backend.blob(key)
    conditions: dict[str, Any] = {}
    if upload_id == UNCOMMITTED:
        conditions = {"match_condition": MatchConditions.IfMissing}
    elif upload_id:
        conditions = {"etag": quoted(upload_id), "match_condition": MatchConditions.IfNotModified}
    try:
        with translated_errors("PutBlockList", OVER):
            # A list without blocks removes those that are not committed, of which Azure deletes none by itself for a
            # week, and makes a blob that can be deleted.
            try:
                blob.commit_block_list([], **conditions)
            except HttpResponseError as error:
                code = code_of(error)
                if code == "LeaseIdMissing":
                    _break_lease(blob)
                    blob.commit_block_list([], **conditions)
                elif code != "BlobArchived":  # which can be deleted, and not be written
                    raise
            return _delete(blob)
    except (UploadGone, NameTaken):
        return False


def remove(backend: AzureBackend, pending: Iterable[Pending]) -> tuple[list[Pending], int]:
    """Remove blobs and unfinished uploads; return what is gone now, and how many could not be removed."""
    # One by one: a batch does not promise to answer in order.
    everything = list(pending)
    if not everything:
        return [], 0
    with ThreadPoolExecutor(max_workers=TOGETHER) as pool:
        outcomes = list(pool.map(lambda one: _remove(backend, one), everything))
    removed = [one for one, outcome in zip(everything, outcomes, strict=True) if outcome]
    return removed, outcomes.count(None)


def _remove(backend: AzureBackend, one: Pending) -> bool | None:
    """Remove something; return whether that was done here, and ``None`` when it can't be done."""
    try:
        if one.upload_id:
            return end(backend, one.key, one.upload_id)
        with translated_errors("DeleteBlob"):
            return _delete(backend.blob(one.key))
    except StoreUnavailable as error:
        if not error.answered:
            raise
        return None
