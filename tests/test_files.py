"""The uploaded file, and what the files of one request share; on every store where that may differ."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import pickle
import random
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.config import Config
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import connections, transaction
from django.forms import Form
from django.utils import translation
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy
from PIL import Image

from s3upload.backends import backend_named
from s3upload.exceptions import StoreUnavailable, UploadChanged, UploadForeign, UploadGone
from s3upload.files import DirectUploadedFile, RequestUploads, after_commit
from s3upload.reader import LARGEST_READ, ObjectReader
from s3upload.tokens import Token
from tests.servers.base import free_port
from tests.settings import SQLITE
from tests.testapp import models
from tests.testapp.forms import DocumentForm, ImageForm, PlainForm
from tests.wire import Browser, send

MIB = 1024 * 1024
S3_STORES = pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
CEPH = pytest.mark.parametrize("store", ["ceph"], indirect=True)


def token_for(name: str, size: int, content_type: str, **changes: Any) -> Token:
    key = backend_named("default").new_key("a.txt")
    return Token(
        **{
            "storage": "default",
            "key": key,
            "name": name,
            "size": size,
            "content_type": content_type,
            "field": "file",
            "owner": "",
            **changes,
        }
    )


def uploaded(
    body: bytes,
    name: str = "report.txt",
    content_type: str = "text/plain",
    uploads: RequestUploads | None = None,
) -> DirectUploadedFile:
    """Send a file to the store, and return what a request that posts its token has in its FILES."""
    token = token_for(name, len(body), content_type)
    assert send(backend_named("default").presign(token), body) < 300
    return (uploads or request_uploads()).add(token, token.sign())


def request_uploads() -> RequestUploads:
    return RequestUploads(lambda: frozenset({""}))


def overwrite(upload: DirectUploadedFile, body: bytes) -> None:
    """Send another file under the presigned request of an upload."""
    assert send(backend_named("default").presign(upload.token), body) < 300


@pytest.fixture
def fetched(store: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of what is read from the store, from now on."""
    lengths: list[int] = []
    backend_class = type(backend_named("default"))
    read = backend_class.read

    def counted(*arguments: Any) -> bytes:
        data = read(*arguments)
        lengths.append(len(data))
        return data

    monkeypatch.setattr(backend_class, "read", counted)
    return lengths


# --- as an UploadedFile ---------------------------------------------------------------------

LINES = b"one,1\ntwo,2\r\nthree,\xc3\xa9\n\n" + b"long " * 30_000 + b"\nlast"


def in_text(file: UploadedFile[Any]) -> list[str]:
    text = io.TextIOWrapper(file, encoding="utf-8")  # type: ignore[type-var]
    lines = list(text)
    text.detach()
    return lines


def in_with(file: UploadedFile[Any]) -> Any:
    with file.open("rb") as opened:
        return opened.read(9), opened.closed


def read_into(file: UploadedFile[Any]) -> Any:
    buffer = bytearray(7)
    return file.readinto(buffer), bytes(buffer)


WAYS_TO_USE: dict[str, Callable[[UploadedFile[Any]], Any]] = {
    "its properties": lambda file: (file.name, file.size, len(file), file.content_type, file.charset, bool(file)),
    "its name as text": lambda file: str(file),
    "further parameters of its type": lambda file: file.content_type_extra or {},
    "open from the beginning": lambda file: (file.closed, file.tell(), file.readable(), file.seekable()),
    "read": lambda file: file.read(),
    "read to the end and beyond": lambda file: (len(file.read()), file.read(), file.read(1), file.tell()),
    "read some": lambda file: [file.read(0), file.read(1), file.read(100), file.tell(), file.read(-1)],
    "read large pieces": lambda file: [len(file.read(70_000)) for _ in range(4)],
    "read twice": lambda file: (file.read(), file.seek(0), file.read()),
    "seek from the end": lambda file: (file.seek(-4, io.SEEK_END), file.read(), file.tell()),
    "seek from here": lambda file: (file.read(3), file.seek(4, io.SEEK_CUR), file.read(3), file.tell()),
    "seek backwards": lambda file: (file.seek(100_000), file.read(2), file.seek(10), file.read(2)),
    "seek beyond the end": lambda file: (file.seek(10**9), file.read(5), file.tell()),
    "read into a buffer": read_into,
    "lines": lambda file: list(file),
    "lines, twice": lambda file: (list(file), list(file)),
    "readline": lambda file: [file.readline() for _ in range(7)],
    "readlines": lambda file: file.readlines(),
    "chunks": lambda file: list(file.chunks()),
    "small chunks": lambda file: list(file.chunks(1000)),
    "chunks after a read": lambda file: (file.read(10), b"".join(file.chunks())),
    "multiple chunks": lambda file: (file.multiple_chunks(), file.multiple_chunks(10**6)),
    "text": in_text,
    "with": in_with,
    "open again": lambda file: (file.read(5), file.open().read(5), file.open("rb").tell()),
}


@pytest.mark.parametrize("way", WAYS_TO_USE)
def test_uploaded_file_behaves_as_djangos_own(store: Any, way: str) -> None:
    use = WAYS_TO_USE[way]
    djangos = UploadedFile(io.BytesIO(LINES), "report.txt", "text/plain", len(LINES))
    assert use(uploaded(LINES)) == use(djangos)


def test_uploaded_file_can_be_opened_after_it_was_closed(store: Any) -> None:
    upload = uploaded(LINES)
    upload.read(4)
    with upload:
        pass
    assert upload.closed
    assert upload.open().read() == LINES
    assert not upload.closed


@CEPH
def test_zip_file_opens_without_being_fetched(store: Any, fetched: list[int]) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("first.txt", "first")
        target.writestr("noise", random.Random(1).randbytes(4 * MIB))
        target.writestr("last.txt", "last")
    upload = uploaded(archive.getvalue(), "archive.zip", "application/zip")
    with zipfile.ZipFile(upload) as opened:
        assert opened.namelist() == ["first.txt", "noise", "last.txt"]
        assert opened.read("first.txt") == b"first"
        assert opened.read("last.txt") == b"last"
    assert sum(fetched) < MIB


@CEPH
def test_empty_file_is_read_without_asking(store: Any, call_count: Any) -> None:
    upload = uploaded(b"")
    assert upload.read() == b""
    assert list(upload) == []
    assert call_count == {"HeadObject": 1}


def test_reading_a_closed_file_is_an_error(store: Any) -> None:
    upload = uploaded(LINES)
    upload.read(1)
    upload.close()
    upload.close()
    assert upload.closed
    with pytest.raises(ValueError, match="closed"):
        upload.read()


@CEPH
@pytest.mark.parametrize("mode", ["w", "wb", "r+b", "ab"])
def test_opening_for_anything_but_reading_is_an_error(store: Any, mode: str) -> None:
    with pytest.raises(ValueError, match=repr(mode)):
        uploaded(LINES).open(mode)


@CEPH
def test_names_that_are_no_file_names_are_cleaned_as_django_does(store: Any) -> None:
    upload = uploaded(b"x")
    upload.name = "../../etc/passwd"
    assert upload.name == "passwd"


def test_reader_refuses_to_go_before_the_beginning() -> None:
    reader = ObjectReader(lambda start, size: bytes(size), 10)
    with pytest.raises(ValueError, match="-1"):
        reader.seek(-1)
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.readinto(bytearray(1))


# --- how much is read -----------------------------------------------------------------------


@CEPH
def test_large_file_is_read_in_bounded_memory_and_few_requests(store: Any, call_count: Any) -> None:
    body = random.Random(2).randbytes(40 * MIB)
    digest = hashlib.sha256(body).digest()
    upload = uploaded(body)
    del body
    read = hashlib.sha256()
    tracemalloc.start()
    try:
        for chunk in upload.chunks():
            read.update(chunk)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read.digest() == digest
    assert peak < 16 * MIB
    assert call_count["HeadObject"] == 1
    assert call_count["GetObject"] <= 20


@CEPH
def test_read_ahead_grows_while_reading_goes_on_and_starts_small_elsewhere(store: Any, fetched: list[int]) -> None:
    upload = uploaded(bytes(12 * MIB))
    upload.seek(6 * MIB)
    upload.read(10)
    assert sum(fetched) < MIB / 4
    upload.seek(0)
    fetched.clear()
    while upload.read(MIB):
        pass
    assert fetched[0] < MIB / 4
    assert max(fetched) == LARGEST_READ
    assert sum(fetched) == 12 * MIB
    fetched.clear()
    upload.seek(-10, io.SEEK_END)
    upload.read()
    assert sum(fetched) < MIB / 4


# --- images ---------------------------------------------------------------------------------


ONE_ATTEMPT = Config(connect_timeout=1, retries={"total_max_attempts": 1})


def closed_address() -> str:
    return f"http://127.0.0.1:{free_port()}"


def noise(format_: str, size: tuple[int, int] = (2400, 1800)) -> bytes:
    """Return an image that does not compress, of some megabytes."""
    file = io.BytesIO()
    Image.effect_noise(size, 100).save(file, format_, **({"quality": 97} if format_ == "JPEG" else {}))
    return file.getvalue()


def image_form(upload: DirectUploadedFile) -> ImageForm:
    return ImageForm({}, MultiValueDict({"image": [upload]}))


def test_large_image_is_validated_by_its_beginning(store: Any, fetched: list[int]) -> None:
    body = noise("JPEG")
    assert len(body) > 2 * MIB
    upload = uploaded(body, "photo.jpeg", "image/jpeg")
    form = image_form(upload)
    assert form.is_valid(), form.errors
    assert sum(fetched) < len(body) / 10
    cleaned = form.cleaned_data["image"]
    assert cleaned.image.size == (2400, 1800)
    assert cleaned.image.format == "JPEG"
    assert cleaned.content_type == "image/jpeg"
    assert cleaned.tell() == 0
    assert cleaned.read() == body


@CEPH
def test_png_is_read_once_to_verify_its_checksums(store: Any, fetched: list[int]) -> None:
    body = noise("PNG")
    form = image_form(uploaded(body, "photo.png", "image/png"))
    assert form.is_valid(), form.errors
    assert form.cleaned_data["image"].image.format == "PNG"
    assert sum(fetched) < len(body) * 1.2


@CEPH
def test_content_type_is_what_the_image_is(store: Any) -> None:
    form = image_form(uploaded(noise("PNG", (9, 9)), "photo.jpg", "image/jpeg"))
    assert form.is_valid(), form.errors
    assert form.cleaned_data["image"].content_type == "image/png"


def test_broken_image_is_an_error_on_the_field(store: Any) -> None:
    upload = uploaded(b"\x89PNG\r\n\x1a\n" + bytes(1000), "photo.png", "image/png")
    form = image_form(upload)
    assert form.errors.as_data()["image"][0].code == "invalid_image"
    assert not upload.is_kept


@CEPH
def test_image_that_cannot_be_read_is_not_called_broken(store: Any) -> None:
    # Larger than what is read when the store is first asked.
    upload = uploaded(noise("PNG", (300, 300)), "photo.png", "image/png")
    assert upload.size
    overwrite(upload, bytes(upload.size))
    assert image_form(upload).errors.as_data()["image"][0].code == "upload_changed"


@CEPH
@pytest.mark.parametrize("form_class", [PlainForm, ImageForm])
def test_upload_is_kept_while_the_store_does_not_answer(store: Any, settings: Any, form_class: type[Form]) -> None:
    upload = uploaded(noise("PNG", (9, 9)), "photo.png", "image/png")
    there = settings.STORAGES["default"]
    options = {**there["OPTIONS"], "endpoint_url": closed_address(), "client_config": ONE_ATTEMPT}
    settings.STORAGES = {**settings.STORAGES, "default": {**there, "OPTIONS": options}}
    files = MultiValueDict({"file": [upload], "image": [upload]})
    [errors] = form_class({"title": "t"}, files).errors.as_data().values()
    assert [error.code for error in errors] == ["store_unavailable"]
    assert upload.is_kept


@pytest.mark.django_db(transaction=True)
def test_image_fields_of_a_model_know_width_and_height(store: Any) -> None:
    browser = Browser()
    body = noise("PNG", (31, 17))
    token = browser.upload("/forms/picture/", "image", "small.png", body, "image/png")
    page = browser.submit("/forms/picture/", {"title": "small", "image-s3upload": token})
    picture = models.Picture.objects.get()
    assert (picture.width, picture.height) == (31, 17)
    assert store.get(page.result["saved"][0]) == body
    assert store.keys() == page.result["saved"]


# --- asking the store -----------------------------------------------------------------------


@S3_STORES
def test_files_of_a_request_are_asked_about_once_and_at_the_same_time(
    store: Any, call_count: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = request_uploads()
    files = [uploaded(b"x" * number, uploads=uploads) for number in range(1, 21)]
    assert not call_count
    # Four at a time, or nobody gets on.
    four = threading.Barrier(4, timeout=20)
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def together(client: BaseClient, operation: str, parameters: Any) -> Any:
        if operation == "HeadObject":
            four.wait()
        return call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", together)
    assert files[11].size == 12
    assert call_count == {"HeadObject": 20}
    assert [file.size for file in files] == list(range(1, 21))
    assert call_count == {"HeadObject": 20}


@CEPH
def test_nothing_is_asked_before_somebody_looks(store: Any, call_count: Any) -> None:
    upload = uploaded(LINES)
    assert (upload.name, upload.content_type, bool(upload), upload.closed) == ("report.txt", "text/plain", True, False)
    upload.close()
    assert not call_count


def test_object_that_is_gone_is_an_error_on_its_field_alone(store: Any) -> None:
    uploads = request_uploads()
    gone, there = uploaded(b"gone", uploads=uploads), uploaded(b"there", uploads=uploads)
    backend_named("default").delete([gone.token.key])
    form = PlainForm({"title": "t"}, MultiValueDict({"file": [gone]}))
    assert [error.code for error in form.errors.as_data()["file"]] == ["upload_gone"]
    assert not gone.is_kept
    assert PlainForm({"title": "t"}, MultiValueDict({"file": [there]})).is_valid()


@pytest.mark.parametrize(
    ("store", "changes"),
    [
        ("filesystem", {"size": 4}),
        ("filesystem", {"size": 6}),
        ("ceph", {"size": 4}),
        ("ceph", {"size": 6}),
        # A folder keeps no types: the dummy compares them when the file is sent.
        ("ceph", {"content_type": "image/png"}),
        ("localstack", {"content_type": "image/png"}),
    ],
    indirect=["store"],
)
def test_object_that_is_not_what_was_agreed_on_is_refused(store: Any, changes: dict[str, Any]) -> None:
    body = b"five!"
    token = token_for("a.txt", len(body), "text/plain")
    assert send(backend_named("default").presign(token), body) < 300
    agreed = token_for("a.txt", **{"size": 5, "content_type": "text/plain", "key": token.key, **changes})
    upload = request_uploads().add(agreed, agreed.sign())
    for look in (lambda: upload.size, lambda: upload.read(), lambda: default_storage.save("a.txt", upload)):
        with pytest.raises(UploadChanged):
            look()
    assert store.keys() == [token.key]


def test_storage_that_the_site_has_no_longer(store: Any) -> None:
    token = token_for("a.txt", 1, "text/plain", storage="former")
    upload = request_uploads().add(token, token.sign())
    with pytest.raises(UploadGone):
        _ = upload.size


def test_file_of_somebody_else_is_not_even_asked_about(store: Any, call_count: Any) -> None:
    token = token_for("a.txt", 1, "text/plain", owner="somebody else")
    upload = request_uploads().add(token, token.sign())
    with pytest.raises(UploadForeign):
        _ = upload.size
    assert not call_count


def test_messages_are_in_the_language_of_the_request(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UploadGone, "default_message", gettext_lazy("This field is required."))
    uploads = request_uploads()
    tokens = [token_for("a.txt", 1, "text/plain") for _ in range(3)]
    files = [uploads.add(token, token.sign()) for token in tokens]
    with translation.override("de"):
        form = PlainForm({"title": "t"}, MultiValueDict({"file": files[:1]}))
        assert form.errors["file"] == ["Dieses Feld ist zwingend erforderlich."]


# --- the checksum that the store has verified ----------------------------------------------------


def posted(token: str) -> DirectUploadedFile:
    """Return what a request that posts a token of the browser's has in its FILES."""
    claimed, _expired = Token.unsign(token)
    return RequestUploads(lambda: frozenset({claimed.owner})).add(claimed, token)


@pytest.mark.parametrize("size", [5, 17 * MIB])
def test_checksum_that_the_store_has_verified_is_told(store: Any, call_count: Any, size: int) -> None:
    body = random.Random(6).randbytes(size)
    whole, in_parts = base64.b64encode(hashlib.sha256(body).digest()).decode(), size > 16 * MIB
    token = Browser().upload("/forms/plain/", "file", "a.bin", body, sha256="" if in_parts else whole)
    upload = posted(token)
    call_count.clear()
    checksum = upload.checksum
    assert upload.size == size
    # It costs nothing.
    assert call_count == ({} if store.name == "filesystem" else {"HeadObject": 1})
    if store.name == "ceph":
        assert checksum is None
    elif in_parts:
        part_size = upload.token.part_size
        digests = [hashlib.sha256(body[start : start + part_size]).digest() for start in range(0, size, part_size)]
        composite = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
        assert checksum == f"sha256:{composite}-{len(digests)}"
    else:
        assert checksum == f"sha256:{whole}"


@pytest.mark.parametrize("size", [1000, 100_000])
def test_of_a_type_that_the_first_bytes_tell_they_are_looked_at(store: Any, call_count: Any, size: int) -> None:
    """In the place of the look that others get; the checksum then costs a call, if somebody asks for it."""
    body = b"%PDF-1.7" + random.Random(9).randbytes(size)
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
    upload = posted(Browser().upload("/forms/plain/", "file", "a.pdf", body, type="application/pdf", sha256=sha256))
    call_count.clear()
    assert upload.size == len(body)
    assert upload.content_type == "application/pdf"
    assert upload.read(1000) == body[:1000]
    assert call_count == ({} if store.name == "filesystem" else {"GetObject": 1})
    assert upload.checksum == upload.checksum == (None if store.name == "ceph" else f"sha256:{sha256}")
    assert call_count == ({} if store.name == "filesystem" else {"GetObject": 1, "HeadObject": 1})
    assert upload.open().read() == body


PAGE = b"<!DOCTYPE html><script>alert(document.domain)</script>"


@pytest.mark.parametrize("name", ["a.png", "a.pdf", "a.mp4"])
def test_page_under_another_name_is_stored_as_a_file_of_no_type(store: Any, name: str) -> None:
    upload = posted(Browser().upload("/forms/plain/", "file", name, PAGE, type=""))
    assert default_storage.save("documents/" + name, upload) == "documents/" + name
    assert upload.content_type == "application/octet-stream"
    if store.name != "filesystem":
        assert store.head("documents/" + name)["ContentType"] == "application/octet-stream"


def test_empty_file_of_such_a_type(store: Any) -> None:
    upload = uploaded(b"", "a.png", "image/png")
    assert upload.size == 0
    assert upload.read() == b""


@S3_STORES
def test_checksum_of_an_object_that_was_exchanged_after_the_first_look(store: Any) -> None:
    upload = uploaded(b"%PDF-1.7 one", "a.pdf", "application/pdf")
    assert upload.size == 12
    overwrite(upload, b"%PDF-1.7 two")
    with pytest.raises(UploadChanged):
        _ = upload.checksum


@S3_STORES
def test_object_that_is_shorter_than_agreed(store: Any) -> None:
    upload = uploaded(b"%PDF-1.7 one", "a.pdf", "application/pdf")
    store.client.put_object(Bucket=store.bucket, Key=upload.token.key, Body=b"", ContentType="application/pdf")
    with pytest.raises(UploadChanged):
        upload.check()


def test_checksum_that_nobody_has_verified_is_none(store: Any) -> None:
    assert uploaded(LINES).checksum is None


def test_checksum_of_an_object_that_is_gone(store: Any) -> None:
    upload = uploaded(LINES)
    backend_named("default").delete([upload.token.key])
    with pytest.raises(UploadGone):
        _ = upload.checksum


def test_file_that_was_sent_in_parts_is_read_as_any_other(store: Any) -> None:
    body = random.Random(7).randbytes(17 * MIB)
    upload = posted(Browser().upload("/forms/plain/", "file", "a.bin", body))
    assert upload.size == len(body)
    upload.seek(5 * MIB - 3)
    assert upload.read(6) == body[5 * MIB - 3 : 5 * MIB + 3]
    assert hashlib.file_digest(upload.open(), "sha256").digest() == hashlib.sha256(body).digest()


@S3_STORES
@pytest.mark.parametrize("changes", [{"size": 17 * MIB - 1}, {"size": 17 * MIB + 1}])
def test_object_of_parts_that_has_another_size_is_refused(store: Any, changes: dict[str, Any]) -> None:
    token, _expired = Token.unsign(Browser().upload("/forms/plain/", "file", "a.bin", bytes(17 * MIB)))
    upload = request_uploads().add(replace(token, owner="", **changes), "")
    with pytest.raises(UploadChanged):
        _ = upload.size


# --- what was validated is what is saved ----------------------------------------------------


def document_form(upload: DirectUploadedFile) -> DocumentForm:
    return DocumentForm({"title": "t"}, MultiValueDict({"file": [upload]}))


@pytest.mark.django_db(transaction=True)
def test_object_replaced_after_validation_is_not_saved(store: Any) -> None:
    upload = uploaded(b"validated")
    form = document_form(upload)
    assert form.is_valid(), form.errors
    overwrite(upload, b"malicious"[::-1])
    with pytest.raises(UploadChanged):
        form.save()
    assert store.keys() == [upload.token.key]
    assert not models.Document.objects.exists()


def test_object_replaced_while_it_is_read(store: Any) -> None:
    upload = uploaded(bytes(MIB))
    upload.read(10)
    overwrite(upload, b"1" * MIB)
    with pytest.raises(UploadChanged):
        upload.read()


@pytest.mark.django_db(transaction=True)
def test_object_that_goes_after_validation_is_not_saved(store: Any) -> None:
    upload = uploaded(b"validated")
    form = document_form(upload)
    assert form.is_valid(), form.errors
    backend_named("default").delete([upload.token.key])
    with pytest.raises(UploadGone):
        form.save()
    assert store.keys() == []


def test_errors_survive_pickling() -> None:
    for error in (UploadGone("detail"), UploadChanged("detail"), StoreUnavailable("detail")):
        copied = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert (type(copied), copied.detail, copied.messages) == (type(error), "detail", error.messages)


# --- copies ---------------------------------------------------------------------------------


def plain_form(upload: DirectUploadedFile) -> PlainForm:
    return PlainForm({"title": "t"}, MultiValueDict({"file": [upload]}))


def look(form: PlainForm) -> None:
    assert form.is_valid(), form.errors


def read(form: PlainForm) -> None:
    look(form)
    assert form.cleaned_data["file"].read(4) == b"one,"


@pytest.mark.parametrize("before", [lambda form: None, look, read], ids=["unseen", "validated", "read"])
def test_copied_form_has_the_upload(store: Any, before: Callable[[PlainForm], None]) -> None:
    uploads = request_uploads()
    form = plain_form(uploaded(LINES, uploads=uploads))
    before(form)
    copied = copy.deepcopy(form)
    look(form)
    look(copied)
    upload = copied.cleaned_data["file"]
    assert upload is not form.cleaned_data["file"]
    assert upload.read() == LINES
    # It belongs to the same request, which deletes the pending object when that was saved.
    default_storage.save("a.txt", upload)
    uploads.finish(delete=True)
    assert store.keys() == ["a.txt"]


def test_copied_upload_can_be_looked_at_in_any_order(store: Any) -> None:
    for original_first in (True, False):
        original = uploaded(LINES)
        copied = copy.copy(original)
        in_order = [original, copied] if original_first else [copied, original]
        assert [file.size for file in in_order] == [len(LINES)] * 2
        assert [file.read() for file in in_order] == [LINES] * 2


def test_copied_upload_that_cannot_be_used_says_so_too(store: Any) -> None:
    original = uploaded(LINES)
    copied = copy.copy(original)
    backend_named("default").delete([original.token.key])
    for file in (original, copied):
        with pytest.raises(UploadGone):
            _ = file.size


# --- after the transactions -----------------------------------------------------------------


@pytest.fixture
def other_database(transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """A second database, beside "default": a file of SQLite."""
    databases = connections.databases
    databases["other"] = {**databases["default"], **SQLITE, "NAME": str(tmp_path / "other.sqlite3")}
    connections["other"].connect()  # asked for otherwise, Django's tests allow only databases of the settings
    yield "other"
    connections["other"].close()
    del connections["other"]
    del databases["other"]


class Undone(Exception):
    """What rolls a transaction back."""


@pytest.mark.usefixtures("other_database")
@pytest.mark.parametrize(("outer", "inner"), [("default", "other"), ("other", "default")])
@pytest.mark.parametrize("undone", ["outer", "inner"])
def test_not_called_when_one_of_two_databases_rolls_back(outer: str, inner: str, undone: str) -> None:
    called: list[str] = []

    def work_in_inner() -> None:
        with transaction.atomic(using=inner):
            after_commit(lambda: called.append("once"))
            if undone == "inner":
                raise Undone

    def work_in_outer() -> None:
        with transaction.atomic(using=outer):
            try:
                work_in_inner()
            except Undone:
                return
            raise Undone

    try:
        work_in_outer()
    except Undone:
        assert undone == "outer"
    assert called == []
    # Nor by what comes after.
    with transaction.atomic(using=outer), transaction.atomic(using=inner):
        pass
    assert called == []


@pytest.mark.usefixtures("other_database")
@pytest.mark.parametrize(("outer", "inner"), [("default", "other"), ("other", "default")])
def test_called_once_when_both_of_two_databases_have_committed(outer: str, inner: str) -> None:
    called: list[str] = []
    with transaction.atomic(using=outer):
        with transaction.atomic(using=inner):
            after_commit(lambda: called.append("once"))
            assert called == []
        assert called == []
    assert called == ["once"]


@pytest.mark.usefixtures("other_database")
def test_called_when_the_one_of_two_databases_has_committed_that_had_begun() -> None:
    called: list[str] = []
    with transaction.atomic(using="other"):
        after_commit(lambda: called.append("once"))
        # Not its business: it began later, and may do what it likes.
        with transaction.atomic(using="default"):
            transaction.set_rollback(True, using="default")
        assert called == []
    assert called == ["once"]


@pytest.mark.usefixtures("other_database")
def test_called_at_once_where_no_transaction_is_open() -> None:
    called: list[str] = []
    after_commit(lambda: called.append("once"))
    assert called == ["once"]
