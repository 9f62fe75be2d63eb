"""The record of uploads in the admin: listed, filtered, followed, tried again, removed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone, translation

from s3upload.async_uploads.models import UploadRecord
from s3upload.exceptions import StoreUnavailable
from tests.async_uploads.conftest import BODY, NEW, Folder, make_user, only_record
from tests.conftest import FilesystemStore
from tests.testapp.models import Contract
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/s3upload_async_uploads/uploadrecord/"


@pytest.fixture
def admin(db: None) -> Browser:
    """The browser of somebody who may do all."""
    return Browser(User.objects.create_superuser("admin"))


@pytest.fixture
def uploads(filesystem_store: FilesystemStore, browser: Browser) -> dict[str, UploadRecord]:
    """A record in each state, by the state."""
    for state in ("pending", "stored", "failed"):
        token = browser.upload(NEW, "text", f"{state}.txt", BODY, "text/plain")
        folder = Folder(filesystem_store) if state == "failed" and not Contract.objects.exists() else None
        if state == "failed" and folder is None:
            (filesystem_store.folder / "contracts").rename(filesystem_store.folder / "aside")
            folder = Folder(filesystem_store)
        if state != "pending":
            browser.submit(NEW, {"title": state, "text-s3upload": token})
    (filesystem_store.folder / "contracts").unlink()
    (filesystem_store.folder / "aside").rename(filesystem_store.folder / "contracts")
    return {record.state: record for record in UploadRecord.objects.all()}


def listed(browser: Browser, **query: str) -> set[str]:
    answer = browser.client.get(LIST, query)
    assert answer.status_code == 200
    return {record.name for record in answer.context["cl"].result_list}


def act(browser: Browser, action: str, *records: UploadRecord, **more: str) -> Any:
    data = {"action": action, "_selected_action": [record.pk for record in records], **more}
    return browser.post(LIST, data, follow=True)


def messages_of(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


@pytest.mark.usefixtures("uploads")
def test_uploads_are_listed_and_filtered_by_state(admin: Browser) -> None:
    assert listed(admin) == {"pending.txt", "stored.txt", "failed.txt"}
    for state in ("pending", "stored", "failed"):
        assert listed(admin, state=state) == {f"{state}.txt"}
    assert listed(admin, q="stor") == {"stored.txt"}
    assert listed(admin, field="testapp.contract.text") == {"pending.txt", "stored.txt", "failed.txt"}


def test_uploads_are_filtered_by_age(admin: Browser, uploads: dict[str, UploadRecord]) -> None:
    for state, hours in (("pending", 2), ("failed", 30 * 24)):
        created = timezone.now() - timedelta(hours=hours)
        UploadRecord.objects.filter(pk=uploads[state].pk).update(created=created)

    assert listed(admin, age="hour") == {"stored.txt"}
    assert listed(admin, age="day") == {"stored.txt", "pending.txt"}
    assert listed(admin, age="older-than-day") == {"failed.txt"}
    assert listed(admin, age="older-than-week") == {"failed.txt"}
    assert listed(admin, age="nonsense") == {"pending.txt", "stored.txt", "failed.txt"}


@pytest.mark.parametrize("state", ["stored", "failed"])
def test_upload_leads_to_its_row(admin: Browser, uploads: dict[str, UploadRecord], state: str) -> None:
    answer = admin.client.get(f"{LIST}{uploads[state].pk}/row/")

    assert answer.headers["Location"] == f"/admin/testapp/contract/{Contract.objects.get(title=state).pk}/change/"


def test_upload_whose_row_is_gone(admin: Browser, uploads: dict[str, UploadRecord]) -> None:
    Contract.objects.all().delete()
    answer = admin.client.get(f"{LIST}{uploads['stored'].pk}/row/", follow=True)

    assert answer.status_code == 200
    assert messages_of(answer) == ["No row refers to this file any more."]
    UploadRecord.objects.update(field="gone")
    answer = admin.client.get(f"{LIST}{uploads['stored'].pk}/row/", follow=True)
    assert messages_of(answer) == ["The row of this file has no page here."]
    assert admin.client.get(f"{LIST}99999/row/").status_code == 404


def test_nothing_can_be_edited(admin: Browser, uploads: dict[str, UploadRecord]) -> None:
    page = admin.client.get(f"{LIST}{uploads['failed'].pk}/change/")

    assert page.status_code == 200
    assert b"FileExistsError" in page.content
    assert b'name="_save"' not in page.content
    assert admin.client.get(f"{LIST}add/").status_code == 403


def test_upload_is_tried_again(admin: Browser, uploads: dict[str, UploadRecord]) -> None:
    answer = act(admin, "try_again", uploads["failed"], uploads["stored"])

    assert messages_of(answer) == [
        "stored.txt: the upload is stored, and only what has failed is tried again",
        "1 upload was stored.",
    ]
    assert Contract.objects.get(title="failed").text.name == "contracts/failed.txt"


def test_admin_speaks_the_language_of_the_person(admin: Browser, uploads: dict[str, UploadRecord]) -> None:
    with translation.override("de"):
        answer = act(admin, "try_again", uploads["failed"], uploads["stored"])

        assert messages_of(answer) == [
            "stored.txt: der Zustand des Uploads ist „gespeichert“, "
            "und nur Fehlgeschlagenes wird noch einmal versucht",
            "1 Upload wurde gespeichert.",
        ]
    assert ">Gespeichert<" in answer.content.decode()


def test_uploads_are_removed_in_bulk(
    admin: Browser, uploads: dict[str, UploadRecord], filesystem_store: FilesystemStore
) -> None:
    answer = act(admin, "delete_selected", *uploads.values(), post="yes")

    assert "Successfully deleted 3 uploads." in messages_of(answer)
    assert not UploadRecord.objects.exists()
    assert filesystem_store.keys() == ["contracts/stored.txt"]


def test_upload_is_removed(
    admin: Browser, uploads: dict[str, UploadRecord], filesystem_store: FilesystemStore
) -> None:
    admin.post(f"{LIST}{uploads['pending'].pk}/delete/", {"post": "yes"})

    assert not UploadRecord.objects.filter(state="pending").exists()
    assert uploads["pending"].key not in set(filesystem_store.keys())


def test_permissions_of_the_admin_count(uploads: dict[str, UploadRecord]) -> None:
    viewer = Browser(make_user("viewer", "view_uploadrecord", is_staff=True))
    nobody = Browser(make_user("nobody", is_staff=True))

    assert listed(viewer) == {"pending.txt", "stored.txt", "failed.txt"}
    act(viewer, "try_again", uploads["failed"])
    act(viewer, "delete_selected", *uploads.values(), post="yes")
    assert UploadRecord.objects.filter(state="failed").exists()
    assert UploadRecord.objects.count() == 3
    assert nobody.client.get(LIST).status_code == 403
    assert nobody.client.get(f"{LIST}{uploads['stored'].pk}/row/").status_code == 404


def test_row_in_the_admin_uploads_and_links_to_the_download(admin: Browser, filesystem_store: FilesystemStore) -> None:
    url = "/admin/testapp/contract/add/"
    token = admin.upload(url, "text", "a.txt", BODY, "text/plain")
    admin.post(url, {"title": "x", "text-s3upload": token})

    contract = Contract.objects.get()
    assert only_record().state == "stored"
    page = admin.client.get(f"/admin/testapp/contract/{contract.pk}/change/").content.decode()
    assert f'href="{contract.text.url}"' in page


def test_page_that_asks_whether_somebody_is_sure_says_what_is_lost(
    admin: Browser, uploads: dict[str, UploadRecord]
) -> None:
    lost = "The file of “failed”: no other copy of it was stored."
    sure = admin.client.get(f"{LIST}{uploads['failed'].pk}/delete/").content.decode()
    assert lost in sure
    assert lost in act(admin, "delete_selected", *uploads.values()).content.decode()
    assert "no other copy" not in admin.client.get(f"{LIST}{uploads['stored'].pk}/delete/").content.decode()

    UploadRecord.objects.update(field="gone")
    assert admin.client.get(f"{LIST}{uploads['failed'].pk}/delete/").status_code == 200


def test_title_of_a_row_is_no_page(admin: Browser, uploads: dict[str, UploadRecord]) -> None:
    Contract.objects.update(title="<script>alert(1)</script>")
    UploadRecord.objects.update(name="<script>alert(2)</script>")

    for path in ("", f"{uploads['failed'].pk}/change/", f"{uploads['failed'].pk}/delete/"):
        assert "<script>alert" not in admin.client.get(LIST + path).content.decode()


def test_upload_that_could_not_be_removed_is_not_said_to_be(
    admin: Browser, uploads: dict[str, UploadRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(record: UploadRecord) -> None:
        raise StoreUnavailable("SlowDown")

    monkeypatch.setattr("s3upload.async_uploads.admin.remove", fail)
    answer = admin.post(f"{LIST}{uploads['pending'].pk}/delete/", {"post": "yes"}, follow=True)

    assert messages_of(answer) == ["pending.txt: The file store could not be reached. Try again in a moment."]


@pytest.mark.usefixtures("uploads")
def test_list_shows_where_a_file_is_used(admin: Browser) -> None:
    page = admin.client.get(LIST).content.decode()
    assert page.count(">Contract</a>") == 2

    UploadRecord.objects.update(field="gone")
    assert ">Contract</a>" not in admin.client.get(LIST).content.decode()


def test_nothing_signed_is_shown(admin: Browser, filesystem_store: FilesystemStore, browser: Browser) -> None:
    upload = browser.choose(NEW, "text", "a.txt", 20 * 1024**2, "text/plain")
    record = only_record()
    page = admin.client.get(f"{LIST}{record.pk}/change/").content.decode()

    for secret in (upload["token"], record.upload_id, record.owner_identity):
        assert secret
        assert secret not in page
