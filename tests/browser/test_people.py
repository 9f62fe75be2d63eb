"""What people have of it who use a keyboard, a screen reader, or another language."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import INPUT, Page
from tests.conftest import FilesystemStore

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("filesystem_store")]

FORM = "/forms/document/"
FOCUSED = "document.activeElement.getAttribute('aria-label')"
BIG = 2_000_000


def tab_from_input(page: Page, times: int) -> str:
    page.chrome.execute_script(f"document.querySelector('{INPUT}').focus()")
    page.keys(*[Keys.TAB] * times)
    label: str = page.chrome.evaluate(FOCUSED)
    return label


def test_upload_is_cancelled_by_keyboard(page: Page, make_file: MAKE) -> None:
    page.open(FORM)
    page.slow_down()
    page.choose(make_file("report.bin", BIG))
    page.wait_for_states("uploading")
    assert tab_from_input(page, 1) == "Cancel: report.bin"
    page.keys(Keys.ENTER)
    page.wait_for_states()

    assert page.said() == "report.bin: Removed"
    assert page.chrome.evaluate("document.activeElement.name") == "file", "the focus is where a file can be chosen"


def test_one_of_several_files_is_removed_by_keyboard(page: Page, make_file: MAKE) -> None:
    page.open("/forms/several/")
    page.choose_and_wait(make_file("a.bin"), make_file("b.bin"), make_file("c.bin"))
    assert tab_from_input(page, 2) == "Remove: b.bin"
    page.keys(Keys.SPACE)
    page.wait_for_states("done", "done")

    assert page.said() == "b.bin: Removed"
    assert page.chrome.evaluate(FOCUSED) == "Remove: c.bin", "the focus goes on with the next file"


def test_failed_upload_is_tried_again_by_keyboard(
    page: Page, make_file: MAKE, filesystem_store: FilesystemStore
) -> None:
    page.chrome.expect_error("net::ERR_BLOCKED_BY_CLIENT")
    page.open(FORM)
    page.cdp("Network.enable")
    page.cdp("Network.setBlockedURLs", urls=["*/dummy/*"])
    page.choose(make_file("report.bin"))
    page.wait_for_states("failed", timeout=60)
    page.cdp("Network.setBlockedURLs", urls=[])
    assert tab_from_input(page, 1) == "Try again: report.bin"
    page.keys(Keys.ENTER)
    page.wait_for_states("done")

    assert page.chrome.evaluate(FOCUSED) == "Remove: report.bin", "the focus stays with the file"
    assert len(filesystem_store.keys()) == 1


def test_kept_file_is_removed_by_keyboard(page: Page, make_file: MAKE) -> None:
    page.open(FORM)
    page.chrome.execute_script("document.querySelector('form').noValidate = true")
    page.choose_and_wait(make_file("report.bin"))
    page.submit()
    page.chrome.wait_for(".errorlist")
    page.wait_for_states("kept")
    assert tab_from_input(page, 1) == "Remove: report.bin"
    page.keys(Keys.ENTER)

    page.wait_for_states()
    assert page.said() == "report.bin: Removed"


def test_roles_and_names_tell_what_is_there(page: Page, make_file: MAKE) -> None:
    page.open(FORM)
    page.slow_down()
    page.choose(make_file("report.bin", BIG))
    page.wait_for_states("uploading")

    def told(selector: str) -> tuple[str, str]:
        element = page.chrome.find(f".s3upload {selector}")
        return element.aria_role, element.accessible_name

    assert told("[role=list]") == ("list", "Files")
    assert told("[role=list] > *")[0] == "listitem"
    assert told("progress") == ("progressbar", "report.bin")
    assert told("button:last-child") == ("button", "Cancel: report.bin")
    page.hurry()
    page.wait_for_states("done")
    assert page.chrome.wait_until("document.querySelector('.s3upload__status').textContent") == "report.bin: Uploaded"
    assert told(".s3upload__status")[0] == "status"
    assert told("button:last-child") == ("button", "Remove: report.bin")


def test_waiting_submit_is_told(page: Page, make_file: MAKE) -> None:
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(make_file("report.bin", BIG))
    page.wait_for_states("uploading")
    page.submit()

    note = page.chrome.find(".s3upload__note")
    assert note.text == "The form is sent when the uploads are done."
    assert note.aria_role == "status"


def test_error_is_told_and_belongs_to_the_buttons(page: Page, make_file: MAKE, settings) -> None:
    settings.S3UPLOAD_MAX_SIZE = 10
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose(make_file("report.bin"))
    (row,) = page.wait_for_states("refused")

    error = page.chrome.find(".s3upload__error")
    assert error.aria_role == "alert"
    page.submit()
    page.chrome.wait_until(f"{FOCUSED} === 'Remove: report.bin'")
    described = page.chrome.evaluate(
        "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    )
    assert described == row.error != ""


def test_enlarged_text_and_a_long_name_stay_inside_a_narrow_window(page: Page, make_file: MAKE) -> None:
    page.cdp("Emulation.setDeviceMetricsOverride", width=320, height=700, deviceScaleFactor=1, mobile=False)
    try:
        page.open(FORM)
        page.chrome.execute_script("document.documentElement.style.fontSize = '200%'")
        page.choose_and_wait(make_file("x" * 80 + ".bin"))
        assert page.chrome.evaluate(
            "document.querySelector('.s3upload').getBoundingClientRect().right <= document.documentElement.clientWidth"
        )
    finally:
        page.cdp("Emulation.clearDeviceMetricsOverride")


def test_german_page_speaks_german(page: Page, make_file: MAKE, settings) -> None:
    settings.LANGUAGE_CODE = "de"
    settings.S3UPLOAD_MAX_SIZE = BIG
    page.open(FORM)
    assert page.chrome.evaluate("document.documentElement.lang") == "de"
    page.type("[name=title]", "Ein Bericht")
    page.slow_down()
    page.choose(make_file("Bericht.bin", 1536 * 1024))
    (row,) = page.wait_for_states("uploading")
    assert row.meta.startswith("1,5 MB · ")
    assert row.buttons == ["Abbrechen"]
    page.submit()
    assert page.chrome.find(".s3upload__note").text == "Das Formular wird nach dem Hochladen gesendet."
    page.press("Abbrechen")
    page.hurry()
    page.choose(make_file("Bericht.bin", BIG + 1))
    (row,) = page.wait_for_states("refused")
    assert row.error.startswith("Die Datei ist zu groß (")
    page.choose_and_wait(make_file("Bericht.bin"))
    assert page.row().meta.endswith("Hochgeladen")
    assert page.row().buttons == ["Entfernen"]


def test_server_answers_in_the_language_of_the_page(page: Page, make_file: MAKE, settings, start_site) -> None:
    # The browser prefers English, the page says that it is German.
    settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", *settings.MIDDLEWARE]
    settings.S3UPLOAD_MAX_SIZE = 10
    page.address = start_site()
    page.open(FORM)
    assert page.chrome.evaluate("document.documentElement.lang") == "en"
    page.chrome.execute_script("document.documentElement.lang = 'de'")
    page.choose(make_file("Bericht.bin"))

    (row,) = page.wait_for_states("refused")
    assert row.error.startswith("Die Datei ist zu groß (")


def test_texts_of_the_site_win_over_ours(page: Page, make_file: MAKE, requests: Requests) -> None:
    page.open(FORM)
    page.chrome.execute_script(
        "window.django = { gettext: (msgid) => ({ Uploaded: 'Safe with us' })[msgid] ?? msgid }"
    )
    page.choose_and_wait(make_file())

    assert page.row().meta.endswith("Safe with us")
