"""Pause, continue and cancel: by button, by keyboard and by script; what is cancelled leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import LargeFile, large_file
from tests.browser.page import Page
from tests.conftest import FilesystemStore, S3Store
from tests.proxy import Answer, Fault, HoldAnswer, HoldRequest, Proxy, Request

pytestmark = pytest.mark.browser

FORM = "/forms/document/"
ACTIVE = "document.activeElement.textContent"
SCRIPT = "import(document.querySelector('script[type=module][src*=s3upload]').src)"
ENDPOINT = "/__s3upload__/"
FOR_GOOD = float("inf")

Store = FilesystemStore | S3Store


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> LargeFile:
    """24 MB, in five parts."""
    return large_file(tmp_path_factory.mktemp("song"), "song.bin", 24_000_000)


class Lines:
    """The lines from the browser to the site and to the store; with the dummy they are one."""

    def __init__(self, site: Proxy, store: Proxy) -> None:
        self.site = site
        self.store = store

    def asked(self, path: str) -> Callable[[Request], bool]:
        """Match questions to the endpoint."""
        return lambda request: request.path == ENDPOINT + path and request.method == "POST"

    @property
    def parts(self) -> list[Request]:
        return [request for request in list(self.store.requests) if request.method == "PUT"]

    def arrived(self) -> int:
        return len([request for request in self.parts if request.status == 200])

    def hold_parts_after(self, count: int) -> HoldRequest:
        """Let some parts through; those that come later wait."""
        seen = 0

        def is_late(request: Request) -> bool:
            nonlocal seen
            seen += request.method == "PUT"
            return request.method == "PUT" and seen > count

        return self.store.add(HoldRequest(is_late, times=FOR_GOOD))


@pytest.fixture
def lines(request: pytest.FixtureRequest, store: Store, site_line: Proxy, settings) -> Iterator[Lines]:
    if isinstance(store, FilesystemStore):
        yield Lines(site_line, site_line)
    else:
        with Proxy(store.account.endpoint_url) as line:
            settings.S3UPLOAD_PUBLIC_ENDPOINT_URL = line.address
            yield Lines(site_line, line)


def open_form(page: Page) -> None:
    page.chrome.expect_error(r"net::ERR_|blocked by CORS policy|status of (400|403|503)")
    page.open(FORM)
    page.type("[name=title]", "A song")


def wait_for_part(page: Page, lines: Lines, held: Fault, arrived: int) -> None:
    """Wait until the browser knows that so many parts have arrived, and another is held."""
    page.wait_for(lambda: lines.arrived() >= arrived and bool(held.requests))
    page.chrome.wait_until(
        "performance.getEntriesByType('resource').filter((one) => one.initiatorType === 'xmlhttprequest').length"
        " >= arguments[0]",
        arrived,
    )


def under_way(lines: Lines) -> list[Request]:
    return [request for request in lines.parts if request.status is None]


def call(page: Page, name: str, target: str = "form") -> None:
    """Call a function of the script's, as another script of the page does."""
    error = page.chrome.execute_async_script(
        f"""
        const answer = arguments[arguments.length - 1];
        {SCRIPT}.then((s3upload) => s3upload.{name}(document.querySelector({target!r})))
          .then(() => answer(null), (error) => answer(String(error)));
        """
    )
    assert error is None


def finish(page: Page, store: Store, song: LargeFile) -> None:
    page.wait_for_states("done", timeout=60)
    page.submit()
    assert page.result()["saved"] == ["documents/song.bin"]
    assert song.is_at(store, "documents/song.bin")
    assert store.keys() == ["documents/song.bin"]


ON_CEPH = pytest.mark.parametrize("store", ["ceph"], indirect=True)


# --- pause and go on --------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["ceph", "localstack", "filesystem"], indirect=True)
def test_paused_upload_sends_nothing_and_goes_on_where_it_was(
    page: Page, lines: Lines, store: Store, song: LargeFile
) -> None:
    held = lines.hold_parts_after(3)
    open_form(page)
    page.choose(song.path)
    wait_for_part(page, lines, held, arrived=3)
    page.press("Pause")
    (row,) = page.wait_for_states("paused")
    assert row.buttons == ["Continue", "Cancel"] or row.buttons == ["Continue", "Remove"]
    assert page.chrome.evaluate("document.querySelector('.s3upload__bar').checkVisibility()")
    asked = len(lines.parts)
    lines.store.sever()
    held.heal()
    page.press("Continue")
    page.wait_for_states("done", timeout=60)

    assert len(lines.parts) - asked == len(song.parts) - 3, "what had arrived was sent again"
    finish(page, store, song)


@ON_CEPH
def test_pause_by_keyboard(page: Page, lines: Lines, store: Store, song: LargeFile) -> None:
    held = lines.hold_parts_after(3)
    open_form(page)
    page.choose(song.path)
    wait_for_part(page, lines, held, arrived=3)
    page.chrome.find("[name=title]").click()
    for _ in range(6):
        page.keys(Keys.TAB)
        if page.chrome.evaluate(ACTIVE) == "Pause":
            break
    page.keys(Keys.ENTER)
    page.wait_for_states("paused")
    assert page.said() == "song.bin: Paused"
    assert page.chrome.evaluate(ACTIVE) == "Continue"
    held.heal()
    page.keys(Keys.SPACE)
    finish(page, store, song)


@ON_CEPH
def test_cancel_by_keyboard(page: Page, lines: Lines, store: Store, song: LargeFile) -> None:
    held = lines.hold_parts_after(3)
    open_form(page)
    page.choose(song.path)
    wait_for_part(page, lines, held, arrived=3)
    page.chrome.find("[name=title]").click()
    for _ in range(6):
        page.keys(Keys.TAB)
        if page.chrome.evaluate(ACTIVE) == "Cancel":
            break
    page.keys(Keys.ENTER)
    held.heal()

    page.chrome.wait_until("!document.querySelector('.s3upload__file')")
    wait_until_empty(page, store)


@ON_CEPH
@pytest.mark.parametrize("target", ["form", "[name=file]", "body"])
def test_pause_go_on_and_cancel_by_script(
    page: Page, lines: Lines, store: Store, song: LargeFile, target: str
) -> None:
    held = lines.hold_parts_after(3)
    open_form(page)
    page.choose(song.path)
    wait_for_part(page, lines, held, arrived=3)
    call(page, "pause", target)
    page.wait_for_states("paused")
    held.heal()
    call(page, "resume", target)
    page.wait_for_states("done", timeout=60)
    call(page, "cancel", target)

    page.chrome.wait_until("!document.querySelector('.s3upload__file')")
    wait_until_empty(page, store)


@ON_CEPH
def test_submit_continues_what_is_paused(page: Page, lines: Lines, store: Store, song: LargeFile) -> None:
    held = lines.hold_parts_after(3)
    open_form(page)
    page.choose(song.path)
    wait_for_part(page, lines, held, arrived=3)
    page.press("Pause")
    page.wait_for_states("paused")
    held.heal()
    page.submit()

    assert page.result()["saved"] == ["documents/song.bin"]
    assert song.is_at(store, "documents/song.bin")


# --- cancel -----------------------------------------------------------------------------------

BAR = "document.querySelector('.s3upload__bar').value"


class Moments:
    """Moments at which an upload can be cancelled: each waits until it is there, and returns what then goes on."""

    def __init__(self, page: Page, lines: Lines, song: LargeFile) -> None:
        self.page = page
        self.lines = lines
        self.song = song

    def hold(self, fault: Fault) -> Fault:
        """Choose the file, and wait until a question to the site waits."""
        self.lines.site.add(fault)
        self.page.choose(self.song.path)
        self.page.wait_for(lambda: bool(fault.requests))
        return fault

    def after(self, count: int) -> Fault:
        """Choose the file, and wait until so many parts are there and the next ones wait."""
        held = self.lines.hold_parts_after(count)
        self.page.choose(self.song.path)
        wait_for_part(self.page, self.lines, held, count)
        return held

    def while_presign_is_on_its_way(self) -> Fault:
        return self.hold(HoldRequest(self.lines.asked("presign/")))

    def while_the_answer_of_presign_is_on_its_way(self) -> Fault:
        return self.hold(HoldAnswer(self.lines.asked("presign/")))

    def while_the_first_parts_are_hashed(self) -> None:
        # Only a browser's own function takes long enough, for a file that is large enough.
        self.page.chrome.execute_script(
            """
            const { subtle } = crypto, digest = subtle.digest.bind(subtle);
            window.hashing = 0;
            subtle.digest = async (name, data) => {
              if (data.byteLength > 1e6) {
                window.hashing += 1;
                await new Promise((resolve) => setTimeout(resolve, 1000));
              }
              return digest(name, data);
            };
            """
        )
        self.page.choose(self.song.path)
        self.page.chrome.wait_until("window.hashing > 0")

    def while_parts_are_signed(self) -> Fault:
        return self.hold(HoldAnswer(self.lines.asked("parts/")))

    def during_the_first_part(self) -> Fault:
        return self.after(0)

    def in_the_middle(self) -> Fault:
        return self.after(3)

    def during_the_last_part(self) -> Fault:
        return self.after(len(self.song.parts) - 1)

    def while_a_part_is_tried_again(self) -> Fault:
        fault = self.lines.store.add(Answer(lambda request: request.method == "PUT", times=FOR_GOOD))
        self.page.choose(self.song.path)
        self.page.wait_for(lambda: len(fault.requests) > len(self.song.parts))
        return fault

    def before_complete(self) -> Fault:
        return self.hold(HoldRequest(self.lines.asked("complete/")))

    def before_the_answer_of_complete(self) -> Fault:
        return self.hold(HoldAnswer(self.lines.asked("complete/")))

    def when_it_is_done(self) -> None:
        self.page.choose_and_wait(self.song.path)

    def while_paused(self) -> Fault:
        held = self.after(3)
        self.page.press("Pause")
        self.page.wait_for_states("paused")
        return held

    def while_offline(self) -> Fault:
        held = self.after(3)
        self.page.go_offline()
        self.page.chrome.wait_until("navigator.onLine === false")
        return held

    def when_it_has_failed(self) -> Fault:
        denied = b"<Error><Code>AccessDenied</Code><Message>No</Message></Error>"
        fault = self.lines.store.add(
            Answer(lambda request: request.method == "PUT", times=FOR_GOOD, status=403, body=denied)
        )
        self.page.choose(self.song.path)
        self.page.chrome.wait_for(".s3upload__file[data-state=failed], .s3upload__file[data-state=refused]")
        return fault


MOMENTS = [name for name in vars(Moments) if name.startswith(("while", "during", "in", "before", "when"))]


def left(store: Store) -> list[Any]:
    """Return what the store has: objects, files, and multipart uploads that are open."""
    if isinstance(store, FilesystemStore):
        return store.keys()
    uploads = store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
    return [*store.keys(), *[upload["Key"] for upload in uploads]]


def wait_until_empty(page: Page, store: Store) -> None:
    try:
        page.wait_for(lambda: left(store) == [], timeout=15)
    except Exception as error:
        raise AssertionError(f"left behind: {left(store)}") from error


@pytest.mark.parametrize("store", ["ceph", "localstack", "filesystem"], indirect=True)
@pytest.mark.parametrize("moment", MOMENTS)
def test_cancelled_upload_leaves_nothing_behind(
    page: Page, lines: Lines, store: Store, song: LargeFile, moment: str
) -> None:
    open_form(page)
    going: Fault | None = getattr(Moments(page, lines, song), moment)()
    page.chrome.find(".s3upload__file button:last-of-type").click()
    page.chrome.wait_until("!document.querySelector('.s3upload__file')")
    if going is not None:
        going.heal()
    page.hurry()
    # The file is given back when what was under way is over.
    page.wait_for(lambda: any(map(lines.asked("abort/"), list(lines.site.requests))))
    page.wait_for(lambda: all(one.status for one in lines.site.requests if one.path != ENDPOINT + "dummy/"))
    wait_until_empty(page, store)

    # The input can be used again.
    page.choose_and_wait(song.path)
    finish(page, store, song)
