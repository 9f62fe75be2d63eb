"""Several files: in one field, in several fields, in the rows of a formset."""

from __future__ import annotations

import pytest

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import Page
from tests.conftest import FilesystemStore, S3Store
from tests.testapp import models

pytestmark = pytest.mark.browser

CHOSEN = "[...document.querySelector('input[type=file]').files].map(({ name }) => name)"


def names(page: Page) -> list[str]:
    return [row.name for row in page.rows()]


@pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)
def test_files_chosen_in_several_goes_are_all_saved_in_order(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, requests: Requests
) -> None:
    files = [make_file(name, 50_000) for name in ("c.bin", "a.bin", "b.bin")]
    page.open("/forms/several/")
    page.type("[name=title]", "Three files")
    page.choose(files[0], files[1])
    page.wait_for_states("done", "done")
    page.choose(files[2])
    page.wait_for_states("done", "done", "done")
    page.submit()

    result = page.result()
    assert result["saved"] == ["plain/c.bin", "plain/a.bin", "plain/b.bin"]
    assert [store.get(name) for name in result["saved"]] == [file.read_bytes() for file in files]
    assert requests.presigned == 2, "one request for all files that were chosen at once"


def test_two_files_of_one_name_are_two_files(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    files = [make_file("same.bin"), make_file("same.bin")]
    page.open("/forms/several/")
    page.type("[name=title]", "Twins")
    page.choose_and_wait(*files)
    page.submit()

    saved = page.result()["saved"]
    assert len(set(saved)) == 2
    assert [filesystem_store.get(name) for name in saved] == [file.read_bytes() for file in files]


def test_order_is_that_of_choosing_whatever_is_done_first(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    page.open("/forms/several/")
    page.type("[name=title]", "Large and small")
    page.slow_down()
    page.choose(make_file("large.bin", 1_000_000), make_file("small.bin", 10))
    page.wait_for_states("uploading", "done")
    page.hurry()
    page.wait_for_states("done", "done")
    page.submit()

    assert page.result()["saved"] == ["plain/large.bin", "plain/small.bin"]


def test_one_of_several_files_is_removed(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/forms/several/")
    page.type("[name=title]", "Two of three")
    page.choose_and_wait(make_file("a.bin"), make_file("b.bin"), make_file("c.bin"))
    page.press("Remove", name="b.bin")
    assert names(page) == ["a.bin", "c.bin"]
    assert page.chrome.evaluate(CHOSEN) == ["a.bin", "c.bin"]
    page.submit()

    assert page.result()["saved"] == ["plain/a.bin", "plain/c.bin"]


def test_one_of_several_files_is_cancelled(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/forms/several/")
    page.type("[name=title]", "The other one")
    page.slow_down()
    page.choose(make_file("a.bin", 1_000_000), make_file("b.bin", 1_000_000))
    page.wait_for_states("uploading", "uploading")
    page.press("Cancel", name="a.bin")
    assert names(page) == ["b.bin"]
    page.hurry()
    page.wait_for_states("done")
    page.submit()

    assert page.result()["saved"] == ["plain/b.bin"]


def test_field_for_one_file_takes_the_one_chosen_last(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    second = make_file("second.bin")
    page.open("/forms/document/")
    page.type("[name=title]", "The second")
    page.listen()
    page.slow_down()
    page.choose(make_file("first.bin", 1_000_000))
    page.wait_for_states("uploading")
    page.choose_and_wait(second)
    assert names(page) == ["second.bin"]
    assert [event["name"] for event in page.heard("cancel")] == ["first.bin"]
    page.submit()

    assert page.result()["saved"] == ["documents/second.bin"]
    assert filesystem_store.keys() == ["documents/second.bin"]


def test_ten_files_are_all_saved(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    files = [make_file(f"{number}.bin", 20_000) for number in range(10)]
    page.open("/forms/several/")
    page.type("[name=title]", "Ten")
    page.choose_and_wait(*files)
    page.submit()

    saved = page.result()["saved"]
    assert [ceph_store.get(name) for name in saved] == [file.read_bytes() for file in files]


def test_uploads_at_the_same_time_are_six(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/forms/several/")
    page.slow_down()
    page.choose(*[make_file(f"{number}.bin", 1_000_000) for number in range(8)])

    page.wait_for_states(*["uploading"] * 6, "queued", "queued")
    page.press("Cancel", name="1.bin")
    page.wait_for_states(*["uploading"] * 6, "queued")


def test_inputs_of_one_form_have_their_own_files(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    first, second = make_file("first.bin"), make_file("second.bin")
    page.open("/forms/two/")
    page.choose_and_wait(second, into="[name=second]")
    page.choose_and_wait(first, into="[name=first]")
    page.submit()

    result = page.result()
    assert [file["name"] for file in result["files"]["first"]] == ["first.bin"]
    assert [file["name"] for file in result["files"]["second"]] == ["second.bin"]
    assert filesystem_store.get("plain/first.bin") == first.read_bytes()
    assert filesystem_store.get("plain/second.bin") == second.read_bytes()


def test_form_with_a_prefix(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/forms/document/?prefix=my-form")
    page.type("[name=my-form-title]", "Prefixed")
    page.choose_and_wait(make_file())
    page.submit()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert list(result["files"]) == ["my-form-file"]


def test_formset_saves_the_files_of_its_rows(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    files = [make_file("first.bin"), make_file("second.bin")]
    page.open("/documents/formset/")
    for number, file in enumerate(files):
        page.type(f"[name=form-{number}-title]", f"Row {number}")
        page.choose_and_wait(file, into=f"[name=form-{number}-file]")
    page.submit()

    assert page.result()["saved"] == ["documents/first.bin", "documents/second.bin"]
    documents = models.Document.objects.order_by("title")
    assert [document.title for document in documents] == ["Row 0", "Row 1"]
    assert [ceph_store.get(document.file.name) for document in documents] == [file.read_bytes() for file in files]
