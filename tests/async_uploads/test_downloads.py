"""Downloads: the permission each time, then an address that can be used for a short time."""

from __future__ import annotations

import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile

from s3upload.async_uploads.downloads import download_headers
from s3upload.async_uploads.fields import AsyncFileField
from s3upload.async_uploads.keeper import authorize
from s3upload.async_uploads.views import FILE_SALT
from s3upload.exceptions import NotAllowed
from tests.async_uploads.conftest import EVERYWHERE, make_user
from tests.conftest import FilesystemStore, S3Store
from tests.pages import set_clock
from tests.testapp.models import Contract, Note
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)

BODY = bytes(range(256)) * 1000


@pytest.fixture
def url(store: Any, contract: Contract) -> str:
    """The address of a contract's text."""
    contract.text.save("a text.txt", ContentFile(BODY))
    return contract.text.url


def fetch(browser: Browser, url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Follow the redirect; return status, headers and body of what is there."""
    redirect = browser.client.generic(method, url)
    assert redirect.status_code == 302, redirect.content
    location = redirect.headers["Location"]
    if location.startswith("/"):
        answer: Any = browser.client.generic(method, location, headers=headers)
        return answer.status_code, {name.lower(): value for name, value in answer.items()}, answer.getvalue()
    request = urllib.request.Request(location, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


# --- the permission -------------------------------------------------------------------------


def test_redirect_is_for_this_moment(browser: Browser, url: str) -> None:
    answer = browser.client.get(url)

    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_permission_is_asked_for_each_time(browser: Browser, editor: User, url: str) -> None:
    assert browser.client.get(url).status_code == 302
    editor.user_permissions.clear()
    assert browser.client.get(url).status_code == 403


def test_refusal_speaks_of_reading(rf: Any, contract: Contract) -> None:
    with pytest.raises(NotAllowed, match="You may not read this file"):
        authorize(rf.get("/"), Contract._meta.get_field("text"), "detail", contract)


@pytest.mark.parametrize("permission", ["add_contract", "change_contract"])
def test_other_permissions_do_not_count(url: str, permission: str) -> None:
    assert Browser(make_user("somebody", permission)).client.get(url).status_code == 403
    assert Browser().client.get(url).status_code == 403


def test_anyone_may_read_what_is_open(filesystem_store: Any, archive: Any) -> None:
    note = Note.objects.create(file=ContentFile(BODY, name="a.txt"))

    assert fetch(Browser(), note.file.url)[2] == BODY


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("testapp.contract.text/999", 403),
        ("testapp.contract.text/x", 403),
        ("testapp.contract.text/..", 403),
        ("testapp.contract.title/1", 404),
        ("testapp.note.file/1", 404),
        ("auth.user.password/1", 404),
    ],
)
def test_what_is_not_there(browser: Browser, url: str, path: str, status: int) -> None:
    assert browser.client.get(f"/async-uploads/download-file/{path}").status_code == status


def test_row_without_a_file(browser: Browser, contract: Contract) -> None:
    url = f"/async-uploads/download-file/testapp.contract.text/{contract.pk}"

    assert browser.client.get(url).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_other_methods(browser: Browser, url: str, method: str) -> None:
    browser.client.handler.enforce_csrf_checks = False

    assert getattr(browser.client, method)(url).status_code == 405


# --- what is there --------------------------------------------------------------------------


@EVERYWHERE
def test_file_is_read_as_an_attachment(browser: Browser, url: str) -> None:
    status, headers, body = fetch(browser, url)

    assert (status, body) == (200, BODY)
    assert headers["content-disposition"] == 'attachment; filename="a_text.txt"'
    assert headers["content-type"] == "text/plain"
    assert headers["cache-control"] == "private, max-age=60"
    if "/file/" in browser.client.get(url).headers["Location"]:
        assert headers["x-content-type-options"] == "nosniff"


@EVERYWHERE
def test_head(browser: Browser, url: str) -> None:
    status, headers, body = fetch(browser, url, "HEAD")

    assert (status, body) == (200, b"")
    assert headers["content-length"] == str(len(BODY))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=255990-", slice(255990, None)),
        ("bytes=-10", slice(-10, None)),
        ("bytes=255990-999999", slice(255990, None)),
        ("bytes=-999999", slice(0, None)),
    ],
)
def test_range(browser: Browser, url: str, asked: str, expected: slice) -> None:
    status, headers, body = fetch(browser, url, Range=asked)

    assert body == BODY[expected]
    start = len(BODY) - len(body) if expected.stop is None else expected.start
    assert status == 206 or body == BODY
    if status == 206:
        assert headers["content-range"] == f"bytes {start}-{start + len(body) - 1}/{len(BODY)}"


def test_range_that_is_not_there(browser: Browser, url: str) -> None:
    assert fetch(browser, url, Range="bytes=999999-")[0] == 416


def test_address_can_be_used_for_a_short_time(
    store: Any, browser: Browser, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = browser.client.get(url).headers["Location"]
    if store.name != "filesystem":
        assert parse_qs(urlsplit(location).query)["X-Amz-Expires"] == ["60"]
        return
    import time

    now = time.time()
    assert browser.client.get(location).status_code == 200
    set_clock(monkeypatch, now + 61)
    assert browser.client.get(location).status_code == 404


# --- a folder -------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=0-1, "])
def test_range_that_is_none_is_the_whole_file(
    filesystem_store: FilesystemStore, browser: Browser, contract: Contract, asked: str
) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    status, headers, body = fetch(browser, contract.text.url, Range=asked)

    assert (status, body) == (200, BODY)
    assert headers["accept-ranges"] == "bytes"


def test_range_of_another_version_is_the_whole_file(
    filesystem_store: FilesystemStore, browser: Browser, contract: Contract
) -> None:
    contract.text.save("a.txt", ContentFile(BODY))

    assert fetch(browser, contract.text.url, Range="bytes=0-9", **{"If-Range": '"another"'})[::2] == (200, BODY)


@pytest.mark.parametrize("asked", ["bytes=0-", "bytes=-5", "bytes=0-0"])
def test_range_of_an_empty_file(
    filesystem_store: FilesystemStore, browser: Browser, contract: Contract, asked: str
) -> None:
    filesystem_store.put("empty.txt", b"")
    contract.text = "empty.txt"
    contract.save()

    assert fetch(browser, contract.text.url, Range=asked)[0] == 416
    assert fetch(browser, contract.text.url)[::2] == (200, b"")


def test_browser_that_has_it_already(filesystem_store: FilesystemStore, browser: Browser, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    _status, headers, _body = fetch(browser, contract.text.url)
    assert parsedate_to_datetime(headers["last-modified"])

    assert fetch(browser, contract.text.url, **{"If-None-Match": headers["etag"]})[0] == 304
    assert fetch(browser, contract.text.url, **{"If-Modified-Since": headers["last-modified"]})[0] == 304
    part = fetch(browser, contract.text.url, Range="bytes=1-2", **{"If-Range": headers["etag"]})
    assert part[::2] == (206, BODY[1:3])
    filesystem_store.put("contracts/a.txt", b"changed")
    assert fetch(browser, contract.text.url, **{"If-None-Match": headers["etag"]})[2] == b"changed"


def test_address_that_was_not_signed_here(
    filesystem_store: FilesystemStore, browser: Browser, contract: Contract, settings: Any
) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    location = browser.client.get(contract.text.url).headers["Location"]

    assert browser.client.get(location[:-1] + ("A" if location[-1] != "A" else "B")).status_code == 404
    assert browser.client.get(location.replace("/async-uploads/", "/other-uploads/")).status_code == 404
    settings.SECRET_KEY = "another one, long enough for all that is to be signed with it"
    assert browser.client.get(location).status_code == 404


def test_what_is_signed_elsewhere_is_no_address(filesystem_store: FilesystemStore, browser: Browser) -> None:
    from django.core import signing

    filesystem_store.put("a.txt", b"bytes")
    for value in ["x", ["testapp.contract.text"], None, 5]:
        signed = signing.dumps(value, salt=FILE_SALT)
        assert browser.client.get(f"/async-uploads/file/{signed}").status_code == 404
    signed = signing.dumps(["testapp.contract.text", "a.txt", 60])
    assert browser.client.get(f"/async-uploads/file/{signed}").status_code == 404


def test_file_that_is_gone(filesystem_store: Any, browser: Browser, contract: Contract) -> None:
    contract.text = "gone.txt"
    contract.save()

    assert fetch(browser, contract.text.url)[0] == 404


# --- headers --------------------------------------------------------------------------------


def of(name: str, **parameters: str) -> dict[str, str]:
    return download_headers(AsyncFileField(download_params={"parameters": parameters}), name)


def test_headers() -> None:
    assert of("a/b c.txt") == {"content_disposition": 'attachment; filename="b c.txt"'}
    assert of("a/ü.txt") == {"content_disposition": "attachment; filename*=utf-8''%C3%BC.txt"}
    assert of("a.png", content_disposition="inline") == {
        "content_disposition": 'inline; filename="a.png"',
        "content_type": "image/png",
    }
    assert of("a.txt", content_disposition='inline; filename="b"', cache_control="no-cache") == {
        "content_disposition": 'inline; filename="b"',
        "cache_control": "no-cache",
        "content_type": "text/plain",
    }


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.xhtml", "a.xml", "a.js"])
def test_what_a_browser_runs_is_never_shown(name: str) -> None:
    assert of(name, content_disposition="inline")["content_disposition"].startswith("attachment")
    assert of("a.png", content_disposition="inline", content_type="text/html")["content_disposition"].startswith("att")


def test_what_is_shown_has_the_type_that_was_looked_at(
    store: Any, browser: Browser, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name that a failed promote leaves has no extension; what the store knows it as may be a page."""
    page = ContentFile(b"<script>alert(1)</script>", name="a.html")
    page.content_type = "text/html"  # type: ignore[attr-defined]
    contract.text = contract.text.storage.save("tmp/s3upload/abc", page)
    contract.save()
    field = Contract._meta.get_field("text")
    monkeypatch.setattr(field, "download_params", {"parameters": {"content_disposition": "inline"}})

    _status, headers, _body = fetch(browser, contract.text.url)
    assert headers["content-disposition"].startswith("inline")
    assert headers["content-type"] == "application/octet-stream"


def test_public_address_of_the_store(settings: Any, ceph_store: S3Store, browser: Browser, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    settings.S3UPLOAD_PUBLIC_ENDPOINT_URL = "https://files.example.com"
    location = browser.client.get(contract.text.url).headers["Location"]
    assert location.startswith(f"https://files.example.com/{ceph_store.bucket}/contracts/a.txt?")


def test_address_of_a_delivery_network(
    settings: Any, ceph_store: S3Store, browser: Browser, contract: Contract
) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    settings.STORAGES["default"]["OPTIONS"]["custom_domain"] = "cdn.example.com"
    settings.STORAGES = dict(settings.STORAGES)

    location = browser.client.get(contract.text.url).headers["Location"]
    assert location.startswith("https://cdn.example.com/contracts/a.txt")
