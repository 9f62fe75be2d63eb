"""
Other bytes of the same length, by a store that knows checksums and conditions.

LocalStack. That a request is refused whose bytes are not what its checksum says, whole and in parts, and that the
checksum is signed, is promised of every backend in tests/backends/test_multipart.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from s3upload.backends import backend_named
from s3upload.backends.s3 import copying
from s3upload.exceptions import UploadChanged
from s3upload.files import DirectUploadedFile
from tests.attacks.hostile import errors
from tests.conftest import S3Store
from tests.test_files import overwrite, uploaded
from tests.wire import Browser, sha256

MIB = 1024**2


@pytest.fixture
def store(localstack_store: S3Store) -> S3Store:
    return localstack_store


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_other_bytes_than_the_browser_has_hashed(method: str, store: S3Store, settings: Any) -> None:
    settings.S3UPLOAD_METHOD = method
    browser = Browser()
    upload = browser.choose("/forms/plain/", "file", "a.txt", 7, sha256=sha256(b"content"))
    assert browser.send(upload, b"CONTENT") == 400
    assert store.keys() == []
    form = {"title": "t", "file-s3upload": upload["token"]}
    assert errors(browser.post("/forms/plain/", form)) == ["upload_gone"]
    assert 200 <= browser.send(upload, b"content") < 300
    assert browser.submit("/forms/plain/", form).result["saved"] == ["plain/a.txt"]


def swap_around(operation: str, upload: DirectUploadedFile, before: bytes, after: bytes) -> list[bytes]:
    """Have the browser send another file just before an operation of the site's, and the first one again after it."""
    swapped: list[bytes] = []

    def swap(body: bytes) -> Callable[..., None]:
        def send(**kwargs: Any) -> None:
            swapped.append(body[:3])
            overwrite(upload, body)

        return send

    events = backend_named("default").copier.meta.events  # type: ignore[attr-defined]
    events.register(f"before-call.s3.{operation}", swap(before))
    events.register(f"after-call.s3.{operation}", swap(after))
    return swapped


def test_swapped_object_does_not_even_overwrite_an_older_file(store: S3Store) -> None:
    """The condition is the store's: compared afterwards, the older file would be gone."""
    default_storage.save("a.txt", ContentFile(b"older"))
    upload = uploaded(b"validated")
    assert upload.size
    swapped = swap_around("CopyObject", upload, b"malicious", b"validated")
    with pytest.raises(UploadChanged):
        default_storage.save("a.txt", upload)
    assert swapped == [b"mal", b"val"]
    assert store.get("a.txt") == b"older"


def test_object_swapped_for_one_part_of_the_copy_is_not_saved(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "COPY_LIMIT", 5 * MIB)
    monkeypatch.setattr(copying, "COPY_PART_SIZE", 5 * MIB)
    default_storage.save("large.bin", ContentFile(b"older"))
    upload = uploaded(b"v" * 6 * MIB)
    assert upload.size
    swapped = swap_around("UploadPartCopy", upload, b"m" * 6 * MIB, b"v" * 6 * MIB)
    with pytest.raises(UploadChanged):
        default_storage.save("large.bin", upload)
    assert swapped[0] == b"mmm"
    assert store.get("large.bin") == b"older"
