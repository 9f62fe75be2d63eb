"""FilePond with its own server protocol: every verb, as the real client speaks it. Its page has a strict policy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.storage import storages

from s3upload.filepond.api import store_upload
from s3upload.filepond.models import StoredUpload, TemporaryUpload
from tests.browser.clients import BROWSE, DONE, FAILED, UPLOADING, press, submit_unchecked, wait_for_items
from tests.browser.conftest import MAKE, Requests
from tests.browser.page import Page
from tests.conftest import FilesystemStore
from tests.filepond.conftest import OPEN
from tests.filepond.remote import Remote, answer
from tests.proxy import Answer, Proxy, Request, Reset
from tests.testapp.models import Document

pytestmark = pytest.mark.browser

DOCUMENT = "/forms/document/pond/"
SEVERAL = "/forms/several/pond/"
CHUNK = 1_000_000
SIZE = 3_500_000
LOADED = "idle"


@pytest.fixture(params=["folder", "dummy", "ceph"])
def place(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> str:
    """
    Where uploads are: in local folders on a site that uploads nothing directly, on the dummy, in a bucket on Ceph.
    """
    name: str = request.param
    settings.S3UPLOAD_FILEPOND_PERMISSION_CLASSES = OPEN
    request.getfixturevalue("ceph_store" if name == "ceph" else "filesystem_store")
    if name == "folder":
        settings.S3UPLOAD_DUMMY = False
        settings.BASE_DIR = tmp_path
        settings.S3UPLOAD_FILEPOND_FILE_STORE_PATH = tmp_path / "stored"
    else:
        settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = settings.S3UPLOAD_FILEPOND_STORAGE = "default"
    return name


@pytest.fixture
def in_folder(settings: Any, filesystem_store: FilesystemStore, tmp_path: Path) -> None:
    settings.S3UPLOAD_FILEPOND_PERMISSION_CLASSES = OPEN
    settings.BASE_DIR = tmp_path


def open_pond(page: Page, path: str = DOCUMENT, **options: Any) -> None:
    """Go to a page with a FilePond; options are those of its script."""
    page.open(f"{path}?{urlencode(options)}" if options else path)
    page.chrome.wait_until("globalThis.pond !== undefined")


def saved_file() -> bytes:
    with Document.objects.get().file.open() as file:
        return bytes(file.read())


def only_id() -> str:
    [upload] = TemporaryUpload.objects.all()
    return str(upload.pk)


def shown_in(page: Page, id_: str) -> list[str]:
    """Return the texts that FilePond shows in one place of its items."""
    texts: list[str] = page.chrome.evaluate(
        "[...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", id_
    )
    return texts


@pytest.mark.parametrize("at", ["", "/fp/"])
def test_file_is_uploaded_and_saved_with_the_form(page: Page, place: str, make_file: MAKE, at: str) -> None:
    file = make_file("report ü.bin", SIZE)
    open_pond(page, at=at)
    page.type("[name=title]", "A report")
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report ü.bin", DONE))
    assert TemporaryUpload.objects.get().upload_name == "report ü.bin"
    page.submit()

    assert page.result()["saved"] == ["documents/report_ü.bin"]
    assert saved_file() == file.read_bytes()
    assert not TemporaryUpload.objects.exists()


@pytest.mark.parametrize("at", ["", "/fp/"])
def test_file_is_uploaded_in_chunks(page: Page, place: str, make_file: MAKE, requests: Requests, at: str) -> None:
    file = make_file("report.bin", SIZE)
    open_pond(page, chunk=CHUNK, at=at)
    page.type("[name=title]", "A report")
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    assert len([path for method, path in requests if method == "PATCH"]) == 4
    page.submit()

    page.result()
    assert saved_file() == file.read_bytes()


def test_file_that_ends_with_a_chunk(page: Page, place: str, make_file: MAKE) -> None:
    """The client sends an empty chunk behind it."""
    file = make_file("report.bin", 3 * CHUNK)
    open_pond(page, chunk=CHUNK)
    page.type("[name=title]", "A report")
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.submit()

    page.result()
    assert saved_file() == file.read_bytes()


def is_patch(number: int, *, or_later: bool = False) -> Callable[[Request], bool]:
    """
    Match a chunk, by its place among all that are sent; the first is 0.

    Chromium itself sends a request once more when a connection that it had used before is reset.
    """
    seen: list[Request] = []

    def matches(request: Request) -> bool:
        if request.method != "PATCH":
            return False
        if not any(one is request for one in seen):
            seen.append(request)
        return len(seen) > number if or_later else len(seen) == number + 1

    return matches


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda: Reset(is_patch(1), after=300_000), id="cut"),
        pytest.param(lambda: Answer(is_patch(1), status=503, body=b""), id="refused"),
        pytest.param(lambda: Answer(is_patch(1), status=502, body=b"", carried=True), id="answer lost"),
        pytest.param(lambda: Answer(is_patch(3), status=502, body=b"", carried=True), id="last answer lost"),
    ],
)
def test_chunk_that_fails_is_sent_again(
    page: Page, place: str, site_line: Proxy, make_file: MAKE, fault: Callable[[], Any]
) -> None:
    page.chrome.expect_error("Failed to load resource")
    site_line.add(fault())
    file = make_file("report.bin", SIZE)
    open_pond(page, chunk=CHUNK)
    page.type("[name=title]", "A report")
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.submit()

    page.result()
    assert saved_file() == file.read_bytes()


def test_upload_goes_on_after_the_connection_was_broken(
    page: Page, place: str, site_line: Proxy, make_file: MAKE, requests: Requests
) -> None:
    page.chrome.expect_error("Failed to load resource")
    broken = site_line.add(Reset(is_patch(2, or_later=True), times=float("inf")))
    file = make_file("report.bin", SIZE)
    open_pond(page, chunk=CHUNK, delays="[200]")
    page.type("[name=title]", "A report")
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", FAILED))
    arrived = TemporaryUpload.objects.get().offset
    assert arrived == 2 * CHUNK
    broken.heal()
    press(page, "retry-item-processing", "report.bin")
    wait_for_items(page, ("report.bin", DONE))

    assert ("HEAD", f"/fp/patch/{only_id()}") in requests
    sent = [request.length for request in site_line.requests if request.method == "PATCH" and request.status == 204]
    assert sum(sent) == SIZE
    page.submit()
    page.result()
    assert saved_file() == file.read_bytes()


def test_upload_is_cancelled(page: Page, place: str, make_file: MAKE) -> None:
    open_pond(page)
    page.slow_down(300_000)
    page.choose(make_file("report.bin", SIZE), into=BROWSE)
    wait_for_items(page, ("report.bin", UPLOADING))
    press(page, "abort-item-processing", "report.bin")
    page.hurry()
    wait_for_items(page, ("report.bin", "cancelled"))

    assert not TemporaryUpload.objects.exists()


def test_upload_is_reverted(page: Page, place: str, make_file: MAKE) -> None:
    open_pond(page)
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    upload = TemporaryUpload.objects.get()
    press(page, "revert-item-processing", "report.bin")
    page.wait_for(lambda: not TemporaryUpload.objects.exists())

    assert not upload.place.exists(upload.key)


def test_upload_is_restored_when_the_page_is_loaded_again(page: Page, place: str, make_file: MAKE) -> None:
    file = make_file("Plan Bé, 100%.bin", 2048)
    open_pond(page)
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("Plan Bé, 100%.bin", DONE))
    open_pond(page, files=json.dumps([{"source": only_id(), "options": {"type": "limbo"}}]))
    wait_for_items(page, ("Plan Bé, 100%.bin", DONE))
    assert shown_in(page, ".filepond--file-info-sub") == ["2 KB"]
    page.type("[name=title]", "A report")
    page.submit()

    page.result()
    assert saved_file() == file.read_bytes()


def test_stored_file_is_loaded(page: Page, place: str, make_file: MAKE) -> None:
    file = make_file("Plan Bé; 50%.bin", 2048)
    open_pond(page)
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("Plan Bé; 50%.bin", DONE))
    stored = store_upload(only_id(), "plans/b.bin")
    open_pond(page, files=json.dumps([{"source": stored.upload_id, "options": {"type": "local"}}]))
    wait_for_items(page, ("Plan Bé; 50%.bin", LOADED))

    digest = """
    pond.getFile().file.arrayBuffer().then((data) => crypto.subtle.digest("SHA-256", data))
      .then((digest) => [...new Uint8Array(digest)].join())
    """
    page.chrome.execute_script(f"window.digest = null; {digest.strip()}.then((text) => (window.digest = text))")
    page.chrome.wait_until("window.digest")
    expected = ",".join(map(str, hashlib.sha256(file.read_bytes()).digest()))
    assert page.chrome.evaluate("window.digest") == expected


def test_file_of_another_site_is_fetched(page: Page, place: str, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH = True
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = ["127.0.0.1"]
    with Remote() as remote:
        remote.answers["/photo%20of%20me.bin"] = answer(b"x" * 2048)
        open_pond(page)
        page.chrome.execute_script("pond.addFile(arguments[0])", f"{remote.address}/photo%20of%20me.bin")
        wait_for_items(page, ("photo of me.bin", DONE))
    page.type("[name=title]", "A photo")
    page.submit()

    page.result()
    assert saved_file() == b"x" * 2048


def test_fetch_that_is_refused_is_said(page: Page, in_folder: None, settings: Any) -> None:
    page.chrome.expect_error("Failed to load resource")
    settings.S3UPLOAD_FILEPOND_FETCH = True
    open_pond(page)
    page.chrome.execute_script("pond.addFile('http://10.0.0.1/a.bin').catch(() => {})")
    page.chrome.wait_until("failed.length > 0")

    assert TemporaryUpload.objects.count() == 0


def test_form_with_an_error_keeps_the_upload(page: Page, place: str, make_file: MAKE, requests: Requests) -> None:
    file = make_file("report.bin", 2048)
    open_pond(page)
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    submit_unchecked(page)
    page.chrome.wait_for(".errorlist")
    page.type("[name=title]", "A report")
    submit_unchecked(page)

    assert page.result()["saved"] == ["documents/report.bin"]
    assert saved_file() == file.read_bytes()
    assert requests.posts("/fp/process/") == 1


def test_several_files_in_one_form(page: Page, place: str, make_file: MAKE) -> None:
    files = [make_file(f"{letter}.bin", 1000) for letter in "cab"]
    open_pond(page, SEVERAL)
    page.type("[name=title]", "Three")
    page.choose(*files, into=BROWSE)
    wait_for_items(page, *[(file.name, DONE) for file in files])
    shown = page.chrome.evaluate("pond.getFiles().map((file) => file.filename)")
    page.submit()

    names = page.result()["saved"]
    assert names == [f"plain/{name}" for name in shown]
    for file in files:
        with storages["default"].open(f"plain/{file.name}") as saved:
            assert saved.read() == file.read_bytes()


def test_refusal_is_shown_in_words(page: Page, in_folder: None, make_file: MAKE, settings: Any) -> None:
    page.chrome.expect_error("Failed to load resource")
    settings.S3UPLOAD_MAX_SIZE = 1000
    open_pond(page)
    page.choose(make_file("report.bin", 2000), into=BROWSE)
    wait_for_items(page, ("report.bin", FAILED))

    [said] = shown_in(page, ".filepond--file-status-main")
    assert said
    assert not StoredUpload.objects.exists()
    assert not TemporaryUpload.objects.exists()
