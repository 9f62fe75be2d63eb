"""Other interfaces on the page, FilePond and Uppy, in the words of the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.page import Page

STORES = pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)
PENDING = "tmp/"
HELD = "The form is sent when the uploads are done."
BIG = 2_000_000

# The sentence below the input. It takes the focus, which that of the page script's own list does not.
NOTE = "document.querySelector('.s3upload [tabindex]').textContent"


def note(page: Page) -> str:
    """Return the sentence below the input."""
    text: str = page.chrome.evaluate(NOTE)
    return text


def submit_unchecked(page: Page) -> None:
    """Have the server find the error that the browser would find first."""
    page.chrome.execute_script("document.querySelector('form').noValidate = true")
    page.submit()


def wait_for_list(page: Page, look: Callable[[], list[Any]], wanted: list[Any], timeout: float = 30) -> None:
    """
    Wait until an interface has the files that are wanted.

    :param look: returns those that it has.
    """
    seen: list[Any] = []

    def arrived() -> bool:
        seen[:] = look()
        return seen == wanted

    try:
        page.wait_for(arrived, timeout)
    except Exception as error:
        raise AssertionError(f"not {wanted}, but {seen}") from error


# FilePond

BROWSE = ".filepond--browser"

ITEMS = """
[...document.querySelectorAll(".filepond--item")].map((item) => [
  item.querySelector(".filepond--file-info-main").textContent,
  item.dataset.filepondItemState ?? "",
])
"""
DONE = "processing-complete"
UPLOADING = "busy processing"
FAILED = "processing-error"


def _item(name: str, state: str) -> list[str]:
    return [name, " ".join(sorted(state.split()))]


def items(page: Page) -> list[list[str]]:
    """Return the files that FilePond shows: name and state."""
    return [_item(*shown) for shown in page.chrome.evaluate(ITEMS.strip())]


def wait_for_items(page: Page, *expected: tuple[str, str], timeout: float = 30) -> None:
    """Wait until FilePond shows these files in these states, in any order."""
    wait_for_list(page, lambda: sorted(items(page)), sorted(_item(*one) for one in expected), timeout)


def press(page: Page, action: str, name: str) -> None:
    """Click a button of FilePond's beside the file of this name, as soon as it can be clicked."""
    enabled = """
    [...document.querySelectorAll(".filepond--item")]
      .find((item) => item.querySelector(".filepond--file-info-main").textContent === arguments[0])
      ?.querySelector(`.filepond--action-${arguments[1]}:enabled`)
    """.strip()
    # FilePond shows its buttons little by little, and enables them a moment after the file's state has changed.
    page.wait_for(lambda: page.chrome.evaluate(f"Boolean({enabled})", name, action))
    page.chrome.execute_script("arguments[0].click()", page.chrome.evaluate(enabled, name, action))


# Uppy

FILES = """
uppies[0].getFiles().map(({ meta, error, progress }) => [
  meta.name,
  error ? "failed" : progress.uploadComplete ? "done" : progress.uploadStarted ? "uploading" : "waiting",
])
"""


def wait_for_files(page: Page, *expected: tuple[str, str], timeout: float = 30) -> None:
    """Wait until Uppy has these files in these states, in this order."""
    wait_for_list(page, lambda: page.chrome.evaluate(FILES.strip()), [list(one) for one in expected], timeout)
