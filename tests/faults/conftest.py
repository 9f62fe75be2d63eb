"""Fixtures: the line from the server to the store, and what it may cost to wait on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config

from tests.conftest import S3Store, storages_with
from tests.proxy import Proxy


@pytest.fixture
def line(bucket: S3Store, settings: Any) -> Iterator[Proxy]:
    """The line from the server to a bucket on Ceph, which is STORAGES["default"]; browsers have their own."""
    with Proxy(bucket.account.endpoint_url) as line:
        use_line(settings, bucket, line)
        yield line


def line_options(bucket: S3Store, line: Proxy, **options: Any) -> dict[str, Any]:
    """Return the options of a storage that the server reaches by a line, and browsers without."""
    public = bucket.account.endpoint_url
    return {**bucket.options, "endpoint_url": line.address, "public_endpoint_url": public, **options}


def use_line(settings: Any, bucket: S3Store, line: Proxy, **options: Any) -> None:
    """STORAGES["default"] is a bucket that the server reaches by a line."""
    default = {
        "BACKEND": "s3upload.storage.S3UploadStorage",
        "OPTIONS": line_options(bucket, line, **options),
    }
    settings.STORAGES = storages_with(settings, default=default)


def impatient(seconds: float = 1) -> Config:
    """Return the option ``client_config`` of a site that waits for so many seconds."""
    return Config(s3={"addressing_style": "path"}, signature_version="s3v4", read_timeout=seconds)


def unfinished(bucket: S3Store) -> list[str]:
    """Return the keys of unfinished multipart uploads."""
    uploads = bucket.client.list_multipart_uploads(Bucket=bucket.bucket).get("Uploads", ())
    return [upload["Key"] for upload in uploads]
