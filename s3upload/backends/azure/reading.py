"""What the store knows of a pending blob, and its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.storage.blob import BlobProperties, BlobType, StandardBlobTier

from ...exceptions import StoreUnavailable, UploadChanged, UploadGone
from ..base import Stat, pending_prefix
from .blocks import UNFINISHED
from .errors import translated_errors, unquoted

if TYPE_CHECKING:
    from azure.storage.blob import StorageStreamDownloader

    from .backend import AzureBackend


def stat(backend: AzureBackend, key: str) -> Stat:
    """Return what the store knows of a blob."""
    with translated_errors("GetBlobProperties"):
        return _stat_of(key, backend.blob(key).get_blob_properties())


def stat_with_head(backend: AzureBackend, key: str, head: int) -> Stat:
    """Return what the store knows of a blob, and its first bytes."""
    with translated_errors("GetBlob"):
        answer = _download(backend, key, 0, head)
        properties = answer.properties
        # Its own size is that of the range.
        properties.size = int(str(properties.content_range).rpartition("/")[2])
        return _stat_of(key, properties, answer.readall())


def _stat_of(key: str, properties: BlobProperties, head: bytes | None = None) -> Stat:
    etag = unquoted(properties, "GetBlob")
    if properties.metadata == UNFINISHED:
        raise UploadGone("unfinished")
    # No signature covers what a browser sends with a file. Such a blob was not made as it was told to: its copy would
    # have all of this for a moment.
    settings = properties.content_settings
    set_by_browser = [
        properties.blob_type != BlobType.BLOCKBLOB,
        properties.metadata,
        properties.copy.id,
        # From which nothing can be read or copied.
        properties.blob_tier == StandardBlobTier.ARCHIVE,
        settings.cache_control,
        settings.content_disposition,
        settings.content_encoding,
        settings.content_language,
    ]
    # A stored one has what its storage has set.
    if is_pending(key) and any(set_by_browser):
        raise UploadChanged("another kind of blob, or other properties, than agreed")
    return Stat(properties.size, etag, settings.content_type, head=head)


def is_pending(key: str) -> bool:
    """Return whether a key is one that browsers send to."""
    return key.startswith(pending_prefix())


def read(backend: AzureBackend, key: str, etag: str, start: int, size: int) -> bytes:
    """Return some bytes of the blob that has the ETag."""
    with translated_errors("GetBlob"):
        answer = _download(backend, key, start, size)
        # Compared instead of sent as a condition, which is not met either by a blob that is not there.
        if unquoted(answer.properties, "GetBlob") != etag:
            raise UploadChanged("read another ETag than was validated")
        return answer.readall()


def _download(backend: AzureBackend, key: str, start: int, size: int) -> StorageStreamDownloader[bytes]:
    answers: list[Any] = []
    try:
        return backend.blob(key).download_blob(offset=start, length=size, raw_response_hook=answers.append)
    except ValueError as error:
        # The SDK's, when an answer tells no range; it leaves the rest of it unread.
        for answer in answers:
            answer.http_response.internal_response.close()
        raise StoreUnavailable("no range") from error
