"""Temporary uploads that nobody has claimed, and chunks of files that never came whole."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from s3upload import cleanup
from s3upload.filepond import keeper
from s3upload.filepond.models import TemporaryUpload
from s3upload.filepond.receivers import PartsReceiver
from tests.filepond.conftest import BODY, CHUNK, EVERYWHERE, FilePond, Place, content_of, random_bytes, said

pytestmark = pytest.mark.django_db(transaction=True)


def make_old(*ids: str) -> None:
    TemporaryUpload.objects.filter(pk__in=ids).update(changed=timezone.now() - timedelta(hours=49))


def clean_up(**options: object) -> str:
    out = StringIO()
    call_command("s3upload_cleanup", stdout=out, **options)
    return out.getvalue()


@EVERYWHERE
def test_what_is_old_goes(place: Place, pond: FilePond) -> None:
    whole = said(pond.process())
    half = said(pond.begin(4 * CHUNK))
    body = random_bytes(3 * CHUNK)
    for offset in range(0, 3 * CHUNK, CHUNK):
        pond.patch(half, offset, body[offset : offset + CHUNK])
    begun = said(pond.begin(12))
    make_old(whole, half, begun)

    assert "FilePond: 3 temporary uploads and 0 folders without one would be removed" in clean_up(dry_run=True)
    assert content_of(whole) == BODY
    assert "FilePond: 3 temporary uploads and 0 folders without one removed" in clean_up()

    assert not TemporaryUpload.objects.exists()
    assert place.is_empty


def test_what_is_young_stays(place: Place, pond: FilePond) -> None:
    whole, half = said(pond.process()), said(pond.begin(12))
    pond.patch(half, 0, BODY[:5])

    assert "FilePond" not in clean_up()

    assert content_of(whole) == BODY
    pond.patch(half, 5, BODY[5:])
    assert content_of(half) == BODY


def test_what_is_still_sent_is_young(place: Place, pond: FilePond) -> None:
    half = said(pond.begin(12))
    make_old(half)
    pond.patch(half, 0, BODY[:5])

    clean_up()

    assert pond.offset(half) == 5


def test_what_is_gone_on_with_during_the_clean_up_stays(
    place: Place, pond: FilePond, monkeypatch: pytest.MonkeyPatch
) -> None:
    half, other = said(pond.begin(12)), said(pond.begin(12))
    pond.patch(half, 0, BODY[:5])
    make_old(half, other)
    remove = keeper._remove

    def go_on_and_remove(*args: Any) -> bool:
        pond.patch(half, 5, BODY[5:])
        return remove(*args)

    monkeypatch.setattr(keeper, "_remove", go_on_and_remove)
    assert "FilePond: 1 temporary upload and 0 folders without one removed" in clean_up()

    assert content_of(half) == BODY
    assert not TemporaryUpload.objects.filter(pk=other).exists()


def test_folder_of_no_upload_goes(in_folder: Place, pond: FilePond) -> None:
    """A worker was killed before it could write down what it had received."""
    upload = TemporaryUpload.objects.get(pk=said(pond.process()))
    folder = Path(upload.get_file_path()).parent
    left = folder.parent / ("3" * 22)
    left.mkdir()
    (left / "file.part").write_bytes(BODY)
    foreign = folder.parent / "notes"
    foreign.mkdir()
    old = (timezone.now() - timedelta(hours=49)).timestamp()
    for path in (left / "file.part", left, foreign, folder):
        os.utime(path, (old, old))

    assert "0 temporary uploads and 1 folder without one would be removed" in clean_up(dry_run=True)
    assert left.exists()
    assert "0 temporary uploads and 1 folder without one removed" in clean_up()

    assert not left.exists()
    assert foreign.exists()
    assert content_of(upload.pk) == BODY


def test_young_folder_of_no_upload_stays(place: Place, pond: FilePond) -> None:
    """Somebody is sending a file in one request, which has no record before it is whole."""
    upload = TemporaryUpload.objects.get(pk=said(pond.process()))
    TemporaryUpload.objects.filter(pk=upload.pk).update(upload_id="3" * 22)

    assert "FilePond" not in clean_up()

    assert not place.is_empty


def test_folder_goes_where_those_of_uploads_stay(in_folder: Place, pond: FilePond, settings: Any) -> None:
    settings.S3UPLOAD_FILEPOND_DELETE_UPLOAD_TMP_DIRS = False
    upload = TemporaryUpload.objects.get(pk=said(pond.process()))
    folder = Path(upload.get_file_path()).parent
    pond.revert(upload.pk)
    assert folder.exists()
    old = (timezone.now() - timedelta(hours=49)).timestamp()
    os.utime(folder, (old, old))

    assert "1 folder without one removed" in clean_up()

    assert not folder.exists()
    assert "FilePond" not in clean_up()


def test_storage_that_can_not_be_listed_keeps_nothing_else(
    place: Place, pond: FilePond, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old(said(pond.process()))

    def fail(*args: Any) -> Any:
        raise ConnectionError("the line is down")
        yield

    monkeypatch.setattr(keeper, "strays", fail)
    out = clean_up()

    assert "1 temporary upload and 0 folders without one removed" in out
    assert "could not be listed (ConnectionError)" in out
    assert not TemporaryUpload.objects.exists()


def test_upload_in_parts_that_was_begun_and_has_no_record(
    in_ceph: Place, pond: FilePond, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker was killed while a file came in one request: the core's own clean-up finds what it has begun."""
    with monkeypatch.context() as patch:
        patch.setattr(PartsReceiver, "finish", failing)
        patch.setattr(PartsReceiver, "discard", lambda self: self._spool.close())
        with pytest.raises(RuntimeError):
            pond.process(random_bytes(3 * CHUNK))
    assert in_ceph.open_uploads() == 1
    whole = said(pond.process(random_bytes(3 * CHUNK)))
    half = said(pond.begin(4 * CHUNK))
    for offset in range(0, 3 * CHUNK, CHUNK):
        pond.patch(half, offset, random_bytes(CHUNK))
    assert in_ceph.open_uploads() == 2
    monkeypatch.setattr(cleanup, "SHORTEST_AGE", timedelta(0))
    time.sleep(1.1)  # the store's clock tells seconds

    [summary] = [one for one in cleanup.clean_up(timedelta(0)) if one.storage == "default"]

    assert (summary.objects, summary.uploads, summary.kept) == (0, 1, 2)
    assert in_ceph.open_uploads() == 1
    assert len(content_of(whole)) == 3 * CHUNK


def failing(self: PartsReceiver) -> str:
    raise RuntimeError("killed")
