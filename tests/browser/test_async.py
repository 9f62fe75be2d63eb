"""Async fields in Chromium: uploading while the form is filled in, with permissions and a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image

from s3upload.async_uploads.models import UploadRecord
from tests.async_uploads.conftest import make_user, only_record
from tests.async_uploads.test_cleanup import let_all_pass
from tests.browser.conftest import MAKE
from tests.browser.page import Page
from tests.conftest import FilesystemStore, S3Store
from tests.proxy import HoldRequest, Proxy
from tests.test_cleanup import run
from tests.testapp.models import Contract

pytestmark = pytest.mark.browser

NEW = "/contracts/new/"
TEXT = "[name=text]"
SEAL = "[name=seal]"

ON_BOTH = pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)
ON_CEPH = pytest.mark.parametrize("store", ["ceph"], indirect=True)


@pytest.fixture
def text(make_file: MAKE) -> Any:
    def make(name: str, size: int = 1000) -> Any:
        path = make_file(name, 0)
        path.write_bytes(b"We agree. " * (size // 10))
        return path

    return make


@pytest.fixture
def seal(make_file: MAKE) -> Any:
    path = make_file("seal.png", 0)
    Image.effect_noise((40, 30), 50).save(path)
    return path


def sign_in(page: Page, user: User) -> None:
    """Give the browser the cookie of somebody's session."""
    client = Client()
    client.force_login(user)
    page.open("/")
    page.chrome.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value, "path": "/"})


@pytest.fixture
def editor(page: Page, store: FilesystemStore | S3Store) -> User:
    """Somebody who may do all with contracts, and is signed in."""
    user = make_user("editor", "add_contract", "change_contract", "view_contract", is_staff=True)
    sign_in(page, user)
    return user


@pytest.mark.usefixtures("editor")
@ON_CEPH
def test_submit_waits_only_for_what_is_left(page: Page, line: Proxy, store: S3Store, text: Any, seal: Any) -> None:
    hold = line.add(HoldRequest(lambda request: request.method == "POST" and request.length > 100_000))
    page.open(NEW)
    page.choose(text("contract.txt", 200_000), into=TEXT)
    assert hold.reached.wait(20), "the upload begins before anything else is filled in"
    page.type("[name=title]", "A contract")
    page.choose_and_wait(seal, into=SEAL)
    assert page.rows(TEXT)[0].state == "uploading"
    page.submit()
    page.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    assert not Contract.objects.exists(), "submitted while a file was on its way"
    hold.heal()

    assert page.result()["saved"] == ["contracts/contract.txt", "seals/seal.png"]
    contract = Contract.objects.get()
    assert (contract.title, contract.width, contract.height) == ("A contract", 40, 30)
    assert store.get("contracts/contract.txt").startswith(b"We agree.")
    assert sorted(store.keys()) == ["contracts/contract.txt", "seals/seal.png"]
    states = UploadRecord.objects.order_by("pk").values_list("name", "state", "owner__username")
    assert list(states) == [("contract.txt", "stored", "editor"), ("seal.png", "stored", "editor")]


@pytest.mark.usefixtures("editor")
@ON_BOTH
def test_several_files_in_one_field(page: Page, store: FilesystemStore | S3Store, text: Any) -> None:
    files = [text(f"{number}.txt") for number in range(3)]
    page.open("/contracts/attach/")
    page.choose_and_wait(*files, into="[name=files]")
    page.submit()

    assert page.result()["saved"] == [f"contracts/{number}.txt" for number in range(3)]
    assert Contract.objects.count() == 3
    assert set(UploadRecord.objects.values_list("state", flat=True)) == {"stored"}


@ON_BOTH
def test_somebody_without_the_permission_is_told_at_the_field(
    page: Page, store: FilesystemStore | S3Store, text: Any
) -> None:
    page.chrome.expect_error("status of 403")
    sign_in(page, make_user("somebody"))
    page.open(NEW)
    page.type("[name=title]", "Without a text")
    page.choose(text("contract.txt"), into=TEXT)
    (row,) = page.wait_for_states("failed", into=TEXT)
    assert row.error == "You may not upload files here."
    assert row.buttons == ["Try again", "Remove"]

    page.press("Remove", name="contract.txt")
    page.submit()
    assert page.result()["saved"] == []
    assert Contract.objects.get().title == "Without a text"
    assert not UploadRecord.objects.exists()
    assert store.keys() == []


@pytest.mark.usefixtures("editor")
@ON_BOTH
def test_what_is_left_behind_is_cleaned_up(page: Page, store: FilesystemStore | S3Store, text: Any) -> None:
    page.open(NEW)
    page.choose_and_wait(text("contract.txt"), into=TEXT)
    page.open("/")

    assert only_record().state == "pending"
    assert store.keys() == [only_record().key]
    let_all_pass(49)
    run()
    assert not UploadRecord.objects.exists()
    assert store.keys() == []


@pytest.mark.usefixtures("editor")
@ON_BOTH
def test_admin_uploads_and_links_to_the_file(
    page: Page, store: FilesystemStore | S3Store, text: Any, tmp_path: Path
) -> None:
    path = text("a contract.txt")
    page.open("/admin/testapp/contract/add/")
    page.type("[name=title]", "A contract")
    page.choose_and_wait(path, into=TEXT)
    page.submit("[name=_save]")
    page.chrome.wait_for("ul.messagelist .success")

    page.open(f"/admin/testapp/contract/{Contract.objects.get().pk}/change/")
    link = page.chrome.find(".file-upload a")
    assert link.text == "contracts/a_contract.txt"
    page.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads"))
    link.click()
    downloaded = tmp_path / "downloads" / "a_contract.txt"
    page.wait_for(downloaded.exists)
    assert downloaded.read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("editor")
@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_dialog_offers_what_is_accepted(page: Page, store: FilesystemStore, text: Any, make_file: MAKE) -> None:
    page.open(NEW)
    assert page.chrome.find(TEXT).get_attribute("accept") == "text/plain,.pdf"
    assert page.chrome.find(SEAL).get_attribute("accept") == "image/*"
    # "All files" in the dialog shows the others as well.
    page.choose(make_file("program.exe"), into=TEXT)
    (row,) = page.wait_for_states("refused", into=TEXT)

    assert row.error == "Files of this type are not accepted here. Accepted: text/plain, .pdf."
    assert not UploadRecord.objects.exists()
