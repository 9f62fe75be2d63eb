"""Saving: what the saved object is like, what it costs, and what becomes of the pending one."""

from __future__ import annotations

import gzip
import io
import random
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from s3upload.backends import backend_named
from s3upload.backends.providers import Provider
from s3upload.backends.s3 import copying
from s3upload.exceptions import StoreUnavailable, UploadChanged, UploadGone
from s3upload.files import DirectUploadedFile, LocalUploadedFile, RequestUploads
from s3upload.middleware import S3UploadMiddleware
from s3upload.storage import S3UploadStorage
from s3upload.tokens import Token
from tests.conftest import FilesystemStore, S3Store
from tests.test_files import document_form, overwrite, request_uploads, uploaded
from tests.testapp import models
from tests.wire import Browser

MIB = 1024 * 1024
S3_STORES = pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
CEPH = pytest.mark.parametrize("store", ["ceph"], indirect=True)

BODY = b"\x00 some bytes \xff" * 100


def with_options(settings: Any, store: S3Store, **options: Any) -> None:
    """Give STORAGES["default"] further options."""
    default = {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": {**store.options, **options}}
    settings.STORAGES = {**settings.STORAGES, "default": default}


def opened(name: str) -> bytes:
    """Return what the site reads of a saved file."""
    with default_storage.open(name) as file:
        return bytes(file.read())


# --- what the saved object is like ----------------------------------------------------------


def test_saved_file_has_the_bytes_and_the_name(store: Any) -> None:
    name = default_storage.save("documents/report.txt", uploaded(BODY))
    assert name == "documents/report.txt"
    assert store.get(name) == BODY
    assert opened(name) == BODY


@S3_STORES
@pytest.mark.parametrize("name", ["Übersicht – 2026.txt", "a+b & c=d?.txt", "100%.txt", "it's #1;.txt", "日本.txt"])
def test_names_of_any_letters_are_copied_to(store: S3Store, name: str, settings: Any) -> None:
    settings.S3UPLOAD_PREFIX = "tmp/pending é +&=?%20"
    saved = default_storage.save(f"documents/{name}", uploaded(BODY))
    assert saved == f"documents/{name}"
    assert store.get(saved) == BODY


@S3_STORES
def test_content_type_of_the_upload_is_kept(store: S3Store) -> None:
    default_storage.save("a.bin", uploaded(BODY, "a.bin", "application/x-own"))
    assert store.head("a.bin")["ContentType"] == "application/x-own"


@S3_STORES
def test_object_parameters_of_the_storage_are_applied(store: S3Store, settings: Any) -> None:
    parameters = {
        "CacheControl": "max-age=86400",
        "ContentDisposition": "attachment",
        "Metadata": {"colour": "green"},
        "ContentType": "text/x-site",
    }
    with_options(settings, store, object_parameters=parameters)
    default_storage.save("a.txt", uploaded(BODY))
    head = store.head("a.txt")
    assert {name: head[name] for name in parameters} == parameters


@S3_STORES
def test_parameters_by_name_see_the_name_that_ordinary_files_have(
    store: S3Store, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def by_name(storage: S3UploadStorage, name: str) -> dict[str, Any]:
        asked.append(name)
        return {"CacheControl": "no-cache"} if name == "media/a.txt" else {}

    monkeypatch.setattr(S3UploadStorage, "get_object_parameters", by_name)
    with_options(settings, store, location="media")
    default_storage.save("./a.txt", ContentFile(BODY))
    [ordinary] = asked
    upload = uploaded(BODY)
    assert asked[1] == f"media/{upload.token.key}"
    default_storage.save("./a.txt", upload)
    assert asked[2:] == [ordinary]
    assert store.head("media/a.txt")["CacheControl"] == "no-cache"


@S3_STORES
@pytest.mark.parametrize("options", [{"default_acl": "public-read"}, {"object_parameters": {"ACL": "public-read"}}])
def test_acl_of_the_storage_is_applied(store: S3Store, settings: Any, options: dict[str, Any]) -> None:
    with_options(settings, store, **options)
    upload = uploaded(BODY)
    default_storage.save("public.txt", upload)

    def is_public(key: str) -> bool:
        grants = store.client.get_object_acl(Bucket=store.bucket, Key=key)["Grants"]
        return any(grant["Grantee"].get("URI", "").endswith("/AllUsers") for grant in grants)

    assert is_public("public.txt")
    assert not is_public(upload.token.key)


@S3_STORES
def test_nothing_that_was_set_on_the_pending_object_survives(store: S3Store) -> None:
    upload = uploaded(BODY)
    store.client.put_object(
        Bucket=store.bucket,
        Key=upload.token.key,
        Body=BODY,
        ContentType="text/plain",
        CacheControl="max-age=1",
        ContentDisposition="inline",
        ContentLanguage="tlh",
        Metadata={"by": "the browser"},
        Tagging="by=browser",
    )
    default_storage.save("a.txt", upload)
    head = store.head("a.txt")
    assert head["Metadata"] == {}
    assert not head.keys() & {"CacheControl", "ContentDisposition", "ContentLanguage"}
    assert head["ContentType"] == "text/plain"


@pytest.mark.parametrize("store", ["localstack"], indirect=True)
def test_tags_are_those_of_the_storage(store: S3Store, settings: Any) -> None:
    with_options(settings, store, object_parameters={"Tagging": "by=site"})
    upload = uploaded(BODY)
    tags: Any = {"TagSet": [{"Key": "by", "Value": "browser"}]}
    store.client.put_object_tagging(Bucket=store.bucket, Key=upload.token.key, Tagging=tags)
    default_storage.save("a.txt", upload)
    saved = store.client.get_object_tagging(Bucket=store.bucket, Key="a.txt")
    assert saved["TagSet"] == [{"Key": "by", "Value": "site"}]


@pytest.mark.parametrize("overwrite_option", [True, False])
@S3_STORES
def test_file_overwrite_option_is_kept(store: S3Store, settings: Any, overwrite_option: bool) -> None:
    with_options(settings, store, file_overwrite=overwrite_option)
    store.put("a.txt", b"older")
    name = default_storage.save("a.txt", uploaded(BODY))
    assert (name == "a.txt") == overwrite_option
    assert store.get(name) == BODY
    assert (store.get("a.txt") == b"older") != overwrite_option


@S3_STORES
@pytest.mark.parametrize("by", ["option", "setting"])
def test_everything_is_below_the_location(store: S3Store, settings: Any, by: str) -> None:
    if by == "option":
        with_options(settings, store, location="some/where")
    else:
        settings.AWS_LOCATION = "some/where"
        with_options(settings, store)
    upload = uploaded(BODY)
    assert store.keys() == [f"some/where/{upload.token.key}"]
    assert upload.token.key.startswith("tmp/s3upload/")
    assert default_storage.save("a.txt", upload) == "a.txt"
    assert store.get("some/where/a.txt") == BODY
    assert opened("a.txt") == BODY


@S3_STORES
def test_gzip_option_compresses_the_types_that_it_names(store: S3Store, settings: Any) -> None:
    with_options(settings, store, gzip=True, gzip_content_types=["text/plain"])
    text, image = uploaded(BODY, "a.txt", "text/plain"), uploaded(BODY, "a.png", "image/png")
    default_storage.save("a.txt", text)
    default_storage.save("a.png", image)
    assert store.head("a.txt")["ContentEncoding"] == "gzip"
    assert gzip.decompress(store.get("a.txt")) == BODY
    assert "ContentEncoding" not in store.head("a.png")
    assert store.get("a.png") == BODY
    assert text.is_stored


@S3_STORES
def test_name_of_a_compressed_file_sets_its_encoding(store: S3Store) -> None:
    body = gzip.compress(BODY)
    default_storage.save("a.csv.gz", uploaded(body, "a.csv.gz", "text/csv"))
    default_storage.save("b.csv.gz", SimpleUploadedFile("b.csv.gz", body, "text/csv"))
    heads = [store.head(name) for name in ("a.csv.gz", "b.csv.gz")]
    assert heads[0].get("ContentEncoding") == heads[1].get("ContentEncoding")
    assert store.get("a.csv.gz") == body


@S3_STORES
@pytest.mark.parametrize(
    "ordinary",
    [
        lambda: ContentFile(BODY),
        lambda: ContentFile("some text", "text"),
        lambda: SimpleUploadedFile("x.txt", BODY, "text/plain"),
        lambda: InMemoryUploadedFile(io.BytesIO(BODY), "file", "x", "text/plain", len(BODY), None),
        lambda: File(io.BytesIO(BODY), "x.txt"),
        lambda: io.BytesIO(BODY),
    ],
    ids=["content", "text", "simple", "in memory", "file", "stream"],
)
def test_ordinary_files_are_saved(store: S3Store, ordinary: Callable[[], Any], call_count: Any) -> None:
    file = ordinary()
    assert default_storage.save("a.txt", file) == "a.txt"
    assert store.get("a.txt") == (b"some text" if getattr(file, "name", "") == "text" else BODY)
    assert call_count["PutObject"] == 1


def test_upload_in_a_file_of_djangos_is_saved(store: Any, call_count: Any) -> None:
    default_storage.save("a.txt", File(uploaded(BODY), "a name of its own"))
    assert store.get("a.txt") == BODY
    assert call_count == ({} if store.name == "filesystem" else {"HeadObject": 1, "CopyObject": 1})


def test_empty_file_is_saved(store: Any) -> None:
    default_storage.save("empty.txt", uploaded(b""))
    assert store.get("empty.txt") == b""


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_folder_moves_the_file_into_place(store: FilesystemStore) -> None:
    upload = uploaded(BODY)
    inode = (store.folder / upload.token.key).stat().st_ino
    default_storage.save("a.txt", upload)
    assert (store.folder / "a.txt").stat().st_ino == inode


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_folder_keeps_two_files_of_one_name(store: FilesystemStore) -> None:
    names = [default_storage.save("a.txt", uploaded(body)) for body in (b"one", b"two")]
    assert [store.get(name) for name in names] == [b"one", b"two"]


# --- to another store -----------------------------------------------------------------------


@S3_STORES
def test_other_bucket_of_the_same_account_is_copied_to(store: S3Store, make_bucket: Any, call_count: Any) -> None:
    other = make_bucket(store.name)
    storage = S3UploadStorage(**other.options)
    upload = uploaded(BODY)
    call_count.clear()
    storage.save("a.txt", upload)
    assert other.get("a.txt") == BODY
    assert call_count == {"HeadObject": 1, "CopyObject": 1}
    assert upload.is_stored


@CEPH
def test_other_store_gets_the_bytes_in_bounded_memory(store: S3Store, make_bucket: Any, call_count: Any) -> None:
    other = make_bucket("localstack")
    storage = S3UploadStorage(**other.options, transfer_config=TransferConfig(use_threads=False))
    body = random.Random(3).randbytes(40 * MIB)
    upload = uploaded(body)
    call_count.clear()
    tracemalloc.start()
    try:
        storage.save("a.bin", upload)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB
    assert call_count["CopyObject"] == 0
    assert call_count["GetObject"] <= 25
    assert other.get("a.bin") == body
    assert upload.is_stored


@CEPH
def test_other_account_gets_the_bytes(store: S3Store, call_count: Any) -> None:
    theirs = store.account.client(other=True)
    bucket = f"{store.bucket}-other"
    theirs.create_bucket(Bucket=bucket)
    account = {"access_key": store.account.other_access_key, "secret_key": store.account.other_secret_key}
    storage = S3UploadStorage(**{**store.options, **account, "bucket_name": bucket})
    try:
        storage.save("a.txt", uploaded(BODY))
        assert theirs.get_object(Bucket=bucket, Key="a.txt")["Body"].read() == BODY
        assert call_count["CopyObject"] == 0
    finally:
        theirs.delete_object(Bucket=bucket, Key="a.txt")
        theirs.delete_bucket(Bucket=bucket)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_file_in_a_folder_is_saved_to_a_bucket(store: FilesystemStore, bucket: S3Store) -> None:
    uploads = request_uploads()
    upload = uploaded(BODY, uploads=uploads)
    S3UploadStorage(**bucket.options).save("a.txt", upload)
    assert bucket.get("a.txt") == BODY
    assert upload.is_stored
    uploads.finish(delete=True)
    assert store.keys() == []


@S3_STORES
def test_file_in_a_bucket_is_saved_to_a_folder(store: S3Store, tmp_path: Any) -> None:
    upload = uploaded(BODY)
    FileSystemStorage(tmp_path).save("a.txt", upload)
    assert (tmp_path / "a.txt").read_bytes() == BODY


# --- objects that one copy does not take ----------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy in parts what is larger than one, of the smallest size that stores take."""
    monkeypatch.setattr(copying, "COPY_LIMIT", 5 * MIB)
    monkeypatch.setattr(copying, "COPY_PART_SIZE", 5 * MIB)


def open_multipart_uploads(store: S3Store) -> list[Any]:
    return list(store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []))


@S3_STORES
@pytest.mark.parametrize(
    ("size", "parts"),
    [(5 * MIB, 0), (5 * MIB + 1, 2), (10 * MIB, 2), (12 * MIB + 345, 3)],
)
@pytest.mark.usefixtures("small_parts")
def test_large_object_is_copied_in_parts(
    store: S3Store, settings: Any, call_count: Any, size: int, parts: int
) -> None:
    with_options(settings, store, object_parameters={"CacheControl": "no-cache", "Metadata": {"colour": "green"}})
    body = random.Random(4).randbytes(size)
    default_storage.save("large.bin", uploaded(body, "large.bin", "application/x-own"))
    assert call_count["UploadPartCopy"] == parts
    assert call_count["CopyObject"] == (not parts)
    assert store.get("large.bin") == body
    head = store.head("large.bin")
    assert (head["ContentType"], head["CacheControl"]) == ("application/x-own", "no-cache")
    assert head["Metadata"] == {"colour": "green"}
    assert open_multipart_uploads(store) == []


@CEPH
@pytest.mark.usefixtures("small_parts")
def test_number_of_parts_stays_within_the_limit(
    store: S3Store, call_count: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_named("default"), "provider", Provider(max_count=2))
    body = random.Random(5).randbytes(12 * MIB + 1)
    default_storage.save("large.bin", uploaded(body))
    assert call_count["UploadPartCopy"] == 2
    assert store.get("large.bin") == body


@S3_STORES
@pytest.mark.usefixtures("small_parts")
def test_large_object_replaced_after_validation_is_not_saved(store: S3Store) -> None:
    upload = uploaded(bytes(6 * MIB))
    assert upload.size
    overwrite(upload, b"1" * 6 * MIB)
    with pytest.raises(UploadChanged):
        default_storage.save("large.bin", upload)
    assert store.keys() == [upload.token.key]
    assert open_multipart_uploads(store) == []


def in_parts(body: bytes) -> DirectUploadedFile:
    """Send a file in parts, and return what a request that posts its token has in its FILES."""
    signed = Browser().upload("/forms/plain/", "file", "large.bin", body)
    token, _expired = Token.unsign(signed)
    return RequestUploads(lambda: frozenset({token.owner})).add(token, signed)


@S3_STORES
def test_object_of_parts_costs_what_any_other_costs(store: S3Store, call_count: Any) -> None:
    """Its ETag is no checksum of its content, and need not be: its upload is over."""
    body = random.Random(8).randbytes(17 * MIB)
    upload = in_parts(body)
    call_count.clear()
    default_storage.save("large.bin", upload)
    assert call_count == {"HeadObject": 1, "CopyObject": 1}
    assert store.get("large.bin") == body


@S3_STORES
@pytest.mark.usefixtures("small_parts")
def test_large_object_of_parts_is_copied_in_parts(store: S3Store, call_count: Any) -> None:
    body = random.Random(9).randbytes(17 * MIB)
    upload = in_parts(body)
    call_count.clear()
    default_storage.save("large.bin", upload)
    # One to validate, one to see that it is still the same.
    assert call_count == {
        "HeadObject": 2,
        "CreateMultipartUpload": 1,
        "UploadPartCopy": 4,
        "CompleteMultipartUpload": 1,
    }
    assert store.get("large.bin") == body
    assert open_multipart_uploads(store) == []


@S3_STORES
@pytest.mark.parametrize("failing", ["UploadPartCopy", "CompleteMultipartUpload"])
@pytest.mark.usefixtures("small_parts")
def test_copy_in_parts_that_fails_leaves_nothing(
    store: S3Store, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploaded(bytes(6 * MIB))
    client = backend_named("default").copier  # type: ignore[attr-defined]
    # It is the store that refuses: it never gave out such an upload.
    client.meta.events.register(
        f"provide-client-params.s3.{failing}", lambda params, **_: {**params, "UploadId": "nobody's"}
    )
    with pytest.raises(StoreUnavailable):
        default_storage.save("large.bin", upload)
    assert store.keys() == [upload.token.key]
    assert open_multipart_uploads(store) == []


# --- what it costs --------------------------------------------------------------------------


@S3_STORES
@pytest.mark.django_db(transaction=True)
def test_one_file_costs_three_calls(store: S3Store, call_count: Any) -> None:
    browser = Browser()
    token = browser.upload("/forms/document/", "file", "a.txt", BODY, "text/plain")
    assert not call_count
    browser.submit("/forms/document/", {"title": "t", "file-s3upload": token})
    assert call_count == {"HeadObject": 1, "CopyObject": 1, "DeleteObjects": 1}
    assert store.keys() == ["documents/a.txt"]


@S3_STORES
def test_file_that_boto3_would_copy_in_parts_is_copied_at_once(store: S3Store, call_count: Any) -> None:
    upload = uploaded(bytes(9 * MIB))
    default_storage.save("large.bin", upload)
    assert call_count == {"HeadObject": 1, "CopyObject": 1}


@CEPH
def test_threads_share_one_client(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ASGI every request may come in a thread of its own, and to make a client takes long."""
    made: list[str] = []
    make_client = boto3.Session.client

    def counted(session: boto3.Session, *args: Any, **kwargs: Any) -> Any:
        made.append(threading.current_thread().name)
        return make_client(session, *args, **kwargs)

    monkeypatch.setattr(boto3.Session, "client", counted)
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait()
        with suppress(UploadGone):
            backend_named("default").stat("tmp/nothing")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


@S3_STORES
@pytest.mark.django_db(transaction=True)
def test_many_files_are_deleted_in_one_call(store: S3Store, call_count: Any) -> None:
    browser = Browser()
    tokens = [browser.upload("/forms/several/", "files", f"{number}.txt", BODY) for number in range(7)]
    browser.submit("/forms/several/", {"title": "t", "files-s3upload": tokens})
    assert call_count == {"HeadObject": 7, "CopyObject": 7, "DeleteObjects": 1}
    assert store.keys() == [f"plain/{number}.txt" for number in range(7)]


@CEPH
@pytest.mark.django_db(transaction=True)
def test_form_with_an_error_costs_one_call(store: S3Store, call_count: Any) -> None:
    browser = Browser()
    token = browser.upload("/forms/document/", "file", "a.txt", BODY)
    page = browser.submit("/forms/document/", {"title": "", "file-s3upload": token})
    assert call_count == {"HeadObject": 1}
    [kept] = page.kept("file")
    page = browser.submit("/forms/document/", {"title": "t", "file-s3upload": kept["value"]})
    assert page.result["saved"] == ["documents/a.txt"]


# --- what becomes of the pending object -----------------------------------------------------


class Site:
    """A site of one view, with the middleware around it."""

    def __init__(self, view: Callable[[HttpRequest, DirectUploadedFile], Any]) -> None:
        self.view = view

    def post(self, signed_token: str) -> HttpResponse:
        request = RequestFactory().post("/", {"file-s3upload": signed_token})
        answer = S3UploadMiddleware(self._answer)(request)
        assert isinstance(answer, HttpResponse)
        return answer

    def _answer(self, request: HttpRequest) -> HttpResponse:
        # As Django's handler makes an answer of what a view raises.
        try:
            answer = self.view(request, request.FILES["file"])  # type: ignore[arg-type]
        except Rejected:
            return HttpResponse(status=500)
        return answer if isinstance(answer, HttpResponse) else HttpResponse()


class Rejected(Exception):
    """What goes wrong in a view after a file was saved."""


def save_document(request: HttpRequest, upload: DirectUploadedFile) -> None:
    form = document_form(upload)
    assert form.is_valid(), form.errors
    form.save()


def save_in_atomic(request: HttpRequest, upload: DirectUploadedFile) -> None:
    with transaction.atomic():
        save_document(request, upload)
        assert default_storage.exists(upload.token.key)


def save_in_nested_atomic(request: HttpRequest, upload: DirectUploadedFile) -> None:
    with transaction.atomic(), transaction.atomic():
        save_document(request, upload)


def raise_in_atomic(request: HttpRequest, upload: DirectUploadedFile) -> None:
    with transaction.atomic():
        save_document(request, upload)
        raise Rejected


def roll_back_and_answer(request: HttpRequest, upload: DirectUploadedFile) -> None:
    try:
        raise_in_atomic(request, upload)
    except Rejected:
        assert not models.Document.objects.exists()


def roll_back_the_inner_of_two(request: HttpRequest, upload: DirectUploadedFile) -> None:
    with transaction.atomic():
        roll_back_and_answer(request, upload)


def roll_back_the_outer_of_two(request: HttpRequest, upload: DirectUploadedFile) -> None:
    with transaction.atomic():
        with transaction.atomic():
            save_document(request, upload)
        raise Rejected


def set_rollback(request: HttpRequest, upload: DirectUploadedFile) -> None:
    with transaction.atomic():
        save_document(request, upload)
        transaction.set_rollback(True)


def raise_after_saving(request: HttpRequest, upload: DirectUploadedFile) -> None:
    save_document(request, upload)
    raise Rejected


def answer_with_500(request: HttpRequest, upload: DirectUploadedFile) -> HttpResponse:
    save_document(request, upload)
    return HttpResponse(status=500)


def fail_in_the_database(request: HttpRequest, upload: DirectUploadedFile) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE testapp_document RENAME TO elsewhere")
    try:
        with transaction.atomic():
            save_document(request, upload)
    except Exception as error:
        raise Rejected from error
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO testapp_document")


def look_at_it_alone(request: HttpRequest, upload: DirectUploadedFile) -> None:
    assert upload.read() == BODY


def ask_for_its_path_alone(request: HttpRequest, upload: DirectUploadedFile) -> None:
    if isinstance(upload, LocalUploadedFile):
        assert Path(upload.temporary_file_path()).read_bytes() == BODY
    else:
        assert not hasattr(upload, "temporary_file_path")


def signed(upload: DirectUploadedFile) -> str:
    return upload.token.sign()


@pytest.fixture
def anybody(settings: Any) -> None:
    """A site without sessions and CSRF protection: nobody owns an upload."""
    settings.MIDDLEWARE = ["s3upload.middleware.S3UploadMiddleware"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("anybody")
@pytest.mark.parametrize("view", [save_document, save_in_atomic, save_in_nested_atomic])
def test_pending_object_is_deleted_once_it_is_committed(store: Any, view: Any) -> None:
    assert Site(view).post(signed(uploaded(BODY))).status_code == 200
    document = models.Document.objects.get()
    assert store.keys() == [document.file.name]
    assert store.get(document.file.name) == BODY


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("anybody")
@pytest.mark.parametrize(
    ("view", "status"),
    [
        (raise_in_atomic, 500),
        (roll_back_and_answer, 200),
        (roll_back_the_inner_of_two, 200),
        (roll_back_the_outer_of_two, 500),
        (set_rollback, 200),
        (raise_after_saving, 500),
        (answer_with_500, 500),
        (fail_in_the_database, 500),
        (look_at_it_alone, 200),
        (ask_for_its_path_alone, 200),
    ],
)
def test_pending_object_is_kept_and_its_token_works_again(store: Any, view: Any, status: int) -> None:
    upload = uploaded(BODY)
    assert Site(view).post(signed(upload)).status_code == status
    assert store.get(upload.token.key) == BODY
    models.Document.objects.all().delete()
    assert Site(save_document).post(signed(upload)).status_code == 200
    assert store.get(models.Document.objects.get().file.name) == BODY
    assert not store.keys("tmp/")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("anybody")
def test_saved_again_in_one_request(store: Any) -> None:
    def save_twice(request: HttpRequest, upload: DirectUploadedFile) -> None:
        for _ in range(2):
            with transaction.atomic():
                save_document(request, upload)

    upload = uploaded(BODY)
    with_names = {"filesystem": 2}.get(store.name, 1)  # django-storages overwrites
    assert Site(save_twice).post(signed(upload)).status_code == 200
    assert [store.get(document.file.name) for document in models.Document.objects.all()] == [BODY, BODY]
    assert len(store.keys()) == with_names


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("anybody")
def test_form_that_comes_back_after_a_rollback_keeps_the_upload(store: Any) -> None:
    kept: list[bool] = []

    def come_back(request: HttpRequest, upload: DirectUploadedFile) -> None:
        roll_back_and_answer(request, upload)
        kept.append(upload.is_kept)

    Site(come_back).post(signed(uploaded(BODY)))
    assert kept == [True]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("anybody")
def test_form_that_comes_back_after_a_save_does_not_keep_the_upload(store: Any) -> None:
    kept: list[bool] = []

    def come_back(request: HttpRequest, upload: DirectUploadedFile) -> None:
        save_document(request, upload)
        kept.append(upload.is_kept)

    Site(come_back).post(signed(uploaded(BODY)))
    assert kept == [False]


@pytest.mark.django_db(transaction=True)
def test_atomic_requests(store: Any) -> None:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        browser = Browser()
        url = "/forms/document/"
        token = browser.upload(url, "file", "a.txt", BODY)
        page = browser.submit(url, {"title": "t", "file-s3upload": token})
        assert store.keys() == page.result["saved"]
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("anybody")
def test_saved_after_the_answer_is_deleted_at_once(store: Any) -> None:
    later: list[DirectUploadedFile] = []
    Site(lambda request, upload: later.append(upload)).post(signed(uploaded(BODY)))
    assert store.keys("tmp/")
    save_document(HttpRequest(), later[0])
    assert store.get(models.Document.objects.get().file.name) == BODY
    # A folder is told that a file will be moved, not that it was: the clean-up finds the pending one.
    assert len(store.keys("tmp/")) == (store.name == "filesystem")


@S3_STORES
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("anybody")
def test_pending_object_that_cannot_be_deleted_is_no_error(store: S3Store, caplog: pytest.LogCaptureFixture) -> None:
    def save_and_lose_the_store(request: HttpRequest, upload: DirectUploadedFile) -> None:
        save_document(request, upload)
        client = backend_named("default").client  # type: ignore[attr-defined]
        client.meta.events.register(
            "provide-client-params.s3.DeleteObjects", lambda params, **_: {**params, "Bucket": "no-such-bucket"}
        )

    assert Site(save_and_lose_the_store).post(signed(uploaded(BODY))).status_code == 200
    assert "1 pending objects were not deleted" in caplog.text
    assert models.Document.objects.exists()
