"""FilePond as the interface, with the bytes going straight to the store. Its page has a strict content policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from s3upload import views
from tests.browser.clients import (
    BIG,
    BROWSE,
    DONE,
    FAILED,
    HELD,
    NOTE,
    PENDING,
    STORES,
    UPLOADING,
    items,
    note,
    press,
    submit_unchecked,
    wait_for_items,
)
from tests.browser.conftest import MAKE, LargeFile, Requests
from tests.browser.page import Page
from tests.conftest import CallCount, FilesystemStore, S3Store
from tests.test_docs import block
from tests.testapp.models import Document

pytestmark = pytest.mark.browser

DOCUMENT = "/forms/document/filepond/"
SEVERAL = "/forms/several/filepond/"


@STORES
def test_file_goes_straight_to_the_store(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", 200_000)
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    assert len(store.keys(PENDING)) == 1
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert result["files"]["file"][0]["class"].endswith("UploadedFile")
    assert result["content_length"] < 5000
    assert store.get("documents/report.bin") == file.read_bytes()
    assert store.keys() == ["documents/report.bin"]
    assert requests.presigned == 1


@STORES
def test_large_file_goes_in_parts(page: Page, store: FilesystemStore | S3Store, parts: LargeFile) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "A film")
    page.choose(parts.path, into=BROWSE)
    wait_for_items(page, ("parts.bin", DONE), timeout=60)
    page.submit()

    assert page.result()["saved"] == ["documents/parts.bin"]
    assert parts.is_at(store, "documents/parts.bin")


@STORES
def test_several_files_are_posted_in_the_order_of_the_list(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE
) -> None:
    files = [make_file(f"{letter}.bin", 1000) for letter in "cab"]
    page.open(SEVERAL)
    page.type("[name=title]", "Three")
    page.choose(*files, into=BROWSE)
    wait_for_items(page, *[(file.name, DONE) for file in files])
    shown = page.chrome.evaluate("ponds[0].getFiles().map((file) => file.filename)")
    page.submit()

    assert page.result()["saved"] == [f"plain/{name}" for name in shown]
    for file in files:
        assert store.get(f"plain/{file.name}") == file.read_bytes()


def test_submit_while_uploading_is_held_and_made_once(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    page.open("/forms/document/filepond/")
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(make_file("report.bin", BIG), into=BROWSE)
    wait_for_items(page, ("report.bin", UPLOADING))
    page.submit()
    page.submit()
    assert note(page) == HELD
    assert not Document.objects.exists()
    page.hurry()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert Document.objects.count() == 1


def test_submit_right_after_choosing_is_held(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    page.chrome.execute_script("document.documentElement.lang = 'de'")
    page.choose(make_file("report.bin"), into=BROWSE)
    # FilePond takes a quarter of a second to look at what was chosen.
    page.chrome.execute_script("document.querySelector('form').requestSubmit()")
    assert note(page) == "Das Formular wird nach dem Hochladen gesendet."

    assert page.result()["saved"] == ["documents/report.bin"]


def test_upload_that_waits_for_the_submit(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    page.open(f"{DOCUMENT}?later")
    page.type("[name=title]", "A report")
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", "idle"))
    assert requests.presigned == 0
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert requests.presigned == 1


def test_double_click_is_one_post(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.chrome.execute_script(
        "const button = document.querySelector('form button:not([type=button])'); button.click(); button.click()"
    )

    assert page.result()["saved"] == ["documents/report.bin"]
    assert requests.posts(DOCUMENT) == 1


def test_cancelled_upload_leaves_nothing_and_the_form_stays(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(make_file("report.bin", BIG), into=BROWSE)
    wait_for_items(page, ("report.bin", UPLOADING))
    page.submit()
    page.chrome.wait_until(NOTE)
    press(page, "abort-item-processing", "report.bin")
    wait_for_items(page)
    page.chrome.wait_until(f"!{NOTE}")
    page.hurry()
    page.wait_for(lambda: ceph_store.keys() == [])
    assert requests.posts(DOCUMENT) == 0
    assert page.chrome.evaluate(f"document.querySelector('{BROWSE}').validity.valueMissing")


def test_removed_file_is_gone_from_store_and_form(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    page.open(SEVERAL)
    page.type("[name=title]", "One")
    page.choose(make_file("a.bin"), make_file("b.bin"), into=BROWSE)
    wait_for_items(page, ("a.bin", DONE), ("b.bin", DONE))
    press(page, "revert-item-processing", "a.bin")
    wait_for_items(page, ("b.bin", DONE))
    page.wait_for(lambda: len(ceph_store.keys(PENDING)) == 1)
    page.submit()

    assert page.result()["saved"] == ["plain/b.bin"]


def test_single_file_takes_the_place_of_another(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "The second")
    page.choose(make_file("first.bin"), into=BROWSE)
    wait_for_items(page, ("first.bin", DONE))
    page.choose(make_file("second.bin"), into=BROWSE)
    wait_for_items(page, ("second.bin", DONE))
    page.wait_for(lambda: len(filesystem_store.keys(PENDING)) == 1)
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/second.bin"]
    assert len(result["files"]["file"]) == 1


def test_required_field_stops_the_submit(page: Page, filesystem_store: FilesystemStore, requests: Requests) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    page.submit()

    assert page.chrome.evaluate(f"document.querySelector('{BROWSE}').validity.valueMissing")
    assert requests.posts(DOCUMENT) == 0


def test_refusal_is_shown_in_the_servers_words_and_not_posted(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings, requests: Requests
) -> None:
    settings.S3UPLOAD_MAX_SIZE = 10
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    page.choose(make_file("report.bin", 1000), into=BROWSE)
    wait_for_items(page, ("report.bin", FAILED))
    sentence = note(page)
    assert sentence.startswith("report.bin: The file is too large")
    page.submit()

    assert note(page) == sentence
    assert page.chrome.evaluate("document.activeElement.textContent") == note(page)
    assert requests.posts(DOCUMENT) == 0


def test_failed_upload_is_tried_again(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    with monkeypatch.context() as patch:
        patch.setattr(views, "grant", lambda *arguments: [{"error": "Not now."}])
        page.choose(make_file("report.bin"), into=BROWSE)
        wait_for_items(page, ("report.bin", FAILED))
    press(page, "retry-item-processing", "report.bin")
    wait_for_items(page, ("report.bin", DONE))
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]


@STORES
def test_kept_file_is_shown_and_sent_no_second_time(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", 2048)
    page.open(DOCUMENT)
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    submit_unchecked(page)
    page.chrome.wait_for(".errorlist")
    wait_for_items(page, ("report.bin", DONE))
    assert page.chrome.evaluate("document.querySelector('.filepond--file-info-sub').textContent") == "2 KB"
    assert not page.chrome.find_all(".s3upload__file")
    page.type("[name=title]", "A report")
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert len(result["files"]["file"]) == 1
    assert store.get("documents/report.bin") == file.read_bytes()
    assert requests.presigned == 1


def test_kept_files_stay_in_order_and_can_be_removed(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    page.open(SEVERAL)
    page.choose(*[make_file(f"{letter}.bin") for letter in "cab"], into=BROWSE)
    wait_for_items(page, ("c.bin", DONE), ("a.bin", DONE), ("b.bin", DONE))
    before = page.chrome.evaluate("ponds[0].getFiles().map((file) => file.filename)")
    submit_unchecked(page)
    page.chrome.wait_for(".errorlist")
    wait_for_items(page, ("c.bin", DONE), ("a.bin", DONE), ("b.bin", DONE))
    assert page.chrome.evaluate("ponds[0].getFiles().map((file) => file.filename)") == before
    press(page, "revert-item-processing", "a.bin")
    page.wait_for(lambda: len(ceph_store.keys(PENDING)) == 2)
    page.type("[name=title]", "Two")
    page.submit()

    assert page.result()["saved"] == [f"plain/{name}" for name in before if name != "a.bin"]


def test_kept_file_that_is_removed_makes_the_field_required_again(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    page.open(DOCUMENT)
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    submit_unchecked(page)
    page.chrome.wait_for(".errorlist")
    wait_for_items(page, ("report.bin", DONE))
    press(page, "revert-item-processing", "report.bin")
    wait_for_items(page)
    page.type("[name=title]", "A report")
    posts = requests.posts(DOCUMENT)
    page.submit()

    assert page.chrome.evaluate(f"document.querySelector('{BROWSE}').validity.valueMissing")
    assert requests.posts(DOCUMENT) == posts
    page.wait_for(lambda: filesystem_store.keys() == [])


def test_kept_file_of_a_name_full_of_signs(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    name = "\"<img src=x>' & ü.txt"
    page.open(DOCUMENT)
    page.choose(make_file(name), into=BROWSE)
    wait_for_items(page, (name, DONE))
    submit_unchecked(page)
    page.chrome.wait_for(".errorlist")
    wait_for_items(page, (name, DONE))
    page.type("[name=title]", "Signs")
    page.submit()

    assert page.result()["files"]["file"][0]["name"] == name


def test_reset_gives_up_the_files(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    page.open(DOCUMENT)
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.chrome.execute_script("document.querySelector('form').reset()")
    wait_for_items(page)
    page.wait_for(lambda: ceph_store.keys() == [])


def test_no_token_becomes_a_part_of_an_address(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "A search")
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.chrome.execute_script("document.querySelector('form').method = 'get'")
    page.submit()
    page.chrome.wait_until("location.search !== ''")

    assert "s3upload" not in page.chrome.current_url
    assert "title=A+search" in page.chrome.current_url


def test_page_come_back_to_sends_its_file_anew(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    """A token is good for one form. The page is as it was when it was left, where the browser has kept it."""
    file = make_file("report.bin")
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.submit()
    page.result()
    page.chrome.back()
    page.chrome.wait_for(BROWSE)
    if not items(page):
        page.choose(file, into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.submit()

    page.result()
    saved = [document.file.name for document in Document.objects.order_by("pk")]
    assert len(saved) == 2
    assert filesystem_store.get(saved[0]) == filesystem_store.get(saved[1])


def test_files_that_were_chosen_before_go_into_it(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    """The page script had them in hand already."""
    page.open("/forms/document/")
    page.type("[name=title]", "A report")
    page.choose_and_wait(make_file("report.bin"))
    page.chrome.execute_script(
        """
        const style = document.createElement("link");
        style.rel = "stylesheet";
        style.href = "/static/filepond/filepond.css";
        const script = document.createElement("script");
        script.type = "module";
        script.src = "/static/testapp/filepond.js";
        document.head.append(style, script);
        """
    )
    wait_for_items(page, ("report.bin", DONE))
    assert not page.chrome.find_all(".s3upload__file")
    page.wait_for(lambda: len(filesystem_store.keys(PENDING)) == 1)
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert len(result["files"]["file"]) == 1


@pytest.fixture
def page_of_the_documentation(settings, tmp_path: Path) -> None:
    """The page "import-map" is the example of the documentation."""
    template = tmp_path / "templates" / "testapp" / "import-map.html"
    template.parent.mkdir(parents=True)
    example = block(r"html\+django", "filepond-page")
    template.write_text(f'{{% extends "testapp/base.html" %}}{{% block body %}}{example}{{% endblock %}}')
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path / "templates"]}]


@pytest.mark.usefixtures("page_of_the_documentation")
def test_page_of_the_documentation(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/forms/document/import-map/")
    page.type("[name=title]", "A report")
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    loaded = page.chrome.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert len([address for address in loaded if address.endswith("/s3upload.js")]) == 1, loaded
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]


def test_whole_form_by_keyboard(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open(DOCUMENT)
    page.chrome.find("[name=title]").send_keys("A report", Keys.TAB)
    stops = [page.chrome.evaluate("document.activeElement.className")]
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.chrome.find("[name=title]").click()
    for _ in range(4):
        page.keys(Keys.TAB)
        stops.append(page.chrome.evaluate("document.activeElement.className || document.activeElement.tagName"))
        if stops[-1] == "BUTTON":
            break
    assert "filepond--browser" in " ".join(stops)
    assert "filepond--action-revert-item-processing" in " ".join(stops)
    page.keys(Keys.ENTER)

    assert page.result()["saved"] == ["documents/report.bin"]


def test_form_error_costs_no_call_of_the_store_twice(
    page: Page, ceph_store: S3Store, make_file: MAKE, call_count: CallCount
) -> None:
    page.open(DOCUMENT)
    page.type("[name=title]", "A report")
    page.choose(make_file("report.bin"), into=BROWSE)
    wait_for_items(page, ("report.bin", DONE))
    page.submit()

    page.result()
    assert call_count["CopyObject"] == 1
    assert call_count["PutObject"] == 0
