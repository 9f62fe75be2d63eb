"""The submit: held until the uploads are done, then the browser's own, once."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db.models.signals import pre_save
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import INPUT, SUBMIT, Page
from tests.conftest import FilesystemStore
from tests.testapp import models

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("filesystem_store")]

FORM = "/forms/document/"
NOTE = "document.querySelector('.s3upload__note').textContent"
HELD = "The form is sent when the uploads are done."
BIG = 2_000_000


@pytest.fixture
def filled(page: Page, make_file: MAKE, requests: Requests) -> Page:
    """A form with a title, whose file is in the store."""
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose_and_wait(make_file())
    return page


@pytest.fixture
def uploading(page: Page, make_file: MAKE, requests: Requests) -> Page:
    """A form with a title, whose file is on its way."""
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(make_file(size=BIG))
    page.wait_for_states("uploading")
    return page


def assert_sent_once(page: Page, requests: Requests) -> None:
    assert page.result()["saved"] == ["documents/report.bin"]
    assert requests.posts(FORM) == 1
    assert models.Document.objects.count() == 1


def test_double_click_is_one_post(filled: Page, requests: Requests) -> None:
    ActionChains(filled.chrome).double_click(filled.chrome.find(SUBMIT)).perform()

    assert_sent_once(filled, requests)


def test_second_click_while_the_server_answers_is_no_second_post(filled: Page, requests: Requests) -> None:
    second_click = "/echo/csrf-exempt/"

    def wait_for_second_click(**kwargs: Any) -> None:
        deadline = time.monotonic() + 10
        while ("GET", second_click) not in requests and time.monotonic() < deadline:
            time.sleep(0.02)

    pre_save.connect(wait_for_second_click, sender=models.Document)
    try:
        # Not by the driver, which would wait for the answer to the first one.
        filled.chrome.execute_script(
            """
            const [selector, told] = arguments;
            const button = document.querySelector(selector);
            setTimeout(() => button.click());
            setTimeout(() => { button.click(); setTimeout(() => fetch(told), 100); }, 300);
            """,
            SUBMIT,
            second_click,
        )
        assert_sent_once(filled, requests)
        assert ("GET", second_click) in requests
    finally:
        pre_save.disconnect(wait_for_second_click, sender=models.Document)


def test_form_whose_page_stays_is_sent_again_after_a_change(filled: Page, requests: Requests) -> None:
    filled.chrome.execute_script(
        """
        const frame = document.createElement("iframe");
        frame.name = "answers";
        document.body.append(frame);
        document.querySelector("form").target = "answers";
        """
    )
    filled.submit()
    filled.chrome.wait_until("frames.answers.document.getElementById('result') !== null")
    filled.type("[name=title]", "Changed")
    filled.submit()

    # The file went with the first one; the second one says so.
    filled.chrome.wait_until("frames.answers.document.querySelector('.errorlist') !== null")
    assert requests.posts(FORM) == 2


def test_double_click_while_uploading_is_one_post(uploading: Page, requests: Requests) -> None:
    ActionChains(uploading.chrome).double_click(uploading.chrome.find(SUBMIT)).perform()
    uploading.submit()
    assert uploading.chrome.wait_until(NOTE) == HELD
    assert requests.posts(FORM) == 0
    uploading.hurry()

    assert_sent_once(uploading, requests)


def test_enter_in_a_text_field_sends_the_form(uploading: Page, requests: Requests) -> None:
    uploading.chrome.find("[name=title]").send_keys(Keys.ENTER)
    assert uploading.chrome.wait_until(NOTE) == HELD
    uploading.hurry()

    assert_sent_once(uploading, requests)


def test_request_submit_of_a_script_waits(uploading: Page, requests: Requests) -> None:
    uploading.chrome.execute_script("document.querySelector('form').requestSubmit()")
    assert uploading.chrome.wait_until(NOTE) == HELD
    uploading.hurry()

    assert_sent_once(uploading, requests)


def test_native_submit_posts_the_token_of_an_upload_that_is_done(filled: Page, requests: Requests) -> None:
    filled.chrome.execute_script("document.querySelector('form').submit()")

    assert filled.result()["files"]["file"][0]["class"] == "LocalUploadedFile"
    assert_sent_once(filled, requests)


def test_native_submit_while_uploading_loses_nothing(page: Page, make_file: MAKE, requests: Requests) -> None:
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(make_file(size=150_000))
    page.wait_for_states("uploading")
    page.chrome.execute_script("document.querySelector('form').submit()")
    page.hurry()

    # Nothing can hold this submit: the file goes the ordinary way.
    assert page.result()["files"]["file"][0]["class"] == "InMemoryUploadedFile"
    assert_sent_once(page, requests)


def test_required_field_stops_the_submit_and_the_next_one_goes(
    page: Page, make_file: MAKE, requests: Requests
) -> None:
    page.open(FORM)
    page.choose_and_wait(make_file())
    page.submit()
    assert page.chrome.evaluate("document.activeElement.name") == "title"
    assert requests.posts(FORM) == 0
    page.type("[name=title]", "A report")
    page.submit()

    assert_sent_once(page, requests)


def test_required_file_stops_the_submit(page: Page, make_file: MAKE, requests: Requests) -> None:
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.submit()
    assert page.chrome.evaluate(f"document.querySelector('{INPUT}').validity.valueMissing")
    assert requests.posts(FORM) == 0
    page.choose_and_wait(make_file())
    page.submit()

    assert_sent_once(page, requests)


def test_field_that_becomes_invalid_while_uploading_stops_the_submit(uploading: Page, requests: Requests) -> None:
    uploading.submit()
    uploading.chrome.wait_until(NOTE)
    uploading.chrome.find("[name=title]").clear()
    uploading.hurry()
    uploading.wait_for_states("done")
    uploading.chrome.wait_until(f"!{NOTE}")
    assert uploading.chrome.evaluate("document.activeElement.name") == "title"
    assert requests.posts(FORM) == 0
    uploading.type("[name=title]", "A report")
    uploading.submit()

    assert_sent_once(uploading, requests)


def test_listener_that_prevents_the_submit_is_respected_and_the_next_one_goes(
    filled: Page, requests: Requests
) -> None:
    filled.chrome.execute_script(
        "document.querySelector('form').addEventListener('submit', (event) => event.preventDefault(), { once: true })"
    )
    filled.submit()
    assert requests.posts(FORM) == 0
    filled.submit()

    assert_sent_once(filled, requests)


@pytest.mark.parametrize("slow", [False, True])
def test_name_and_value_of_the_clicked_button_arrive(page: Page, make_file: MAKE, slow: bool) -> None:
    page.open(f"{FORM}buttons/")
    page.type("[name=title]", "A report")
    if slow:
        page.slow_down()
    page.choose(make_file(size=BIG))
    page.wait_for_states("uploading" if slow else "done")
    page.submit("button[value=save]")
    page.hurry()

    assert page.result()["post"]["button"] == ["save"]


@pytest.mark.parametrize("slow", [False, True])
def test_formaction_of_the_clicked_button_is_followed(
    page: Page, make_file: MAKE, slow: bool, requests: Requests
) -> None:
    page.open(f"{FORM}buttons/")
    page.type("[name=title]", "A report")
    if slow:
        page.slow_down()
    page.choose(make_file(size=BIG))
    page.wait_for_states("uploading" if slow else "done")
    page.submit("button[value=echo]")
    page.hurry()

    page.chrome.wait_until("location.pathname === '/echo/'")
    page.chrome.wait_until("document.body.textContent.includes('LocalUploadedFile')")
    assert page.chrome.evaluate("JSON.parse(document.body.textContent).post.button") == ["echo"]
    assert requests.posts(f"{FORM}buttons/") == 0


def test_first_click_while_uploading_decides(page: Page, make_file: MAKE, requests: Requests) -> None:
    page.open(f"{FORM}buttons/")
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(make_file(size=BIG))
    page.wait_for_states("uploading")
    page.submit("button[value=save]")
    page.submit("button[value=echo]")
    page.hurry()

    assert page.result()["post"]["button"] == ["save"]
    assert requests.posts("/echo/") == 0


def test_upload_on_submit_sends_nothing_before(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings, requests: Requests
) -> None:
    settings.S3UPLOAD_UPLOAD_ON = "submit"
    file = make_file()
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose(file)
    (row,) = page.wait_for_states("queued")
    assert "Goes with the form" in row.meta
    assert requests.presigned == 0
    assert filesystem_store.keys() == []
    page.submit()

    assert page.result()["files"]["file"][0]["class"] == "LocalUploadedFile"
    assert_sent_once(page, requests)
    assert filesystem_store.get("documents/report.bin") == file.read_bytes()


def test_file_chosen_while_the_submit_waits_goes_too(page: Page, make_file: MAKE) -> None:
    page.open("/forms/two/")
    page.slow_down()
    page.choose(make_file("first.bin", BIG), into="[name=first]")
    page.wait_for_states("uploading", into="[name=first]")
    page.submit()
    page.chrome.wait_until(NOTE)
    page.choose(make_file("second.bin"), into="[name=second]")
    page.hurry()

    assert page.result()["saved"] == ["plain/first.bin", "plain/second.bin"]


def test_cancelled_file_ends_the_wait_and_the_form_stays(page: Page, make_file: MAKE, requests: Requests) -> None:
    page.open("/forms/optional/")
    page.type("[name=title]", "Without the file after all")
    page.slow_down()
    page.choose(make_file(size=BIG))
    page.wait_for_states("uploading")
    page.submit()
    page.chrome.wait_until(NOTE)
    page.press("Cancel")
    page.chrome.wait_until(f"!{NOTE}")
    assert page.rows() == []
    # Who cancels may want to choose another file first.
    assert requests.posts("/forms/optional/") == 0
    page.hurry()
    page.submit()

    assert page.result()["saved"] == []


def test_reset_gives_up_the_files(uploading: Page, filesystem_store: FilesystemStore, requests: Requests) -> None:
    uploading.listen()
    uploading.chrome.execute_script("document.querySelector('form').reset()")
    uploading.wait_for_states()
    assert [event["name"] for event in uploading.heard("cancel")] == ["report.bin"]
    uploading.hurry()
    uploading.type("[name=title]", "A report")
    uploading.submit()

    assert uploading.chrome.evaluate(f"document.querySelector('{INPUT}').validity.valueMissing")
    assert requests.posts(FORM) == 0


def test_page_come_back_to_sends_its_file_anew(
    filled: Page, filesystem_store: FilesystemStore, requests: Requests
) -> None:
    # A token is good for one form. Be the page kept by the browser or loaded anew, its file input has the file.
    filled.submit()
    filled.result()
    filled.chrome.back()
    filled.chrome.wait_until("document.querySelector('.s3upload__file')")
    filled.submit()

    filled.result()
    saved = [document.file.name for document in models.Document.objects.order_by("pk")]
    assert saved[0] != saved[1]
    assert filesystem_store.get(saved[0]) == filesystem_store.get(saved[1])
    assert requests.presigned == 2


@pytest.mark.parametrize(("uploads", "warned"), [(True, "true"), (False, "false")])
def test_warning_before_leaving_comes_only_while_uploading(
    page: Page, make_file: MAKE, uploads: bool, warned: str
) -> None:
    page.open(FORM)
    page.type("[name=title]", "A report")
    if uploads:
        page.slow_down()
    page.choose(make_file(size=BIG))
    page.wait_for_states("uploading" if uploads else "done")
    # The driver agrees to every such warning by itself; what the event came to is seen by who hears it last.
    page.chrome.execute_script(
        """
        addEventListener("beforeunload", (event) => sessionStorage.setItem("warned", event.defaultPrevented));
        setTimeout(() => location.assign("/"));
        """
    )
    page.chrome.wait_until("location.pathname === '/'")

    assert page.chrome.evaluate("sessionStorage.getItem('warned')") == warned


@pytest.mark.parametrize("by", ["form", "button", "no method"])
def test_no_token_becomes_a_part_of_an_address(page: Page, make_file: MAKE, by: str) -> None:
    """Logs, the history and other sites would have it: neither of a file just uploaded nor of one that is kept."""
    page.open("/forms/several/")
    page.choose_and_wait(make_file("kept.bin"))
    # Without a title the form comes back.
    page.chrome.execute_script("document.querySelector('[name=title]').required = false")
    page.submit()
    page.chrome.wait_for("[data-s3upload-name]")
    page.choose(make_file("new.bin"))
    page.wait_for_states("kept", "done")
    page.type("[name=title]", "A search")
    page.chrome.execute_script(
        {
            "form": "document.querySelector('form').method = 'get'",
            "button": "document.querySelector('form button:not([type=button])').formMethod = 'get'",
            "no method": "document.querySelector('form').removeAttribute('method')",
        }[by]
    )
    page.submit()
    page.chrome.wait_until("location.search !== ''")
    address = page.chrome.current_url
    assert "title=A+search" in address
    assert "files=new.bin" in address
    assert "s3upload" not in address
