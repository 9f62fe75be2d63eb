"""S3: what only a store of its kind can get wrong."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import default_storage

from s3upload.backends import backend_named
from s3upload.exceptions import UploadChanged
from tests.conftest import S3Store
from tests.test_files import overwrite, uploaded
from tests.test_storage import S3_STORES, with_options


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_address_from_the_environment_is_used_as_django_storages_uses_it(
    ceph_store: S3Store, settings: Any, monkeypatch: pytest.MonkeyPatch, variable: str, method: str
) -> None:
    # An address of numbers has no part for a bucket, however it is signed for.
    address = ceph_store.account.endpoint_url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv(variable, address)
    settings.S3UPLOAD_METHOD = method
    with_options(settings, ceph_store, endpoint_url=None, addressing_style=None)
    upload = uploaded(b"content")  # which only arrives where the bucket is in the path
    assert ceph_store.get(upload.token.key) == b"content"
    url = urlsplit(backend_named("default").presign(upload.token)["url"])
    theirs = urlsplit(default_storage.url(upload.token.key))
    assert url.netloc == theirs.netloc == urlsplit(address).netloc
    assert url.path.split("/")[1] == theirs.path.split("/")[1] == ceph_store.bucket
    default_storage.save("a.txt", upload)
    assert ceph_store.get("a.txt") == b"content"


@S3_STORES
@pytest.mark.parametrize("put_back", [True, False])
def test_object_swapped_for_the_copy_alone_is_not_saved(store: S3Store, put_back: bool) -> None:
    """One presigned request can send a file to be validated, another one to be copied, and the first one again."""
    upload = uploaded(b"validated")
    assert upload.size
    events = backend_named("default").copier.meta.events  # type: ignore[attr-defined]
    swapped: list[bytes] = []

    def swap(body: bytes) -> None:
        swapped.append(body)
        overwrite(upload, body)

    events.register("before-call.s3.CopyObject", lambda **_: swap(b"malicious"))
    if put_back:
        events.register("after-call.s3.CopyObject", lambda **_: swap(b"validated"))
    with pytest.raises(UploadChanged):
        default_storage.save("a.txt", upload)
    assert swapped == [b"malicious", b"validated"][: 1 + put_back]
    assert store.keys() == [upload.token.key]
