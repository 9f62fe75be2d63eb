"""The model fields: Django's own, and what they add."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models, transaction
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.test.utils import isolate_apps

from s3upload.async_uploads.fields import AsyncFileField, AsyncImageField
from s3upload.async_uploads.models import UploadRecord
from tests.async_uploads.conftest import BODY, EVERYWHERE, NEW, an_image, make_user, only_record, page_of
from tests.conftest import FilesystemStore
from tests.testapp.models import Contract, ContractProxy, Note, SignedContract
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)

PREFIX = "tmp/s3upload/"


# --- as Django's ----------------------------------------------------------------------------


def test_files_are_saved_without_a_browser(store: Any, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    contract.seal = File(ContentFile(an_image()), name="seal.png")
    contract.save()

    contract = Contract.objects.get()
    assert store.get(contract.text.name) == BODY
    assert (contract.seal.name, contract.width, contract.height) == ("seals/seal.png", 40, 30)
    assert not UploadRecord.objects.exists()


def test_name_can_be_longer_than_in_django() -> None:
    assert Contract._meta.get_field("text").max_length == 500
    assert AsyncFileField(max_length=30).max_length == 30


def test_permissions_and_limits_are_no_business_of_migrations() -> None:
    def project(**options: Any) -> ProjectState:
        state = ProjectState()
        state.add_model(ModelState("app", "Thing", [("file", AsyncFileField(upload_to="a/", **options))]))
        return state

    changes = MigrationAutodetector(
        project(), project(perm_create=None, max_size=5, file_restrictions=["pdf"], download_params={"expire": 5})
    )._detect_changes()

    assert changes == {}


def test_clone_has_no_wider_permissions() -> None:
    _name, path, args, kwargs = Note._meta.get_field("file").deconstruct()

    assert path == "s3upload.async_uploads.fields.AsyncFileField"
    assert kwargs.keys() == {"upload_to", "max_length", "storage"}
    assert args == []


@pytest.mark.parametrize("value", ["contracts/b.txt", ""])
def test_update_sets_a_name(contract: Contract, value: str) -> None:
    Contract.objects.update(text=value)

    contract.refresh_from_db()
    assert contract.text.name == value
    assert Contract.objects.filter(text=value).exists()


def test_update_saves_no_file(contract: Contract) -> None:
    with pytest.raises(TypeError, match=r"update\(\) and bulk_update\(\) save no file: assign it to 'text'"):
        Contract.objects.update(text=ContentFile(BODY, name="a.txt"))

    contract.text = ContentFile(BODY, name="a.txt")
    with pytest.raises(TypeError, match="save no file"):
        Contract.objects.bulk_update([contract], ["text"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_size": 0}, "max_size is 0"),
        ({"max_size": "5"}, "max_size is '5'"),
        ({"max_size": True}, "max_size is True"),
        ({"file_restrictions": "image/*"}, r"file_restrictions is 'image/\*'"),
        ({"file_restrictions": [""]}, "file_restrictions is"),
        ({"file_restrictions": ["a,b"]}, "file_restrictions is"),
        ({"file_restrictions": [5]}, "file_restrictions is"),
        ({"download_params": {"expires": 5}}, "download_params has expires"),
        ({"download_params": {"parameters": {"acl": "x"}}}, "download_params has acl"),
        ({"download_params": {"expire": 0}}, "the expire of download_params is 0"),
        ({"download_params": {"expire": 8 * 24 * 3600}}, "the expire of download_params is"),
    ],
)
def test_options_that_make_no_sense(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AsyncFileField(**options)


# --- limits, for files that come the ordinary way -------------------------------------------


@pytest.mark.parametrize(
    ("restrictions", "name", "content", "allowed"),
    [
        (["image/png"], "a.png", an_image(), True),
        (["image/*"], "a.png", an_image(), True),
        (["image/png"], "a.jpg", b"\xff\xd8\xff\xe0", False),
        (["image/png"], "a.png", b"%PDF-1.7", False),
        ([".doc", "docx"], "a.DOCX", b"PK\x03\x04", True),
        ([".doc", "docx"], "a.doc", b"x", True),
        ([".doc", "docx"], "a.docm", b"x", False),
        ([".doc", "docx"], "docx", b"x", False),
        ([], "a.exe", b"MZ", True),
    ],
)
def test_restriction(restrictions: list[str], name: str, content: bytes, allowed: bool) -> None:
    field = AsyncFileField(file_restrictions=restrictions)
    file = SimpleUploadedFile(name, content, "")

    if allowed:
        field.rules(file)
    else:
        with pytest.raises(ValidationError, match="not accepted"):
            field.rules(file)
    assert file.tell() == 0


def test_size() -> None:
    field = AsyncFileField(max_size=5)
    field.rules(SimpleUploadedFile("a.txt", b"12345"))

    with pytest.raises(ValidationError, match="too large"):
        field.rules(SimpleUploadedFile("a.txt", b"123456"))


def test_saved_file_is_not_looked_at_again(store: Any, contract: Contract) -> None:
    contract.text.save("a.exe", ContentFile(b"MZ"))
    Contract.objects.get().full_clean()

    contract.text = ContentFile(b"MZ", name="b.exe")
    with pytest.raises(ValidationError, match="not accepted"):
        contract.full_clean()


@pytest.mark.parametrize("field", ["text", "seal"])
def test_ordinary_post_is_held_to_the_limits(store: Any, browser: Browser, field: str) -> None:
    file = SimpleUploadedFile("a.exe", b"MZ", "application/x-msdownload")
    answer = browser.post(NEW, {"title": "x", field: file})

    assert answer.context["form"].errors.keys() == {field}
    assert store.keys() == []


def test_ordinary_post_is_saved(store: Any, browser: Browser) -> None:
    page = browser.submit(NEW, {"title": "x", "text": SimpleUploadedFile("a.txt", BODY, "text/plain")})

    assert page.result["saved"] == ["contracts/a.txt"]
    assert not UploadRecord.objects.exists()


def test_page_says_what_is_accepted(browser: Browser, filesystem_store: FilesystemStore) -> None:
    page = browser.get(NEW)

    assert page.file_input("text")["accept"] == "text/plain,.pdf"
    assert page.file_input("seal")["accept"] == "image/*"


# --- images ---------------------------------------------------------------------------------


def test_width_and_height_are_those_of_the_image(store: Any, browser: Browser) -> None:
    token = browser.upload(NEW, "seal", "a.png", an_image(123, 45), "image/png")
    page = browser.submit(NEW, {"title": "x", "seal-s3upload": token})

    contract = Contract.objects.get()
    assert page.result["saved"] == ["seals/a.png"]
    assert (contract.width, contract.height) == (123, 45)


def test_what_is_no_image_is_refused(store: Any, browser: Browser) -> None:
    token = browser.upload(NEW, "seal", "a.png", b"\x89PNG\r\n\x1a\n" + bytes(100), "image/png")
    answer = browser.post(NEW, {"title": "x", "seal-s3upload": token})

    assert answer.context["form"].errors.keys() == {"seal"}
    assert only_record().state == "pending"


@isolate_apps("tests.testapp")
def test_image_without_pillow() -> None:
    class Thing(models.Model):
        image = AsyncImageField(suppress_pillow_check=True)

        class Meta:
            app_label = "testapp"

    field: Any = Thing._meta.get_field("image")
    assert field._check_image_library_installed() == []
    field.formfield(async_field_id="x")  # asks for no Pillow
    with pytest.raises(ValidationError, match="not accepted"):
        field.rules(SimpleUploadedFile("a.png", b"%PDF-1.7", "image/png"))
    with pytest.raises(ValueError, match="need Pillow"):
        AsyncImageField(suppress_pillow_check=True, width_field="width")


# --- saved and not saved --------------------------------------------------------------------


def uploaded(browser: Browser, name: str = "a.txt", url: str = NEW) -> dict[str, str]:
    """Upload a text, and return the form that saves it."""
    return {"title": "x", "text-s3upload": browser.upload(url, "text", name, BODY, "text/plain")}


@EVERYWHERE
def test_upload_is_on_record_from_its_beginning_to_its_end(store: Any, browser: Browser, editor: Any) -> None:
    form = uploaded(browser, "übung 1.txt")
    record = only_record()
    assert (record.name, record.size, record.content_type) == ("übung 1.txt", len(BODY), "text/plain")
    assert (record.registry, record.field, record.instance_id) == ("default", "testapp.contract.text", "")
    assert (record.owner, record.state, record.stored_as) == (editor, "pending", "")
    assert store.keys() == [record.key]

    browser.submit(NEW, form)

    record.refresh_from_db()
    assert (record.state, record.stored_as) == ("stored", Contract.objects.get().text.name)
    assert store.keys() == [record.stored_as]


@EVERYWHERE
def test_form_that_is_sent_twice_finds_the_file(store: Any, browser: Browser, contract: Contract) -> None:
    form = uploaded(browser, url=page_of(contract))
    browser.submit(page_of(contract), form)
    page = browser.submit(page_of(contract), form)

    assert page.result["saved"] == ["contracts/a.txt"]
    assert store.keys() == ["contracts/a.txt"]
    assert only_record().state == "stored"


def test_form_that_makes_two_rows_makes_two_files(filesystem_store: FilesystemStore, browser: Browser) -> None:
    form = uploaded(browser)
    browser.submit(NEW, form)
    browser.submit(NEW, form)

    first, second = Contract.objects.order_by("pk")
    assert first.text.name != second.text.name
    assert filesystem_store.get(first.text.name) == filesystem_store.get(second.text.name) == BODY
    assert only_record().stored_as == first.text.name


def test_upload_that_is_gone_is_not_found_by_its_record(store: Any, browser: Browser, contract: Contract) -> None:
    form = uploaded(browser, url=page_of(contract))
    browser.submit(page_of(contract), form)
    contract.refresh_from_db()
    contract.text.delete()

    answer = browser.post(page_of(contract), form)
    assert "no longer there" in str(answer.context["form"].errors["text"])


def test_transaction_that_is_rolled_back_loses_nothing(
    store: Any, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = uploaded(browser)
    save = Contract.save

    def save_and_fail(self: Any, *args: Any, **kwargs: Any) -> None:
        save(self, *args, **kwargs)
        raise RuntimeError("something else went wrong")

    with monkeypatch.context() as patch:
        patch.setattr(Contract, "save", save_and_fail)
        with pytest.raises(RuntimeError), transaction.atomic():
            browser.post(NEW, form)
    assert not Contract.objects.exists()
    assert only_record().state == "pending"

    browser.submit(NEW, form)
    assert store.get(Contract.objects.get().text.name) == BODY
    assert only_record().state == "stored"


def test_bulk_create_saves_files(store: Any, browser: Browser) -> None:
    url = "/contracts/attach/"
    tokens = [browser.upload(url, "files", f"{n}.txt", BODY + b"%d" % n, "text/plain") for n in range(3)]
    page = browser.submit(url, {"files-s3upload": tokens})

    names = [f"contracts/{n}.txt" for n in range(3)]
    assert page.result["saved"] == names
    assert list(Contract.objects.order_by("pk").values_list("text", flat=True)) == names
    assert [store.get(name) for name in names] == [BODY + b"%d" % n for n in range(3)]
    assert set(UploadRecord.objects.values_list("state", "stored_as")) == {("stored", name) for name in names}


def test_child_in_a_table_of_its_own(store: Any, browser: Browser) -> None:
    child = SignedContract.objects.create(title="x")
    page = browser.submit(page_of(child), uploaded(browser, url=page_of(child)))

    child.refresh_from_db()
    assert page.result["saved"] == [child.text.name]
    assert child.text.url == Contract.objects.get().text.url
    assert browser.client.get(child.text.url).status_code == 302


def test_proxy(store: Any, browser: Browser, contract: Contract) -> None:
    browser.submit(page_of(contract), uploaded(browser, url=page_of(contract)))

    proxy = ContractProxy.objects.get()
    assert browser.client.get(proxy.text.url).status_code == 302


def test_storage_and_registry_of_a_field(filesystem_store: Any, archive: Path) -> None:
    browser = Browser(make_user("somebody"))
    token = browser.upload("/notes/new/", "file", "a.txt", BODY, "text/plain")
    browser.submit("/notes/new/", {"file-s3upload": token})

    note = Note.objects.get()
    assert (only_record().storage, only_record().registry) == ("testapp.Note.file", "other")
    assert (archive / note.file.name).read_bytes() == BODY
    assert note.file.url.startswith("/other-uploads/")


def test_address_of_an_instance_that_was_never_saved() -> None:
    with pytest.raises(ValueError, match=r"save it before asking for text\.url"):
        _ = Contract(text="a.txt").text.url
    with pytest.raises(ValueError, match="no file associated"):
        _ = Contract().text.url
