"""Odd models, odd names and odd moments: nothing is lost, and nothing ends in an error page."""

from __future__ import annotations

import io
import json
import pickle
import threading
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.signals import pre_save

from s3upload.async_uploads.models import UploadRecord
from s3upload.async_uploads.records import CannotRetry, retry
from s3upload.async_uploads.views import download_headers
from s3upload.exceptions import StoreUnavailable
from tests.async_uploads.conftest import BODY, NEW, an_image, make_user, only_record, page_of
from tests.async_uploads.test_downloads import fetch
from tests.async_uploads.test_records import broken, failed  # noqa: F401
from tests.conftest import FilesystemStore
from tests.testapp.models import Contract, Parcel, Ticket
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = ["a/b", "a:b", "x/../y", "a b", "ü%2F", "?x=1#y", "None", "'\"<b>", "\\", "k" * 600]


def update_url(code: str) -> str:
    from urllib.parse import quote

    return f"/parcels/?code={quote(code, safe='')}"


@pytest.mark.parametrize("code", KEYS)
def test_any_text_as_primary_key(filesystem_store: FilesystemStore, code: str) -> None:
    parcel = Parcel.objects.create(code=code)
    browser = Browser()
    url = update_url(code)
    token = browser.upload(url, "label", "a.txt", BODY, "text/plain")
    browser.submit(url, {"code": code, "label-s3upload": token})
    parcel.refresh_from_db()
    assert only_record().instance_id == code
    assert only_record().state == "stored"
    assert fetch(browser, parcel.label.url)[2] == BODY


def test_null_char(filesystem_store: FilesystemStore) -> None:
    browser = Browser()
    browser.client.get("/parcels/new/")
    headers = {"x-csrftoken": browser.client.cookies["csrftoken"].value}
    for key in ("\0", "\ud800", "x" * 5000):
        asked = {"async_field_id": "testapp.parcel.label", "filename": "a", "size": 1, "instance_id": key}
        answer = browser.client.post(
            "/async-uploads/generate-upload-url/", json.dumps(asked), content_type="application/json", headers=headers
        )
        assert answer.status_code == 403, answer
    assert browser.client.get("/async-uploads/download-file/testapp.parcel.label/%00").status_code == 403
    assert browser.client.get("/async-uploads/download-file/testapp.parcel.label/%ff").status_code == 403
    assert browser.client.get("/async-uploads/download-file/testapp.parcel.label/a%0Ab").status_code in (403, 404)
    asked = {"async_field_id": "testapp.parcel.label", "filename": "a", "size": "9" * 5000}
    answer = browser.client.post("/async-uploads/generate-upload-url/", asked, headers=headers)
    assert answer.status_code == 400, answer


def test_uuid(store: Any) -> None:
    browser = Browser(make_user("u", "add_ticket", "change_ticket", "view_ticket"))
    token = browser.upload("/tickets/new/", "file", "a.txt", BODY, "text/plain")
    browser.submit("/tickets/new/", {"file-s3upload": token})
    ticket = Ticket.objects.get()
    assert fetch(browser, ticket.file.url)[2] == BODY
    url = f"/tickets/{ticket.pk}/"
    token = browser.upload(url, "file", "a" * 100 + ".txt", BODY, "text/plain")
    answer = browser.post(url, {"file-s3upload": token})
    print(answer.context and answer.context["form"].errors)
    token = browser.upload(url, "file", "a" * 29, BODY, "text/plain")
    page = browser.submit(url, {"file-s3upload": token})
    assert len(page.result["saved"][0]) <= 30


def test_fails_and_pending_key_does_not_fit(broken: Any) -> None:
    browser = Browser(make_user("u", "add_ticket", "change_ticket", "view_ticket"))
    if hasattr(broken, "store") and isinstance(broken.store, FilesystemStore):
        broken.store.put("t", b"in the way")
    token = browser.upload("/tickets/new/", "file", "a.txt", BODY, "text/plain")
    answer = browser.client.post(
        "/tickets/new/", {"csrfmiddlewaretoken": browser.client.cookies["csrftoken"].value, "file-s3upload": token}
    )
    print(answer.status_code, Ticket.objects.values_list(), only_record().state)
    assert not Ticket.objects.exists()


def test_width_field(broken: Any, browser: Browser) -> None:
    if isinstance(broken.store, FilesystemStore):
        broken.store.put("seals", b"in the way")
    token = browser.upload(NEW, "seal", "a.png", an_image(12, 34), "image/png")
    browser.submit(NEW, {"title": "x", "seal-s3upload": token})
    contract = Contract.objects.get()
    assert (contract.width, contract.height) == (12, 34)
    assert contract.seal.name == only_record().key
    broken.mend()
    if isinstance(broken.store, FilesystemStore):
        (broken.store.folder / "seals").unlink()
    retry(only_record())
    contract.refresh_from_db()
    assert (contract.width, contract.height, contract.seal.name) == (12, 34, "seals/a.png")


def test_double_submit_after_failure(broken: Any, browser: Browser) -> None:
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    form = {"title": "x", "text-s3upload": token}
    browser.submit(NEW, form)
    broken.mend()
    browser.submit(NEW, form)
    for contract in Contract.objects.all():
        assert broken.store.get(contract.text.name) == BODY


def test_abort_after_failure(broken: Any, browser: Browser) -> None:
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    browser.submit(NEW, {"title": "x", "text-s3upload": token})
    browser.abort(token)
    assert broken.store.get(Contract.objects.get().text.name) == BODY


def test_edited_and_replaced(broken: Any, failed: Any, browser: Browser) -> None:
    contract = Contract.objects.get()
    browser.submit(page_of(contract), {"title": "y"})
    contract.refresh_from_db()
    assert (contract.title, contract.text.name) == ("y", failed.key)
    broken.mend()
    token = browser.upload(page_of(contract), "text", "b.txt", b"new", "text/plain")
    browser.submit(page_of(contract), {"title": "y", "text-s3upload": token})
    with pytest.raises(CannotRetry):
        retry(failed)
    contract.refresh_from_db()
    assert contract.text.name == "contracts/b.txt"


def test_retry_name_taken(broken: Any, failed: Any) -> None:
    broken.mend()
    default_storage.save("contracts/a.txt", ContentFile(b"another"))
    name = retry(failed)
    assert broken.store.get(name) == BODY
    if isinstance(broken.store, FilesystemStore):
        assert name != "contracts/a.txt"
        assert broken.store.get("contracts/a.txt") == b"another"


def test_gone_between_validate_and_save(store: Any, browser: Browser, contract: Contract) -> None:
    url = page_of(contract)
    form = {"title": "x", "text-s3upload": browser.upload(url, "text", "a.txt", BODY, "text/plain")}
    second: list[int] = []

    def submit() -> None:
        other = Browser()
        other.client.cookies = browser.client.cookies
        second.append(other.post(url, form).status_code)
        connection.close()

    def once(**kwargs: Any) -> None:
        pre_save.disconnect(once, sender=Contract)
        thread = threading.Thread(target=submit)
        thread.start()
        thread.join()

    pre_save.connect(once, sender=Contract)
    answer = browser.post(url, form)
    assert (answer.status_code, second) == (200, [200])
    contract.refresh_from_db()
    assert store.get(contract.text.name) == BODY


def test_parallel(store: Any, browser: Browser, contract: Contract) -> None:
    url = page_of(contract)
    form = {"title": "x", "text-s3upload": browser.upload(url, "text", "a.txt", BODY, "text/plain")}
    statuses: list[int] = []
    barrier = threading.Barrier(4)

    def submit() -> None:
        other = Browser()
        other.client.cookies = browser.client.cookies
        barrier.wait()
        try:
            statuses.append(other.post(url, form).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    contract.refresh_from_db()
    assert store.get(contract.text.name) == BODY
    assert statuses == [200] * 4
    print(store.keys())


def test_copy(store: Any, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    field = Contract._meta.get_field("text")
    contract.pk = None
    assert field.s3upload_scope(contract).endswith(":")
    with pytest.raises(ValueError, match="no primary key"):
        _ = contract.text.url
    contract.save()
    assert Contract.objects.values("text").distinct().count() == 1
    copy = pickle.loads(pickle.dumps(contract))
    assert copy.text.url == contract.text.url
    assert Contract.objects.only("title").first().text.url
    assert Contract.objects.defer("text").first().text.read() == BODY
    out = io.StringIO()
    call_command("dumpdata", "testapp.contract", "s3upload_async_uploads", stdout=out)
    Contract.objects.all().delete()
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(out.getvalue())
        file.flush()
        call_command("loaddata", file.name, verbosity=0)
    assert {c.text.name for c in Contract.objects.all()} == {contract.text.name}


def test_clear(store: Any, browser: Browser, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    browser.submit(page_of(contract), {"title": "x", "text-clear": "on"})
    contract.refresh_from_db()
    assert not contract.text
    contract.text.save("b.txt", ContentFile(BODY))
    contract.text = None
    contract.save()
    contract.refresh_from_db()
    assert not contract.text
    contract.text.save("b.txt", ContentFile(BODY))
    contract.text.delete()
    contract.refresh_from_db()
    assert not contract.text


@pytest.mark.parametrize("name", ['a"b.txt', "a\r\nSet-Cookie: x=y.txt", "ü\n.txt", "a\\.txt", "a;b.txt", "\u202egnp.exe"])
def test_names(store: Any, name: str) -> None:
    stored = "parcels/" + name
    if store.name == "filesystem":
        store.put(stored, BODY)
    else:
        store.put(stored, BODY)
    parcel = Parcel.objects.create(code="a", label=stored)
    status, headers, body = fetch(Browser(), parcel.label.url)
    print(headers)
    assert (status, body) == (200, BODY)


def test_upload_to_called_once(store, browser, monkeypatch):
    calls = []
    field = Contract._meta.get_field("text")
    orig = field.generate_filename

    def counted(instance, name):
        calls.append(name)
        return orig(instance, name)

    monkeypatch.setattr(field, "generate_filename", counted)
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    browser.submit(NEW, {"title": "x", "text-s3upload": token})
    assert len(calls) == 1


def test_gone_record(broken, browser):
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    UploadRecord.objects.all().delete()
    browser.submit(NEW, {"title": "x", "text-s3upload": token})
    assert only_record().state == "failed"


def test_unique(store: Any) -> None:
    ticket = Ticket(file=ContentFile(BODY, name="a.txt"))
    ticket.full_clean()
    ticket.save()


def test_long_name(store: Any) -> None:
    browser = Browser()
    url = "/parcels/new/"
    code = "k" * 600
    token = browser.upload(url, "label", "a.txt", BODY, "text/plain")
    page = browser.submit(url, {"code": code, "label-s3upload": token})
    print(page.result)


def test_anonymous(store: Any) -> None:
    one, other = Browser(), Browser()
    token = one.upload("/parcels/new/", "label", "a.txt", BODY, "text/plain")
    answer = other.post("/parcels/new/", {"code": "x", "label-s3upload": token})
    assert "does not belong" in str(answer.context["form"].errors)
    one.submit("/parcels/new/", {"code": "x", "label-s3upload": token})


def test_queries(filesystem_store, browser, django_assert_num_queries):
    policy = browser.policy(browser.client.get("/contracts/attach/").content.decode(), "files")
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as q:
        answers = browser.presign(policy, [{"name": f"{n}.txt", "size": 9, "type": "text/plain"} for n in range(50)])
    print("PRESIGN", len(q), [x["sql"][:60] for x in q])
    for a in answers[:10]:
        browser.send(a, BODY)
    with CaptureQueriesContext(connection) as q:
        browser.submit("/contracts/attach/", {"files-s3upload": [a["token"] for a in answers[:10]]})
    print("SUBMIT", len(q), [x["sql"][:60] for x in q])


def test_owner_deleted(store, browser, editor):
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    editor.delete()
    assert only_record().owner is None
    call_command("s3upload_cleanup")
