"""The clean-up keeps the records: what nobody claimed goes with its record, what failed stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from s3upload.async_uploads.models import UploadRecord
from tests.async_uploads.conftest import BODY, NEW, only_record
from tests.conftest import use_s3
from tests.test_cleanup import let_pass, run
from tests.testapp.models import Contract
from tests.wire import Browser

pytestmark = pytest.mark.django_db(transaction=True)


def let_all_pass(hours: float) -> None:
    """Let store and database believe that it is so much later."""
    let_pass(hours)
    UploadRecord.objects.update(created=timezone.now() - timedelta(hours=hours))


def upload(browser: Browser, name: str = "a.txt") -> str:
    return browser.upload(NEW, "text", name, BODY, "text/plain")


def test_what_nobody_claimed_goes_with_its_record(store: Any, browser: Browser) -> None:
    upload(browser)
    let_all_pass(49)

    assert "records: 1 unclaimed and 0 stored removed; 0 failed" in run()
    assert not UploadRecord.objects.exists()
    assert store.keys() == []


def test_what_was_never_sent_goes_too(store: Any, browser: Browser) -> None:
    browser.choose(NEW, "text", "a.txt", 20 * 1024**2, "text/plain")
    browser.choose(NEW, "text", "b.txt", 20, "text/plain")
    let_all_pass(49)
    run()

    assert not UploadRecord.objects.exists()


def test_what_is_younger_stays(store: Any, browser: Browser) -> None:
    token = upload(browser)
    let_all_pass(47)
    run()

    assert store.keys() == [only_record().key]
    browser.submit(NEW, {"title": "x", "text-s3upload": token})
    assert only_record().state == "stored"


def test_record_of_what_was_stored_goes_when_no_form_can_be_sent_again(store: Any, browser: Browser) -> None:
    browser.submit(NEW, {"title": "x", "text-s3upload": upload(browser)})
    let_all_pass(49)

    assert "records: 0 unclaimed and 1 stored removed; 0 failed" in run()
    assert not UploadRecord.objects.exists()
    assert store.get(Contract.objects.get().text.name) == BODY


class ReadsElsewhere:
    """A router as sites have it that read from a copy of their database; there is no copy here."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "copy"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


def test_records_are_cleaned_up_where_they_are_written(filesystem_store: Any, browser: Browser) -> None:
    upload(browser)
    let_all_pass(49)
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ReadsElsewhere"]):
        said = run()

    assert "records: 1 unclaimed and 0 stored removed" in said
    assert not UploadRecord.objects.exists()


def test_dry_run_removes_nothing(store: Any, browser: Browser) -> None:
    upload(browser)
    let_all_pass(49)

    assert "records: 1 unclaimed and 0 stored would be removed; 0 failed" in run("--dry-run")
    assert store.keys() == [only_record().key]


def test_what_failed_stays_until_somebody_decides(store: Any, browser: Browser) -> None:
    tokens = [upload(browser, name) for name in ("a.txt", "b.txt")]
    browser.submit(NEW, {"title": "x", "text-s3upload": tokens[0]})
    failed = UploadRecord.objects.get(name="b.txt")
    UploadRecord.objects.filter(pk=failed.pk).update(state="failed")
    let_all_pass(1000)
    said = run()

    assert "1 kept" in said
    assert "records: 0 unclaimed and 1 stored removed; 1 failed" in said
    assert only_record() == failed
    assert store.get(failed.key) == BODY


@pytest.mark.parametrize(
    "change", [{"storage": "gone"}, {"field": "gone"}, {"registry": "gone"}, {"key": "", "pending_key": ""}]
)
def test_one_bad_row_never_stops_the_rest(store: Any, browser: Browser, change: dict[str, str]) -> None:
    upload(browser, "bad.txt")
    UploadRecord.objects.update(**change)
    upload(browser, "a.txt")
    let_all_pass(49)
    run()

    assert not UploadRecord.objects.exists()
    assert store.keys() == []


def test_failed_upload_in_place_stays_on_localstack(settings: Any, make_bucket: Any, browser: Browser) -> None:
    store = use_s3(settings, make_bucket("localstack"))
    settings.STORAGES["default"]["OPTIONS"]["promote"] = "in-place"
    upload(browser, "a.txt")
    upload(browser, "b.txt")
    failed = UploadRecord.objects.get(name="b.txt")
    assert failed.in_place
    UploadRecord.objects.filter(pk=failed.pk).update(state="failed")
    let_all_pass(49)
    said = run()

    assert "1 kept" in said
    assert store.get(failed.key) == BODY
    assert failed.pending_key in set(store.keys())
    assert only_record() == failed
