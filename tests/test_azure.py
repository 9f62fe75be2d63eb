"""Saving on Azure, what it costs, and a site on it from end to end."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from azure.storage.blob import LinearRetry
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from s3upload.backends import backend_named
from s3upload.backends.azure import AzureBackend, AzureUploadStorage, copying, presigning
from s3upload.exceptions import StoreUnavailable, UploadChanged, UploadGone
from tests.backends.test_azure import use_line
from tests.conftest import AzureStore, S3Store, storages_with, use_azure
from tests.proxy import Answer, Edit, Proxy, Request
from tests.test_files import request_uploads, token_for, uploaded
from tests.testapp import models
from tests.wire import Browser, put_part, send

MIB = 1024**2
BODY = b"\x00 some bytes \xff" * 100
FORM = "/forms/document/"


@pytest.fixture
def store(azurite_store: AzureStore) -> AzureStore:
    return azurite_store


def settings_of(store: AzureStore, name: str) -> dict[str, Any]:
    """Return what the store says of an object besides its bytes."""
    settings = dict(store.head(name).content_settings)
    del settings["content_md5"]
    return {setting: value for setting, value in settings.items() if value}


# --- what the saved object is like --------------------------------------------------------------


@pytest.mark.parametrize("name", ["report.txt", "Übersicht – 2026.txt", "a+b & c=d?.txt", "100%.txt", "it's #1;.txt"])
def test_saved_file_has_the_bytes_the_name_and_the_type(store: AzureStore, settings: Any, name: str) -> None:
    settings.S3UPLOAD_PREFIX = "tmp/pending é +&=?%20"
    upload = uploaded(BODY, name, "application/x-own")
    assert default_storage.save(f"documents/{name}", upload) == f"documents/{name}"
    assert store.get(f"documents/{name}") == BODY
    assert settings_of(store, f"documents/{name}") == {"content_type": "application/x-own"}
    assert store.head(f"documents/{name}").metadata == {}
    with default_storage.open(f"documents/{name}") as file:
        assert file.read() == BODY


def test_save_is_a_copy_and_few_calls(store: AzureStore, call_count: Any) -> None:
    upload = uploaded(BODY)
    default_storage.save("documents/a.txt", upload)
    # One look at the upload, and django-storages' question whether the name is taken.
    assert call_count == {"GetBlobProperties": 2, "CopyBlob": 1}


def test_file_that_django_has_wrapped_is_copied_too(store: AzureStore, call_count: Any) -> None:
    default_storage.save("documents/a.txt", File(uploaded(BODY)))
    assert call_count["CopyBlob"] == 1
    assert store.get("documents/a.txt") == BODY


def test_options_of_the_storage_are_those_of_the_saved_file(store: AzureStore, settings: Any, call_count: Any) -> None:
    use_azure(
        settings,
        store,
        location="of/us",
        cache_control="max-age=60",
        object_parameters={"content_disposition": "attachment", "content_language": "de"},
    )
    assert default_storage.save("documents/a.tar.gz", uploaded(BODY, "a.tar.gz", "application/x-own"))
    assert settings_of(store, "of/us/documents/a.tar.gz") == {
        "cache_control": "max-age=60",
        "content_disposition": "attachment",
        "content_encoding": "gzip",
        "content_language": "de",
        "content_type": "application/x-own",
    }
    assert store.head("of/us/documents/a.tar.gz").size == len(BODY)
    assert (call_count["CopyBlob"], call_count["SetBlobProperties"]) == (1, 1)


@pytest.mark.parametrize("size", [17 * MIB, 60 * MIB + 1])
def test_large_file_is_one_copy(store: AzureStore, call_count: Any, size: int) -> None:
    backend = backend_named("default")
    token = token_for("film.bin", size, "video/x-own", part_size=backend.part_size_for(size))
    token = replace(token, upload_id=backend.begin(token))
    for number in range(1, token.part_count + 1):
        assert put_part(backend.presign_part(token, number), bytes(token.part_length(number))).is_success
    backend.complete(token, backend.list_parts(token))
    call_count.clear()
    assert default_storage.save("film.bin", request_uploads().add(token, "signed")) == "film.bin"
    assert call_count == {"GetBlobProperties": 2, "CopyBlob": 1}
    assert store.head("film.bin").size == size
    assert settings_of(store, "film.bin") == {"content_type": "video/x-own"}


def test_ordinary_file_is_saved_as_ever(store: AzureStore, call_count: Any) -> None:
    assert default_storage.save("a.txt", ContentFile(b"ordinary")) == "a.txt"
    assert store.get("a.txt") == b"ordinary"
    assert call_count["CopyBlob"] == 0


def test_copy_of_a_stored_file_has_the_properties_of_its_own_storage(store: AzureStore, settings: Any) -> None:
    use_azure(settings, store, cache_control="max-age=60", object_parameters={"content_language": "de"})
    stored = default_storage.save("documents/a.txt", uploaded(BODY))
    use_azure(settings, store)
    backend: Any = backend_named("default")
    stat = backend.stat(stored)
    assert stat.content_type == "text/plain"
    backend.copy_from(backend, stored, stat, "b.txt", {"content_type": "text/plain"}, overwrite=False)
    assert settings_of(store, "b.txt") == {"content_type": "text/plain"}


# --- names --------------------------------------------------------------------------------------


def test_two_files_of_one_name_are_two_files(store: AzureStore) -> None:
    names = [default_storage.save("documents/a.txt", uploaded(body)) for body in (b"one", b"two")]
    assert names[0] == "documents/a.txt" != names[1]
    assert [store.get(name) for name in names] == [b"one", b"two"]


def test_two_at_the_same_moment_are_two_files(store: AzureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have asked whether the name is taken before the first one takes it."""
    bodies = [b"one", b"two", b"three"]
    uploads = [uploaded(body) for body in bodies]
    have_asked = threading.Barrier(len(bodies))
    copy = copying.copy
    waited = threading.local()

    def together(*arguments: Any, **options: Any) -> None:
        if not hasattr(waited, "once"):
            waited.once = True
            have_asked.wait(timeout=20)
        copy(*arguments, **options)

    monkeypatch.setattr(copying, "copy", together)
    names: dict[bytes, str] = {}

    def save(body: bytes, upload: Any) -> None:
        names[body] = default_storage.save("documents/a.txt", upload)

    threads = [threading.Thread(target=save, args=pair) for pair in zip(bodies, uploads, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {body: store.get(name) for body, name in names.items()} == {body: body for body in bodies}
    assert len(set(names.values())) == len(bodies)


def test_storage_that_overwrites_does_so(store: AzureStore, settings: Any) -> None:
    use_azure(settings, store, overwrite_files=True)
    for body in (b"one", b"two"):
        assert default_storage.save("a.txt", uploaded(body)) == "a.txt"
    assert store.get("a.txt") == b"two"


# --- from elsewhere -----------------------------------------------------------------------------


def other_container(settings: Any, store: AzureStore, *, other_account: bool = False) -> AzureUploadStorage:
    connection = store.account.connection_string(other=other_account)
    store.client.create_container(f"{store.bucket}-2")
    return AzureUploadStorage(
        connection_string=connection, azure_container=store.bucket if other_account else f"{store.bucket}-2"
    )


def test_other_container_of_the_account_gets_a_copy(store: AzureStore, settings: Any, call_count: Any) -> None:
    storage = other_container(settings, store)
    upload = uploaded(BODY)
    call_count.clear()
    assert storage.save("a.txt", upload) == "a.txt"
    assert (call_count["CopyBlob"], call_count["GetBlob"], call_count["PutBlob"]) == (1, 0, 0)
    assert store.client.get_blob_client(f"{store.bucket}-2", "a.txt").download_blob().readall() == BODY
    store.client.delete_container(f"{store.bucket}-2")


def test_other_account_is_sent_the_bytes(store: AzureStore, settings: Any, call_count: Any) -> None:
    storage = other_container(settings, store, other_account=True)
    upload = uploaded(BODY, "a.txt", "application/x-own")
    call_count.clear()
    assert storage.save("a.txt", upload) == "a.txt"
    assert (call_count["CopyBlob"], call_count["GetBlob"], call_count["PutBlob"]) == (0, 1, 1)
    with storage.open("a.txt") as file:
        assert file.read() == BODY
    assert storage.client.get_blob_client("a.txt").get_blob_properties().content_settings.content_type == (
        "application/x-own"
    )
    store.client.delete_container(f"{store.bucket}-2")


def test_storage_on_s3_is_sent_the_bytes(store: AzureStore, bucket: S3Store) -> None:
    from s3upload.storage import S3UploadStorage

    assert S3UploadStorage(**bucket.options).save("a.txt", uploaded(BODY)) == "a.txt"
    assert bucket.get("a.txt") == BODY


def test_file_from_s3_is_sent_to_azure(store: AzureStore, bucket: S3Store, settings: Any) -> None:
    storage = AzureUploadStorage(**store.options)
    default = {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": bucket.options}
    settings.STORAGES = storages_with(settings, default=default)
    assert storage.save("a.txt", uploaded(BODY)) == "a.txt"
    assert store.get("a.txt") == BODY


def test_identity_copies_from_a_signed_address(store: AzureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is what counts; Azurite knows no identities without TLS, and the key signs in its place."""
    addresses: list[str] = []
    address_of = copying._address_of

    def address(source: AzureBackend, key: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(AzureBackend, "has_identity", True)
            patch.setattr(presigning, "_signed_by", lambda backend, expiry: {"account_key": store.account.account_key})
            addresses.append(address_of(source, key))
        return addresses[-1]

    monkeypatch.setattr(copying, "_address_of", address)
    assert default_storage.save("a.txt", uploaded(BODY)) == "a.txt"
    assert store.get("a.txt") == BODY
    assert ["sp=r" in one for one in addresses] == [True]


# --- copies that fail ---------------------------------------------------------------------------


def test_object_that_was_exchanged_is_not_saved(store: AzureStore) -> None:
    upload = uploaded(BODY)
    upload.check()
    store.put(upload.token.key, BODY[::-1])
    with pytest.raises(UploadChanged):
        default_storage.save("a.txt", upload)
    assert store.keys() == [upload.token.key]


def test_object_that_is_gone_is_not_saved(store: AzureStore) -> None:
    upload = uploaded(BODY)
    upload.check()
    backend_named("default").delete([upload.token.key])
    with pytest.raises(UploadGone):
        default_storage.save("a.txt", upload)
    assert store.keys() == []


STATUS = b"x-ms-copy-status: "


def is_copy(request: Request) -> bool:
    return request.method == "PUT" and request.path.endswith("/a.txt") and "comp=" not in request.target


def is_look(request: Request) -> bool:
    return request.method == "HEAD" and request.path.endswith("/a.txt")


@pytest.fixture
def line(store: AzureStore, settings: Any) -> Any:
    """The line from the server to the store."""
    with Proxy(store.account.endpoint_url) as line:
        use_line(settings, store, line, client_options={"retry_policy": LinearRetry(retry_total=0)})
        yield line


def test_copy_that_takes_long_is_waited_for(store: AzureStore, line: Proxy) -> None:
    """Azurite copies at once, and is made to say that it is not done."""
    upload = uploaded(BODY)
    # The first look asks whether the name is taken.
    looks = iter(range(10))
    pending = STATUS + b"pending"
    line.add(Edit(is_copy, old=STATUS + b"success", new=pending))
    slow = line.add(
        Edit(lambda request: is_look(request) and next(looks) in (1, 2), times=2, old=STATUS + b"success", new=pending)
    )
    assert default_storage.save("a.txt", upload) == "a.txt"
    assert len(slow.requests) == 2
    assert len([request for request in line.requests if is_look(request)]) == 4
    assert store.get("a.txt") == BODY


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (b"failed", b"412 PreconditionFailed", UploadChanged),
        (b"failed", b"404 BlobNotFound", UploadGone),
        (b"failed", b"500 InternalError", StoreUnavailable),
        (b"aborted", b"", StoreUnavailable),
    ],
)
def test_copy_that_fails_later_leaves_nothing(
    store: AzureStore, line: Proxy, status: bytes, reason: bytes, error: type[Exception]
) -> None:
    upload = uploaded(BODY)
    line.add(Edit(is_copy, old=STATUS + b"success", new=STATUS + b"pending"))
    said = STATUS + status + b"\r\nx-ms-copy-status-description: " + reason
    line.add(Edit(is_look, float("inf"), old=STATUS + b"success", new=said))
    with pytest.raises(error):
        default_storage.save("a.txt", upload)
    assert store.keys() == [upload.token.key]


def test_copy_that_takes_too_long_is_given_up(store: AzureStore, line: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "COPY_AGE", 1)
    upload = uploaded(BODY)
    for match in (is_copy, is_look):
        line.add(Edit(match, float("inf"), old=STATUS + b"success", new=STATUS + b"pending"))
    with pytest.raises(StoreUnavailable):
        default_storage.save("a.txt", upload)
    assert any("comp=copy" in request.target for request in line.requests), "the copy was not aborted"
    assert store.keys() == [upload.token.key]


def test_copy_whose_properties_cannot_be_set_leaves_nothing(store: AzureStore, settings: Any) -> None:
    with Proxy(store.account.endpoint_url) as line:
        options = {"client_options": {"retry_policy": LinearRetry(retry_total=0)}, "cache_control": "no-cache"}
        use_line(settings, store, line, **options)
        upload = uploaded(BODY)
        line.add(Answer(lambda request: "comp=properties" in request.target, float("inf")))
        with pytest.raises(StoreUnavailable):
            default_storage.save("a.txt", upload)
    assert store.keys() == [upload.token.key]


# --- a site, from end to end --------------------------------------------------------------------

pytest_db = pytest.mark.django_db(transaction=True)


@pytest_db
@pytest.mark.parametrize("size", [1, 5000, 17 * MIB])
def test_form_saves_what_the_browser_sent(store: AzureStore, size: int) -> None:
    browser = Browser()
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    token = browser.upload(FORM, "file", "report.txt", body, "text/plain")
    page = browser.submit(FORM, {"title": "A report", "file-s3upload": token})
    assert page.result["saved"] == ["documents/report.txt"]
    assert store.get("documents/report.txt") == body
    assert store.keys() == ["documents/report.txt"], "the pending object is left over"
    assert store.uploads() == store.uncommitted() == []
    with models.Document.objects.get().file.open() as file:
        assert file.read() == body


@pytest_db
def test_upload_goes_on_where_it_was_interrupted(store: AzureStore) -> None:
    browser = Browser()
    body = bytes(40 * MIB)
    upload = browser.choose(FORM, "file", "film.bin", len(body))
    count = -(-len(body) // upload["part_size"])
    browser.send_parts(upload, body, [1, 3])
    arrived = browser.list_parts(upload["token"])
    assert [part["number"] for part in arrived] == [1, 3]
    browser.send_parts(upload, body, [number for number in range(1, count + 1) if number not in (1, 3)])
    parts = [{"number": part["number"], "etag": part["etag"]} for part in browser.list_parts(upload["token"])]
    for _ in range(2):
        browser.complete(upload["token"], parts)
    assert len(browser.list_parts(upload["token"])) == count
    page = browser.submit(FORM, {"title": "A film", "file-s3upload": upload["token"]})
    assert page.result["saved"] == ["documents/film.bin"]
    assert store.get("documents/film.bin") == body


MEDDLED: dict[str, Callable[[dict[str, Any]], tuple[dict[str, Any], bytes]]] = {
    "longer": lambda upload: (upload, BODY + b"!"),
    "shorter": lambda upload: (upload, BODY[:-1]),
    "empty": lambda upload: (upload, b""),
    "page": lambda upload: ({**upload, "headers": {**upload["headers"], "Content-Type": "text/html"}}, BODY),
    "header": lambda upload: (
        {**upload, "headers": {**upload["headers"], "x-ms-blob-content-disposition": "inline"}},
        BODY,
    ),
}


@pytest_db
@pytest.mark.parametrize("what", MEDDLED)
def test_form_refuses_what_was_not_agreed(store: AzureStore, what: str) -> None:
    """The signature allows to send it: the form has an error, and nothing is saved."""
    browser = Browser()
    upload = browser.choose(FORM, "file", "report.txt", len(BODY), "text/plain")
    meddled, body = MEDDLED[what](upload)
    assert send(meddled, body) == 201
    answer = browser.post(FORM, {"title": "A report", "file-s3upload": upload["token"]})
    assert "The uploaded file has changed meanwhile" in answer.content.decode()
    assert not models.Document.objects.exists()
    assert store.keys("documents/") == []


@pytest_db
def test_form_that_was_never_completed_has_an_error(store: AzureStore) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "film.bin", 17 * MIB)
    browser.send_parts(upload, bytes(17 * MIB))
    answer = browser.post(FORM, {"title": "A film", "file-s3upload": upload["token"]})
    assert "The uploaded file is no longer there" in answer.content.decode()
    assert store.keys() == []


@pytest_db
def test_browser_gives_an_upload_back(store: AzureStore) -> None:
    browser = Browser()
    for size in (5000, 17 * MIB):
        upload = browser.choose(FORM, "file", "film.bin", size)
        if upload["method"] == "MULTIPART":
            browser.send_parts(upload, bytes(size))
        else:
            assert browser.send(upload, bytes(size)) == 201
        browser.abort(upload["token"])
        browser.abort(upload["token"])
    assert store.keys() == store.uploads() == store.uncommitted() == []


@pytest_db
def test_image_is_looked_at_by_its_beginning(store: AzureStore) -> None:
    from PIL import Image

    stream = io.BytesIO()
    Image.effect_noise((400, 300), 50).save(stream, "PNG")
    browser = Browser()
    token = browser.upload("/forms/picture/", "image", "photo.png", stream.getvalue(), "image/png")
    browser.submit("/forms/picture/", {"title": "A photo", "image-s3upload": token})
    picture = models.Picture.objects.get()
    assert (picture.image.width, picture.image.height) == (400, 300)
    assert settings_of(store, picture.image.name) == {"content_type": "image/png"}
