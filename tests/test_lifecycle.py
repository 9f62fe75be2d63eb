"""What the store's own rules do, on a Ceph whose days are short."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from tests.conftest import S3Store, use_s3
from tests.servers.base import in_background
from tests.test_in_place import files
from tests.testapp import models
from tests.wire import Browser

FORM = "/forms/document/"
MIB = 1024 * 1024
SIX_GIGABYTES = 6 * 1024 * MIB + 1

RULES: list[Any] = [
    {
        "ID": "pending",
        "Status": "Enabled",
        "Filter": {"Tag": {"Key": "s3upload", "Value": "pending"}},
        "Expiration": {"Days": 1},
    },
    {
        "ID": "unfinished",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    },
]


def use_in_place(settings: Any, account: Any) -> S3Store:
    store = S3Store("ceph", account)
    account.create_bucket(store.bucket)
    use_s3(settings, store)
    settings.STORAGES["default"]["OPTIONS"]["promote"] = "in-place"
    return store


@pytest.fixture
def short_days(settings: Any) -> Iterator[S3Store]:
    """STORAGES["default"] is a bucket in which uploads stay, on a Ceph whose day has three seconds."""
    with in_background("tests.servers.ceph", "--rgw", "rgw_lc_debug_interval=3") as account:
        yield use_in_place(settings, account)


def uploads_of(store: S3Store) -> list[Any]:
    return store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.2)


@pytest.mark.django_db(transaction=True)
def test_unclaimed_object_is_expired_and_a_claimed_one_is_not(short_days: S3Store) -> None:
    store = short_days
    browser = Browser()
    claimed = browser.upload(FORM, "file", "claimed.bin", b"claimed")
    browser.upload(FORM, "file", "unclaimed.bin", b"unclaimed")
    unfinished = browser.choose(FORM, "file", "unfinished.bin", 20 * MIB)
    browser.send_parts(unfinished, bytes(20 * MIB), [1])
    (name,) = browser.submit(FORM, {"title": "t", "file-s3upload": claimed}).result["saved"]
    assert len(files(store)) == 2
    assert len(uploads_of(store)) == 1

    store.client.put_bucket_lifecycle_configuration(Bucket=store.bucket, LifecycleConfiguration={"Rules": RULES})
    wait_until(lambda: len(files(store)) == 1 and not uploads_of(store))
    # Some days more.
    time.sleep(12)
    assert files(store) == [name]
    assert store.get(name) == b"claimed"
    assert models.Document.objects.get().file.name == name


@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_saving_six_gigabytes_in_place_copies_nothing(settings: Any, call_count: Any) -> None:
    with in_background("tests.servers.ceph", "--store", "bluestore", "--gib", "10") as account:
        store = use_in_place(settings, account)
        settings.S3UPLOAD_MAX_SIZE = SIX_GIGABYTES
        browser = Browser()
        upload = browser.choose(FORM, "file", "large.bin", SIX_GIGABYTES)
        browser.complete(upload["token"], browser.send_parts(upload, Zeros(SIX_GIGABYTES)))  # type: ignore[arg-type]
        call_count.clear()
        (name,) = browser.submit(FORM, {"title": "t", "file-s3upload": upload["token"]}).result["saved"]
        saving = {"HeadObject": 1, "GetObjectTagging": 1, "PutObject": 1, "PutObjectTagging": 1, "DeleteObjects": 1}
        assert call_count == saving
        assert files(store) == [name]
        assert store.head(name)["ContentLength"] == SIX_GIGABYTES
        tags = store.client.get_object_tagging(Bucket=store.bucket, Key=name)["TagSet"]
        assert {"Key": "s3upload", "Value": "pending"} not in tags


class Zeros:
    """As many bytes as there shall be, all of them zero; made when they are asked for."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice) -> bytes:
        return self.zeros(len(range(*part.indices(self.size))))

    @staticmethod
    @cache
    def zeros(count: int) -> bytes:
        return bytes(count)
