"""Django's admin, as it is."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from PIL import Image
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import MAKE, Requests
from tests.browser.page import Page
from tests.conftest import FilesystemStore, S3Store
from tests.testapp import models

pytestmark = pytest.mark.browser

SAVE = "[name=_save]"
ROWS = "#images-group tr.form-row:not(.empty-form)"


@pytest.fixture
def admin(page: Page, store: FilesystemStore | S3Store, admin_user) -> Page:
    """Somebody who has signed in to the admin, by hand."""
    page.open("/admin/login/")
    page.type("[name=username]", "admin")
    page.chrome.find("[name=password]").send_keys("password", Keys.ENTER)
    page.chrome.wait_for("#user-tools")
    return page


@pytest.fixture
def make_picture(make_file: MAKE) -> MAKE:
    def make(name: str, width: int = 40):
        path = make_file(name, 0)
        Image.effect_noise((width, 30), 50).save(path)
        return path

    return make


def wait_for_saved(page: Page) -> None:
    page.chrome.wait_for("ul.messagelist .success")


@pytest.mark.parametrize("store", ["filesystem", "ceph", "localstack"], indirect=True)
def test_document_is_added(admin: Page, store: FilesystemStore | S3Store, make_file: MAKE) -> None:
    file = make_file("report.bin", 500_000)
    admin.open("/admin/testapp/document/add/")
    admin.type("[name=title]", "A report")
    admin.choose_and_wait(file)
    admin.submit(SAVE)
    wait_for_saved(admin)

    assert models.Document.objects.get().file.name == "documents/report.bin"
    assert store.get("documents/report.bin") == file.read_bytes()
    assert store.keys() == ["documents/report.bin"]


@pytest.mark.parametrize("store", ["ceph"], indirect=True)
def test_rows_added_and_removed_by_the_script_of_the_admin(
    admin: Page, store: S3Store, make_picture: MAKE, requests: Requests
) -> None:
    first, second, third = (make_picture(name) for name in ("first.png", "second.png", "third.png"))
    admin.open("/admin/testapp/gallery/add/")
    admin.type("[name=title]", "A gallery")
    admin.choose_and_wait(first, into="[name=images-0-image]")
    for file, number in ((second, 1), (third, 2)):
        admin.chrome.find("#images-group .add-row a").click()
        admin.choose_and_wait(file, into=f"[name=images-{number}-image]")
    # The row in the middle goes: the last one gets its number, and its upload was signed under another name.
    admin.chrome.find("#images-1 .inline-deletelink").click()
    admin.chrome.wait_until("document.querySelectorAll(arguments[0]).length === 2", ROWS)
    assert [row.name for row in admin.rows("[name=images-1-image]")] == ["third.png"]
    admin.type("[name=images-1-caption]", "The third")
    admin.submit(SAVE)
    wait_for_saved(admin)

    images = models.GalleryImage.objects.order_by("pk")
    assert [image.image.name for image in images] == ["gallery/first.png", "gallery/third.png"]
    assert [store.get(image.image.name) for image in images] == [first.read_bytes(), third.read_bytes()]
    assert images[1].caption == "The third"


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_row_removed_while_another_one_uploads(admin: Page, store: FilesystemStore, make_file: MAKE) -> None:
    picture = make_file("large.bmp", 0)
    Image.effect_noise((1000, 500), 50).convert("RGB").save(picture)
    admin.open("/admin/testapp/gallery/add/")
    admin.type("[name=title]", "A gallery")
    admin.chrome.find("#images-group .add-row a").click()
    admin.chrome.find("#images-group .add-row a").click()
    admin.slow_down()
    admin.choose(picture, into="[name=images-2-image]")
    admin.wait_for_states("uploading", into="[name=images-2-image]")
    admin.chrome.find("#images-1 .inline-deletelink").click()
    admin.chrome.wait_until("document.querySelectorAll(arguments[0]).length === 2", ROWS)
    admin.submit(SAVE)
    admin.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    admin.hurry()
    wait_for_saved(admin)

    assert models.GalleryImage.objects.get().image.name == "gallery/large.bmp"
    assert store.get("gallery/large.bmp") == picture.read_bytes()


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_rows_keep_their_files_after_an_error(
    admin: Page, store: FilesystemStore, make_picture: MAKE, requests: Requests
) -> None:
    admin.open("/admin/testapp/gallery/add/")
    admin.choose_and_wait(make_picture("first.png"), into="[name=images-0-image]")
    admin.chrome.find("#images-group .add-row a").click()
    admin.choose_and_wait(make_picture("second.png"), into="[name=images-1-image]")
    # The admin's forms are `novalidate`: the missing title is found by the server.
    admin.submit(SAVE)
    admin.chrome.wait_for(".errornote")
    admin.wait_for_script()
    for number, name in enumerate(("first.png", "second.png")):
        (row,) = admin.wait_for_states("kept", into=f"[name=images-{number}-image]")
        assert row.name == name
    # A new row is a copy of an empty one: it shows no file of another.
    admin.chrome.find("#images-group .add-row a").click()
    admin.chrome.wait_for("[name=images-2-image]")
    assert admin.rows("[name=images-2-image]") == []
    admin.type("[name=title]", "A gallery")
    admin.submit(SAVE)
    wait_for_saved(admin)

    images = models.GalleryImage.objects.order_by("pk")
    assert [image.image.name for image in images] == ["gallery/first.png", "gallery/second.png"]
    assert requests.presigned == 2


@pytest.fixture
def document(store: FilesystemStore | S3Store, db) -> models.OptionalDocument:
    """A document that has a file."""
    return models.OptionalDocument.objects.create(title="A report", file=ContentFile(b"before", "before.bin"))


@pytest.mark.parametrize("store", ["filesystem", "ceph"], indirect=True)
def test_existing_file_is_replaced(
    admin: Page, store: FilesystemStore | S3Store, document: models.OptionalDocument, make_file: MAKE
) -> None:
    file = make_file("after.bin")
    admin.open(f"/admin/testapp/optionaldocument/{document.pk}/change/")
    assert "Currently: optional/before.bin" in admin.chrome.find(".file-upload").text
    admin.choose_and_wait(file)
    admin.submit(SAVE)
    wait_for_saved(admin)

    document.refresh_from_db()
    assert document.file.name == "optional/after.bin"
    assert store.get("optional/after.bin") == file.read_bytes()


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_existing_file_stays_when_nothing_is_chosen(
    admin: Page, store: FilesystemStore, document: models.OptionalDocument
) -> None:
    admin.open(f"/admin/testapp/optionaldocument/{document.pk}/change/")
    admin.type("[name=title]", "Another title")
    admin.submit(SAVE)
    wait_for_saved(admin)

    document.refresh_from_db()
    assert (document.title, document.file.name) == ("Another title", "optional/before.bin")


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_existing_file_is_cleared(admin: Page, store: FilesystemStore, document: models.OptionalDocument) -> None:
    admin.open(f"/admin/testapp/optionaldocument/{document.pk}/change/")
    admin.chrome.find("[name=file-clear]").click()
    admin.submit(SAVE)
    wait_for_saved(admin)

    document.refresh_from_db()
    assert not document.file


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_clear_together_with_a_new_file_is_the_contradiction_that_django_says_it_is(
    admin: Page, store: FilesystemStore, document: models.OptionalDocument, make_file: MAKE
) -> None:
    admin.open(f"/admin/testapp/optionaldocument/{document.pk}/change/")
    admin.chrome.find("[name=file-clear]").click()
    admin.choose_and_wait(make_file("after.bin"))
    admin.submit(SAVE)

    assert "not both" in admin.chrome.wait_for(".errorlist").text
    document.refresh_from_db()
    assert document.file.name == "optional/before.bin"


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
def test_save_and_add_another_saves_once_and_says_which_button(
    admin: Page, store: FilesystemStore, make_file: MAKE
) -> None:
    admin.open("/admin/testapp/document/add/")
    admin.type("[name=title]", "A report")
    admin.slow_down()
    admin.choose(make_file("report.bin", 1_000_000))
    admin.wait_for_states("uploading")
    admin.submit("[name=_addanother]")
    admin.chrome.wait_until("document.querySelector('.s3upload__note').textContent")
    admin.hurry()
    wait_for_saved(admin)

    assert admin.chrome.evaluate("location.pathname") == "/admin/testapp/document/add/"
    assert models.Document.objects.count() == 1
