"""An upload in parts that was interrupted goes on when the same file is chosen again; what can't go on starts over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpResponse

from s3upload.views import VIEWS
from tests.browser.conftest import LargeFile, Requests, large_file
from tests.browser.page import Page
from tests.conftest import FilesystemStore, S3Store
from tests.proxy import HoldRequest, Proxy, Request

pytestmark = pytest.mark.browser

FORM = "/forms/document/"
BAR = "document.querySelector('.s3upload__bar')"
MB = 1_000_000

ON_BOTH = pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
ON_CEPH = pytest.mark.parametrize("store", ["ceph"], indirect=True)


def open_form(page: Page) -> None:
    page.open(FORM)
    page.type("[name=title]", "A film")


def hold_parts_after(line: Proxy, count: int) -> HoldRequest:
    """Let some parts through; those that come later wait."""
    seen: list[int | None] = []

    def is_late(request: Request) -> bool:
        seen.append(request.part)
        return request.part is not None and len([part for part in seen if part]) > count

    return line.add(HoldRequest(is_late, times=float("inf")))


def interrupt(page: Page, line: Proxy, file: LargeFile, arrived: int) -> list[Request]:
    """Reload the page when some parts have arrived; return them."""
    late = hold_parts_after(line, arrived)
    open_form(page)
    page.choose(file.path)
    page.wait_for(lambda: len(done(line)) == arrived and len(late.requests) == 5)
    page.chrome.refresh()
    page.wait_for_script()
    # What was under way never gets to the store: the browser has hung up.
    line.sever()
    late.heal()
    return done(line)


def done(line: Proxy) -> list[Request]:
    return [request for request in line.parts if request.status == 200]


def finish(page: Page, file: LargeFile, store: S3Store | FilesystemStore) -> None:
    page.type("[name=title]", "A film")
    page.choose(file.path)
    page.wait_for_states("done", timeout=60)
    page.submit()
    name = f"documents/{file.path.name}"
    assert page.result()["saved"] == [name]
    assert file.is_at(store, name)


def entries(page: Page) -> dict[str, Any]:
    """Return what the browser keeps for the site."""
    kept: dict[str, Any] = page.chrome.evaluate("{...localStorage}")
    return kept


@ON_BOTH
def test_reload_at_half_sends_the_rest(
    page: Page, line: Proxy, store: S3Store, film: LargeFile, requests: Requests
) -> None:
    before = interrupt(page, line, film, arrived=len(film.parts) // 2)
    asked = len(line.requests)
    finish(page, film, store)

    after = line.requests[asked:]
    assert sorted(request.part for request in before + after if request.part) == film.parts
    assert requests.presigned == 1
    assert store.keys() == ["documents/film.bin"]
    assert entries(page) == {}


@ON_CEPH
def test_list_that_is_away_for_a_moment_is_asked_again(
    page: Page, line: Proxy, store: S3Store, clip: LargeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.chrome.expect_error("list/.* 503")
    before = interrupt(page, line, clip, arrived=3)
    answers = [HttpResponse("<h1>503 Service Unavailable</h1>", status=503) for _ in range(2)]
    view = VIEWS["list/"]
    monkeypatch.setitem(VIEWS, "list/", lambda request: answers.pop() if answers else view(request))
    asked = len(line.requests)
    finish(page, clip, store)

    assert answers == []
    assert {request.part for request in before}.isdisjoint({request.part for request in line.requests[asked:]})


@ON_CEPH
def test_reload_at_the_end_sends_nothing_again(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    open_form(page)
    page.choose(clip.path)
    page.wait_for_states("done", timeout=60)
    page.chrome.refresh()
    page.wait_for_script()
    asked = len(line.requests)
    finish(page, clip, store)

    assert [request.part for request in line.requests[asked:]] == []


@ON_CEPH
def test_sent_form_is_the_end_of_it(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    open_form(page)
    finish(page, clip, store)
    asked = len(line.requests)
    open_form(page)
    page.choose(clip.path)
    page.wait_for_states("done", timeout=60)

    assert len({request.part for request in line.requests[asked:] if request.part}) == len(clip.parts)


@ON_CEPH
def test_another_session_starts_over(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    page.chrome.expect_error("(list|abort)/.* 403")
    interrupt(page, line, clip, arrived=3)
    page.cdp("Network.clearBrowserCookies")
    page.chrome.refresh()
    page.wait_for_script()
    asked = len(line.requests)
    finish(page, clip, store)

    assert sorted(request.part for request in line.requests[asked:] if request.part) == clip.parts


@ON_CEPH
@pytest.mark.parametrize(
    "change",
    [
        pytest.param("entry.token = 'forged:token'", id="forged"),
        pytest.param("entry.time -= 25 * 3600 * 1000", id="too-old"),
        pytest.param("entry.part_size = 'many'", id="nonsense"),
        pytest.param("entry = 1", id="other"),
    ],
)
def test_memory_that_is_of_no_use_starts_over(
    page: Page, line: Proxy, store: S3Store, clip: LargeFile, change: str
) -> None:
    page.chrome.expect_error("(list|abort)/.* 40[03]")
    interrupt(page, line, clip, arrived=3)
    assert len(entries(page)) == 1
    page.chrome.execute_script(
        f"""
        const key = localStorage.key(0);
        let entry = JSON.parse(localStorage.getItem(key));
        {change};
        localStorage.setItem(key, JSON.stringify(entry));
        """
    )
    page.chrome.refresh()
    page.wait_for_script()
    if "time" in change:
        page.chrome.wait_until("localStorage.length === 0")
    asked = len(line.requests)
    finish(page, clip, store)

    assert sorted(request.part for request in line.requests[asked:] if request.part) == clip.parts


@ON_CEPH
def test_upload_that_is_gone_starts_over(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    page.chrome.expect_error("list/.* 400")
    interrupt(page, line, clip, arrived=3)
    (upload,) = store.client.list_multipart_uploads(Bucket=store.bucket)["Uploads"]
    store.client.abort_multipart_upload(Bucket=store.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    asked = len(line.requests)
    finish(page, clip, store)

    assert sorted(request.part for request in line.requests[asked:] if request.part) == clip.parts


@ON_CEPH
def test_another_file_of_the_same_name_starts_over(
    page: Page, line: Proxy, store: S3Store, clip: LargeFile, tmp_path: Any
) -> None:
    interrupt(page, line, clip, arrived=3)
    other = large_file(tmp_path, clip.path.name, clip.size - 1)
    asked = len(line.requests)
    finish(page, other, store)

    assert sorted(request.part for request in line.requests[asked:] if request.part) == clip.parts


@ON_CEPH
def test_what_is_kept_says_nothing(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    interrupt(page, line, clip, arrived=3)
    [(key, value)] = entries(page).items()

    assert "clip" not in key
    assert json.loads(value).keys() <= {"token", "part_size", "checksum", "time"}
    for word in ("http", "X-Amz", "Signature", store.account.access_key, store.account.secret_key):
        assert word not in key + value


def assert_two_objects(store: S3Store, file: LargeFile) -> None:
    keys = store.keys()
    assert len(keys) == 2
    assert all(file.is_at(store, key) for key in keys)


@ON_CEPH
def test_two_inputs_with_the_same_file_are_two_uploads(
    page: Page, line: Proxy, store: S3Store, clip: LargeFile
) -> None:
    line.speed = 20 * MB
    page.open("/forms/two/")
    page.choose(clip.path, into="[name=first]")
    page.choose(clip.path, into="[name=second]")
    for name in ("first", "second"):
        page.wait_for_states("done", into=f"[name={name}]", timeout=60)
    assert sorted(request.part for request in line.parts if request.part) == sorted(clip.parts * 2)
    assert_two_objects(store, clip)
    page.submit()
    page.result()


@ON_CEPH
def test_two_tabs_with_the_same_file_are_two_uploads(page: Page, line: Proxy, store: S3Store, clip: LargeFile) -> None:
    late = hold_parts_after(line, 3)
    open_form(page)
    page.choose(clip.path)
    page.wait_for(lambda: len(done(line)) == 3)
    first = page.chrome.current_window_handle
    page.chrome.switch_to.new_window("tab")
    second = page.chrome.current_window_handle
    try:
        open_form(page)
        page.choose(clip.path)
        page.wait_for(lambda: len(store.client.list_multipart_uploads(Bucket=store.bucket)["Uploads"]) == 2)
        late.heal()
        for tab in (second, first):
            page.chrome.switch_to.window(tab)
            page.wait_for_states("done", timeout=60)
        assert_two_objects(store, clip)
        for tab in (second, first):
            page.chrome.switch_to.window(tab)
            page.submit()
            page.result()
    finally:
        page.chrome.switch_to.window(second)
        page.chrome.close()
        page.chrome.switch_to.window(first)


def test_dummy_goes_on_too(
    page: Page, site_line: Proxy, filesystem_store: FilesystemStore, clip: LargeFile, requests: Requests
) -> None:
    sent = 0

    def is_late(request: Request) -> bool:
        nonlocal sent
        sent += request.method == "PUT"
        return request.method == "PUT" and sent > 3

    late = site_line.add(HoldRequest(is_late, times=float("inf")))
    open_form(page)
    page.choose(clip.path)
    page.wait_for(lambda: len([one for one in site_line.requests if one.method == "PUT" and one.status == 200]) == 3)
    page.wait_for(lambda: len(late.requests) == 5)
    page.chrome.refresh()
    page.wait_for_script()
    site_line.sever()
    late.heal()
    asked = len(site_line.requests)
    finish(page, clip, filesystem_store)

    assert len([request for request in site_line.requests[asked:] if request.method == "PUT"]) == len(clip.parts) - 3
    assert requests.presigned == 1
    assert filesystem_store.keys() == ["documents/clip.bin"]
