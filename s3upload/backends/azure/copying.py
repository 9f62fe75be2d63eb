"""
Copies inside the account: of the blob that was validated, and of nothing that the browser could have set on it.

Copy Blob takes a file of any size in one request, and is not always done with the answer
(https://learn.microsoft.com/rest/api/storageservices/copy-blob). It keeps the properties of its source; of those, a
pending blob that was found usable has its type and nothing else, and its type is what was agreed. Those of a blob that
is not pending are set anew in any case.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient, ContentSettings

from ...exceptions import StoreUnavailable, UploadChanged, UploadGone
from ..base import Stat
from .errors import quoted, translated_errors
from .presigning import READ, signed_url
from .reading import is_pending

if TYPE_CHECKING:
    from .backend import AzureBackend

logger = logging.getLogger(__name__)

COPY_AGE = 600
"""Seconds that a copy may take."""

FIRST_WAIT = 0.1
LONGEST_WAIT = 2.0
"""Seconds between two looks at a copy that is not done."""


def copy(
    backend: AzureBackend,
    source: AzureBackend,
    key: str,
    stat: Stat,
    name: str,
    settings: dict[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Copy a blob, as :meth:`.AzureBackend.copy_from` says."""
    target = backend.blob(name)
    conditions: dict[str, Any] = {} if overwrite else {"match_condition": MatchConditions.IfMissing}
    with translated_errors("CopyBlob"):
        answer = target.start_copy_from_url(
            _address_of(source, key),
            source_etag=quoted(stat.etag),
            source_match_condition=MatchConditions.IfNotModified,
            **conditions,
            **backend.patience,
        )
    try:
        etag = _finished(target, answer)
        wanted = {setting: value for setting, value in settings.items() if value}
        if wanted != {"content_type": stat.content_type} or not is_pending(key):
            with translated_errors("SetBlobProperties"):
                target.set_http_headers(
                    ContentSettings(**wanted), etag=etag, match_condition=MatchConditions.IfNotModified
                )
    except BaseException:
        _undo(target, answer)
        raise


def _address_of(source: AzureBackend, key: str) -> str:
    # Whoever has the account's key may read all of it; an identity needs a signature.
    if source.has_identity:
        return signed_url(source, key, READ, COPY_AGE, base=source.url)
    return source.blob(key).url


def _finished(target: BlobClient, answer: dict[str, Any]) -> str:
    """Wait until a copy is done; return its ETag."""
    status, reason, etag = answer["copy_status"], "", answer["etag"]
    end = time.monotonic() + COPY_AGE
    wait = FIRST_WAIT
    while status == "pending" and time.monotonic() < end:
        time.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)
        with translated_errors("GetBlobProperties"):
            properties = target.get_blob_properties()
        if properties.copy.id != answer["copy_id"]:
            raise StoreUnavailable("something else was written where a copy was going on")
        status, reason, etag = properties.copy.status, properties.copy.status_description or "", properties.etag
    if status == "success":
        return str(etag)
    # It begins with the status of what has failed: 412 when the source changed meanwhile.
    if reason.startswith("412"):
        raise UploadChanged("the source of a copy changed")
    if reason.startswith("404"):
        raise UploadGone("the source of a copy was removed")
    logger.error("the store has not finished a copy: it is %s", status)
    raise StoreUnavailable(f"copy {status}")


def _undo(target: BlobClient, answer: dict[str, Any]) -> None:
    with suppress(AzureError):
        # Refused when nothing is pending.
        target.abort_copy(answer["copy_id"])
    try:
        if target.get_blob_properties().copy.id == answer["copy_id"]:
            target.delete_blob()
    except AzureError as error:
        logger.warning("a copy that has failed was left behind: %s", type(error).__name__)
