"""What the scripts of a page hear, and what may be dropped where."""

from __future__ import annotations

import pytest

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import INPUT, Page
from tests.conftest import FilesystemStore, S3Store

pytestmark = pytest.mark.browser

FORM = "/forms/document/"
SIZE = 300_000


def test_upload_is_told_from_start_to_complete(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    page.open(FORM)
    page.listen()
    page.slow_down(1_000_000)
    page.choose_and_wait(make_file("report.bin", SIZE))

    heard = page.heard()
    assert {(event["target"], event["form"], event["bubbles"]) for event in heard} == {("file", "the-form", True)}
    kinds = [event["type"] for event in heard]
    assert kinds == ["start", *["progress"] * (len(kinds) - 2), "complete"]
    assert len(kinds) > 3, "there is progress before the end"
    for event in (heard[0], heard[-1]):
        assert (event["file"], event["name"], event["size"]) == ("report.bin", "report.bin", SIZE)
    assert [event["type"] for event in heard if event["cancelable"]] == ["start"]


def test_progress_grows_from_nothing_to_everything(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    page.open("/forms/several/")
    page.listen()
    page.slow_down(1_000_000)
    page.choose_and_wait(make_file("a.bin", SIZE), make_file("b.bin", SIZE))

    progress = page.heard("progress")
    shares = [event["progress"] for event in progress]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.5
    assert shares[-1] == 1
    assert {event["total"] for event in progress} == {2 * SIZE}
    assert progress[-1]["loaded"] == 2 * SIZE
    assert all(event["loaded"] == pytest.approx(event["progress"] * 2 * SIZE, abs=2) for event in progress)
    assert {event["currentFile"] for event in progress} == {"a.bin", "b.bin"}
    assert all(event["currentFile"] == event["currentFileName"] for event in progress)
    assert all(0 <= event["currentFileProgress"] <= 1 for event in progress)


def test_cancel_is_told(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open(FORM)
    page.listen()
    page.slow_down()
    page.choose(make_file("report.bin", SIZE))
    page.wait_for_states("uploading")
    page.press("Cancel")

    assert page.heard()[0]["type"] == "start"
    last = page.heard()[-1]
    assert (last["type"], last["file"], last["name"], last["size"]) == ("cancel", "report.bin", "report.bin", SIZE)
    assert page.heard("complete") == []


def test_error_is_told_with_its_message(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings
) -> None:
    settings.S3UPLOAD_MAX_SIZE = 1000
    page.open(FORM)
    page.listen()
    page.choose(make_file("report.bin", 1001))
    (row,) = page.wait_for_states("refused")

    (error,) = page.heard("error")
    assert (error["file"], error["size"], error["message"]) == ("report.bin", 1001, row.error)
    assert error["message"].startswith("The file is too large")


def test_start_that_is_prevented_leaves_the_file_to_the_form(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    page.open(FORM)
    page.chrome.execute_script(
        "document.querySelector('form').addEventListener('s3upload:start', (event) => event.preventDefault())"
    )
    page.type("[name=title]", "The ordinary way")
    page.choose(make_file())
    page.wait_for_states("ordinary")
    page.submit()

    assert page.result()["files"]["file"][0]["class"] == "InMemoryUploadedFile"
    assert requests.presigned == 0


def test_page_hears_change_once_per_choice_and_removal(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    page.open(FORM)
    page.chrome.execute_script("window.changes = 0; addEventListener('change', () => { changes += 1; })")
    page.choose_and_wait(make_file())
    assert page.chrome.evaluate("changes") == 1
    page.press("Remove")
    assert page.chrome.evaluate("changes") == 2


def test_finished_waits_for_the_uploads_of_a_form(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings
) -> None:
    page.open(FORM)
    page.slow_down()
    page.choose(make_file("report.bin", SIZE))
    page.wait_for_states("uploading")
    page.chrome.execute_script(
        "s3upload.finished(document.querySelector('form')).then((done) => { window.finished = done; })"
    )
    assert page.chrome.evaluate("window.finished") is None
    page.hurry()
    assert page.chrome.wait_until("window.finished") is True
    posted = page.chrome.evaluate("[...new FormData(document.querySelector('form')).keys()]")
    assert "file-s3upload" in posted
    assert "file" not in posted


@pytest.mark.parametrize("place", [INPUT, "label[for=id_file]"])
def test_dropped_file_is_uploaded(
    page: Page, filesystem_store: FilesystemStore, place: str, requests: Requests
) -> None:
    page.open(FORM)
    page.type("[name=title]", "Dropped")
    assert page.drop(("dropped.txt", "content"), on=place)["dragover"], "the page shows that it takes the file"
    page.wait_for_states("done")
    page.submit()

    assert page.result()["saved"] == ["documents/dropped.txt"]
    assert filesystem_store.get("documents/dropped.txt") == b"content"
    assert requests.presigned == 1


def test_files_dropped_on_the_list_are_added(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/forms/several/")
    page.type("[name=title]", "Dropped")
    page.choose_and_wait(make_file("chosen.bin"))
    page.drop(("a.txt", "a"), ("b.txt", "b"), on=".s3upload__file")
    page.wait_for_states("done", "done", "done")
    page.submit()

    assert page.result()["saved"] == ["plain/chosen.bin", "plain/a.txt", "plain/b.txt"]


def test_field_for_one_file_takes_one_of_those_dropped(page: Page, filesystem_store: FilesystemStore) -> None:
    page.open(FORM)
    page.drop(("a.txt", "a"), ("b.txt", "b"))

    (row,) = page.wait_for_states("done")
    assert row.name == "a.txt"


def test_drop_elsewhere_is_none_of_our_business(page: Page, filesystem_store: FilesystemStore) -> None:
    page.open(FORM)

    assert page.drop(("a.txt", "a"), on="[name=title]") == {"dragenter": False, "dragover": False, "drop": False}
    assert page.rows() == []


def test_disabled_field_takes_no_drop(page: Page, filesystem_store: FilesystemStore) -> None:
    page.open(FORM)
    page.chrome.execute_script(f"document.querySelector('{INPUT}').disabled = true")

    assert page.drop(("a.txt", "a")) == {"dragenter": False, "dragover": False, "drop": False}
