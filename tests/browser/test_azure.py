"""The script sends to Azure as to any other store: whole files, blocks, and what was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import MAKE, LargeFile, Requests, large_file
from tests.browser.page import Page
from tests.conftest import AzureStore
from tests.proxy import Answer, HoldRequest, Proxy, Request, Truncate

pytestmark = pytest.mark.browser

FORM = "/forms/document/"
MB = 1_000_000

# https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes; Azurite's is another one.
OVERWRITE = (
    b'<?xml version="1.0" encoding="utf-8"?><Error><Code>UnauthorizedBlobOverwrite</Code>'
    b"<Message>This request is not authorized to perform blob overwrites.</Message></Error>"
)


@pytest.fixture
def store(azurite_store: AzureStore) -> AzureStore:
    return azurite_store


@pytest.fixture
def line(store: AzureStore, settings) -> Iterator[Proxy]:
    """The line from the browser to the store; the server has its own."""
    with Proxy(store.account.endpoint_url) as line:
        settings.S3UPLOAD_PUBLIC_ENDPOINT_URL = f"{line.address}/main"
        yield line


@pytest.fixture
def film(tmp_path: Path) -> LargeFile:
    """40 MB, in five parts."""
    return large_file(tmp_path, "film.bin", 40 * MB)


def is_file(request: Request) -> bool:
    return request.method == "PUT" and "comp=" not in request.target


def is_block(request: Request) -> bool:
    return request.method == "PUT" and "comp=block&" in request.target


def open_form(page: Page) -> None:
    page.open(FORM)
    page.type("[name=title]", "A report")


def test_chosen_file_is_saved_byte_for_byte(
    page: Page, store: AzureStore, make_file: MAKE, requests: Requests
) -> None:
    file = make_file("Übersicht 1.txt", 3 * MB)
    open_form(page)
    page.choose_and_wait(file)
    page.submit()
    [name] = page.result()["saved"]
    assert store.get(name) == file.read_bytes()
    assert store.head(name).content_settings.content_type == "text/plain"
    assert store.keys() == [name], "the pending object is left over"
    assert requests.presigned == 1


def test_reload_in_the_middle_sends_the_rest(
    page: Page, store: AzureStore, line: Proxy, film: LargeFile, requests: Requests
) -> None:
    seen: list[Request] = []

    def is_late(request: Request) -> bool:
        if is_block(request):
            seen.append(request)
        return is_block(request) and len(seen) > 2

    late = line.add(HoldRequest(is_late, times=float("inf")))
    open_form(page)
    page.choose(film.path)
    page.wait_for(lambda: len(done(line)) == 2 and len(late.requests) == len(film.parts) - 2)
    page.chrome.refresh()
    page.wait_for_script()
    line.sever()
    late.heal()
    asked = len(line.requests)

    page.type("[name=title]", "A report")
    page.choose(film.path)
    page.wait_for_states("done", timeout=60)
    page.submit()
    assert page.result()["saved"] == ["documents/film.bin"]
    assert film.is_at(store, "documents/film.bin")
    assert len([request for request in line.requests[asked:] if is_block(request)]) == len(film.parts) - 2
    assert requests.presigned == 1
    assert store.keys() == ["documents/film.bin"]
    assert store.uploads() == store.uncommitted() == []


def done(line: Proxy) -> list[Request]:
    return [request for request in line.requests if is_block(request) and request.status == 201]


def test_file_whose_answer_was_lost_is_sent_under_another_address(
    page: Page, store: AzureStore, line: Proxy, make_file: MAKE, requests: Requests
) -> None:
    """The first one is with the store, which lets nobody overwrite it."""
    page.chrome.expect_error("net::ERR_|blocked by CORS policy|status of 403")
    file = make_file("report.bin", MB)
    line.add(Truncate(is_file))
    line.add(Answer(is_file, status=403, body=OVERWRITE))
    open_form(page)
    page.choose_and_wait(file)
    page.submit()
    assert page.result()["saved"] == ["documents/report.bin"]
    assert store.get("documents/report.bin") == file.read_bytes()
    assert len({request.path for request in line.requests if is_file(request)}) == 2
    assert requests.presigned == 2
    # The first one is given back.
    page.wait_for(lambda: store.keys() == ["documents/report.bin"])
