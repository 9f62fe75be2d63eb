"""A form that comes back with an error still has its uploads."""

from __future__ import annotations

import pytest

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import INPUT, Page
from tests.conftest import CallCount, FilesystemStore, S3Store

pytestmark = pytest.mark.browser

FORM = "/forms/document/"
PENDING = "tmp/"


def send_without_title(page: Page) -> None:
    """Have the server find the error that the browser would find first."""
    page.chrome.execute_script("document.querySelector('form').noValidate = true")
    page.submit()
    page.chrome.wait_for(".errorlist")
    page.wait_for_script()


@pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)
def test_kept_file_is_shown_and_sent_no_second_time(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", 2048)
    page.open(FORM)
    page.choose_and_wait(file)
    send_without_title(page)
    (row,) = page.wait_for_states("kept")
    assert row.name == "report.bin"
    assert row.meta == "2 kB · Uploaded"
    assert row.buttons == ["Remove"]
    pending = store.keys(PENDING)
    assert len(pending) == 1
    page.type("[name=title]", "A report")
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert store.keys() == ["documents/report.bin"]
    assert store.get("documents/report.bin") == file.read_bytes()
    assert requests.presigned == 1


def test_form_with_a_kept_file_comes_back_as_often_as_it_has_errors(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests, call_count: CallCount
) -> None:
    page.open(FORM)
    page.choose_and_wait(make_file())
    for _ in range(3):
        send_without_title(page)
        page.wait_for_states("kept")
        assert len(ceph_store.keys(PENDING)) == 1
    page.type("[name=title]", "A report")
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert requests.presigned == 1
    assert call_count["CopyObject"] == 1
    assert call_count["PutObject"] == 0


def test_kept_file_is_removed_and_the_field_required_again(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    page.open(FORM)
    page.choose_and_wait(make_file("first.bin"))
    send_without_title(page)
    page.wait_for_states("kept")
    assert not page.chrome.evaluate(f"document.querySelector('{INPUT}').required")
    page.press("Remove")
    page.wait_for_states()
    assert page.said() == "first.bin: Removed"
    page.type("[name=title]", "A report")
    posts = requests.posts(FORM)
    page.submit()
    assert page.chrome.evaluate(f"document.querySelector('{INPUT}').validity.valueMissing")
    assert requests.posts(FORM) == posts
    page.choose_and_wait(make_file("second.bin"))
    page.submit()

    assert page.result()["saved"] == ["documents/second.bin"]


def test_optional_field_without_its_kept_file_is_empty(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    page.open("/forms/optional-document/")
    page.choose_and_wait(make_file())
    send_without_title(page)
    page.wait_for_states("kept")
    page.press("Remove")
    page.type("[name=title]", "Nothing")
    page.submit()

    result = page.result()
    assert result["saved"] == []
    assert result["files"] == {}


def test_kept_file_is_replaced_by_another(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    second = make_file("second.bin")
    page.open(FORM)
    page.choose_and_wait(make_file("first.bin"))
    send_without_title(page)
    page.wait_for_states("kept")
    page.choose_and_wait(second)
    assert page.row().name == "second.bin"
    page.type("[name=title]", "The second")
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/second.bin"]
    assert [file["name"] for file in result["files"]["file"]] == ["second.bin"]
    assert filesystem_store.get("documents/second.bin") == second.read_bytes()


def test_kept_files_of_one_field_stay_in_order_and_more_are_added(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    files = [make_file(name) for name in ("c.bin", "a.bin", "b.bin", "d.bin")]
    page.open("/forms/several/")
    page.choose_and_wait(*files[:3])
    send_without_title(page)
    rows = page.wait_for_states("kept", "kept", "kept")
    assert [row.name for row in rows] == ["c.bin", "a.bin", "b.bin"]
    page.press("Remove", name="a.bin")
    page.choose(files[3])
    page.wait_for_states("kept", "kept", "done")
    page.type("[name=title]", "Three")
    page.submit()

    result = page.result()
    assert result["saved"] == ["plain/c.bin", "plain/b.bin", "plain/d.bin"]
    assert ceph_store.get("plain/d.bin") == files[3].read_bytes()
    assert requests.presigned == 2


def test_kept_file_of_a_name_full_of_signs(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    name = "\"<img src=x>' & ü.txt"
    page.open(FORM)
    page.choose_and_wait(make_file(name))
    send_without_title(page)
    (row,) = page.wait_for_states("kept")
    assert row.name == name
    page.type("[name=title]", "Signs")
    page.submit()

    assert page.result()["saved"] == ["documents/img_srcx__ü.txt"]


def test_kept_file_of_an_input_outside_its_form(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    page.open("/forms/outside/outside/")
    page.choose_and_wait(make_file())
    page.chrome.execute_script("document.querySelector('[name=title]').value = 'longer than the form has it'")
    send_without_title(page)
    page.wait_for_states("kept")
    page.type("[name=title]", "A report")
    page.submit()

    assert page.result()["saved"] == ["plain/report.bin"]
    assert requests.presigned == 1


def test_formset_keeps_the_files_of_its_rows(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/documents/formset/")
    for number in range(2):
        page.choose_and_wait(make_file(f"{number}.bin"), into=f"[name=form-{number}-file]")
    page.type("[name=form-0-title]", "The first")
    send_without_title(page)
    for number in range(2):
        (row,) = page.wait_for_states("kept", into=f"[name=form-{number}-file]")
        assert row.name == f"{number}.bin"
    page.type("[name=form-1-title]", "The second")
    page.submit()

    assert page.result()["saved"] == ["documents/0.bin", "documents/1.bin"]


def test_rejected_file_is_not_kept(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/forms/image/")
    page.choose_and_wait(make_file("no-picture.png"))
    page.submit()

    assert "Upload a valid image" in page.chrome.wait_for(".errorlist").text
    assert page.rows() == []
    assert page.chrome.evaluate(f"document.querySelector('{INPUT}').required")
