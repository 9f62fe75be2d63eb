"""Uppy as the interface, with the bytes going straight to the store. Its page has a strict content policy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from django.conf import settings as site
from selenium.webdriver.common.keys import Keys

from s3upload import views
from tests.browser.clients import BIG, HELD, NOTE, PENDING, STORES, note, submit_unchecked, wait_for_files
from tests.browser.conftest import MAKE, LargeFile, Requests
from tests.browser.page import Page
from tests.conftest import CallCount, FilesystemStore, S3Store
from tests.testapp.models import Document

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("uppy")]

DOCUMENT = "/forms/document/uppy/"
SEVERAL = "/forms/several/uppy/"
CHOOSE = ".uppy-Dashboard-input"
UPLOAD = ".uppy-StatusBar-actionBtn--upload"

# Uppy is modules with bare names in them, which a browser takes from a bundler.
ENTRY = """
export { default as Uppy } from "@uppy/core";
export { default as Dashboard } from "@uppy/dashboard";
export { default as Uppy5 } from "uppy-core-5";
"""


@pytest.fixture(scope="session")
def uppy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Uppy and its dashboard in one file."""
    folder = tmp_path_factory.mktemp("uppy")
    esbuild = site.NODE_MODULES / "esbuild" / "bin" / "esbuild"
    command = [esbuild, "--bundle", "--format=esm", "--log-level=warning", f"--outfile={folder / 'uppy.js'}"]
    subprocess.run(command, input=ENTRY, text=True, check=True, cwd=site.NODE_MODULES.parent)
    return folder


@pytest.fixture
def uppy(uppy_bundle: Path, settings) -> None:
    settings.STATICFILES_DIRS = [*settings.STATICFILES_DIRS, ("uppy-bundle", uppy_bundle)]


def open_page(page: Page, path: str) -> None:
    page.open(path)
    page.chrome.wait_until("globalThis.uppies !== undefined")


def come_back(page: Page) -> None:
    page.chrome.wait_for(".errorlist")
    page.chrome.wait_until("globalThis.uppies !== undefined")


@STORES
def test_file_goes_straight_to_the_store(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", 200_000)
    open_page(page, DOCUMENT)
    page.type("[name=title]", "A report")
    page.choose(file, into=CHOOSE)
    wait_for_files(page, ("report.bin", "waiting"))
    page.chrome.wait_for(UPLOAD).click()
    wait_for_files(page, ("report.bin", "done"))
    assert len(store.keys(PENDING)) == 1
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert len(result["files"]["file"]) == 1
    assert result["content_length"] < 5000
    assert store.get("documents/report.bin") == file.read_bytes()
    assert store.keys() == ["documents/report.bin"]
    assert requests.presigned == 1


@STORES
def test_large_file_goes_in_parts(page: Page, store: FilesystemStore | S3Store, parts: LargeFile) -> None:
    open_page(page, f"{DOCUMENT}?auto")
    page.type("[name=title]", "A film")
    page.choose(parts.path, into=CHOOSE)
    wait_for_files(page, ("parts.bin", "done"), timeout=60)
    page.submit()

    assert page.result()["saved"] == ["documents/parts.bin"]
    assert parts.is_at(store, "documents/parts.bin")


@STORES
def test_several_files_small_and_large_are_posted_in_order(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, parts: LargeFile
) -> None:
    files = [make_file("c.bin"), parts.path, make_file("a.bin")]
    open_page(page, f"{SEVERAL}?auto")
    page.type("[name=title]", "Three")
    page.choose(*files, into=CHOOSE)
    wait_for_files(page, *[(file.name, "done") for file in files], timeout=60)
    page.submit()

    assert page.result()["saved"] == [f"plain/{file.name}" for file in files]
    assert store.get("plain/c.bin") == files[0].read_bytes()
    assert parts.is_at(store, "plain/parts.bin")


def test_submit_starts_the_uploads_and_waits(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    open_page(page, DOCUMENT)
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(make_file("report.bin", BIG), into=CHOOSE)
    wait_for_files(page, ("report.bin", "waiting"))
    page.submit()
    page.submit()
    assert note(page) == HELD
    wait_for_files(page, ("report.bin", "uploading"))
    assert requests.posts(DOCUMENT) == 0
    page.hurry()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert requests.posts(DOCUMENT) == 1
    assert Document.objects.count() == 1


def test_progress_and_success_are_uppys_events(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    open_page(page, DOCUMENT)
    page.chrome.execute_script(
        """
        window.told = [];
        for (const name of ["upload-start", "upload-progress", "upload-success", "complete"])
          uppies[0].on(name, (first, second) => told.push([name, second]));
        """
    )
    page.choose(make_file("report.bin", 5000), into=CHOOSE)
    page.chrome.wait_for(UPLOAD).click()
    told = page.chrome.wait_until("told.at(-1)?.[0] === 'complete' && told")
    assert [name for name, _ in told if name != "upload-progress"] == ["upload-start", "upload-success", "complete"]
    progress = [second for name, second in told if name == "upload-progress"]
    assert progress[-1]["bytesUploaded"] == progress[-1]["bytesTotal"] == 5000
    [response] = [second for name, second in told if name == "upload-success"]
    assert response["status"] == 200
    assert response["body"] == {"token": page.chrome.evaluate("document.getElementsByName('file-s3upload')[0].value")}
    # The dashboard offers no link to it.
    assert not page.chrome.find_all("a.uppy-Dashboard-Item-previewLink")


def test_cancelled_upload_leaves_nothing_and_the_form_stays(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    open_page(page, f"{SEVERAL}?auto")
    page.type("[name=title]", "One")
    page.slow_down()
    page.choose(make_file("a.bin", BIG), make_file("b.bin", BIG), into=CHOOSE)
    wait_for_files(page, ("a.bin", "uploading"), ("b.bin", "uploading"))
    page.submit()
    page.chrome.wait_until(NOTE)
    page.chrome.execute_script("document.querySelector('.uppy-Dashboard-Item-action--remove').click()")
    wait_for_files(page, ("b.bin", "uploading"))
    page.chrome.wait_until(f"!{NOTE}")
    page.hurry()
    wait_for_files(page, ("b.bin", "done"))
    page.wait_for(lambda: len(ceph_store.keys(PENDING)) == 1)
    assert requests.posts(SEVERAL) == 0
    page.submit()

    assert page.result()["saved"] == ["plain/b.bin"]


def test_cancel_all_gives_everything_back(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    open_page(page, SEVERAL)
    page.choose(make_file("a.bin"), into=CHOOSE)
    page.chrome.wait_for(UPLOAD).click()
    wait_for_files(page, ("a.bin", "done"))
    page.slow_down()
    page.chrome.execute_script("uppies[0].addFile({ name: 'b.bin', data: new Blob(['b'.repeat(2000000)]) })")
    page.chrome.execute_script("void uppies[0].upload()")
    wait_for_files(page, ("a.bin", "done"), ("b.bin", "uploading"))
    page.chrome.execute_script("uppies[0].cancelAll()")
    wait_for_files(page)
    page.hurry()
    page.wait_for(lambda: ceph_store.keys() == [])
    assert page.chrome.evaluate("document.getElementsByName('files-s3upload').length") == 0


def test_removed_file_is_gone_from_store_and_form(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    open_page(page, f"{SEVERAL}?auto")
    page.type("[name=title]", "One")
    page.choose(make_file("a.bin"), make_file("b.bin"), into=CHOOSE)
    wait_for_files(page, ("a.bin", "done"), ("b.bin", "done"))
    page.chrome.execute_script("document.querySelector('.uppy-Dashboard-Item-action--remove').click()")
    wait_for_files(page, ("b.bin", "done"))
    page.wait_for(lambda: len(ceph_store.keys(PENDING)) == 1)
    assert not page.chrome.find_all(".s3upload__file")
    page.submit()

    assert page.result()["saved"] == ["plain/b.bin"]


def test_renamed_file_has_its_new_name(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    file = make_file("report.bin")
    open_page(page, DOCUMENT)
    page.type("[name=title]", "A report")
    page.choose(file, into=CHOOSE)
    wait_for_files(page, ("report.bin", "waiting"))
    page.chrome.execute_script("uppies[0].setFileMeta(uppies[0].getFiles()[0].id, { name: 'Überblick.bin' })")
    page.submit()

    assert page.result()["files"]["file"][0]["name"] == "Überblick.bin"
    assert filesystem_store.get(Document.objects.get().file.name) == file.read_bytes()


def test_required_field_stops_the_submit_in_the_browsers_words(
    page: Page, filesystem_store: FilesystemStore, requests: Requests
) -> None:
    open_page(page, DOCUMENT)
    page.type("[name=title]", "A report")
    page.submit()

    assert note(page) == "Please select a file."
    assert page.chrome.evaluate("document.activeElement.textContent") == note(page)
    assert requests.posts(DOCUMENT) == 0


def test_restrictions_are_those_of_the_field(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.chrome.expect_error("upload 1 file|image/")
    open_page(page, DOCUMENT)
    page.choose(make_file("first.bin"), into=CHOOSE)
    wait_for_files(page, ("first.bin", "waiting"))
    page.chrome.execute_script("uppies[0].addFiles([{ name: 'second.bin', data: new Blob(['b']) }])")
    wait_for_files(page, ("first.bin", "waiting"))
    open_page(page, "/forms/image/uppy/")
    page.chrome.execute_script("uppies[0].addFiles([{ name: 'no-image.txt', data: new Blob(['b']) }])")
    wait_for_files(page)


def test_refusal_is_shown_in_the_servers_words_and_not_posted(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings, requests: Requests
) -> None:
    settings.S3UPLOAD_MAX_SIZE = 10
    page.chrome.expect_error("The file is too large")
    open_page(page, DOCUMENT)
    page.type("[name=title]", "A report")
    page.choose(make_file("report.bin", 1000), into=CHOOSE)
    page.submit()
    wait_for_files(page, ("report.bin", "failed"))
    page.chrome.wait_until("document.activeElement.textContent.startsWith('report.bin: The file is too large')")
    assert requests.posts(DOCUMENT) == 0
    page.submit()

    assert note(page).startswith("report.bin: The file is too large")
    assert requests.posts(DOCUMENT) == 0


@pytest.mark.parametrize("how", ["retryAll()", "retryUpload(uppies[0].getFiles()[0].id)"])
def test_failed_upload_is_tried_again(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    page.chrome.expect_error("Not now")
    open_page(page, f"{DOCUMENT}?auto")
    page.type("[name=title]", "A report")
    with monkeypatch.context() as patch:
        patch.setattr(views, "grant", lambda *arguments: [{"error": "Not now."}])
        page.choose(make_file("report.bin"), into=CHOOSE)
        wait_for_files(page, ("report.bin", "failed"))
    page.chrome.execute_script(f"void uppies[0].{how}")
    wait_for_files(page, ("report.bin", "done"))
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]


@STORES
def test_kept_file_is_shown_and_sent_no_second_time(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", 2048)
    open_page(page, f"{DOCUMENT}?auto")
    page.choose(file, into=CHOOSE)
    wait_for_files(page, ("report.bin", "done"))
    submit_unchecked(page)
    come_back(page)
    (row,) = page.wait_for_states("kept")
    assert (row.name, row.meta, row.buttons) == ("report.bin", "2 kB · Uploaded", ["Remove"])
    page.type("[name=title]", "A report")
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert len(result["files"]["file"]) == 1
    assert store.get("documents/report.bin") == file.read_bytes()
    assert requests.presigned == 1


def test_kept_file_is_replaced_by_another(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    open_page(page, f"{DOCUMENT}?auto")
    page.choose(make_file("first.bin"), into=CHOOSE)
    wait_for_files(page, ("first.bin", "done"))
    submit_unchecked(page)
    come_back(page)
    page.wait_for_states("kept")
    page.choose(make_file("second.bin"), into=CHOOSE)
    wait_for_files(page, ("second.bin", "done"))
    page.wait_for_states()
    page.wait_for(lambda: len(ceph_store.keys(PENDING)) == 1)
    page.type("[name=title]", "The second")
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/second.bin"]
    assert len(result["files"]["file"]) == 1


def test_kept_file_that_is_removed_makes_the_field_required_again(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    open_page(page, f"{DOCUMENT}?auto")
    page.choose(make_file("report.bin"), into=CHOOSE)
    wait_for_files(page, ("report.bin", "done"))
    submit_unchecked(page)
    come_back(page)
    page.wait_for_states("kept")
    page.press("Remove")
    page.wait_for_states()
    page.type("[name=title]", "A report")
    posts = requests.posts(DOCUMENT)
    page.submit()

    assert note(page) == "Please select a file."
    assert requests.posts(DOCUMENT) == posts


def test_dashboard_in_a_dialog(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    """Its button "Done" empties Uppy; the form still has the file, and the page shows it."""
    file = make_file("report.bin", 2048)
    open_page(page, f"{DOCUMENT}?trigger")
    page.type("[name=title]", "A report")
    page.chrome.find("#open").click()
    page.chrome.wait_for(CHOOSE)
    page.choose(file, into=CHOOSE)
    page.chrome.wait_for(UPLOAD).click()
    wait_for_files(page, ("report.bin", "done"))
    page.chrome.wait_for(".uppy-StatusBar-actionBtn--done").click()
    wait_for_files(page)
    (row,) = page.wait_for_states("kept")
    assert (row.name, row.meta) == ("report.bin", "2 kB · Uploaded")
    page.chrome.wait_until("!document.querySelector('.uppy-Dashboard--isClosing')")
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert ceph_store.get("documents/report.bin") == file.read_bytes()


def test_file_of_an_emptied_uppy_is_removed_from_the_form(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    open_page(page, f"{SEVERAL}?auto")
    page.choose(make_file("a.bin"), make_file("b.bin"), into=CHOOSE)
    wait_for_files(page, ("a.bin", "done"), ("b.bin", "done"))
    page.chrome.execute_script("uppies[0].clear()")
    page.wait_for_states("kept", "kept")
    page.press("Remove", name="a.bin")
    page.wait_for(lambda: len(ceph_store.keys(PENDING)) == 1)
    page.type("[name=title]", "One")
    page.submit()

    assert page.result()["saved"] == ["plain/b.bin"]


def test_no_token_becomes_a_part_of_an_address(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    open_page(page, f"{DOCUMENT}?auto")
    page.type("[name=title]", "A search")
    page.choose(make_file("report.bin"), into=CHOOSE)
    wait_for_files(page, ("report.bin", "done"))
    page.chrome.execute_script("document.querySelector('form').method = 'get'")
    page.submit()
    page.chrome.wait_until("location.search.includes('title')")

    assert "s3upload" not in page.chrome.current_url


def test_reset_gives_up_the_files(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    open_page(page, f"{DOCUMENT}?auto")
    page.choose(make_file("report.bin"), into=CHOOSE)
    wait_for_files(page, ("report.bin", "done"))
    page.chrome.execute_script("document.querySelector('form').reset()")
    wait_for_files(page)
    page.wait_for(lambda: ceph_store.keys() == [])


def test_page_come_back_to_sends_its_file_anew(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    file = make_file("report.bin")
    open_page(page, f"{DOCUMENT}?auto")
    page.type("[name=title]", "A report")
    page.choose(file, into=CHOOSE)
    wait_for_files(page, ("report.bin", "done"))
    page.submit()
    page.result()
    page.chrome.back()
    page.chrome.wait_until("globalThis.uppies !== undefined")
    page.chrome.wait_for(CHOOSE)
    if not page.chrome.evaluate("uppies[0].getFiles().length"):
        page.choose(file, into=CHOOSE)
        wait_for_files(page, ("report.bin", "done"))
    page.submit()

    page.result()
    saved = [document.file.name for document in Document.objects.order_by("pk")]
    assert len(saved) == 2
    assert filesystem_store.get(saved[0]) == filesystem_store.get(saved[1])


def test_removed_plugin_leaves_the_input_to_the_page(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    open_page(page, DOCUMENT)
    assert not page.chrome.evaluate("document.querySelector('[name=file]').checkVisibility()")
    page.chrome.execute_script("uppies[0].destroy()")
    page.type("[name=title]", "A report")
    page.choose_and_wait(make_file("report.bin"), into="[name=file]")
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]


def test_removed_plugin_leaves_the_uploaded_file_with_the_form(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", 2048)
    open_page(page, f"{DOCUMENT}?auto")
    page.type("[name=title]", "A report")
    page.choose(file, into=CHOOSE)
    wait_for_files(page, ("report.bin", "done"))
    page.chrome.execute_script("uppies[0].removePlugin(uppies[0].getPlugin('S3Upload'))")
    (row,) = page.wait_for_states("kept", into="[name=file]")
    assert (row.name, row.meta, row.buttons) == ("report.bin", "2 kB · Uploaded", ["Remove"])
    # The browser finds nothing that is missing, though the input has no file.
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert ceph_store.get("documents/report.bin") == file.read_bytes()
    assert requests.presigned == 1


def test_uppy_of_the_version_before(
    page: Page, ceph_store: S3Store, make_file: MAKE, parts: LargeFile, call_count: CallCount
) -> None:
    open_page(page, SEVERAL)
    page.type("[name=title]", "Two")
    page.chrome.execute_script("uppies[0].destroy()")
    page.chrome.execute_async_script(
        """
        const done = arguments[0];
        const use = async () => {
          const { Uppy5 } = await import("/static/uppy-bundle/uppy.js");
          const { default: S3Upload } = await import("/static/s3upload/uppy.js");
          const input = document.querySelector("[name=files]");
          const uppy = new Uppy5({ autoProceed: true }).use(S3Upload, { input });
          const chosen = document.createElement("input");
          Object.assign(chosen, { type: "file", multiple: true, id: "chosen" });
          chosen.onchange = () => uppy.addFiles([...chosen.files].map((data) => ({ name: data.name, data })));
          document.body.append(chosen);
          window.uppies = [uppy];
        };
        use().then(done);
        """
    )
    assert page.chrome.evaluate("uppies[0].constructor.VERSION").startswith("5.")
    small = make_file("small.bin")
    page.choose(small, parts.path, into="#chosen")
    wait_for_files(page, ("small.bin", "done"), ("parts.bin", "done"), timeout=60)
    page.submit()

    assert page.result()["saved"] == ["plain/small.bin", "plain/parts.bin"]
    assert ceph_store.get("plain/small.bin") == small.read_bytes()
    assert parts.is_at(ceph_store, "plain/parts.bin")
    assert call_count["PutObject"] == 0


def test_whole_form_by_keyboard(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    open_page(page, DOCUMENT)
    page.chrome.find("[name=title]").send_keys("A report", Keys.TAB)
    focused = "document.activeElement"
    assert "uppy-Dashboard" in page.chrome.evaluate(f"{focused}.className")
    page.choose(make_file("report.bin"), into=CHOOSE)
    wait_for_files(page, ("report.bin", "waiting"))
    page.chrome.wait_for(UPLOAD)
    page.chrome.find("[name=title]").click()
    reached = []
    for _ in range(12):
        page.keys(Keys.TAB)
        reached.append(page.chrome.evaluate(f"{focused}.className || {focused}.textContent"))
        if reached[-1] == "Save":
            break
    assert any("uppy-Dashboard-Item-action--remove" in one for one in reached), reached
    assert any("uppy-StatusBar-actionBtn--upload" in one for one in reached), reached
    page.keys(Keys.ENTER)

    assert page.result()["saved"] == ["documents/report.bin"]
