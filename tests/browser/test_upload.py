"""The main path: a file chosen in a plain form is in the store, and only its token was posted."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import Page
from tests.conftest import FilesystemStore, S3Store, storages_with
from tests.testapp import models

pytestmark = pytest.mark.browser

MEGABYTE = 1_000_000


def test_chosen_file_is_saved_byte_for_byte_and_its_form_stays_small(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", 8 * MEGABYTE)
    page.open("/forms/document/")
    page.type("[name=title]", "A report")
    page.choose_and_wait(file)
    page.submit()
    result = page.result()

    assert result["saved"] == ["documents/report.bin"]
    assert store.get("documents/report.bin") == file.read_bytes()
    assert store.keys() == ["documents/report.bin"], "the pending object is left over"
    assert result["content_length"] < 20_000
    assert result["files"]["file"][0]["size"] == 8 * MEGABYTE
    assert models.Document.objects.get().file.name == "documents/report.bin"
    assert requests.posts("/forms/document/") == 1


def test_form_sent_while_its_file_is_uploaded_waits_for_it(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE
) -> None:
    file = make_file("report.bin", 2 * MEGABYTE)
    page.open("/forms/document/")
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(file)
    page.submit()
    page.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    assert page.wait_for_states("uploading")
    page.hurry()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert store.get("documents/report.bin") == file.read_bytes()


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_store_without_presigned_post_takes_a_put(page: Page, store: S3Store, make_file: MAKE, settings) -> None:
    settings.S3UPLOAD_METHOD = "PUT"
    file = make_file("a picture.png", MEGABYTE)
    with file.open("r+b") as picture:
        picture.write(b"\x89PNG\r\n\x1a\n")
    page.open("/forms/document/")
    page.type("[name=title]", "A picture")
    page.choose_and_wait(file)
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/a_picture.png"]
    assert result["content_length"] < 20_000
    assert store.get("documents/a_picture.png") == file.read_bytes()
    assert store.head("documents/a_picture.png")["ContentType"] == "image/png"


def test_field_with_a_storage_of_its_own_gets_the_file_there(
    page: Page, ceph_store: S3Store, make_bucket, settings, make_file: MAKE
) -> None:
    archive = make_bucket("ceph")
    settings.STORAGES = storages_with(
        settings, archive={"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": archive.options}
    )
    file = make_file("record.bin")
    page.open("/forms/record/")
    page.choose_and_wait(file)
    assert ceph_store.keys() == []
    page.submit()

    assert page.result()["saved"] == ["records/record.bin"]
    assert archive.get("records/record.bin") == file.read_bytes()


def test_image_field_knows_the_size_of_an_uploaded_picture(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    picture = make_file("picture.png", 0)
    picture.write_bytes(png(64, 48))
    page.open("/forms/picture/")
    page.type("[name=title]", "A picture")
    page.choose_and_wait(picture)
    page.submit()

    assert page.result()["saved"] == ["pictures/picture.png"]
    saved = models.Picture.objects.get()
    assert (saved.width, saved.height) == (64, 48)


def test_empty_file_gets_the_error_that_django_has_for_it(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    page.open("/forms/plain/")
    page.type("[name=title]", "Nothing")
    page.choose_and_wait(make_file("empty.txt", 0))
    page.submit()

    assert page.chrome.wait_for(".errorlist").text == "The submitted file is empty."


def test_form_without_a_file_is_sent_at_once(
    page: Page, filesystem_store: FilesystemStore, requests: Requests
) -> None:
    page.open("/forms/optional/")
    page.type("[name=title]", "Nothing")
    page.submit()

    assert page.result()["saved"] == []
    assert requests.presigned == 0


def test_widget_that_is_left_alone_posts_its_file_the_ordinary_way(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin")
    page.open("/forms/opted-out/")
    page.choose(file)
    assert page.rows() == []
    page.submit()

    assert page.result()["files"]["file"][0]["class"] == "InMemoryUploadedFile"
    assert ceph_store.get("plain/report.bin") == file.read_bytes()
    assert requests.presigned == 0


def test_widget_of_another_package_uploads(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    file = make_file("report.bin")
    page.open("/forms/third-party/")
    page.choose_and_wait(file)
    page.submit()

    result = page.result()
    assert result["files"]["file"][0]["class"] == "LocalUploadedFile"
    assert filesystem_store.get("plain/report.bin") == file.read_bytes()


@pytest.mark.parametrize(
    ("chosen", "saved"),
    [
        ("a%b.txt", "ab.txt"),
        ("ü ñ 😀.txt", "ü_ñ_.txt"),
        ("q\"uote's.txt", "quotes.txt"),
        ("semi;colon&amp.txt", "semicolon.txt"),
        ("<b>bold<b>.txt", "bboldb.txt"),
        ("#?.txt", ".txt"),
        ("back\\slash.txt", "slash.txt"),
        ("شكرا جزيلا.txt", "شكرا_جزيلا.txt"),
        ("\u202egnp.exe.txt", "gnp.exe.txt"),
        ("no extension", "no_extension"),
    ],
)
def test_model_field_gets_the_file_name_as_django_cleans_it(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, chosen: str, saved: str
) -> None:
    file = make_file(chosen)
    page.open("/forms/document/")
    page.type("[name=title]", "A name")
    page.choose_and_wait(file)
    assert page.row().name == chosen
    page.submit()

    assert page.result()["saved"] == [f"documents/{saved}"]
    assert filesystem_store.get(f"documents/{saved}") == file.read_bytes()


def test_file_name_of_250_characters_arrives_whole(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    name = "x" * 246 + ".txt"
    file = make_file(name)
    page.open("/forms/plain/")
    page.type("[name=title]", "A name")
    page.choose_and_wait(file)
    page.submit()

    assert page.result()["saved"] == [f"plain/{name}"]
    assert ceph_store.get(f"plain/{name}") == file.read_bytes()


def png(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((width, height), 50).save(stream, "PNG")
    return stream.getvalue()
