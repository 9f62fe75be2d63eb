"""What is presigned, and what is taken with a form: for this field, this instance and this person only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from s3upload import scopes
from s3upload.async_uploads.models import UploadRecord
from s3upload.policy import Policy
from tests.async_uploads.conftest import BODY, NEW, make_user, only_record, page_of
from tests.conftest import FilesystemStore
from tests.testapp.models import Contract, Note
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)

GENERATE = "/async-uploads/generate-upload-url/"
POLICY = "/async-uploads/upload-policy/"
FILE = {"name": "a.txt", "size": len(BODY), "type": "text/plain"}
ASKED = {
    "async_field_id": "testapp.contract.text",
    "filename": "a.txt",
    "content_type": "text/plain",
    "size": len(BODY),
}


@pytest.fixture(autouse=True)
def _filesystem(filesystem_store: FilesystemStore) -> None:
    """The store is a folder unless a test chooses another one."""


def presign(browser: Browser, url: str, field: str = "text") -> Any:
    policy = browser.policy(browser.client.get(url).content.decode(), field)
    return browser.call("presign/", {"policy": policy, "files": [FILE]})


def upload(browser: Browser, url: str, field: str = "text") -> str:
    return browser.upload(url, field, "a.txt", BODY, "text/plain")


# --- the permission, at the moment of uploading ---------------------------------------------


@pytest.mark.parametrize(
    ("permission", "new", "existing"),
    [("add_contract", 200, 403), ("change_contract", 403, 200), ("view_contract", 403, 403)],
)
def test_permission_that_an_upload_takes(contract: Contract, permission: str, new: int, existing: int) -> None:
    browser = Browser(make_user("somebody", permission))

    assert presign(browser, NEW).status_code == new
    assert presign(browser, page_of(contract)).status_code == existing
    assert UploadRecord.objects.count() == 1 if 200 in (new, existing) else not UploadRecord.objects.exists()


def test_somebody_without_an_account(contract: Contract) -> None:
    answer = presign(Browser(), NEW)

    assert answer.status_code == 403
    assert answer.json() == {"error": "You may not upload files here."}
    assert not UploadRecord.objects.exists()


@pytest.mark.usefixtures("archive")
def test_permission_is_asked_for_on_the_very_instance() -> None:
    owner, other = make_user("owner"), make_user("other")
    note = Note.objects.create(owner=owner)

    assert presign(Browser(owner), f"/notes/{note.pk}/", "file").status_code == 200
    assert presign(Browser(other), f"/notes/{note.pk}/", "file").status_code == 403


def test_permission_that_was_taken_since_the_page_was_opened(browser: Browser, editor: User) -> None:
    policy = browser.policy(browser.client.get(NEW).content.decode(), "text")
    editor.user_permissions.clear()

    assert browser.call("presign/", {"policy": policy, "files": [FILE]}).status_code == 403


def test_instance_that_was_deleted_since_the_page_was_opened(browser: Browser, contract: Contract) -> None:
    policy = browser.policy(browser.client.get(page_of(contract)).content.decode(), "text")
    contract.delete()

    assert browser.call("presign/", {"policy": policy, "files": [FILE]}).status_code == 403


def test_site_has_a_say_too(browser: Browser, settings: Any) -> None:
    settings.S3UPLOAD_AUTHORIZE = "tests.async_uploads.test_uploads.refuse"

    assert presign(browser, NEW).json() == {"error": "not today"}
    assert not UploadRecord.objects.exists()


def refuse(request: Any, policy: Any, file: Any) -> None:
    from django.core.exceptions import PermissionDenied

    raise PermissionDenied("not today")


def test_refused_file_is_not_on_record(browser: Browser) -> None:
    policy = browser.policy(browser.client.get(NEW).content.decode(), "text")
    files = [FILE, {"name": "a.exe", "size": 5, "type": ""}, {"name": "b.txt", "size": 31 * 1024**2, "type": ""}]
    answers = browser.presign(policy, files)

    assert ["error" in answer for answer in answers] == [False, True, True]
    assert only_record().name == "a.txt"


@pytest.mark.parametrize("scope", ["nobody:x", "async_uploads:default", "async_uploads:nobody:x:", "async_uploads"])
def test_scope_that_nobody_keeps(browser: Browser, scope: str) -> None:
    """Of a version of the site that had the field, or of another one."""
    policy = Policy("text", "default", 100, scope=scope).sign()

    assert browser.call("presign/", {"policy": policy, "files": [FILE]}).status_code == 403
    assert not UploadRecord.objects.exists()


def test_upload_that_can_not_be_recorded_is_not_begun(
    browser: Browser, filesystem_store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("the database is full")

    monkeypatch.setattr(scopes.keeper_of("async_uploads:"), "granted", fail)
    policy = browser.policy(browser.client.get(NEW).content.decode(), "text")
    large = {"name": "a.txt", "size": 20 * 1024**2, "type": "text/plain"}

    with pytest.raises(RuntimeError, match="full"):
        browser.call("presign/", {"policy": policy, "files": [large]})
    assert [path for path in filesystem_store.folder.rglob("*") if path.parent.name == "s3upload"] == []


# --- what a form takes ----------------------------------------------------------------------


def errors(browser: Browser, url: str, form: dict[str, Any]) -> str:
    answer = browser.post(url, form)
    assert answer.status_code == 200
    return str(answer.context["form"].errors)


def test_upload_for_a_new_row_is_not_taken_for_another(browser: Browser, contract: Contract) -> None:
    form = {"title": "x", "text-s3upload": upload(browser, NEW)}

    assert "does not belong to this form" in errors(browser, page_of(contract), form)
    contract.refresh_from_db()
    assert not contract.text


def test_upload_for_one_row_is_not_taken_for_another(browser: Browser, contract: Contract) -> None:
    other = Contract.objects.create(title="other")
    form = {"title": "x", "text-s3upload": upload(browser, page_of(contract))}

    assert "does not belong to this form" in errors(browser, page_of(other), form)
    assert "does not belong to this form" in errors(browser, NEW, form)
    assert only_record().state == "pending"


def test_upload_of_a_plain_field_is_not_taken(browser: Browser) -> None:
    """Of the same name, storage and limits: no permission was asked for it."""
    policy = Policy("text", "default", 30 * 1024**2, "text/plain,.pdf").sign()
    [answer] = browser.presign(policy, [FILE])
    assert browser.send(answer, BODY) == 201

    assert "does not belong to this form" in errors(browser, NEW, {"title": "x", "text-s3upload": answer["token"]})


def test_upload_is_not_taken_by_a_plain_field(browser: Browser) -> None:
    policy = Policy("file", "default", 100, scope="async_uploads:default:testapp.contract.text:").sign()
    [answer] = browser.presign(policy, [FILE])
    assert browser.send(answer, BODY) == 201

    form = {"title": "x", "file-s3upload": answer["token"]}
    assert "does not belong to this form" in errors(browser, "/forms/document/", form)


def test_upload_of_somebody_else_is_not_taken(browser: Browser) -> None:
    other = Browser(make_user("other", "add_contract"))
    form = {"title": "x", "text-s3upload": upload(other, NEW)}

    assert "does not belong to this form" in errors(browser, NEW, form)
    assert only_record().state == "pending"


def test_stored_file_of_somebody_else_is_not_found_by_its_token(browser: Browser) -> None:
    form = {"title": "x", "text-s3upload": upload(browser, NEW)}
    browser.submit(NEW, form)
    other = Browser(make_user("other", "add_contract"))

    assert "does not belong to this form" in errors(other, NEW, form)


@pytest.mark.parametrize("key", ["tmp/s3upload/abc", "contracts/a.txt", "../settings.py"])
def test_key_in_place_of_a_token(browser: Browser, key: str) -> None:
    assert browser.post(NEW, {"title": "x", "text-s3upload": key}).status_code == 403
    assert not Contract.objects.exists()


def test_text_in_place_of_a_file(browser: Browser) -> None:
    page = browser.submit(NEW, {"title": "x", "text": "contracts/secret.txt"})

    assert page.result["saved"] == []
    assert not Contract.objects.get().text


def test_record_whose_row_was_changed_by_hand(browser: Browser, filesystem_store: FilesystemStore) -> None:
    """Stale or forged: a record leads to no other object than the field's own storage has, of the agreed size."""
    form = {"title": "x", "text-s3upload": upload(browser, NEW)}
    browser.submit(NEW, form)
    filesystem_store.put("contracts/other.txt", b"of another length")
    UploadRecord.objects.update(stored_as="contracts/other.txt")

    assert "no longer there" in errors(browser, NEW, form)
    UploadRecord.objects.update(stored_as="../../settings.py")
    assert browser.post(NEW, form).status_code in (200, 400)
    assert Contract.objects.count() == 1


# --- for scripts ----------------------------------------------------------------------------


def generate(browser: Browser, data: Any, **options: Any) -> Any:
    browser.client.get(NEW)
    headers = {"x-csrftoken": browser.client.cookies["csrftoken"].value}
    return browser.client.post(GENERATE, data, headers=headers, **options)


@pytest.mark.parametrize("content_type", ["application/json", None])
def test_upload_that_a_script_begins(browser: Browser, contract: Contract, content_type: str | None) -> None:
    options = {"content_type": content_type} if content_type else {}
    answer = generate(browser, {**ASKED, "instance_id": contract.pk}, **options)
    assert answer.status_code == 200, answer.content
    assert answer.headers["Cache-Control"] == "no-store"

    granted = answer.json()
    assert browser.send(granted, BODY) == 201
    assert only_record().instance_id == str(contract.pk)
    page = browser.submit(page_of(contract), {"title": "x", "text-s3upload": granted["token"]})
    assert page.result["saved"] == ["contracts/a.txt"]


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "options"])
def test_other_methods(browser: Browser, method: str) -> None:
    browser.client.handler.enforce_csrf_checks = False
    answer = getattr(browser.client, method)(GENERATE)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_request_of_another_site(browser: Browser) -> None:
    assert browser.client.post(GENERATE, ASKED, content_type="application/json").status_code == 403
    assert not UploadRecord.objects.exists()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"async_field_id": "testapp.contract.title"}, 400),
        ({"async_field_id": "testapp.note.file"}, 400),
        ({"async_field_id": None}, 400),
        ({"filename": ""}, 400),
        ({"filename": 5}, 400),
        ({"size": -1}, 400),
        ({"size": "9"}, 400),
        ({"size": 10**30}, 400),
        ({"size": 31 * 1024**2}, 400),
        ({"filename": "a.exe", "content_type": ""}, 400),
        ({"content_type": ["text/plain"]}, 400),
        ({"sha256": "x"}, 400),
        ({"instance_id": {}}, 400),
        ({"instance_id": True}, 400),
        ({"instance_id": 999}, 403),
        ({"instance_id": "x' OR 1=1"}, 403),
        ({"instance_id": 10**30}, 403),
    ],
)
def test_bad_request(browser: Browser, contract: Contract, change: dict[str, Any], status: int) -> None:
    answer = generate(browser, json.dumps({**ASKED, **change}), content_type="application/json")

    assert answer.status_code == status, answer.content
    assert answer.json()["error"]
    assert not UploadRecord.objects.exists()


@pytest.mark.parametrize("body", ["", "[]", "null", "{", "[" * 100_000, '"x"'])
def test_body_that_is_no_question(browser: Browser, body: str) -> None:
    assert generate(browser, body, content_type="application/json").status_code == 400


def test_refusal_says_why(browser: Browser) -> None:
    answer = generate(browser, {**ASKED, "filename": "a.exe", "content_type": ""}, content_type="application/json")

    assert answer.json() == {"error": "Files of this type are not accepted here. Accepted: text/plain, .pdf."}


def test_policy_for_a_script(browser: Browser, contract: Contract) -> None:
    answer = browser.client.get(POLICY, {"async_field_id": "testapp.contract.text", "instance_id": contract.pk})
    told = answer.json()
    assert told.keys() == {"policy", "endpoint", "accept", "max_size"}
    assert (told["accept"], told["max_size"]) == ("text/plain,.pdf", 30 * 1024**2)
    assert Policy.unsign(told["policy"]).scope.endswith(f":{contract.pk}")

    [granted] = browser.presign(told["policy"], [FILE])
    assert browser.send(granted, BODY) == 201
    page = browser.submit(page_of(contract), {"title": "x", "text-s3upload": granted["token"]})
    assert page.result["saved"] == ["contracts/a.txt"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [({}, 400), ({"async_field_id": "x"}, 400), ({"async_field_id": "testapp.contract.text", "instance_id": 9}, 403)],
)
def test_policy_that_is_not_told(browser: Browser, asked: dict[str, Any], status: int) -> None:
    assert browser.client.get(POLICY, asked).status_code == status


def test_policy_takes_the_permission() -> None:
    assert Browser().client.get(POLICY, {"async_field_id": "testapp.contract.text"}).status_code == 403
