"""The ways a form stands in a page and is posted: none of them knows of uploads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import Page
from tests.conftest import FilesystemStore, S3Store
from tests.servers.base import free_port
from tests.testapp import models

pytestmark = pytest.mark.browser

TURBO = "/forms/document/turbo/"
BIG = 2_000_000


def fill_and_send(page: Page, file, title: str = "A report") -> None:
    page.type("[name=title]", title)
    page.choose_and_wait(file)
    page.submit()


@pytest.mark.parametrize("kind", ["no-media", "inserted", "fetch", "htmx", "boost", "turbo"])
def test_file_is_saved_whatever_posts_its_form(
    page: Page, ceph_store: S3Store, make_file: MAKE, kind: str, requests: Requests
) -> None:
    file = make_file("report.bin", 200_000)
    page.open(f"/forms/document/{kind}/")
    page.chrome.wait_for("[name=title]")
    page.wait_for_script()
    fill_and_send(page, file)

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert result["content_length"] < 20_000
    assert ceph_store.keys() == ["documents/report.bin"]
    assert ceph_store.get("documents/report.bin") == file.read_bytes()
    assert requests.posts(f"/forms/document/{kind}/") == 1


@pytest.mark.parametrize("kind", ["fetch", "htmx", "boost", "turbo"])
def test_form_posted_by_a_script_while_uploading_waits(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, kind: str, requests: Requests
) -> None:
    file = make_file("report.bin", 2_000_000)
    page.open(f"/forms/document/{kind}/")
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(file)
    page.wait_for_states("uploading")
    page.submit()
    page.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    page.hurry()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert result["content_length"] < 20_000
    assert requests.posts(f"/forms/document/{kind}/") == 1


@pytest.mark.parametrize("kind", ["media", "fetch", "htmx", "boost", "turbo"])
def test_upload_is_kept_when_a_form_comes_back_with_an_error(
    page: Page, ceph_store: S3Store, make_file: MAKE, kind: str, requests: Requests
) -> None:
    if kind == "turbo":
        page.chrome.expect_error("422")
    file = make_file("report.bin", 200_000)
    page.open(f"/forms/document/{kind}/")
    page.chrome.execute_script("document.querySelector('form').noValidate = true")
    page.choose_and_wait(file)
    page.submit()
    page.chrome.wait_for(".errorlist")
    page.wait_for_states("kept")
    page.type("[name=title]", "Now with a title")
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert ceph_store.get("documents/report.bin") == file.read_bytes()
    assert requests.presigned == 1


def test_button_of_an_htmx_form_arrives(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    page.open("/forms/document/htmx/")
    fill_and_send(page, make_file())

    assert page.result()["post"]["button"] == ["htmx"]


def test_turbo_shows_a_form_again_and_again_and_sends_its_file_once(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    page.chrome.expect_error("422")
    file = make_file("report.bin", BIG)
    page.open(TURBO)
    page.chrome.execute_script("window.isSamePage = true; document.querySelector('#the-form').noValidate = true")
    page.slow_down()
    page.choose(file)
    page.wait_for_states("uploading")
    page.submit()
    page.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    page.hurry()
    for number in range(2):
        page.chrome.wait_for(".errorlist")
        page.wait_for_states("kept")
        page.chrome.execute_script(
            "document.querySelector('.errorlist').remove(); document.querySelector('#the-form').noValidate = true"
        )
        if number:
            page.type("[name=title]", "Now with a title")
        page.submit()

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert page.chrome.evaluate("isSamePage"), "Turbo has changed the page, not the browser"
    assert result["content_length"] < 20_000
    assert filesystem_store.keys() == ["documents/report.bin"]
    assert filesystem_store.get("documents/report.bin") == file.read_bytes()
    assert (requests.posts(TURBO), requests.presigned, requests.posts("/__s3upload__/dummy/")) == (3, 1, 1)


def test_turbo_leaves_a_page_while_uploading_and_comes_back(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", BIG)
    page.open(TURBO)
    page.chrome.execute_script(
        """
        window.isSamePage = true;
        window.heard = [];
        for (const kind of ["cancel", "complete"])
          document.querySelector("#the-form").addEventListener(`s3upload:${kind}`, () => heard.push(kind));
        """
    )
    page.slow_down()
    page.choose(file)
    page.wait_for_states("uploading")
    page.chrome.find("nav a").click()
    page.chrome.wait_until("location.pathname === '/' && !document.querySelector('#the-form')")
    page.hurry()

    assert page.chrome.evaluate("dispatchEvent(new Event('beforeunload', { cancelable: true }))"), (
        "there is nothing left to warn of"
    )
    assert page.chrome.evaluate("heard") == ["cancel"]
    assert ceph_store.keys() == []
    page.chrome.back()
    page.chrome.wait_for("#the-form")
    assert page.chrome.evaluate("isSamePage")
    # Turbo has copied the page with the file in it.
    page.wait_for_states("done")
    page.type("[name=title]", "A report")
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert ceph_store.keys() == ["documents/report.bin"]
    assert ceph_store.get("documents/report.bin") == file.read_bytes()
    assert requests.posts(TURBO) == 1


def test_elements_that_are_named_like_what_scripts_ask_for(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, requests: Requests
) -> None:
    path = "/forms/document/clobbered/"
    page.open(path)
    page.chrome.wait_until("typeof s3upload.finished === 'function'")
    assert page.chrome.evaluate("django === document.querySelector('form') && django.gettext instanceof Element")
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(make_file("report.bin", BIG))
    page.wait_for_states("uploading")
    page.submit()
    page.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    page.hurry()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert requests.posts(path) == 1


@pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)
def test_strict_content_security_policy_is_not_violated(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE
) -> None:
    # The fixture `chrome` fails the test when the console tells of a violation.
    file = make_file("report.bin", 200_000)
    page.open("/forms/document/csp/")
    page.type("[name=title]", "A report")
    page.choose_and_wait(file)
    assert page.chrome.evaluate("getComputedStyle(document.querySelector('.s3upload__file')).display") == "flex"
    page.submit()

    # The page after it has the policy as well; what JSON it holds is no script.
    assert page.result()["saved"] == ["documents/report.bin"]
    assert store.get("documents/report.bin") == file.read_bytes()


def test_input_outside_its_form(page: Page, filesystem_store: FilesystemStore, make_file: MAKE) -> None:
    file = make_file("report.bin", 2_000_000)
    page.open("/forms/outside/outside/")
    page.slow_down()
    page.choose(file)
    page.wait_for_states("uploading")
    page.submit()
    page.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    page.hurry()

    result = page.result()
    assert result["content_length"] < 20_000
    assert filesystem_store.get("plain/report.bin") == file.read_bytes()


def test_form_removed_while_uploading_stops_the_upload(page: Page, ceph_store: S3Store, make_file: MAKE) -> None:
    page.open("/forms/document/")
    page.listen()
    page.slow_down()
    page.choose(make_file("report.bin", 2_000_000))
    page.wait_for_states("uploading")
    page.chrome.execute_script("window.removed = document.querySelector('form'); removed.remove()")
    page.chrome.wait_until(
        "performance.getEntriesByType('resource').some(({ name }) => name.startsWith(arguments[0]))",
        ceph_store.account.endpoint_url,
    )
    page.hurry()

    assert not page.chrome.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))"), (
        "there is nothing left to warn of"
    )
    assert page.heard("complete") == []
    assert ceph_store.keys() == []


@pytest.mark.parametrize("at_once", [True, False])
def test_form_that_is_taken_out_and_put_back_goes_on_uploading(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, at_once: bool
) -> None:
    file = make_file("report.bin", 2_000_000)
    page.open("/forms/document/")
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(file)
    page.wait_for_states("uploading")
    page.chrome.execute_script(
        """
        const form = document.querySelector("form");
        const putBack = () => document.body.prepend(form);
        form.remove();
        // Stopped as soon as the script notices, from a form that is on no page.
        if (arguments[0]) putBack();
        else form.addEventListener("s3upload:cancel", () => setTimeout(putBack));
        """,
        at_once,
    )
    page.chrome.wait_for("form")
    page.hurry()
    page.wait_for_states("done")
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert filesystem_store.get("documents/report.bin") == file.read_bytes()


def test_copied_row_shows_none_of_the_files_of_the_row_that_it_was_copied_from(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE
) -> None:
    page.open("/forms/document/")
    page.choose_and_wait(make_file("first.bin"))
    page.chrome.execute_script(
        """
        const row = document.querySelector("input[type=file]").parentElement;
        const copy = row.cloneNode(true);
        const input = copy.querySelector("input");
        input.name = "copy";
        input.value = "";
        row.after(copy);
        """
    )
    page.chrome.wait_until("document.querySelectorAll('.s3upload').length === 1")
    assert [row.name for row in page.rows("[name=file]")] == ["first.bin"]
    page.choose_and_wait(make_file("second.bin"), into="[name=copy]")

    assert [row.name for row in page.rows("[name=copy]")] == ["second.bin"]
    assert [row.name for row in page.rows("[name=file]")] == ["first.bin"]


@pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)
def test_without_javascript_the_file_goes_with_the_form(
    page: Page, store: FilesystemStore | S3Store, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("report.bin", 200_000)
    with page.without_javascript():
        page.chrome.get(page.address + "/forms/document/")
        page.type("[name=title]", "A report")
        page.choose(file)
        page.submit()
        page.chrome.wait_for("#result")

    assert requests.presigned == 0
    assert store.get("documents/report.bin") == file.read_bytes()


def test_without_javascript_a_form_with_an_error_keeps_its_upload(
    page: Page, ceph_store: S3Store, make_file: MAKE
) -> None:
    # The upload was made with the script; the kept token needs none.
    file = make_file("report.bin", 200_000)
    page.open("/forms/document/")
    page.chrome.execute_script("document.querySelector('form').noValidate = true")
    page.choose_and_wait(file)
    page.submit()
    page.chrome.wait_for(".errorlist")
    with page.without_javascript():
        page.chrome.refresh()
        page.chrome.wait_for(".errorlist")
        assert page.chrome.find_all(".s3upload") == []
        page.type("[name=title]", "Now with a title")
        page.submit()
        page.chrome.wait_for("#result")

    assert ceph_store.get("documents/report.bin") == file.read_bytes()


@pytest.fixture
def asgi_site(transactional_db: None) -> Iterator[str]:
    """The test site under ASGI."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            ASGIStaticFilesHandler(get_asgi_application()),
            port=port,
            lifespan="off",
            log_level="warning",
            ws="none",
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "uvicorn has ended"
        time.sleep(0.01)
    yield f"http://localhost:{port}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)
@pytest.mark.parametrize("path", ["/forms/document/", "/documents/async/"])
def test_file_is_saved_under_asgi(
    page: Page, store: FilesystemStore | S3Store, asgi_site: str, make_file: MAKE, path: str
) -> None:
    file = make_file("report.bin", 200_000)
    page.address = asgi_site
    page.open(path)
    fill_and_send(page, file)

    result = page.result()
    assert result["saved"] == ["documents/report.bin"]
    assert result["content_length"] < 20_000
    assert store.keys() == ["documents/report.bin"]
    assert store.get("documents/report.bin") == file.read_bytes()
    assert models.Document.objects.count() == 1
