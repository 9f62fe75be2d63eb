"""Scripts that upload by themselves and post JSON; the browsable API of Django REST framework."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.conftest import MAKE, LargeFile, Requests
from tests.browser.page import INPUT, Page
from tests.testapp.models import Document

pytestmark = pytest.mark.browser

STORES = pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)


def answer(page: Page, timeout: float = 30) -> str:
    """Wait for what the page's script was answered, and return it."""
    text: str = page.chrome.wait_until("document.getElementById('answer').textContent", timeout=timeout)
    return text


@STORES
def test_script_uploads_and_posts_json(store: Any, page: Page, make_file: MAKE, requests: Requests) -> None:
    page.open("/script/")
    file = make_file("report.bin", 5000)
    page.choose(file)
    status, _, text = answer(page).partition(" ")
    assert status == "201", text
    assert json.loads(text)["title"] == "report.bin"
    document = Document.objects.get()
    assert store.get(document.file.name) == file.read_bytes()
    assert not store.keys("tmp/")
    assert requests.presigned == 1
    assert page.chrome.evaluate("document.getElementById('progress').value") == 1
    # Nothing of the list of an input is there.
    assert not page.chrome.find_all(".s3upload")


@STORES
def test_script_uploads_a_large_file_in_parts(store: Any, page: Page, clip: LargeFile) -> None:
    page.open("/script/")
    page.choose(clip.path)
    assert answer(page, timeout=90).startswith("201")
    assert clip.is_at(store, Document.objects.get().file.name)


@STORES
def test_script_that_cancels_leaves_nothing(store: Any, page: Page, make_file: MAKE) -> None:
    page.open("/script/")
    page.slow_down()
    page.choose(make_file("film.bin", 3_000_000))
    page.chrome.wait_until("document.getElementById('progress').value > 0")
    page.chrome.find("#cancel").click()
    assert answer(page) == "AbortError: The upload was cancelled."
    page.hurry()
    page.wait_for(lambda: not store.keys("tmp/"))
    assert not Document.objects.exists()


def test_refusal_is_in_the_language_of_the_page(
    filesystem_store: Any, page: Page, make_file: MAKE, settings: Any
) -> None:
    settings.S3UPLOAD_MAX_SIZE = 10
    settings.LANGUAGE_CODE = "de"
    page.open("/script/")
    page.choose(make_file("report.bin", 1000))
    assert answer(page).startswith("Error: Die Datei ist zu groß")


@STORES
def test_browsable_api_uploads(store: Any, page: Page, make_file: MAKE) -> None:
    page.open("/api/documents/")
    file = make_file("report.bin", 5000)
    page.choose_and_wait(file)
    # Without a title, the form comes back, and has the upload still.
    page.chrome.expect_error(r"status of 400")
    page.chrome.find("#post-object-form .form-actions button").click()
    page.chrome.wait_for(".has-error")
    page.wait_for_script()
    [row] = page.wait_for_states("kept")
    assert row.name == "report.bin"
    page.type("#post-object-form [name=title]", "t")
    page.chrome.find("#post-object-form .form-actions button").click()
    page.wait_for(Document.objects.exists)
    document = Document.objects.get()
    assert store.get(document.file.name) == file.read_bytes()


def test_browsable_api_changes_an_object(
    filesystem_store: Any, page: Page, make_file: MAKE, requests: Requests
) -> None:
    document = Document.objects.create(title="t", file="old.bin")
    page.open(f"/api/documents/{document.pk}/")
    file = make_file("new.bin", 5000)
    page.choose_and_wait(file, into=f"#put-object-form {INPUT}")
    page.chrome.find("#put-object-form .form-actions button").click()
    page.wait_for(lambda: "new" in Document.objects.get().file.name)
    assert filesystem_store.get(Document.objects.get().file.name) == file.read_bytes()
    assert requests.presigned == 1
    # Its script has replaced the page: the file goes the ordinary way.
    page.chrome.wait_until("document.querySelector('#put-object-form input[type=file]')?.files.length === 0")
    file = make_file("newer.bin", 5000)
    page.choose(file, into=f"#put-object-form {INPUT}")
    page.chrome.find("#put-object-form .form-actions button").click()
    page.wait_for(lambda: "newer" in Document.objects.get().file.name)
    assert filesystem_store.get(Document.objects.get().file.name) == file.read_bytes()
    assert requests.presigned == 1
