"""Azure: what its signatures allow and what keeps the promise where they allow more; blocks; clean-up; its errors."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import LinearRetry, UserDelegationKey
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import default_storage

from s3upload import multipart
from s3upload.backends import backend_named
from s3upload.backends.azure import AzureBackend, AzureUploadStorage, listing, presigning
from s3upload.backends.base import Backend, Part
from s3upload.cleanup import Summary, clean_up
from s3upload.exceptions import StoreUnavailable, UnusableUpload, UploadChanged, UploadGone
from s3upload.tokens import Token
from tests.backends.test_contract import listening, refuse_to_save
from tests.backends.test_multipart import AZURITE, BODY, PART, begun, completed, noise, send_part, sent
from tests.conftest import AzureStore, use_azure
from tests.proxy import Answer, Proxy, Truncate
from tests.test_files import token_for, uploaded
from tests.wire import put_part, send

pytestmark = AZURITE

KEY = "c2VjcmV0"


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def backend(store: AzureStore) -> Any:
    return backend_named("default")


def ask(method: str, url: str, body: bytes | None = None, **headers: str) -> int:
    """Send something to the store, as anybody may; return the status of its answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, named, method=method)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        answer.close()
        return answer.code


def small(content_type: str = "text/plain") -> Token:
    return token_for("a.txt", len(BODY), content_type)


def query_of(url: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}


# --- what a signature is for --------------------------------------------------------------------


def test_address_is_for_one_blob_and_one_permission(backend: Backend) -> None:
    whole, part = backend.presign(small()), backend.presign_part(begun(backend), 1)
    for request, permission in ((whole, "c"), (part, "w")):
        query = query_of(request["url"])
        assert (query["sr"], query["sp"]) == ("b", permission)
        left = datetime.fromisoformat(query["se"]) - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        assert "st" not in query


def test_address_is_for_https_where_the_store_is(store: AzureStore) -> None:
    storage = AzureUploadStorage(account_name="acme", account_key=KEY, azure_container="media", location="of/us é")
    url = AzureBackend(storage).presign(replace(small(), key="k y"))["url"]
    assert url.startswith("https://acme.blob.core.windows.net/media/of/us%20%C3%A9/k%20y?")
    assert query_of(url)["spr"] == "https"
    assert KEY not in url


@pytest.mark.parametrize("parameter", ["sig", "se", "sp", "sv", "sr"])
def test_changed_signature_is_refused(store: AzureStore, backend: Backend, parameter: str) -> None:
    upload = backend.presign(small())
    value = {"sig": "AAAA", "se": "2099-01-01T00%3A00%3A00Z", "sp": "cw", "sv": "2021-08-06", "sr": "c"}[parameter]
    others = [pair for pair in urlsplit(upload["url"]).query.split("&") if not pair.startswith(f"{parameter}=")]
    address = upload["url"].partition("?")[0]
    for pairs in (others, [*others, f"{parameter}={value}"]):
        assert 400 <= send({**upload, "url": f"{address}?{'&'.join(pairs)}"}, BODY) < 500
    assert store.keys() == []


@pytest.mark.parametrize("body", [BODY, b"something else", b""])
def test_whole_file_can_be_sent_once(store: AzureStore, backend: Backend, body: bytes) -> None:
    token = small()
    assert send(backend.presign(token), BODY) == 201
    assert send(backend.presign(token), body) == 403
    assert store.get(token.key) == BODY


# What else a permission could allow: method, query, headers.
OTHERWISE: dict[str, tuple[str, str, dict[str, str]]] = {
    "read": ("GET", "", {}),
    "look": ("HEAD", "", {}),
    "delete": ("DELETE", "", {}),
    "list blocks": ("GET", "comp=blocklist&blocklisttype=all", {}),
    "tag": ("PUT", "comp=tags", {}),
    "list": ("GET", "restype=container&comp=list", {}),
}
WRITE_OTHERWISE: dict[str, tuple[str, str, dict[str, str]]] = {
    "metadata": ("PUT", "comp=metadata", {"x-ms-meta-colour": "red"}),
    "properties": ("PUT", "comp=properties", {"x-ms-blob-content-type": "text/html"}),
    "lease": ("PUT", "comp=lease", {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}),
    "block": ("PUT", "comp=block&blockid=AAAA", {}),
    "block list": ("PUT", "comp=blocklist", {}),
}


@pytest.mark.parametrize("use", [*OTHERWISE, *WRITE_OTHERWISE])
def test_address_of_a_whole_file_is_for_nothing_else(store: AzureStore, backend: Backend, use: str) -> None:
    token = small()
    upload = backend.presign(token)
    assert send(upload, BODY) == 201
    before = backend.stat(token.key)
    method, query, headers = {**OTHERWISE, **WRITE_OTHERWISE}[use]
    body = b"<BlockList></BlockList>" if method == "PUT" else None
    assert 400 <= ask(method, f"{upload['url']}&{query}", body, **headers) < 500
    assert backend.stat(token.key) == before


@pytest.mark.parametrize("use", OTHERWISE)
def test_address_of_a_part_reads_and_removes_nothing(backend: Backend, use: str) -> None:
    token = sent(backend, BODY)
    address = backend.presign_part(token, 1)["url"].partition("&comp=")[0]
    method, query, headers = OTHERWISE[use]
    assert 400 <= ask(method, f"{address}&{query}", b"" if method == "PUT" else None, **headers) < 500
    backend.complete(token, backend.list_parts(token))


# --- what no signature covers is never saved ----------------------------------------------------

UNSIGNED: dict[str, dict[str, str]] = {
    "encoding": {"x-ms-blob-content-encoding": "gzip"},
    "language": {"x-ms-blob-content-language": "de"},
    "caching": {"x-ms-blob-cache-control": "max-age=99999999"},
    "disposition": {"x-ms-blob-content-disposition": 'inline; filename="a.html"'},
    "type": {"x-ms-blob-content-type": "text/html"},
    "metadata": {"x-ms-meta-colour": "red"},
    "unfinished": {"x-ms-meta-s3upload": "unfinished"},
    "append blob": {"x-ms-blob-type": "AppendBlob"},
    "page blob": {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "512"},
}


@pytest.mark.parametrize("what", UNSIGNED)
def test_blob_with_what_was_not_agreed_is_never_saved(store: AzureStore, backend: Backend, what: str) -> None:
    headers = UNSIGNED[what]
    # An honest one of these kinds begins empty, but for pages.
    token = replace(small(), size=512 if what == "page blob" else 0 if what == "append blob" else len(BODY))
    upload = backend.presign(token)
    body = BODY if token.size == len(BODY) else b""
    assert send({**upload, "headers": {**upload["headers"], **headers}}, body) == 201
    refuse_to_save(store, token)


def test_blob_that_cannot_be_read_is_never_saved(store: AzureStore, backend: Backend) -> None:
    token = completed(backend, BODY, content_type="text/plain")
    url = backend.presign_part(token, 1)["url"].partition("&comp=")[0]
    assert ask("PUT", f"{url}&comp=tier", b"", **{"x-ms-access-tier": "Archive"}) < 300
    # Azure refuses to read it; Azurite 3.33 does not.
    with pytest.raises(UploadChanged):
        backend.stat(token.key)
    refuse_to_save(store, token)
    backend.abort(token)
    assert store.keys() == []


@pytest.mark.parametrize("source", ["public address", "signed address"])
def test_blob_that_was_copied_from_elsewhere_is_never_saved(
    store: AzureStore, backend: AzureBackend, source: str
) -> None:
    store.put("secret", BODY)
    token = small()
    url = store.container.get_blob_client("secret").url
    if source == "signed address":
        url = backend.download_url("secret", age=60) or ""
    status = ask("PUT", backend.presign(token)["url"], b"", **{"x-ms-copy-source": url})
    assert status < 300 or source == "public address"
    refuse_to_save(store, token)


MEDDLING: dict[str, tuple[str, dict[str, str], bytes]] = {
    **{use: (query, headers, b"") for use, (_method, query, headers) in WRITE_OTHERWISE.items()},
    "block": ("", {}, b"other bytes!"),  # of the part itself
    "block list": ("comp=blocklist", {}, b"<BlockList></BlockList>"),
    "whole": ("", {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/html"}, BODY[::-1]),
    "snapshot": ("comp=snapshot", {}, b""),
}
"""What the address of a part allows besides: query, headers, body."""

HARMLESS = {"block", "snapshot"}


def meddle(backend: Backend, token: Token, use: str) -> None:
    address, _comp, own_block = backend.presign_part(token, 1)["url"].partition("&comp=")
    query, headers, body = MEDDLING[use]
    assert ask("PUT", f"{address}&{f'comp={own_block}' if use == 'block' else query}", body, **headers) < 300


@pytest.mark.parametrize("use", sorted(MEDDLING.keys() - HARMLESS))
def test_upload_that_was_meddled_with_is_not_completed(store: AzureStore, backend: Backend, use: str) -> None:
    token = sent(backend, BODY, content_type="text/plain")
    parts = backend.list_parts(token)
    meddle(backend, token, use)
    # A lease is no change; it is in the way.
    with pytest.raises(StoreUnavailable if use == "lease" else UploadGone):
        backend.complete(token, parts)
    refuse_to_save(store, token)


@pytest.mark.parametrize("use", sorted(MEDDLING.keys() - HARMLESS - {"lease"}))
def test_object_in_parts_that_was_meddled_with_is_never_saved(store: AzureStore, backend: Backend, use: str) -> None:
    token = completed(backend, BODY, content_type="text/plain")
    meddle(backend, token, use)
    refuse_to_save(store, token)


def test_type_of_an_upload_in_parts_is_compared(store: AzureStore, backend: Backend) -> None:
    """Of the same size, and of another type than the server has given it."""
    token = completed(backend, BODY, content_type="text/plain")
    meddle(backend, token, "whole")
    refuse_to_save(store, token)


@pytest.mark.parametrize("use", MEDDLING)
@pytest.mark.parametrize("when", ["sent", "completed"])
def test_upload_that_was_meddled_with_can_be_removed(store: AzureStore, backend: Backend, use: str, when: str) -> None:
    token = sent(backend, BODY) if when == "sent" else completed(backend, BODY)
    meddle(backend, token, use)
    backend.abort(token)
    assert store.keys() == store.uploads() == store.uncommitted() == []


def test_exchanged_object_is_not_the_one_that_was_validated(store: AzureStore, backend: AzureBackend) -> None:
    token = completed(backend, BODY, content_type="text/plain")
    stat = backend.stat(token.key)
    upload = {"method": "PUT", "url": backend.presign_part(token, 1)["url"].partition("&comp=")[0]}
    again = {**upload, "headers": {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}}
    assert send(again, BODY[::-1]) == 201
    with pytest.raises(UploadChanged):
        backend.read(token.key, stat.etag, 0, 5)
    with pytest.raises(UploadChanged):
        backend.copy_from(backend, token.key, stat, "saved.txt", {"content_type": "text/plain"}, overwrite=False)
    assert store.keys("saved") == []


# --- blocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [BODY + b"!", BODY[:-1], b"x" * 1000])
def test_parts_of_other_lengths_make_no_object(store: AzureStore, backend: Backend, body: bytes) -> None:
    token = begun(backend)
    assert send_part(backend, token, 1, body).is_success
    with pytest.raises(UploadChanged):
        multipart.complete(token, [(1, "")])
    assert store.keys() == []
    assert send_part(backend, token, 1, BODY).is_success
    multipart.complete(token, [(1, "")])
    assert store.get(token.key) == BODY


def test_part_that_is_sent_again_is_replaced(store: AzureStore, backend: Backend) -> None:
    token = begun(backend)
    for body in (BODY, BODY[::-1]):
        assert send_part(backend, token, 1, body).is_success
    backend.complete(token, backend.list_parts(token))
    assert store.get(token.key) == BODY[::-1]


def test_blocks_that_are_no_parts_are_not_listed(backend: Backend) -> None:
    token = begun(backend, 2 * PART)
    url = backend.presign_part(token, 1)["url"]
    other = backend.presign_part(replace(token, upload_id=token.upload_id[::-1]), 1)["url"]
    assert put_part({"url": other, "headers": {}}, BODY).is_success
    assert backend.list_parts(token) == []
    assert put_part({"url": url, "headers": {}}, BODY).is_success
    assert [part.number for part in backend.list_parts(token)] == [1]


def test_each_step_of_an_upload_is_few_calls(backend: Backend, call_count: Any) -> None:
    token = begun(backend)
    assert send_part(backend, token, 1, BODY).is_success
    assert call_count == {"PutBlob": 1}
    parts = backend.list_parts(token)
    assert call_count == {"PutBlob": 1, "GetBlockList": 1, "GetBlobProperties": 1}
    backend.complete(token, parts)
    assert call_count == {"PutBlob": 1, "GetBlockList": 1, "GetBlobProperties": 1, "PutBlockList": 1}


def test_limits_are_azures(backend: Backend) -> None:
    assert backend.part_size_for(16 * 1024**2) == 0
    assert backend.part_size_for(17 * 1024**2) >= 1
    largest = backend.limits.largest_file
    assert backend.part_size_for(largest) == 4000 * 1024**2
    with pytest.raises(ValueError, match="does not fit"):
        backend.part_size_for(largest + 1)


def test_longest_list_of_parts_fits_into_a_request(backend: Backend) -> None:
    """Whoever has a file completed names every part."""
    etag = f"{begun(backend).upload_id}-00001"
    entry = f'{{"number":{backend.limits.max_count},"etag":"{etag}"}},'
    assert backend.limits.max_count * len(entry) < 1024**2 - 8192


def test_answer_that_was_lost_makes_no_difference(store: AzureStore, settings: Any) -> None:
    with Proxy(store.account.endpoint_url) as line:
        use_line(settings, store, line)
        backend = backend_named("default")
        token = sent(backend, BODY)
        line.add(Truncate(lambda request: request.method == "PUT" and "comp=blocklist" in request.target))
        multipart.complete(token, [(1, "")])
    assert store.get(token.key) == BODY


def use_line(settings: Any, store: AzureStore, line: Proxy, **options: Any) -> None:
    """Have the server reach the store through a proxy."""
    connection = store.account.connection_string().replace(store.account.endpoint_url, line.address)
    use_azure(settings, store, connection_string=connection, **options)


# --- deleting and cleaning up -------------------------------------------------------------------


def test_many_are_deleted_by_one_request(store: AzureStore, backend: Backend, call_count: Any) -> None:
    keys = [backend.new_key("a.txt") for _ in range(5)]
    for key in keys[:4]:
        store.put(key, BODY)
    backend.delete(keys)
    assert store.keys() == []
    assert call_count == {"BlobBatch": 1}


@pytest.mark.parametrize("count", [1, 3])
def test_leased_blobs_and_snapshots_are_deleted(store: AzureStore, backend: Backend, count: int) -> None:
    keys = [backend.new_key("a.txt") for _ in range(count)]
    for key in keys:
        store.put(key, BODY)
    blob = store.container.get_blob_client(keys[0])
    blob.create_snapshot()
    blob.acquire_lease()
    backend.delete(keys)
    assert store.keys() == []


@pytest.fixture
def let_pass(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the store believe that it is so many hours later than it was when things were written."""
    clock_of = listing.clock_of

    def let_pass(hours: float) -> None:
        later = timedelta(hours=hours, seconds=1)
        monkeypatch.setattr(listing, "clock_of", lambda headers: clock_of(headers) + later)

    return let_pass


def cleaned(**options: Any) -> Summary:
    return next(summary for summary in clean_up(**options) if summary.storage == "default")


@pytest.mark.django_db
def test_what_nobody_claimed_is_removed(
    store: AzureStore, backend: Backend, let_pass: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LIST_LIMIT", 2)
    for body in (b"12345", b"123", b""):
        uploaded(body)
    late = begun(backend, PART + 1)
    backend.abort(late)
    assert send_part(backend, late, 1, BODY).is_success
    sent(backend, BODY)
    begun(backend)
    saved = default_storage.save("documents/a.txt", uploaded(BODY))
    foreign = ["tmp/s3upload/readme.txt", "tmp/s3uploads", "tmp/s3upload/of/somebody"]
    for key in foreign:
        store.put(key, b"x")
    assert store.uncommitted() == [late.key]

    let_pass(47)
    younger = cleaned()
    assert (younger.objects, younger.uploads) == (0, 0)
    assert younger.younger >= 6
    let_pass(48)
    counted = Summary("default", objects=4, size=8 + len(BODY), uploads=3)
    assert cleaned(dry_run=True) == counted
    # Saving in no request keeps the pending object: there is nobody to end it.
    assert cleaned() == counted
    assert sorted(store.keys()) == sorted([saved, *foreign])
    assert store.uploads() == store.uncommitted() == []
    assert cleaned() == Summary("default")


def test_upload_that_was_completed_meanwhile_is_not_removed(store: AzureStore, backend: Backend) -> None:
    token = sent(backend, BODY)
    found = [one for page in backend.list_unfinished() for one in page.found]
    backend.complete(token, backend.list_parts(token))
    assert [one.key for one in found] == [token.key]
    assert backend.remove(found) == ([], 0)
    assert store.get(token.key) == BODY


def test_blocks_whose_upload_is_there_again_are_not_removed(store: AzureStore, backend: Backend) -> None:
    token = begun(backend)
    backend.abort(token)
    assert send_part(backend, token, 1, BODY).is_success
    found = [one for page in backend.list_unfinished() for one in page.found]
    store.put(token.key, BODY)
    assert [one.key for one in found] == [token.key]
    assert backend.remove(found) == ([], 0)
    assert store.keys() == [token.key]


def test_removal_of_nothing_asks_nothing(backend: Backend, call_count: Any) -> None:
    assert backend.remove([]) == ([], 0)
    assert not call_count


def test_storages_of_one_container_are_one_place(store: AzureStore, backend: Backend, settings: Any) -> None:
    place = backend.place
    use_azure(settings, store)
    assert backend_named("default").place == place
    use_azure(settings, store, location="elsewhere")
    assert backend_named("default").place != place


# --- reading a stored object --------------------------------------------------------------------


def test_stored_object_can_be_read_for_a_while(
    store: AzureStore, backend: AzureBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("documents/ä b.txt", BODY)
    headers = {
        "cache_control": "private, max-age=60",
        "content_disposition": "attachment; filename*=UTF-8''%C3%A4.txt",
        "content_encoding": "identity",
        "content_language": "de",
        "content_type": "text/x-own",
    }
    url = backend.download_url("documents/ä b.txt", age=60, **headers) or ""
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == BODY
        assert {name: answer.headers[name.replace("_", "-")] for name in headers} == headers
    assert ask("HEAD", backend.download_url("documents/ä b.txt", age=60, method="HEAD") or "") == 200
    assert 400 <= ask("DELETE", url) < 500
    monkeypatch.setattr(presigning, "_now", lambda: datetime.now(UTC) - timedelta(seconds=120))
    assert ask("GET", backend.download_url("documents/ä b.txt", age=60) or "") == 403


def test_header_that_an_answer_cannot_have_is_an_error(backend: AzureBackend) -> None:
    with pytest.raises(TypeError, match="x_own"):
        backend.download_url("a.txt", age=60, x_own="1")


@pytest.mark.parametrize(
    ("options", "uploads", "downloads"),
    [
        ({}, "https://acme.blob.core.windows.net/media/", "https://acme.blob.core.windows.net/media/"),
        (
            {"public_endpoint_url": "https://up.example/"},
            "https://up.example/media/",
            "https://up.example/media/",
        ),
        (
            {"custom_domain": "cdn.example"},
            "https://acme.blob.core.windows.net/media/",
            "https://cdn.example/media/",
        ),
        (
            {"endpoint_suffix": "core.usgovcloudapi.net"},
            "https://acme.blob.core.usgovcloudapi.net/media/",
            "https://acme.blob.core.usgovcloudapi.net/media/",
        ),
    ],
)
def test_addresses_are_those_of_the_options(
    store: AzureStore, options: dict[str, str], uploads: str, downloads: str
) -> None:
    storage = AzureUploadStorage(account_name="acme", account_key=KEY, azure_container="media", **options)
    backend = AzureBackend(storage)
    assert backend.presign(replace(small(), key="k"))["url"].startswith(f"{uploads}k?")
    assert (backend.download_url("k", age=60) or "").startswith(f"{downloads}k?")


def test_browser_sends_to_the_public_address(store: AzureStore, settings: Any) -> None:
    public = store.account.endpoint_url.replace("127.0.0.1", "localhost") + "/main"
    use_azure(settings, store, public_endpoint_url=public)
    backend = backend_named("default")
    token = small()
    upload = backend.presign(token)
    assert upload["url"].startswith(f"{public}/")
    assert send(upload, BODY) == 201
    assert backend.stat(token.key).size == len(BODY)


# --- credentials --------------------------------------------------------------------------------


class Identity:
    """In the place of azure-identity's credentials."""

    def get_token(self, *scopes: str, **options: Any) -> None:
        pytest.fail("a token was asked for")


class KeyGiver:
    """In the place of a service that gives user delegation keys: Azurite gives them by HTTPS alone."""

    def __init__(self) -> None:
        self.given: list[tuple[datetime, datetime]] = []

    def get_user_delegation_key(self, start: datetime, expiry: datetime) -> UserDelegationKey:
        self.given.append((start, expiry))
        key = UserDelegationKey()
        key.signed_oid = key.signed_tid = "00000000-0000-0000-0000-000000000000"
        key.signed_start, key.signed_expiry = (time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in (start, expiry))
        key.signed_service, key.signed_version, key.value = "b", "2024-11-04", KEY
        return key


@pytest.fixture
def giver(store: AzureStore, monkeypatch: pytest.MonkeyPatch) -> KeyGiver:
    giver = KeyGiver()
    valid_until = presigning.DelegationKey.valid_until
    monkeypatch.setattr(
        presigning.DelegationKey,
        "valid_until",
        lambda self, service, expiry: valid_until(self, giver, expiry),  # type: ignore[arg-type]
    )
    return giver


@pytest.fixture
def delegated() -> AzureBackend:
    options = {"account_name": "acme", "azure_container": "media", "token_credential": Identity()}
    return AzureBackend(AzureUploadStorage(**options))


def test_identity_signs_with_a_key_that_is_kept(
    giver: KeyGiver, delegated: AzureBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [delegated.presign(replace(small(), key=f"k{number}"))["url"] for number in range(3)]
    assert len(giver.given) == 1
    assert {"skoid", "sktid", "skt", "ske", "sks", "skv"} <= query_of(urls[0]).keys()
    [(start, expiry)] = giver.given
    assert timedelta(hours=23) < expiry - start <= timedelta(days=1, minutes=5)
    # A request outlives no key.
    tomorrow = datetime.now(UTC) + timedelta(hours=23, minutes=30)
    monkeypatch.setattr(presigning, "_now", lambda: tomorrow)
    delegated.presign(small())
    assert len(giver.given) == 2


def test_identity_signs_nothing_for_longer_than_a_key_lasts(giver: KeyGiver, delegated: AzureBackend) -> None:
    assert delegated.download_url("a.txt", age=6 * 24 * 3600)
    with pytest.raises(ImproperlyConfigured, match="7 days"):
        delegated.download_url("a.txt", age=8 * 24 * 3600)


def test_sas_token_alone_can_sign_nothing(store: AzureStore) -> None:
    storage = AzureUploadStorage(account_name="acme", azure_container="media", sas_token=f"sv=1&sig={KEY}")
    with pytest.raises(ImproperlyConfigured, match="a sas_token can't sign") as raised:
        AzureBackend(storage).presign(small())
    assert KEY not in str(raised.value)


# --- a store that does not do what it should ----------------------------------------------------

OPERATIONS: dict[str, Callable[[Any, Token], object]] = {
    "stat": lambda backend, token: backend.stat(token.key),
    "stat with head": lambda backend, token: backend.stat(token.key, 5),
    "read": lambda backend, token: backend.read(token.key, "0x1", 0, 5),
    "delete": lambda backend, token: backend.delete([token.key]),
    "delete many": lambda backend, token: backend.delete([token.key, "other"]),
    "begin": lambda backend, token: backend.begin(token),
    "list_parts": lambda backend, token: backend.list_parts(token),
    "complete": lambda backend, token: backend.complete(token, [Part(1, 12, f"{token.upload_id}-00001")]),
    "abort": lambda backend, token: backend.abort(token),
    "list_pending": lambda backend, token: list(backend.list_pending()),
    "list_unfinished": lambda backend, token: list(backend.list_unfinished()),
}


@pytest.fixture(params=["closed", "silent", "credentials", "container"])
def trouble(request: pytest.FixtureRequest, store: AzureStore, settings: Any) -> Iterator[str]:
    with listening(answers=request.param == "silent") as address:
        account = store.account
        changes = {
            "closed": {"connection_string": account.connection_string().replace(account.endpoint_url, address)},
            "silent": {"connection_string": account.connection_string().replace(account.endpoint_url, address)},
            "credentials": {"connection_string": account.connection_string().replace(account.account_key, "bm9ib2R5")},
            "container": {"azure_container": "nobodys"},
        }[request.param]
        client_options = {"connection_timeout": 1, "read_timeout": 0.3, "retry_policy": LinearRetry(retry_total=0)}
        use_azure(settings, store, client_options=client_options, **changes)
        yield request.param


@pytest.mark.parametrize("operation", OPERATIONS)
def test_store_that_does_not_answer_or_refuses(
    trouble: str, operation: str, store: AzureStore, caplog: pytest.LogCaptureFixture
) -> None:
    backend = backend_named("default")
    token = replace(small(), upload_id="0x8DD0000000000000", part_size=PART)
    with caplog.at_level(logging.DEBUG, logger="s3upload"), pytest.raises(StoreUnavailable) as raised:
        OPERATIONS[operation](backend, token)
    records = [record for record in caplog.records if record.name.partition(".")[0] == "s3upload"]
    formatted = "\n".join(logging.Formatter().format(record) for record in records)
    for said in (formatted, str(raised.value), raised.value.detail):
        for secret in ("bm9ib2R5", store.account.account_key, "127.0.0.1", token.key, "sig=", "/"):
            assert secret not in said
    assert [record.levelname for record in records] == ["ERROR"]
    assert isinstance(raised.value, UnusableUpload)


def test_what_is_no_store_is_not_taken_for_one(store: AzureStore, settings: Any) -> None:
    """A network that wants a login answers 200 to everything."""
    with Proxy(store.account.endpoint_url) as line:
        use_line(settings, store, line, client_options={"retry_policy": LinearRetry(retry_total=0)})
        line.add(Answer(lambda request: True, float("inf"), status=200, body=b"<p>Welcome to the network of the cafe"))
        backend = backend_named("default")
        token = replace(small(), upload_id="0x8DD0000000000000", part_size=PART)
        for operation in ("stat", "stat with head", "read", "begin", "list_pending"):
            with pytest.raises(StoreUnavailable):
                OPERATIONS[operation](backend, token)


def test_large_file_in_blocks_is_read_back(store: AzureStore, backend: Backend) -> None:
    body = noise(2 * PART + 17)
    token = completed(backend, body)
    stat = backend.stat(token.key, 100)
    assert (stat.size, stat.head) == (len(body), body[:100])
    assert backend.read(token.key, stat.etag, PART - 3, 4 * 1024**2) == body[PART - 3 : PART - 3 + 4 * 1024**2]
