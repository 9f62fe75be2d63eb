"""Odd models, odd names and odd moments: nothing is lost, and nothing ends in an error page."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import pickle
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.signals import pre_save
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext

from s3upload.async_uploads.models import UploadRecord
from s3upload.async_uploads.records import CannotRetry, retry
from s3upload.exceptions import StoreUnavailable
from tests.async_uploads.conftest import BODY, NEW, an_image, make_user, only_record, page_of
from tests.async_uploads.test_downloads import fetch
from tests.async_uploads.test_uploads import GENERATE
from tests.conftest import FilesystemStore
from tests.testapp.models import Contract, Parcel, Ticket
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)


def form(browser: Browser, url: str = NEW, name: str = "a.txt") -> dict[str, str]:
    """Upload a text, and return the form that saves it."""
    return {"title": "x", "text-s3upload": browser.upload(url, "text", name, BODY, "text/plain")}


def generate(browser: Browser, data: Any, **options: Any) -> Any:
    browser.client.get("/parcels/new/")
    headers = {"x-csrftoken": browser.client.cookies["csrftoken"].value}
    return browser.client.post(GENERATE, data, headers=headers, **options)


@pytest.fixture
def ticketing(db: None) -> Browser:
    """The browser of somebody who may do all with tickets."""
    return Browser(make_user("conductor", "add_ticket", "change_ticket", "view_ticket"))


# --- primary keys -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["a/b", "a:b:c", "..", "x/../y", "a b", "ü%2F", "?x=1#y", "None", "'\"<b>", "\\", "k" * 600]
)
def test_any_text_as_primary_key(filesystem_store: FilesystemStore, code: str) -> None:
    parcel = Parcel.objects.create(code=code)
    browser, url = Browser(), f"/parcels/?code={quote(code, safe='')}"
    token = browser.upload(url, "label", "a.txt", BODY, "text/plain")
    browser.submit(url, {"code": code, "label-s3upload": token})

    parcel.refresh_from_db()
    assert (only_record().instance_id, only_record().state) == (code, "stored")
    assert fetch(browser, parcel.label.url)[2] == BODY


def test_uuid_as_primary_key(store: Any, ticketing: Browser) -> None:
    token = ticketing.upload("/tickets/new/", "file", "a.txt", BODY, "text/plain")
    ticketing.submit("/tickets/new/", {"file-s3upload": token})
    ticket = Ticket.objects.get()
    url = f"/tickets/{ticket.pk}/"
    token = ticketing.upload(url, "file", "b" * 29, BODY, "text/plain")
    page = ticketing.submit(url, {"file-s3upload": token})

    ticket.refresh_from_db()
    assert len(page.result["saved"][0]) <= 30
    assert fetch(ticketing, ticket.file.url)[2] == BODY


def test_other_spelling_of_a_primary_key_is_the_same_instance(
    filesystem_store: FilesystemStore, browser: Browser, contract: Contract
) -> None:
    asked = {"async_field_id": "testapp.contract.text", "filename": "a.txt", "size": len(BODY)}
    answer = generate(browser, {**asked, "instance_id": f" 0{contract.pk}"}, content_type="application/json").json()
    assert browser.send(answer, BODY) == 201
    page = browser.submit(page_of(contract), {"title": "x", "text-s3upload": answer["token"]})

    assert page.result["saved"] == ["contracts/a.txt"]


@pytest.mark.parametrize("key", ["\0", "a\0b", "\ud800", "x" * 5000])
def test_text_that_is_no_primary_key(filesystem_store: FilesystemStore, key: str) -> None:
    asked = {"async_field_id": "testapp.parcel.label", "filename": "a", "size": 1, "instance_id": key}

    assert generate(Browser(), json.dumps(asked), content_type="application/json").status_code == 403


@pytest.mark.parametrize("key", ["%00", "%ff", "%ED%A0%80", "x"])
def test_address_that_is_no_primary_key(filesystem_store: FilesystemStore, key: str) -> None:
    url = f"/async-uploads/download-file/testapp.parcel.label/{key}"

    assert Browser().client.get(url).status_code == 403


@pytest.mark.parametrize("size", ["9" * 5000, "9" * 20, "²", "-1", ""])
def test_size_of_a_form_that_is_none(filesystem_store: FilesystemStore, size: str) -> None:
    asked = {"async_field_id": "testapp.parcel.label", "filename": "a", "size": size}

    assert generate(Browser(), asked).status_code == 400


# --- fields -----------------------------------------------------------------------------------


def test_field_whose_files_are_unique(store: Any) -> None:
    ticket = Ticket(file=ContentFile(BODY, name="a.txt"))
    ticket.full_clean()
    ticket.save()

    assert store.get(Ticket.objects.get().file.name) == BODY


def test_name_of_a_file_is_made_once(store: Any, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    field: Any = Contract._meta.get_field("text")
    made: list[str] = []

    def make(instance: Any, name: str) -> str:
        made.append(name)
        return f"contracts/{len(made)}.txt"

    monkeypatch.setattr(field, "upload_to", make)
    browser.submit(NEW, form(browser))

    assert made == ["a.txt"]
    assert only_record().stored_as == Contract.objects.get().text.name == "contracts/1.txt"


def test_file_is_taken_away(store: Any, browser: Browser, contract: Contract) -> None:
    ways: list[Callable[[], Any]] = [
        lambda: browser.submit(page_of(contract), {"title": "x", "text-clear": "on"}),
        lambda: contract.text.delete(),
        lambda: (setattr(contract, "text", None), contract.save()),
    ]
    for take_away in ways:
        contract.text.save("a.txt", ContentFile(BODY))
        take_away()
        contract.refresh_from_db()
        assert not contract.text


def test_copies_of_an_instance(store: Any, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    pickled = pickle.loads(pickle.dumps(contract))  # noqa: S301
    for again in (pickled, copy.deepcopy(contract)):
        assert again.text.url == contract.text.url
    assert Contract.objects.only("title").get().text.url == contract.text.url
    with Contract.objects.defer("text").get().text.open() as file:
        assert file.read() == BODY

    url = contract.text.url
    contract.pk = None
    assert Contract._meta.get_field("text").s3upload_scope(contract).endswith(".text:")
    with pytest.raises(ValueError, match="save it before asking"):
        _ = contract.text.url
    contract.save()
    assert contract.text.url != url
    assert Contract.objects.values("text").distinct().count() == 1


def test_fixtures(filesystem_store: FilesystemStore, browser: Browser, tmp_path: Path) -> None:
    browser.submit(NEW, form(browser))
    expected = list(Contract.objects.values()), list(UploadRecord.objects.values())
    out = io.StringIO()
    call_command("dumpdata", "testapp.contract", "s3upload_async_uploads", stdout=out)
    (tmp_path / "all.json").write_text(out.getvalue())
    Contract.objects.all().delete()
    UploadRecord.objects.all().delete()
    call_command("loaddata", str(tmp_path / "all.json"), verbosity=0)

    assert [row["text"] for row in Contract.objects.values()] == [row["text"] for row in expected[0]]
    assert [row["key"] for row in UploadRecord.objects.values()] == [row["key"] for row in expected[1]]


# --- at the same moment -----------------------------------------------------------------------


def test_form_that_is_overtaken_by_itself(store: Any, browser: Browser, contract: Contract) -> None:
    """The other one saves when this one has been validated, and is done before this one saves."""
    url = page_of(contract)
    posted = form(browser, url)
    statuses: list[int] = []

    def submit() -> None:
        twin = Browser()
        twin.client.cookies = browser.client.cookies
        try:
            statuses.append(twin.post(url, posted).status_code)
        finally:
            connection.close()

    def overtake(**kwargs: Any) -> None:
        pre_save.disconnect(overtake, sender=Contract)
        thread = threading.Thread(target=submit)
        thread.start()
        thread.join()

    pre_save.connect(overtake, sender=Contract)
    statuses.append(browser.post(url, posted).status_code)

    contract.refresh_from_db()
    assert statuses == [200, 200]
    assert store.get(contract.text.name) == BODY
    assert store.get(only_record().stored_as) == BODY


def test_object_that_is_lost_while_a_form_is_saved(store: Any, browser: Browser) -> None:
    posted = form(browser)

    def lose(**kwargs: Any) -> None:
        default_storage.delete(only_record().key)

    pre_save.connect(lose, sender=Contract)
    try:
        assert browser.post(NEW, posted).status_code == 400
    finally:
        pre_save.disconnect(lose, sender=Contract)
    assert not Contract.objects.exists()
    assert only_record().state == "pending"


def test_form_that_is_sent_four_times_at_once(store: Any, browser: Browser, contract: Contract) -> None:
    url = page_of(contract)
    posted = form(browser, url)
    start = threading.Barrier(4)
    statuses: list[int] = []

    def submit() -> None:
        twin = Browser()
        twin.client.cookies = copy.copy(browser.client.cookies)
        start.wait(20)
        try:
            statuses.append(twin.post(url, posted).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    contract.refresh_from_db()
    # Who comes in between is told to choose the file again; whoever is last, the row has a file.
    assert set(statuses) <= {200, 400}
    assert 200 in statuses
    assert store.get(contract.text.name) == BODY
    assert only_record().state == "stored"


# --- what failed ------------------------------------------------------------------------------


@pytest.mark.usefixtures("failed")
def test_row_keeps_its_file_when_the_form_is_sent_again_for_another(broken: Any, browser: Browser) -> None:
    first = Contract.objects.get()
    posted = form(browser, name="b.txt")
    browser.submit(NEW, posted)
    broken.mend()
    browser.submit(NEW, posted)

    contracts = Contract.objects.exclude(pk=first.pk).order_by("pk")
    assert [broken.store.get(contract.text.name) for contract in contracts] == [BODY, BODY]
    record = UploadRecord.objects.get(name="b.txt")
    assert record.state == "failed"
    retry(record)
    assert [broken.store.get(contract.text.name) for contract in contracts.all()] == [BODY, BODY]


def test_form_of_the_same_row_that_is_sent_again_mends_it(broken: Any, browser: Browser, contract: Contract) -> None:
    posted = form(browser, page_of(contract))
    browser.submit(page_of(contract), posted)
    assert only_record().state == "failed"
    broken.mend()
    browser.submit(page_of(contract), posted)

    contract.refresh_from_db()
    assert (contract.text.name, only_record().state) == ("contracts/a.txt", "stored")
    assert broken.store.keys() == ["contracts/a.txt"]


def test_upload_that_a_row_has_is_not_cancelled(broken: Any, browser: Browser) -> None:
    """On the page that somebody goes back to there is still the button."""
    posted = form(browser)
    browser.submit(NEW, posted)
    browser.abort(posted["text-s3upload"])

    assert broken.store.get(Contract.objects.get().text.name) == BODY


def test_row_that_is_edited_keeps_the_file(broken: Any, failed: UploadRecord, browser: Browser) -> None:
    contract = Contract.objects.get()
    browser.submit(page_of(contract), {"title": "y"})
    broken.mend()
    retry(failed)

    contract.refresh_from_db()
    assert (contract.title, contract.text.name) == ("y", "contracts/a.txt")


def test_file_that_was_replaced_does_not_come_back(broken: Any, failed: UploadRecord, browser: Browser) -> None:
    contract = Contract.objects.get()
    broken.mend()
    browser.submit(page_of(contract), form(browser, page_of(contract), "b.txt"))

    with pytest.raises(CannotRetry, match="no row refers to the file"):
        retry(failed)
    contract.refresh_from_db()
    assert contract.text.name == "contracts/b.txt"


@pytest.mark.parametrize("broken", ["filesystem"], indirect=True)
def test_name_that_was_taken_meanwhile(broken: Any, failed: UploadRecord) -> None:
    broken.mend()
    default_storage.save("contracts/a.txt", ContentFile(b"another"))
    name = retry(failed)

    assert name != "contracts/a.txt"
    assert (broken.store.get(name), broken.store.get("contracts/a.txt")) == (BODY, b"another")


def test_name_that_can_not_be_had_any_more(
    broken: Any,
    failed: UploadRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken.mend()

    def refuse(*args: Any, **kwargs: Any) -> str:
        raise SuspiciousFileOperation("no name is left")

    monkeypatch.setattr(type(default_storage._wrapped), "save", refuse)
    with pytest.raises(StoreUnavailable):
        retry(failed)
    failed.refresh_from_db()
    assert (failed.state, failed.error) == ("failed", "SuspiciousFileOperation")


def test_retry_of_a_record_that_is_gone(broken: Any, failed: UploadRecord) -> None:
    UploadRecord.objects.all().delete()

    with pytest.raises(CannotRetry, match="somebody has removed the record"):
        retry(failed)


def test_image_keeps_its_dimensions(broken: Any, browser: Browser) -> None:
    if isinstance(broken.store, FilesystemStore):
        broken.store.put("seals", b"in the way")
    token = browser.upload(NEW, "seal", "a.png", an_image(12, 34), "image/png")
    browser.submit(NEW, {"title": "x", "seal-s3upload": token})
    contract = Contract.objects.get()
    assert (contract.width, contract.height, contract.seal.name) == (12, 34, only_record().key)

    broken.mend()
    if isinstance(broken.store, FilesystemStore):
        (broken.store.folder / "seals").unlink()
    retry(only_record())
    contract.refresh_from_db()
    assert (contract.width, contract.height, contract.seal.name) == (12, 34, "seals/a.png")


def test_failed_upload_without_a_record_gets_one(broken: Any, browser: Browser) -> None:
    """Or the clean-up would take what the row refers to."""
    posted = form(browser)
    UploadRecord.objects.all().delete()
    browser.submit(NEW, posted)

    assert (only_record().state, only_record().key) == ("failed", Contract.objects.get().text.name)
    broken.mend()
    assert retry(only_record()) == "contracts/a.txt"


def test_row_without_room_for_the_pending_name_is_not_saved(broken: Any, ticketing: Browser) -> None:
    if isinstance(broken.store, FilesystemStore):
        broken.store.put("t", b"in the way")
    token = ticketing.upload("/tickets/new/", "file", "a.txt", BODY, "text/plain")
    ticketing.client.raise_request_exception = False
    answer = ticketing.post("/tickets/new/", {"file-s3upload": token})

    assert answer.status_code in (500, 503)
    assert not Ticket.objects.exists()
    assert only_record().state == "pending"


# --- downloads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ('a"b.txt', 'inline; filename="a\\"b.txt"'),
        ("a\\b.txt", 'inline; filename="a\\\\b.txt"'),
        ("a;b.txt", 'inline; filename="a;b.txt"'),
        ("a\r\nSet-Cookie: x=y.txt", "inline; filename*=utf-8''a%0D%0ASet-Cookie%3A%20x%3Dy.txt"),
        ("ü\u202egnp.txt", "inline; filename*=utf-8''%C3%BC%E2%80%AEgnp.txt"),
    ],
)
def test_name_is_no_header(store: Any, name: str, expected: str) -> None:
    store.put(f"parcels/{name}", BODY)
    parcel = Parcel.objects.create(code="a", label=f"parcels/{name}")
    status, headers, body = fetch(Browser(), parcel.label.url)

    assert (status, body) == (200, BODY)
    assert headers["content-disposition"] == expected
    assert "set-cookie" not in headers


@pytest.mark.parametrize("label", ["//evil.example/a.txt", "https://evil.example/a.txt", "\\\\evil.example\\a.txt"])
def test_name_leads_to_no_other_site(store: Any, label: str) -> None:
    parcel = Parcel.objects.create(code="a", label=label)
    location = Browser().client.get(parcel.label.url).headers["Location"]
    own = "/async-uploads/file/" if store.name == "filesystem" else store.account.endpoint_url

    assert location.startswith(own)


LARGE = 32 * 1024**2


@pytest.fixture
def large(filesystem_store: FilesystemStore) -> str:
    """The address of a file of 32 MiB, in a folder."""
    filesystem_store.put("large.bin", bytes(LARGE))
    url = Parcel.objects.create(code="a", label="large.bin").label.url
    return str(Browser().client.get(url).headers["Location"])


def test_download_takes_little_memory(large: str) -> None:
    answer = Browser().client.get(large)
    tracemalloc.start()
    try:
        size = sum(map(len, answer.streaming_content))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        answer.close()

    assert size == LARGE
    assert peak < 4 * 1024**2


def test_download_under_asgi_takes_little_memory(large: str) -> None:
    async def download() -> int:
        answer = await AsyncClient().get(large)
        assert answer.is_async
        size = 0
        async for chunk in answer:
            size += len(chunk)
        return size

    tracemalloc.start()
    try:
        size = asyncio.run(download())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert size == LARGE
    assert peak < 4 * 1024**2


@pytest.mark.parametrize(("asked", "status"), [("bytes=5-9", 206), ("bytes=" + "9" * 5000 + "-", 200)])
def test_part_under_asgi(large: str, asked: str, status: int) -> None:
    async def download() -> tuple[int, int]:
        answer = await AsyncClient().get(large, headers={"range": asked})
        return answer.status_code, sum([len(chunk) async for chunk in answer])

    assert asyncio.run(download()) == (status, 5 if status == 206 else LARGE)


# --- who, and how dear ------------------------------------------------------------------------


def test_upload_of_another_visitor_without_an_account(store: Any) -> None:
    url = "/parcels/new/"
    visitor, other = Browser(), Browser()
    posted = {"code": "a", "label-s3upload": visitor.upload(url, "label", "a.txt", BODY, "text/plain")}

    answer = other.post(url, posted)
    assert "does not belong to this form" in str(answer.context["form"].errors["label"])
    assert visitor.submit(url, posted).result["saved"] == ["parcels/1/a.txt"]
    assert only_record().owner is None


def test_upload_of_a_user_who_is_deleted(store: Any, browser: Browser, editor: Any) -> None:
    form(browser)
    editor.delete()

    assert only_record().owner is None
    assert str(only_record()) == "a.txt"


def test_what_is_not_there_is_refused_as_what_is_not_allowed(
    filesystem_store: FilesystemStore, contract: Contract
) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    somebody = Browser(make_user("somebody"))

    def answers(key: int) -> list[tuple[int, bytes]]:
        asked = {"async_field_id": "testapp.contract.text", "filename": "a.txt", "size": 5, "instance_id": key}
        given = [
            somebody.client.get(f"/async-uploads/download-file/testapp.contract.text/{key}"),
            somebody.client.get("/async-uploads/upload-policy/", asked),
            generate(somebody, asked, content_type="application/json"),
        ]
        return [(answer.status_code, answer.content) for answer in given]

    assert answers(contract.pk) == answers(contract.pk + 1)


def test_fifty_files_are_recorded_together(filesystem_store: FilesystemStore, browser: Browser) -> None:
    policy = browser.policy(browser.client.get("/contracts/attach/").content.decode(), "files")

    def queries(count: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.presign(policy, [{"name": f"{n}.txt", "size": 9, "type": "text/plain"} for n in range(count)])
        return len(captured)

    assert queries(40) == queries(1)


def test_each_file_of_a_form_takes_one_query(filesystem_store: FilesystemStore, browser: Browser) -> None:
    url = "/contracts/attach/"

    def queries(count: int) -> int:
        tokens = [browser.upload(url, "files", f"{n}.txt", BODY, "text/plain") for n in range(count)]
        with CaptureQueriesContext(connection) as captured:
            browser.submit(url, {"files-s3upload": tokens})
        return len(captured)

    assert queries(8) - queries(2) == 6


@pytest.mark.parametrize("url", [NEW, "/admin/testapp/contract/add/"])
def test_site_whose_requests_are_transactions(
    broken: Any,
    editor: Any,
    browser: Browser,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    User.objects.filter(pk=editor.pk).update(is_staff=True)
    assert browser.post(url, form(browser, url)).status_code in (200, 302)
    assert (only_record().state, only_record().key) == ("failed", Contract.objects.get().text.name)

    broken.mend()
    contract = Contract.objects.get()
    browser.submit(page_of(contract), form(browser, page_of(contract)))
    contract.refresh_from_db()
    assert broken.store.get(contract.text.name) == BODY
    assert broken.store.keys() == sorted([contract.text.name, only_failed().key])


def only_failed() -> UploadRecord:
    return UploadRecord.objects.get(state="failed")


def test_failed_upload_of_a_transaction_that_is_rolled_back(broken: Any, browser: Browser) -> None:
    posted = form(browser)
    with transaction.atomic():
        browser.post(NEW, posted)
        assert only_record().state == "failed"
        transaction.set_rollback(True)
    assert (only_record().state, Contract.objects.count()) == ("pending", 0)

    broken.mend()
    assert browser.submit(NEW, posted).result["saved"] == ["contracts/a.txt"]
    assert broken.store.keys() == ["contracts/a.txt"]


def test_async_view_saves_a_form(store: Any, browser: Browser) -> None:
    url = "/contracts/async/"
    page = browser.submit(url, form(browser, url))

    assert page.result["saved"] == ["contracts/a.txt"]
    assert only_record().state == "stored"
    assert store.keys() == ["contracts/a.txt"]
