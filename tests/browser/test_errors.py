"""What goes wrong is said where the person looks; the choice is kept, and can be tried again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from django.test import Client

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import Page
from tests.conftest import Chrome, FilesystemStore, S3Store
from tests.proxy import Proxy
from tests.servers.base import CORS_RULES
from tests.testapp import models

pytestmark = pytest.mark.browser

FORM = "/forms/document/"
CONNECTION = "The connection failed."

PATIENCE = 60
"""Seconds in which the script has given up, whatever it tries."""


def assert_not_sent(page: Page, requests: Requests, path: str = FORM) -> None:
    """Send the form: it must stay, with the focus where the person can act."""
    posts = requests.posts(path)
    page.submit()
    page.chrome.wait_until("document.activeElement.closest('.s3upload__file') !== null")
    assert requests.posts(path) == posts


@pytest.mark.parametrize(
    ("field", "name", "message"),
    [
        ("picture", "notes.txt", "Files of this type are not accepted here. Accepted: image/*, .pdf."),
        ("archive", "notes.txt", "Files of this type are not accepted here. Accepted: .tar.gz, .zip."),
    ],
)
def test_wrong_type_is_refused_before_a_byte_is_sent(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests, field: str, name: str, message: str
) -> None:
    page.open("/forms/accept/")
    page.choose(make_file(name), into=f"[name={field}]")
    (row,) = page.wait_for_states("refused", into=f"[name={field}]")
    assert row.error == message
    assert row.buttons == ["Remove"], "trying again would be of no use"
    assert ceph_store.keys() == []
    assert_not_sent(page, requests, "/forms/accept/")

    page.press("Remove")
    page.submit()
    assert page.result()["files"] == {}
    assert requests.presigned == 1


def test_too_large_file_is_refused_before_a_byte_is_sent(
    page: Page, ceph_store: S3Store, make_file: MAKE, settings, requests: Requests
) -> None:
    settings.S3UPLOAD_MAX_SIZE = 100 * 1024
    small = make_file("small.bin")
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose(make_file("large.bin", 300 * 1024))
    (row,) = page.wait_for_states("refused")
    assert row.error.replace("\xa0", " ") == "The file is too large (300.0 KB). At most 100.0 KB are allowed."
    assert ceph_store.keys() == []
    assert_not_sent(page, requests)

    page.choose_and_wait(small)
    assert page.row().error == ""
    page.submit()
    assert page.result()["saved"] == ["documents/small.bin"]


def test_one_refused_file_of_several_does_not_stop_the_others(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings
) -> None:
    settings.S3UPLOAD_MAX_SIZE = 10_000
    page.open("/forms/several/")
    page.type("[name=title]", "All but one")
    page.choose(make_file("a.bin", 10), make_file("b.bin", 10_001), make_file("c.bin", 10_000))
    page.wait_for_states("done", "refused", "done")
    page.press("Remove", name="b.bin")
    page.submit()

    assert page.result()["saved"] == ["plain/a.bin", "plain/c.bin"]


def test_reason_of_the_site_is_shown_and_may_go(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings, requests: Requests
) -> None:
    page.chrome.expect_error("presign/.* 403")
    settings.S3UPLOAD_AUTHORIZE = "tests.browser.site.refuse"
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose(make_file())

    (row,) = page.wait_for_states("failed")
    assert row.error == "Only members may upload files."
    assert_not_sent(page, requests)
    # The visitor became a member, in another tab.
    settings.S3UPLOAD_AUTHORIZE = None
    page.press("Try again")
    page.wait_for_states("done")
    page.submit()
    assert page.result()["saved"] == ["documents/report.bin"]


def test_too_many_files_are_refused(page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings) -> None:
    page.chrome.expect_error("presign/.* 413")
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    page.open("/forms/several/")
    page.choose(*[make_file(f"{number}.bin") for number in range(3)])

    rows = page.wait_for_states("refused", "refused", "refused")
    assert rows[0].error == "This is too much for one request. Choose fewer files at once."


def test_bucket_without_cors_fails_and_is_tried_again(
    page: Page, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    page.chrome.expect_error("blocked by CORS policy|net::ERR_FAILED")
    ceph_store.client.delete_bucket_cors(Bucket=ceph_store.bucket)
    file = make_file("report.bin", 50_000)
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose(file)
    (row,) = page.wait_for_states("failed", timeout=PATIENCE)
    assert row.error == CONNECTION
    assert row.buttons == ["Try again", "Remove"]

    ceph_store.client.put_bucket_cors(Bucket=ceph_store.bucket, CORSConfiguration=CORS_RULES)
    page.press("Try again")
    (row,) = page.wait_for_states("done")
    assert row.error == ""
    assert row.buttons == ["Remove"]
    page.submit()
    assert page.result()["saved"] == ["documents/report.bin"]
    assert ceph_store.get("documents/report.bin") == file.read_bytes()


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_expired_request_fails_and_is_tried_again_with_a_new_one(
    page: Page, store: S3Store, make_file: MAKE, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.chrome.expect_error("status of 403|blocked by CORS policy|net::ERR_FAILED")
    page.open(FORM)
    page.type("[name=title]", "A report")
    with monkeypatch.context() as patch:
        # Expired when it arrives, as after a night with the lid closed.
        patch.setattr("s3upload.backends.s3.presigning.PRESIGNED_AGE", -60)
        page.choose(make_file())
        (row,) = page.wait_for_states("failed", timeout=PATIENCE)
    assert row.error in (CONNECTION, "The file store refused the file (403).")
    page.press("Try again")
    page.wait_for_states("done")
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]


@pytest.fixture
def line(ceph_store: S3Store, settings) -> Iterator[Proxy]:
    """The line from the browser to Ceph."""
    with Proxy(ceph_store.account.endpoint_url) as line:
        settings.S3UPLOAD_PUBLIC_ENDPOINT_URL = line.address
        yield line


def test_store_that_does_not_answer_keeps_the_form(
    page: Page, line: Proxy, make_file: MAKE, requests: Requests
) -> None:
    page.chrome.expect_error("net::ERR_CONNECTION_REFUSED")
    line.cut()
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose(make_file())
    (row,) = page.wait_for_states("failed", timeout=PATIENCE)
    assert row.error == CONNECTION
    # The submit tries once more by itself, and stays when that fails too.
    assert requests.presigned == 1
    page.submit()
    page.chrome.wait_until("document.activeElement.textContent === 'Try again'", timeout=PATIENCE)
    page.wait_for_states("failed", timeout=PATIENCE)
    assert requests.presigned == 2
    assert requests.posts(FORM) == 0
    assert models.Document.objects.count() == 0

    line.mend()
    page.submit()
    assert page.result()["saved"] == ["documents/report.bin"]
    assert requests.posts(FORM) == 1


def test_line_that_breaks_while_uploading_fails_and_is_tried_again(
    page: Page, line: Proxy, ceph_store: S3Store, make_file: MAKE, requests: Requests
) -> None:
    page.chrome.expect_error("net::ERR_")
    file = make_file("report.bin", 2_000_000)
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.slow_down()
    page.choose(file)
    page.wait_for_states("uploading")
    page.submit()
    page.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    page.chrome.wait_until("document.querySelector('.s3upload__bar').value > 0.02")
    line.cut()
    (row,) = page.wait_for_states("failed", timeout=PATIENCE)
    assert row.error == CONNECTION
    page.chrome.wait_until("document.activeElement.textContent === 'Try again'", timeout=PATIENCE)
    line.mend()
    page.hurry()
    page.press("Try again")
    page.wait_for_states("done")
    assert requests.posts(FORM) == 0, "the person sends the form, now that the file is there"
    page.submit()

    assert page.result()["saved"] == ["documents/report.bin"]
    assert ceph_store.get("documents/report.bin") == file.read_bytes()


def test_vanished_object_is_an_error_on_the_field_and_the_form_is_sent_anew(
    page: Page, ceph_store: S3Store, make_file: MAKE
) -> None:
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose_and_wait(make_file())
    (key,) = ceph_store.keys()
    ceph_store.client.delete_object(Bucket=ceph_store.bucket, Key=key)
    page.submit()
    error = page.chrome.wait_for(".errorlist").text
    assert error == "The uploaded file is no longer there. Choose the file again."
    page.wait_for_script()
    assert page.rows() == []
    page.choose_and_wait(make_file("again.bin"))
    page.submit()

    assert page.result()["saved"] == ["documents/again.bin"]


def test_file_that_was_deleted_since_it_was_chosen(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings, requests: Requests
) -> None:
    page.chrome.expect_error("net::ERR_FILE_NOT_FOUND|net::ERR_UPLOAD_FILE_CHANGED")
    settings.S3UPLOAD_UPLOAD_ON = "submit"
    file = make_file()
    page.open(FORM)
    page.type("[name=title]", "A report")
    page.choose(file)
    page.wait_for_states("queued")
    file.unlink()
    page.submit()

    (row,) = page.wait_for_states("refused")
    assert row.error == "The file has changed or was removed. Choose it again."
    assert requests.posts(FORM) == 0


def sign_in(chrome: Chrome, address: str, user: models.models.Model) -> Client:
    client = Client()
    client.force_login(user)
    chrome.execute_cdp_cmd(
        "Network.setCookie",
        {
            "name": django_settings.SESSION_COOKIE_NAME,
            "value": client.cookies[django_settings.SESSION_COOKIE_NAME].value,
            "url": address,
        },
    )
    return client


def test_session_that_has_ended_is_said_and_the_upload_goes_on_after_the_login(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings, start_site, admin_user
) -> None:
    settings.MIDDLEWARE = [
        "tests.browser.site.login_wall" if path == "s3upload.middleware.S3UploadMiddleware" else path
        for path in settings.MIDDLEWARE
    ]
    settings.MIDDLEWARE.append("s3upload.middleware.S3UploadMiddleware")
    page.address = start_site()
    client = sign_in(page.chrome, page.address, admin_user)
    page.open(FORM)
    page.type("[name=title]", "A report")
    client.logout()
    page.choose(make_file())
    (row,) = page.wait_for_states("failed")
    assert row.error == "Please sign in again in another tab."
    assert row.buttons == ["Try again", "Remove"]

    sign_in(page.chrome, page.address, admin_user)
    page.press("Try again")
    page.wait_for_states("done")
    page.submit()
    assert page.result()["saved"] == ["documents/report.bin"]


def test_page_that_was_open_for_too_long_says_so(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.chrome.expect_error("presign/.* 403")
    page.open(FORM)
    monkeypatch.setattr("s3upload.policy.POLICY_AGE", -1)
    page.choose(make_file())

    (row,) = page.wait_for_states("failed")
    assert row.error == "This page has been open for too long. Reload it and choose the file again."


def test_error_goes_when_another_file_is_chosen(
    page: Page, filesystem_store: FilesystemStore, make_file: MAKE, settings
) -> None:
    settings.S3UPLOAD_MAX_SIZE = 10_000
    page.open(FORM)
    page.choose(make_file("large.bin", 20_000))
    page.wait_for_states("refused")
    page.choose_and_wait(make_file("small.bin"))

    assert page.row().error == ""
    assert "too large" not in page.chrome.find("body").text
