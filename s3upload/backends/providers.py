"""Where the stores that speak S3 differ, known from their addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from ..parts import Limits


@dataclass(frozen=True, slots=True)
class Provider(Limits):
    """
    What a store can do. The defaults are for stores that are not listed below.

    :param post: takes presigned POST requests.
    :param checksums: verifies ``x-amz-checksum-sha256``.
    :param tagging: knows tags of objects.
    :param tags_uploads: gives an object the tags that its multipart upload began with; where that is not known, the
        tags are set when the object is there.
    """

    post: bool = True
    checksums: bool = True
    tagging: bool = True
    tags_uploads: bool = False


GIB = 1024**3

BY_HOST: dict[str, Provider] = {
    ".amazonaws.com": Provider(tags_uploads=True),
    ".amazonaws.com.cn": Provider(tags_uploads=True),
    # https://developers.cloudflare.com/r2/api/s3/api/ (501 for POST; "not implemented" for both others), and
    # https://developers.cloudflare.com/r2/platform/limits/ (an object has less than 5 TiB)
    ".r2.cloudflarestorage.com": Provider(
        max_size=(5 * 1024 - 5) * GIB // 10_000, post=False, checksums=False, tagging=False
    ),
    # https://www.backblaze.com/docs/cloud-storage-s3-compatible-api (under "unsupported features")
    ".backblazeb2.com": Provider(post=False, checksums=False, tagging=False),
}

OPTIONS: dict[str, type] = {field.name: type(field.default) for field in fields(Provider)}
"""The names that the storage option ``provider`` may have, and the types of their values."""


def provider_at(hosts: Iterable[str], options: dict[str, Any] | None = None) -> Provider:
    """
    Return what the store at some hosts can do.

    :param hosts: the host names of its addresses; the first that is known counts.
    :param options: what the site knows better: values by the names of :class:`Provider`'s parameters.
    :raises TypeError: when there is no such parameter.
    """
    known = (provider for host in hosts for end, provider in BY_HOST.items() if host.endswith(end))
    return replace(next(known, Provider()), **(options or {}))
