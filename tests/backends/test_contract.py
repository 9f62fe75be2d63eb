"""What every backend promises, whatever its store is."""

from __future__ import annotations

import copy
import datetime
import gc
import logging
import pickle
import socket
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from botocore.config import Config
from django.core import signing
from django.core.files.storage import Storage, default_storage, storages

from s3upload.backends import backend_for, backend_named
from s3upload.backends.azure import presigning
from s3upload.backends.base import Backend
from s3upload.backends.s3 import signature
from s3upload.exceptions import StoreUnavailable, UnusableUpload, UploadChanged, UploadGone
from s3upload.files import RequestUploads
from s3upload.tokens import Token
from tests.conftest import use_s3
from tests.wire import send

# A store, and the method that browsers send by.
STORES = ["filesystem", "ceph", "ceph-PUT", "localstack", "localstack-PUT", "azurite"]

# A signature of Azure's is for an address and a permission: size and type are compared when the form is posted.
SIGNED_SIZE_AND_TYPE = pytest.mark.parametrize("store", [name for name in STORES if name != "azurite"], indirect=True)

# LocalStack compares a POST with its policy, but neither checks the policy's signature nor minds further fields.
SIGNED_POST = ["filesystem", "ceph"]

BODY = b"twelve bytes"


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, settings: Any) -> Any:
    name, _dash, method = request.param.partition("-")
    settings.S3UPLOAD_METHOD = method or "POST"
    return request.getfixturevalue(f"{name}_store")


@pytest.fixture
def backend(store: Any) -> Backend:
    return backend_named("default")


@pytest.fixture
def token(backend: Backend) -> Token:
    return token_for(backend)


def token_for(backend: Backend, size: int = len(BODY), content_type: str = "text/plain") -> Token:
    return Token(
        storage="default",
        key=backend.new_key("a.txt"),
        name="a name.txt",
        size=size,
        content_type=content_type,
        field="file",
        owner="",
    )


def is_success(status: int) -> bool:
    return 200 <= status < 300


def is_refusal(status: int) -> bool:
    return 400 <= status < 500


def with_type(upload: dict[str, Any], content_type: str) -> dict[str, Any]:
    part = "headers" if upload["method"] == "PUT" else "fields"
    return {**upload, part: {**upload[part], "Content-Type": content_type}}


def with_key(upload: dict[str, Any], key: str, other: str) -> dict[str, Any]:
    if upload["method"] == "PUT":
        return {**upload, "url": upload["url"].replace(key, other)}
    return {**upload, "fields": {**upload["fields"], "key": upload["fields"]["key"].replace(key, other)}}


@contextmanager
def signed_ago(monkeypatch: pytest.MonkeyPatch, age: float) -> Iterator[None]:
    """Let what signs believe that it is ``age`` seconds earlier than it is."""

    def now() -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age)

    with monkeypatch.context() as patch:
        patch.setattr(signature, "_now", now)
        patch.setattr(presigning, "_now", now)
        patch.setattr(signing.TimestampSigner, "timestamp", lambda self: signing.b62_encode(int(now().timestamp())))
        yield


# --- presigned requests ---------------------------------------------------------------------


def test_presigned_request_puts_the_file_under_its_key(store: Any, backend: Backend, token: Token) -> None:
    assert is_success(send(backend.presign(token), BODY))
    assert store.keys() == [token.key]
    assert store.get(token.key) == BODY


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024])
def test_presigned_request_takes_files_of_any_size(backend: Backend, size: int) -> None:
    token = token_for(backend, size)
    assert is_success(send(backend.presign(token), bytes(size)))
    assert backend.stat(token.key).size == size


def test_presigned_request_keeps_the_content_type(store: Any, backend: Backend, token: Token) -> None:
    assert is_success(send(backend.presign(token), BODY))
    assert backend.stat(token.key).content_type == ("text/plain" if store.name != "filesystem" else None)


@SIGNED_SIZE_AND_TYPE
@pytest.mark.parametrize("body", [BODY + b"!", BODY[:-1], b""], ids=["longer", "shorter", "empty"])
def test_file_of_another_size_is_refused(store: Any, backend: Backend, token: Token, body: bytes) -> None:
    assert is_refusal(send(backend.presign(token), body))
    assert store.keys() == []


@SIGNED_SIZE_AND_TYPE
@pytest.mark.parametrize("content_type", ["text/html", "text/plain; charset=utf-8", ""])
def test_file_of_another_type_is_refused(store: Any, backend: Backend, token: Token, content_type: str) -> None:
    assert is_refusal(send(with_type(backend.presign(token), content_type), BODY))
    assert store.keys() == []


@pytest.mark.parametrize("body", [BODY + b"!", BODY[:-1], b""], ids=["longer", "shorter", "empty"])
def test_file_of_another_size_is_never_saved(store: Any, backend: Backend, token: Token, body: bytes) -> None:
    """Whether the store refuses it at once or not."""
    send(backend.presign(token), body)
    refuse_to_save(store, token)


@pytest.mark.parametrize("content_type", ["text/html", "text/plain; charset=utf-8", ""])
def test_file_of_another_type_is_never_saved(store: Any, backend: Backend, token: Token, content_type: str) -> None:
    send(with_type(backend.presign(token), content_type), BODY)
    refuse_to_save(store, token)


def refuse_to_save(store: Any, token: Token) -> None:
    upload = RequestUploads(lambda: frozenset({token.owner})).add(token, "signed")
    with pytest.raises(UnusableUpload):
        default_storage.save("saved.txt", upload)
    assert store.keys("saved") == []


def test_file_under_another_key_is_refused(store: Any, backend: Backend, token: Token) -> None:
    upload = with_key(backend.presign(token), token.key, backend.new_key("a.txt"))
    assert is_refusal(send(upload, BODY))
    assert store.keys() == []


@pytest.mark.parametrize("store", SIGNED_POST, indirect=True)
def test_changed_signature_is_refused(store: Any, backend: Backend, token: Token) -> None:
    upload = backend.presign(token)
    for field in upload["fields"].keys() & {"policy", "permit", "x-amz-signature", "x-amz-date", "x-amz-credential"}:
        value = upload["fields"][field]
        changed = ("B" if value[0] == "A" else "A") + value[1:]
        assert is_refusal(send({**upload, "fields": {**upload["fields"], field: changed}}, BODY)), field
        without = {name: value for name, value in upload["fields"].items() if name != field}
        assert is_refusal(send({**upload, "fields": without}, BODY)), field
    assert store.keys() == []


@pytest.mark.parametrize("store", ["ceph-PUT", "localstack-PUT"], indirect=True)
def test_changed_signature_of_a_put_is_refused(store: Any, backend: Backend, token: Token) -> None:
    upload = backend.presign(token)
    url = upload["url"]
    last = "0" if url[-1] != "0" else "1"
    assert is_refusal(send({**upload, "url": url[:-1] + last}, BODY))
    assert is_refusal(send({**upload, "url": url.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000")}, BODY))
    assert store.keys() == []


# As AWS does it; Ceph 16 takes any header of a PUT.
@pytest.mark.parametrize("store", ["localstack-PUT"], indirect=True)
@pytest.mark.parametrize("header", ["x-amz-copy-source", "x-amz-tagging", "x-amz-meta-colour", "x-amz-acl"])
def test_header_that_was_not_signed_is_refused(store: Any, backend: Backend, token: Token, header: str) -> None:
    upload = backend.presign(token)
    assert is_refusal(send({**upload, "headers": {**upload["headers"], header: "public-read"}}, BODY))
    assert store.keys() == []


@pytest.mark.parametrize("store", SIGNED_POST, indirect=True)
@pytest.mark.parametrize("field", ["acl", "Cache-Control", "x-amz-meta-colour", "success_action_redirect"])
def test_field_that_was_not_signed_is_refused(store: Any, backend: Backend, token: Token, field: str) -> None:
    upload = backend.presign(token)
    assert is_refusal(send({**upload, "fields": {**upload["fields"], field: "public-read"}}, BODY))
    assert store.keys() == []


def test_presigned_request_expires_after_an_hour(
    store: Any, backend: Backend, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    with signed_ago(monkeypatch, 3700):
        late = backend.presign(token)
    with signed_ago(monkeypatch, 3500):
        in_time = backend.presign(token)
    assert is_refusal(send(late, BODY))
    assert store.keys() == []
    assert is_success(send(in_time, BODY))


def test_keys_are_under_the_pending_prefix_and_differ(backend: Backend, settings: Any) -> None:
    settings.S3UPLOAD_PREFIX = "/pending/of the site/"
    keys = {backend.new_key("a.txt") for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("pending/of the site/") for key in keys)


# --- stat, read, delete ---------------------------------------------------------------------


@pytest.fixture
def pending(backend: Backend, token: Token) -> Token:
    """The token of an object that was sent."""
    assert is_success(send(backend.presign(token), BODY))
    return token


def exchange(store: Any, backend: Backend, token: Token, body: bytes) -> None:
    """Put another object in the place of one; browsers can where the store lets them send a file twice."""
    again = send(backend.presign(replace(token, size=len(body))), body)
    if store.name == "azurite":
        assert is_refusal(again)
        store.put(token.key, body)
    else:
        assert is_success(again)


def test_stat_tells_size_and_etag(backend: Backend, pending: Token) -> None:
    stat = backend.stat(pending.key)
    assert stat.size == len(BODY)
    assert stat.etag
    assert '"' not in stat.etag


def test_etag_changes_with_the_content_alone(store: Any, backend: Backend, pending: Token) -> None:
    before = backend.stat(pending.key)
    assert backend.stat(pending.key) == before
    exchange(store, backend, pending, BODY[::-1])
    assert backend.stat(pending.key).etag != before.etag


def test_stat_of_an_object_that_was_never_sent(backend: Backend, token: Token) -> None:
    with pytest.raises(UploadGone):
        backend.stat(token.key)


@pytest.mark.parametrize(("start", "size"), [(0, 12), (0, 1), (7, 5), (11, 1), (7, 100)])
def test_read_gives_a_range(backend: Backend, pending: Token, start: int, size: int) -> None:
    etag = backend.stat(pending.key).etag
    assert backend.read(pending.key, etag, start, size) == BODY[start : start + size]


def test_read_of_an_object_that_was_replaced(store: Any, backend: Backend, pending: Token) -> None:
    etag = backend.stat(pending.key).etag
    exchange(store, backend, pending, BODY[::-1])
    with pytest.raises(UploadChanged):
        backend.read(pending.key, etag, 0, 5)


def test_read_beyond_the_end_of_an_object_that_became_shorter(store: Any, backend: Backend, pending: Token) -> None:
    etag = backend.stat(pending.key).etag
    exchange(store, backend, pending, b"abc")
    with pytest.raises(UploadChanged):
        backend.read(pending.key, etag, 6, 6)


def test_read_of_an_object_that_is_gone(backend: Backend, pending: Token) -> None:
    etag = backend.stat(pending.key).etag
    backend.delete([pending.key])
    with pytest.raises(UploadGone):
        backend.read(pending.key, etag, 0, 5)


def test_delete_takes_many_and_those_that_are_gone(store: Any, backend: Backend) -> None:
    tokens = [token_for(backend) for _ in range(4)]
    for token in tokens[:3]:
        store.put(token.key, BODY)
    backend.delete([tokens[0].key, tokens[3].key, tokens[1].key])
    assert store.keys() == [tokens[2].key]
    backend.delete(iter([tokens[0].key, tokens[2].key]))
    assert store.keys() == []


def test_delete_of_nothing_asks_nothing(backend: Backend, call_count: Any) -> None:
    backend.delete([])
    assert not call_count


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_delete_of_more_than_one_request_can_name(store: Any, backend: Backend, call_count: Any) -> None:
    present = token_for(backend)
    store.put(present.key, BODY)
    backend.delete([*(backend.new_key("a.txt") for _ in range(1000)), present.key])
    assert store.keys() == []
    assert call_count == {"DeleteObjects": 2}


# --- a store that does not do what it should ------------------------------------------------


@contextmanager
def listening(*, answers: bool) -> Iterator[str]:
    """Give the address of a port that is closed, or of one that accepts connections and is silent."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        if answers:
            server.listen(64)
        yield address


@pytest.fixture(params=["closed", "silent", "credentials", "bucket", "folder"])
def unavailable(request: pytest.FixtureRequest, settings: Any) -> Iterator[Backend]:
    """The backend of a store that does not do its work."""
    if request.param == "folder":
        store = request.getfixturevalue("filesystem_store")
        (store.folder / "tmp").write_bytes(b"not a folder")
        yield backend_named("default")
        return
    # LocalStack takes any credentials.
    store = request.getfixturevalue("ceph_store")
    client_config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    with listening(answers=request.param == "silent") as address:
        changes = {
            "closed": {"endpoint_url": address},
            "silent": {"endpoint_url": address},
            "credentials": {"secret_key": "nobody's secret"},
            "bucket": {"bucket_name": "test-other-buckets-name", "access_key": "nobody"},
        }[request.param]
        options = {**store.options, "client_config": client_config, **changes}
        backend = {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "default": backend}
        yield backend_named("default")


@pytest.mark.parametrize("operation", ["stat", "read", "delete"])
def test_store_that_does_not_answer_or_refuses(
    unavailable: Backend, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = unavailable.new_key("a.txt")
    arguments: dict[str, list[Any]] = {"stat": [key], "read": [key, "etag", 0, 5], "delete": [[key]]}
    with caplog.at_level(logging.DEBUG, logger="s3upload"), pytest.raises(StoreUnavailable) as raised:
        getattr(unavailable, operation)(*arguments[operation])
    records = [record for record in caplog.records if record.name.partition(".")[0] == "s3upload"]
    formatted = "\n".join(logging.Formatter().format(record) for record in records)
    for said in (formatted, str(raised.value), raised.value.detail):
        for secret in ("nobody", "main-secret", "main-access", "127.0.0.1", key, "Signature=", "/"):
            assert secret not in said
    if hasattr(unavailable.storage, "bucket_name"):
        assert [record.levelname for record in records] == ["ERROR"]


def test_client_is_made_once_and_shared(ceph_store: Any) -> None:
    backend: Any = backend_named("default")
    assert backend.client is backend_named("default").client
    assert backend.presigner is backend.client


def test_use_of_public_address_for_the_browser_alone(settings: Any, make_bucket: Any) -> None:
    store = use_s3(settings, make_bucket("ceph"))
    settings.S3UPLOAD_PUBLIC_ENDPOINT_URL = store.account.endpoint_url.replace("127.0.0.1", "localhost")
    backend = backend_named("default")
    token = token_for(backend)
    for method in ("POST", "PUT"):
        settings.S3UPLOAD_METHOD = method
        upload = backend.presign(token)
        assert upload["url"].startswith(settings.S3UPLOAD_PUBLIC_ENDPOINT_URL)
        assert is_success(send(upload, BODY))
    assert backend.stat(token.key).size == len(BODY)


# --- storages are copied, pickled and forgotten ---------------------------------------------


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda storage: pickle.loads(pickle.dumps(storage))],  # noqa: S301
    ids=["copy", "deepcopy", "pickle"],
)
def test_copy_of_a_storage_has_a_backend_that_works(
    store: Any, pending: Token, copied: Callable[[Storage], Storage], used: bool
) -> None:
    original = storages["default"]
    if used:
        backend_for(original).stat(pending.key)
    other = copied(original)
    backend = backend_for(other)
    assert backend is backend_for(other)
    assert backend.storage.deconstruct() == original.deconstruct()
    assert backend.stat(pending.key) == backend_for(original).stat(pending.key)
    assert is_success(send(backend.presign(token_for(backend)), BODY))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda storage: pickle.loads(pickle.dumps(storage))])  # noqa: S301
def test_backend_of_a_copied_storage_is_that_of_the_copy(
    backend: Backend, copied: Callable[[Storage], Storage]
) -> None:
    other = copied(backend.storage)
    assert other is not backend.storage
    assert backend_for(other) is not backend
    assert backend_for(other).storage is other


def test_storage_is_forgotten_with_its_backend(store: Any, settings: Any) -> None:
    backend = backend_named("default")
    backend.presign(token_for(backend))
    backend.delete([backend.new_key("a.txt")])
    forgotten = [weakref.ref(backend.storage), weakref.ref(backend)]
    del backend
    # New settings make a new storage.
    settings.STORAGES = dict(settings.STORAGES)
    assert not default_storage.exists("any.txt")
    gc.collect()
    assert [one() for one in forgotten] == [None, None]
