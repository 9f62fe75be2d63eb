"""What a store would not save stays, is said, and is tried again."""

from __future__ import annotations

import io
import logging
import threading
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection

from s3upload.async_uploads import records
from s3upload.async_uploads.management.commands import s3upload_retry
from s3upload.async_uploads.models import UploadRecord
from s3upload.async_uploads.records import CannotRetry, remove, retry
from s3upload.async_uploads.scope import Scope
from s3upload.exceptions import Forged, StoreUnavailable, UploadChanged, UploadGone
from tests.async_uploads.conftest import BODY, DENIED, NEW, only_record, page_of
from tests.conftest import FilesystemStore, S3Store
from tests.faults.conftest import impatient, use_line
from tests.proxy import Answer, Proxy, is_call
from tests.testapp.models import Contract
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)

# --- failed ---------------------------------------------------------------------------------


def test_row_is_saved_with_the_pending_object(broken: Any, failed: UploadRecord, browser: Browser) -> None:
    contract = Contract.objects.get()

    assert contract.text.name == failed.key
    assert broken.store.get(failed.key) == BODY
    with contract.text.open() as file:
        assert file.read() == BODY
    assert browser.client.get(contract.text.url).status_code == 302


def test_record_says_what_failed(failed: UploadRecord) -> None:
    assert (failed.state, failed.stored_as) == ("failed", "contracts/a.txt")
    assert failed.error
    assert "127.0.0.1" not in failed.error


def test_log_says_what_failed(broken: Any, browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    with caplog.at_level(logging.ERROR, "s3upload"):
        browser.submit(NEW, {"title": "x", "text-s3upload": token})

    [record] = [record for record in caplog.records if record.name == "s3upload.async_uploads.fields"]
    assert record.getMessage().startswith(
        "an upload to testapp.contract.text could not be promoted and stays pending: "
    )
    assert token not in caplog.text


def test_form_that_is_sent_again_saves_it_after_all(broken: Any, failed: UploadRecord, browser: Browser) -> None:
    contract = Contract.objects.get()
    broken.mend()
    token = browser.upload(page_of(contract), "text", "b.txt", BODY, "text/plain")
    browser.submit(page_of(contract), {"title": "x", "text-s3upload": token})

    contract.refresh_from_db()
    assert contract.text.name == "contracts/b.txt"


def test_upload_that_is_gone_is_no_failed_promote(filesystem_store: FilesystemStore, browser: Browser) -> None:
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    (filesystem_store.folder / only_record().key).unlink()
    answer = browser.post(NEW, {"title": "x", "text-s3upload": token})

    assert "no longer there" in str(answer.context["form"].errors)
    assert only_record().state == "pending"


# --- tried again ----------------------------------------------------------------------------


def test_retry_saves_it(broken: Any, failed: UploadRecord) -> None:
    broken.mend()

    assert retry(failed) == "contracts/a.txt"
    failed.refresh_from_db()
    assert (failed.state, failed.stored_as, failed.error) == ("stored", "contracts/a.txt", "")
    assert Contract.objects.get().text.name == "contracts/a.txt"
    assert broken.store.get("contracts/a.txt") == BODY
    assert broken.store.keys() == ["contracts/a.txt"]


def test_retry_that_fails_changes_nothing(broken: Any, failed: UploadRecord) -> None:
    with pytest.raises(StoreUnavailable):
        retry(failed)

    failed.refresh_from_db()
    assert failed.state == "failed"
    assert Contract.objects.get().text.name == failed.key
    assert broken.store.get(failed.key) == BODY


def test_retry_of_what_did_not_fail(broken: Any, failed: UploadRecord) -> None:
    broken.mend()
    retry(failed)

    with pytest.raises(CannotRetry, match="the upload is stored"):
        retry(failed)
    assert broken.store.keys() == ["contracts/a.txt"]


def test_two_retries_at_the_same_time(broken: Any, failed: UploadRecord) -> None:
    broken.mend()
    outcomes: list[str] = []

    def run() -> None:
        try:
            outcomes.append(retry(failed))
        except CannotRetry as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["CannotRetry", "contracts/a.txt"]
    assert broken.store.keys() == ["contracts/a.txt"]


def test_retry_when_no_row_has_it_any_more(broken: Any, failed: UploadRecord) -> None:
    Contract.objects.all().delete()
    broken.mend()

    with pytest.raises(CannotRetry, match="no row refers to the file"):
        retry(failed)
    assert broken.store.keys() == [failed.key]


@pytest.mark.parametrize("change", [{"field": "testapp.contract.gone"}, {"registry": "gone"}])
def test_retry_of_a_field_that_is_gone(failed: UploadRecord, change: dict[str, str]) -> None:
    UploadRecord.objects.update(**change)

    with pytest.raises(CannotRetry, match="remove the record"):
        retry(failed)


def test_retry_of_an_object_that_is_gone(broken: Any, failed: UploadRecord) -> None:
    broken.mend()
    default_storage.delete(failed.key)

    with pytest.raises(UploadGone):
        retry(failed)
    failed.refresh_from_db()
    assert failed.state == "failed"
    assert failed.error.startswith("UploadGone")


def test_retry_of_an_object_that_was_exchanged(broken: Any, failed: UploadRecord) -> None:
    broken.mend()
    broken.store.put(failed.key, BODY[::-1])

    with pytest.raises(UploadChanged):
        retry(failed)
    assert Contract.objects.get().text.name == failed.key


# --- by command -----------------------------------------------------------------------------


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("s3upload_retry", *arguments, stdout=out)
    return out.getvalue()


def test_command_tries_all(broken: Any, failed: UploadRecord) -> None:
    broken.mend()

    assert run() == f"{failed.pk}: stored as contracts/a.txt\nNothing is left that failed.\n"
    assert run() == "Nothing is left that failed.\n"


def test_command_tries_some(broken: Any, failed: UploadRecord) -> None:
    broken.mend()

    assert run(failed.pk) == f"{failed.pk}: stored as contracts/a.txt\n"
    with pytest.raises(CommandError, match=f"No failed upload has the id {failed.pk}"):
        run(failed.pk)


def test_one_that_fails_does_not_stop_the_others(broken: Any, failed: UploadRecord, browser: Browser) -> None:
    token = browser.upload(NEW, "text", "b.txt", BODY, "text/plain")
    browser.submit(NEW, {"title": "y", "text-s3upload": token})
    Contract.objects.filter(text=failed.key).delete()
    broken.mend()

    with pytest.raises(CommandError, match=f"Not everything could be stored. {failed.pk}: CannotRetry: no row"):
        run()
    assert set(UploadRecord.objects.values_list("name", "state")) == {("a.txt", "failed"), ("b.txt", "stored")}


def test_database_that_refuses_one_does_not_stop_the_others(
    broken: Any, failed: UploadRecord, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = browser.upload(NEW, "text", "b.txt", BODY, "text/plain")
    browser.submit(NEW, {"title": "y", "text-s3upload": token})
    broken.mend()

    def refuse_one(record: UploadRecord) -> str:
        if record == failed:
            raise IntegrityError("another row has this name")
        return retry(record)

    monkeypatch.setattr(s3upload_retry, "retry", refuse_one)
    with pytest.raises(CommandError, match=f"{failed.pk}: IntegrityError"):
        run()
    assert set(UploadRecord.objects.values_list("name", "state")) == {("a.txt", "failed"), ("b.txt", "stored")}


# --- removed --------------------------------------------------------------------------------


def test_record_goes_with_its_object(broken: Any, failed: UploadRecord) -> None:
    remove(failed)

    assert not UploadRecord.objects.exists()
    assert failed.key not in set(broken.store.keys())


def test_record_of_what_was_stored_goes_alone(store: Any, browser: Browser) -> None:
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    browser.submit(NEW, {"title": "x", "text-s3upload": token})
    remove(only_record())

    assert not UploadRecord.objects.exists()
    assert store.keys() == ["contracts/a.txt"]


def test_record_of_an_upload_in_parts_goes_with_them(store: Any, browser: Browser) -> None:
    upload = browser.choose(NEW, "text", "a.txt", 20 * 1024**2, "text/plain")
    browser.send_parts(upload, bytes(20 * 1024**2), [1])
    remove(only_record())

    assert not UploadRecord.objects.exists()
    assert browser.call("list/", {"token": upload["token"]}).status_code == 400
    assert store.keys() == []


def test_record_stays_when_its_object_does_on_ceph(browser: Browser, bucket: S3Store, settings: Any) -> None:
    with Proxy(bucket.account.endpoint_url) as line:
        use_line(settings, bucket, line, client_config=impatient(5))
        browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
        line.add(Answer(is_call("DeleteObject", "DeleteObjects"), float("inf"), status=403, body=DENIED))
        with pytest.raises(StoreUnavailable):
            remove(only_record())
    assert only_record().state == "pending"


def test_record_of_a_storage_that_is_gone(filesystem_store: FilesystemStore, browser: Browser) -> None:
    browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    UploadRecord.objects.update(storage="gone")
    remove(only_record())

    assert not UploadRecord.objects.exists()


# --- small things ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "x", "async_uploads:", "async_uploads:a:b", "other:a:b:c"])
def test_scope_that_is_none(text: str) -> None:
    with pytest.raises(Forged):
        Scope.parse(text)


@pytest.mark.parametrize("key", ["", "5", "a:b:c", "x/y"])
def test_scope_comes_back(key: str) -> None:
    scope = Scope("default", "app.model.field", key)

    assert Scope.parse(str(scope)) == scope


def test_reason_names_no_address() -> None:
    error = OSError(2, "No such file", "/srv/secret")

    assert records._reason(error) == "FileNotFoundError: No such file"
    assert records._reason(StoreUnavailable("AccessDenied")) == "StoreUnavailable: AccessDenied"
