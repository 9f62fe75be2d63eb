"""Large files over lines that break: everything arrives, little of it twice, and what can't go on is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse

from s3upload.views import VIEWS
from tests.browser.conftest import MAKE, LargeFile, Requests
from tests.browser.page import Page
from tests.conftest import S3Store
from tests.proxy import (
    Answer,
    Corrupt,
    Fault,
    HoldRequest,
    Match,
    Proxy,
    Request,
    Reset,
    Stall,
    Truncate,
    carries_bytes,
    is_part,
)

pytestmark = pytest.mark.browser

FORM = "/forms/document/"
BROKEN = r"net::ERR_|blocked by CORS policy|status of (400|403|500|503)"
WAITING = "Waiting for the connection"
FOR_GOOD = float("inf")
MB = 1_000_000

ON_BOTH = pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
ON_CEPH = pytest.mark.parametrize("store", ["ceph"], indirect=True)
ON_LOCALSTACK = pytest.mark.parametrize("store", ["localstack"], indirect=True)


def is_of(*names: int) -> Match:
    return lambda request: request.part in names


def is_object(request: Request) -> bool:
    """Match an upload that is no part."""
    return carries_bytes(request) and request.part is None


def open_form(page: Page) -> None:
    page.chrome.expect_error(BROKEN)
    page.open(FORM)
    page.type("[name=title]", "A film")


def assert_saved(page: Page, store: S3Store, file: LargeFile) -> None:
    """Send the form: the store has the same bytes once, and nothing else."""
    page.submit()
    assert page.result()["saved"] == [f"documents/{file.path.name}"]
    assert file.is_at(store, f"documents/{file.path.name}")
    assert store.keys() == [f"documents/{file.path.name}"]


def numbers(requests: list[Request]) -> list[int]:
    """Return the parts that were uploaded, or tried to, in order; one twice if it was sent twice."""
    return sorted(request.part for request in requests if request.part is not None)


def sent_again(line: Proxy) -> set[int]:
    all_of_them = numbers(line.parts)
    return {number for number in all_of_them if all_of_them.count(number) > 1}


# --- lines that break -------------------------------------------------------------------------

TWELFTH = is_part(12)


@ON_BOTH
@pytest.mark.parametrize(
    "make_fault",
    [
        # Twice, because Chromium itself repeats a request, once, when a connection that it used before is reset.
        pytest.param(lambda: Reset(TWELFTH, times=2, after=3 * MB), id="reset"),
        pytest.param(lambda: Answer(TWELFTH), id="503"),
        pytest.param(lambda: Stall(TWELFTH, after=3 * MB), id="stall"),
        pytest.param(lambda: Truncate(TWELFTH), id="truncated"),
    ],
)
def test_one_part_that_fails_is_sent_again_and_no_other(
    page: Page, line: Proxy, store: S3Store, film: LargeFile, make_fault: Callable[[], Fault]
) -> None:
    fault = line.add(make_fault())
    open_form(page)
    page.choose(film.path)
    page.wait_for_states("done", timeout=90)

    assert len(fault.requests) == (2 if isinstance(fault, Reset) else 1)
    assert sent_again(line) == {12}
    assert len([request for request in line.uploads_of(12) if request.is_whole]) <= 2
    assert sorted(set(numbers(line.parts))) == film.parts
    assert_saved(page, store, film)


@ON_BOTH
def test_offline_for_ten_seconds(page: Page, line: Proxy, store: S3Store, film: LargeFile) -> None:
    line.speed = 8 * MB
    open_form(page)
    page.choose(film.path)
    page.chrome.wait_until("document.querySelector('.s3upload__bar').value > 0.25", timeout=40)
    page.go_offline()
    page.chrome.wait_until("navigator.onLine === false")
    page.chrome.wait_until("document.querySelector('.s3upload__meta').textContent.includes(arguments[0])", WAITING)
    before = len(line.requests)
    # Longer than the tries would last that are counted.
    time.sleep(10)
    assert page.row().state == "uploading"
    assert len(line.requests) == before
    line.speed = None
    page.hurry()
    page.wait_for_states("done", timeout=60)

    assert len(sent_again(line)) <= 5, "more than was under way"
    assert_saved(page, store, film)


@ON_BOTH
def test_store_that_is_down_is_said_and_the_rest_goes_on_later(
    page: Page, line: Proxy, store: S3Store, film: LargeFile
) -> None:
    fault = line.add(Answer(lambda request: (request.part or 0) > 12, times=FOR_GOOD))
    open_form(page)
    page.choose(film.path)
    (row,) = page.wait_for_states("failed", timeout=60)
    assert row.error == "The file store refused the file (503)."
    assert row.buttons == ["Try again", "Remove"]
    arrived = {request.part for request in line.parts if request.status == 200}
    asked = len(line.requests)

    fault.heal()
    page.press("Try again")
    page.wait_for_states("done", timeout=60)
    assert arrived.isdisjoint(numbers(line.requests[asked:])), "what had arrived was sent again"
    assert_saved(page, store, film)


@ON_CEPH
def test_line_that_is_cut_and_mended(page: Page, line: Proxy, store: S3Store, film: LargeFile) -> None:
    line.speed = 8 * MB
    open_form(page)
    page.choose(film.path)
    page.chrome.wait_until("document.querySelector('.s3upload__bar').value > 0.25", timeout=40)
    line.cut()
    refused = page.chrome.evaluate("performance.now()")
    page.chrome.wait_until("performance.now() > arguments[0] + 2000", refused)
    assert page.row().state == "uploading"
    line.speed = None
    line.mend()
    page.wait_for_states("done", timeout=60)

    assert len(sent_again(line)) <= 5
    assert_saved(page, store, film)


# --- answers of the store ---------------------------------------------------------------------


@ON_BOTH
def test_refusal_is_said_at_once(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    fault = line.add(Answer(is_part(4), times=FOR_GOOD, status=403, body=denied))
    open_form(page)
    page.choose(clip.path)
    page.chrome.wait_for(".s3upload__file[data-state=failed], .s3upload__file[data-state=refused]")

    assert page.row().error == "The file store refused the file (403)."
    assert len(fault.requests) == 1


@ON_BOTH
@pytest.mark.parametrize("name", ["clip", "small"])
def test_expired_address_is_signed_again_and_nobody_notices(
    page: Page,
    line: Proxy,
    store: S3Store,
    clip: LargeFile,
    make_file: MAKE,
    requests: Requests,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr("s3upload.backends.s3.presigning.PRESIGNED_AGE", 1)
    # A line so slow that what is signed has expired when it arrives: the first request of each connection.
    line.round_trip = 2.2
    path = clip.path if name == "clip" else make_file("small.bin")
    open_form(page)
    page.listen()
    page.choose(path)
    seen: set[tuple[str, str]] = set()
    page.chrome.wait_until("document.querySelector('.s3upload__file')")
    while page.row().state in ("queued", "uploading"):
        seen.add((page.row().state, page.row().error))
        if any(request.status == 403 for request in line.requests):
            # What is signed from now on is for a machine of any speed.
            monkeypatch.setattr("s3upload.backends.s3.presigning.PRESIGNED_AGE", 3600)
            line.round_trip = 0
    (row,) = page.wait_for_states("done")

    assert any(request.status == 403 for request in line.requests), "nothing had expired"
    assert {error for _state, error in seen} == {""}
    assert page.heard("error") == []
    assert row.error == ""
    page.submit()
    (saved,) = page.result()["saved"]
    assert store.head(saved)["ContentLength"] == path.stat().st_size


@ON_LOCALSTACK
def test_corrupted_part_is_sent_again(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    fault = line.add(Corrupt(is_part(3), at=2 * MB))
    open_form(page)
    page.choose(clip.path)
    page.wait_for_states("done", timeout=60)

    assert [request.status for request in line.uploads_of(3)] == [400, 200]
    assert len(fault.requests) == 1
    assert sent_again(line) == {3}
    assert_saved(page, store, clip)


@ON_LOCALSTACK
def test_corrupted_small_file_is_sent_again(page: Page, line: Proxy, store: S3Store, make_file: MAKE) -> None:
    file = make_file("report.bin", 3 * MB)
    line.add(Corrupt(is_object, at=2 * MB))
    open_form(page)
    page.choose_and_wait(file)

    assert next(request.status for request in line.requests if is_object(request)) == 400
    page.submit()
    assert page.result()["saved"] == ["documents/report.bin"]
    assert store.get("documents/report.bin") == file.read_bytes()


@ON_LOCALSTACK
def test_part_that_is_always_corrupted_is_said(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    fault = line.add(Corrupt(is_part(3), times=FOR_GOOD, at=2 * MB))
    open_form(page)
    page.choose(clip.path)
    page.chrome.wait_for(".s3upload__file[data-state=failed], .s3upload__file[data-state=refused]", timeout=60)

    assert page.row().error
    assert [request.status for request in fault.requests] == [400, 400]
    page.press("Remove")
    page.chrome.wait_until("!document.querySelector('.s3upload__file')")


# --- answers of the site ----------------------------------------------------------------------


class Outage:
    """
    The endpoint's first answers to a question are a gateway's 503.

    :param lost: whether the site did its work, and only the answer was lost.
    """

    def __init__(self, path: str, times: int, *, lost: bool) -> None:
        self.path = path
        self.times = times
        self.lost = lost
        self.view = VIEWS[path]

    def __call__(self, request: Any) -> HttpResponse:
        if not self.times:
            return self.view(request)
        self.times -= 1
        if self.lost:
            assert self.view(request).status_code == 200
        return HttpResponse("<h1>503 Service Unavailable</h1>", status=503)


@ON_CEPH
@pytest.mark.parametrize("lost", [False, True], ids=["late", "lost"])
@pytest.mark.parametrize("path", ["presign/", "parts/", "complete/"])
def test_endpoint_that_is_away_for_a_moment(
    page: Page,
    line: Proxy,
    store: S3Store,
    clip: LargeFile,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    lost: bool,
) -> None:
    outage = Outage(path, 2, lost=lost)
    monkeypatch.setitem(VIEWS, path, outage)
    open_form(page)
    page.choose(clip.path)
    page.wait_for_states("done", timeout=60)
    assert outage.times == 0
    assert sent_again(line) == set()

    assert_saved(page, store, clip)


# --- one line for several files ---------------------------------------------------------------


@ON_CEPH
def test_small_file_is_not_stuck_behind_a_large_one(
    page: Page, line: Proxy, store: S3Store, film: LargeFile, make_file: MAKE
) -> None:
    small = make_file("small.bin", 100_000)
    # No part gets on, and all connections that parts may have are taken.
    held = line.add(HoldRequest(lambda request: request.part is not None, times=FOR_GOOD))
    page.open("/forms/two/")
    page.choose(film.path, into="[name=first]")
    page.wait_for(lambda: len(held.requests) == 5)
    page.choose_and_wait(small, into="[name=second]")
    (large,) = page.rows("[name=first]")
    assert large.state == "uploading"
    assert len(held.requests) == 5

    held.heal()
    page.wait_for_states("done", into="[name=first]", timeout=60)
    page.submit()
    assert page.result()["saved"] == ["plain/film.bin", "plain/small.bin"]
    assert film.is_at(store, "plain/film.bin")
    assert store.get("plain/small.bin") == small.read_bytes()


@ON_CEPH
def test_parts_share_at_most_five_connections(
    page: Page, line: Proxy, store: S3Store, clip: LargeFile, film: LargeFile
) -> None:
    line.speed = 6 * MB
    page.open("/forms/two/")
    page.choose(film.path, into="[name=first]")
    page.choose(clip.path, into="[name=second]")
    most = 0
    while line.speed:
        under_way = [request for request in line.parts if request.status is None]
        most = max(most, len(under_way))
        if sum(request.status == 200 for request in line.parts) >= 16:
            line.speed = None
        time.sleep(0.02)
    page.wait_for_states("done", into="[name=first]", timeout=60)
    page.wait_for_states("done", into="[name=second]", timeout=60)

    assert most == 5
