"""A file in one request."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from s3upload.exceptions import StoreUnavailable
from s3upload.filepond.models import TemporaryUpload, is_id
from s3upload.filepond.receiving import receiving
from tests.filepond.conftest import BODY, EVERYWHERE, FilePond, Place, body_of, content_of, random_bytes, refusal, said

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024**2


@EVERYWHERE
@pytest.mark.parametrize("size", [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 12_345_678])
def test_file_arrives_as_it_was_sent(place: Place, pond: FilePond, size: int) -> None:
    body = random_bytes(size)

    upload_id = said(pond.process(body))

    assert is_id(upload_id)
    assert content_of(upload_id) == body
    assert not place.open_uploads()


def test_what_is_recorded(place: Place, pond: FilePond) -> None:
    file = SimpleUploadedFile("Ünï.png", b"\x89PNG\r\n\x1a\n", "image/png")

    response = pond.client.post("/fp/process/", {"photos": ['{"crop": [1, 2]}', file]})

    upload = TemporaryUpload.objects.get(pk=said(response))
    assert upload.upload_name == "Ünï.png"
    assert upload.content_type == "image/png"
    assert (upload.size, upload.offset, upload.is_complete) == (8, 8, True)
    assert upload.field == "photos"
    assert upload.metadata == {"crop": [1, 2]}
    assert upload.uploaded_by is not None
    assert upload.uploaded_by.username == "anna"


def test_nothing_but_the_file_is_left(place: Place, pond: FilePond) -> None:
    upload = TemporaryUpload.objects.get(pk=said(pond.process(random_bytes(11 * MIB))))

    folder = [upload.pk] if place.name == "folder" else []
    assert sorted(place.names()) == sorted([*folder, upload.key])


def test_name_on_the_disk_tells_nothing(in_folder: Place, pond: FilePond) -> None:
    upload_id = said(pond.process(name="secret plan.txt"))

    upload = TemporaryUpload.objects.get(pk=upload_id)
    assert sorted(in_folder.names()) == [upload_id, f"{upload_id}/{upload.file_id}"]
    with open(upload.get_file_path(), "rb") as file:
        assert file.read() == BODY


def named(pond: FilePond, disposition: str) -> Any:
    """Send a file whose name is written into the form just so."""
    form = encode_multipart(BOUNDARY, {"filepond": SimpleUploadedFile("NAME", BODY)})
    return pond.client.generic(
        "POST", "/fp/process/", form.replace(b'filename="NAME"', disposition.encode()), MULTIPART_CONTENT
    )


@pytest.mark.parametrize(
    ("disposition", "kept"),
    [
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="C:\\Users\\anna\\a.txt"', "a.txt"),
        ("filename*=UTF-8''a%0D%0ASet-Cookie.txt", "aSet-Cookie.txt"),
        ("filename*=UTF-8''%2e%2e%2fa.txt", "a.txt"),
        ("filename*=UTF-8''%F0%9F%98%80.txt", "\N{GRINNING FACE}.txt"),
        (f'filename="{"x" * 300}.txt"', "x" * 243 + ".txt"),
    ],
)
def test_name_is_cleaned(in_folder: Place, pond: FilePond, disposition: str, kept: str) -> None:
    assert TemporaryUpload.objects.get(pk=said(named(pond, disposition))).upload_name == kept


def test_ids_differ(in_folder: Place, pond: FilePond) -> None:
    first, second = said(pond.process()), said(pond.process())

    assert first != second
    assert content_of(first) == content_of(second) == BODY


def test_page_may_say_which_entry_is_the_file(in_folder: Place, pond: FilePond) -> None:
    pond.field = "portrait"

    upload_id = said(pond.process(fp_upload_field="portrait"))

    assert TemporaryUpload.objects.get(pk=upload_id).field == "portrait"


def test_entry_that_is_no_file_is_refused(place: Place, pond: FilePond) -> None:
    refusal(pond.process(fp_upload_field="portrait"))

    assert not TemporaryUpload.objects.exists()
    assert place.is_empty


def test_entry_named_as_those_of_tokens_is_one_like_any_other(in_folder: Place, pond: FilePond) -> None:
    pond.field = "attachment-s3upload"

    assert content_of(said(pond.process())) == BODY


@pytest.mark.parametrize("entries", [{}, {"filepond": "{}"}, {"filepond": "text", "other": "text"}])
def test_form_without_a_file_is_refused(place: Place, pond: FilePond, entries: dict[str, str]) -> None:
    refusal(pond.client.post("/fp/process/", entries))

    assert place.is_empty


def test_two_files_are_refused(place: Place, pond: FilePond) -> None:
    files = [SimpleUploadedFile("a.txt", BODY), SimpleUploadedFile("b.txt", BODY)]

    refusal(pond.client.post("/fp/process/", {"filepond": files}))

    assert not TemporaryUpload.objects.exists()
    assert place.is_empty


@pytest.mark.parametrize(
    "metadata",
    [
        "{",
        "[" * 100_000,
        "no json",
        "NaN",
        '{"a": -Infinity}',
        "1e400",
        r'"\u0000"',
        r'{"a\\\u0000": 1}',
        r'"\ud800"',
    ],
)
def test_metadata_that_is_no_json_is_refused(place: Place, pond: FilePond, metadata: str) -> None:
    refusal(pond.client.post("/fp/process/", {"filepond": [metadata, SimpleUploadedFile("a.txt", BODY)]}))

    assert not TemporaryUpload.objects.exists()
    assert place.is_empty


@pytest.mark.parametrize("metadata", [r'"\\u0000"', r'"\ud83d\ude00"', "-1.5", "1" * 1000])
def test_metadata_that_looks_odd_is_kept(in_folder: Place, pond: FilePond, metadata: str) -> None:
    response = pond.client.post("/fp/process/", {"filepond": [metadata, SimpleUploadedFile("a.txt", BODY)]})

    assert TemporaryUpload.objects.get(pk=said(response)).metadata == json.loads(metadata)


def test_field_with_nul_is_refused(place: Place, pond: FilePond) -> None:
    """PostgreSQL keeps no such text."""
    pond.field = "file\0pond"

    refusal(pond.process())
    refusal(pond.begin(12))

    assert not TemporaryUpload.objects.exists()
    assert place.is_empty


@pytest.mark.parametrize("charset", ["unicode_escape", "rot13", "idna", "undefined"])
def test_form_is_read_as_browsers_write_it(in_folder: Place, pond: FilePond, charset: str) -> None:
    form = encode_multipart(BOUNDARY, {r"\ud800": SimpleUploadedFile("a.txt", BODY)})

    upload_id = said(pond.client.generic("POST", "/fp/process/", form, f"{MULTIPART_CONTENT}; charset={charset}"))

    assert TemporaryUpload.objects.get(pk=upload_id).field == r"\ud800"


def test_file_that_is_too_large_is_refused(place: Place, pond: FilePond, settings: Any) -> None:
    settings.S3UPLOAD_MAX_SIZE = 6 * MIB

    assert "too large" in refusal(pond.process(random_bytes(6 * MIB + 1)), 413)

    assert place.is_empty
    assert len(content_of(said(pond.process(random_bytes(6 * MIB))))) == 6 * MIB


@pytest.mark.parametrize("size", [12, 11 * MIB])
def test_row_that_can_not_be_written(place: Place, pond: FilePond, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    def save(*args: Any, **options: Any) -> None:
        raise DatabaseError("the database is gone")

    monkeypatch.setattr(TemporaryUpload, "save", save)
    with pytest.raises(DatabaseError):
        pond.process(random_bytes(size))

    assert place.is_empty


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file gets larger than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_disk_that_is_full(place: Place, pond: FilePond) -> None:
    body = random_bytes(4 * MIB)
    upload_id = said(pond.begin(len(body)))

    with full_disk(2 * MIB + 100):
        assert "could not be reached" in refusal(pond.process(body), 503)
        assert "could not be reached" in refusal(pond.patch(upload_id, 0, body), 503)

    assert place.is_empty
    assert pond.offset(upload_id) == 0
    assert pond.patch(upload_id, 0, body).status_code == 204


def test_disk_that_is_full_while_bytes_wait(in_folder: Place, pond: FilePond) -> None:
    upload = TemporaryUpload.objects.get(pk=said(pond.begin(MIB)))

    def send() -> None:
        with receiving(upload) as receiver:
            receiver.write(b"x" * 100)
            receiver.write(b"x" * 65536)

    with full_disk(50), pytest.raises(StoreUnavailable):
        send()

    assert in_folder.is_empty


def test_form_that_breaks_off_is_refused(place: Place, pond: FilePond) -> None:
    form = encode_multipart(BOUNDARY, {"filepond": SimpleUploadedFile("a.txt", random_bytes(7 * MIB))})

    refusal(
        pond.client.generic(
            "POST", "/fp/process/", form, MULTIPART_CONTENT, **{"wsgi.input": BytesIO(form[: len(form) // 2])}
        )
    )

    assert not TemporaryUpload.objects.exists()
    assert place.is_empty


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (BODY, "application/octet-stream"),
        (b"no boundary", "multipart/form-data"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"", MULTIPART_CONTENT),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_is_refused(place: Place, pond: FilePond, body: bytes, content_type: str) -> None:
    refusal(pond.client.generic("POST", "/fp/process/", body, content_type))

    assert place.is_empty


def test_form_that_middleware_has_read_already(in_folder: Place, pond: FilePond, settings: Any) -> None:
    settings.MIDDLEWARE = ["tests.filepond.test_process.reads_forms", *settings.MIDDLEWARE]
    pond.field = "attachment-s3upload"

    assert content_of(said(pond.process())) == BODY


def reads_forms(get_response: Any) -> Any:
    def middleware(request: Any) -> Any:
        _ = request.POST
        return get_response(request)

    return middleware


def test_body_that_middleware_has_read_already(place: Place, pond: FilePond, settings: Any) -> None:
    settings.MIDDLEWARE = ["tests.filepond.test_process.reads_bodies", *settings.MIDDLEWARE]

    assert content_of(said(pond.process())) == BODY
    upload_id = pond.send(BODY, 5)
    assert content_of(upload_id) == BODY
    assert pond.revert(upload_id).status_code == 200


def reads_bodies(get_response: Any) -> Any:
    def middleware(request: Any) -> Any:
        _ = request.body
        return get_response(request)

    return middleware


def test_all_verbs_at_one_address(place: Place, pond: FilePond) -> None:
    """As the client asks when it is told ``server: "/fp/"``."""
    client = pond.client
    upload_id = said(client.post("/fp/", {"filepond": ""}, headers={"Upload-Length": "12"}))
    patched = client.patch(
        f"/fp/?patch={upload_id}", BODY, content_type="application/offset+octet-stream", headers={"Upload-Offset": "0"}
    )
    assert patched.status_code == 204
    assert client.head(f"/fp/?patch={upload_id}")["Upload-Offset"] == "12"
    assert body_of(client.get(f"/fp/?restore={upload_id}")) == BODY
    assert client.delete("/fp/", upload_id, content_type="text/plain").status_code == 200
    assert client.get("/fp/").status_code == 404
    assert place.is_empty


@pytest.mark.parametrize("id_", ["", "..", "../../etc/passwd", "x" * 22 + "/..", "\0" * 22, "ü" * 22, "3" * 23])
def test_id_that_is_none(place: Place, pond: FilePond, id_: str) -> None:
    assert refusal(pond.revert(id_), 404)
    assert refusal(pond.client.get("/fp/restore/", {"id": id_}), 404)
    assert refusal(pond.client.get("/fp/load/", {"id": id_}), 404)
    assert refusal(pond.client.patch("/fp/patch/", BODY, query_params={"id": id_}), 404)


def test_revert_leaves_nothing(place: Place, pond: FilePond) -> None:
    upload_id = said(pond.process(random_bytes(6 * MIB)))

    assert pond.revert(upload_id).content == b""

    assert not TemporaryUpload.objects.exists()
    assert place.is_empty
    assert refusal(pond.revert(upload_id), 404)


def test_methods_that_there_are_not(in_folder: Place, pond: FilePond) -> None:
    for path in ("process", "patch", "revert", "restore", "load"):
        assert refusal(pond.client.put(f"/fp/{path}/"), 405)


def test_no_cache_keeps_an_answer(in_folder: Place, pond: FilePond) -> None:
    response = pond.process()

    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
