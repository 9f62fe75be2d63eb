"""What is below the pending prefix, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from azure.storage.blob import BlobProperties

from ..base import UUID, Page, Pending, is_ours, pending_prefix, position
from .blocks import UNFINISHED
from .deleting import TOGETHER, UNCOMMITTED
from .errors import clock_of, translated_errors

if TYPE_CHECKING:
    from .backend import AzureBackend

LIST_LIMIT = 1000


def list_pending(backend: AzureBackend) -> Iterator[Page]:
    """Give the pending blobs."""
    for now, blobs, done in _list(backend, ["metadata"]):
        found = [Pending(key, blob.size, blob.last_modified) for key, blob in blobs if blob.metadata != UNFINISHED]
        yield Page(now, found, done)


def list_unfinished(backend: AzureBackend) -> Iterator[Page]:
    """Give the unfinished uploads in parts, and blocks that came when their upload was over."""
    for now, blobs, done in _list(backend, ["metadata", "uncommittedblobs"]):
        found = [
            Pending(key, 0, blob.last_modified, str(blob.etag).strip('"'))
            for key, blob in blobs
            if blob.metadata == UNFINISHED
        ]
        # The list does not say which is which.
        empty = [(key, blob) for key, blob in blobs if not (blob.size or blob.metadata)]
        if empty:
            with ThreadPoolExecutor(max_workers=TOGETHER) as pool, translated_errors("GetBlobProperties"):
                exist = list(pool.map(lambda one: backend.blob(one[0]).exists(), empty))
            found += [
                Pending(key, 0, blob.last_modified, UNCOMMITTED)
                for (key, blob), exists in zip(empty, exist, strict=True)
                # What has no time Azure removes by itself.
                if not exists and getattr(blob, "last_modified", None)
            ]
        yield Page(now, sorted(found, key=lambda one: one.key), done)


def _list(
    backend: AzureBackend, include: list[str]
) -> Iterator[tuple[datetime, list[tuple[str, BlobProperties]], float]]:
    """
    Give the store's clock, what this package has put there, and which part of the list has been seen.

    :param include: what the list is to have besides blobs and their properties.
    """
    prefix = pending_prefix()
    # A name that ends with a slash loses it.
    start = backend.full_key(f"{prefix}x").removesuffix("x")
    headers: dict[str, Any] = {}
    pages = backend.container.walk_blobs(
        start,
        include=include,
        delimiter="/",
        results_per_page=LIST_LIMIT,
        raw_response_hook=lambda response: headers.update(response.http_response.headers),
    ).by_page()

    def next_page() -> list[Any] | None:
        with translated_errors("ListBlobs"):
            page = next(pages, None)
            return None if page is None else list(page)

    while (page := next_page()) is not None:
        blobs = [(prefix + blob.name.removeprefix(start), blob) for blob in page if isinstance(blob, BlobProperties)]
        ours = [(key, blob) for key, blob in blobs if is_ours(key)]
        done = 1.0
        if getattr(pages, "continuation_token", None):
            uuids = [match[0] for key, _blob in blobs[-1:] if (match := UUID.match(key, len(prefix)))]
            done = position(uuids[0]) if uuids else 0.0
        yield clock_of({"Date": next((headers[name] for name in headers if name.lower() == "date"), "")}), ours, done
