"""The clean-up: what nobody claimed goes, and nothing else, in every storage, whatever happens beside it."""

from __future__ import annotations

import io
import json
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from s3upload.backends import backend_named, filesystem
from s3upload.backends.base import UUIDS, position
from s3upload.backends.s3 import deleting, listing
from s3upload.cleanup import Summary, clean_up
from s3upload.files import DirectUploadedFile
from s3upload.storage import S3UploadStorage
from s3upload.tokens import Token
from tests.conftest import FilesystemStore, S3Store, storages_with
from tests.pages import use_unreachable_s3
from tests.test_files import token_for
from tests.test_storage import S3_STORES, open_multipart_uploads
from tests.test_views import refused
from tests.testapp import models
from tests.wire import Browser, put_part, send

MIB = 1024 * 1024
LARGE = 16 * MIB + 1
FORM = "/forms/document/"
PREFIX = "tmp/s3upload/"

# Apps with records are asked what they want to keep.
pytestmark = pytest.mark.django_db

CEPH = pytest.mark.parametrize("store", ["ceph"], indirect=True)
EVERYWHERE = pytest.mark.parametrize("store", ["filesystem", "ceph", "localstack"], indirect=True)


@pytest.fixture(params=["filesystem", "ceph"])
def store(request: pytest.FixtureRequest) -> Any:
    """STORAGES["default"] is a folder, then a bucket."""
    return request.getfixturevalue(f"{request.param}_store")


LISTS = ("ListObjectsV2", "ListMultipartUploads")


def let_pass(hours: float, alias: str = "default", operations: tuple[str, ...] = (*LISTS, "GetObject")) -> None:
    """
    Let the store believe that it is so much later than it was when things were written.

    The server's own clock shows nothing of that.

    :param operations: whose answers show it.
    """
    backend: Any = backend_named(alias)
    if isinstance(backend, filesystem.FileSystemBackend):
        folder = Path(backend.storage.path(PREFIX))
        for path in [*folder.rglob("*"), folder]:
            status = path.stat()
            os.utime(path, (status.st_atime, status.st_mtime - hours * 3600))
        return
    # Its clock can't be set here: the date of its answers is, which has no fractions of a second.

    def later(parsed: Any, **_: Any) -> None:
        headers = parsed["ResponseMetadata"]["HTTPHeaders"]
        now = parsedate_to_datetime(headers["date"]) + timedelta(hours=hours, seconds=1)
        headers["date"] = format_datetime(now, usegmt=True)

    for operation in operations:
        backend.client.meta.events.register(f"after-call.s3.{operation}", later)


def pending_file(body: bytes = b"12345", alias: str = "default") -> Token:
    """Send a file that nobody will claim."""
    token = token_for("a.txt", len(body), "text/plain", storage=alias, key=backend_named(alias).new_key("a.txt"))
    assert send(backend_named(alias).presign(token), body) < 300
    return token


def pending_parts() -> Token:
    """Send a part of a file whose upload will not be completed."""
    backend = backend_named("default")
    begun = token_for("a.txt", 5, "text/plain", part_size=5 * MIB)
    token = replace(begun, upload_id=backend.begin(begun))
    assert put_part(backend.presign_part(token, 1), b"12345").is_success
    return token


def run(*arguments: str) -> str:
    """Run the command, and return what it says on standard output."""
    out = io.StringIO()
    call_command("s3upload_cleanup", *arguments, stdout=out)
    return out.getvalue()


def of_default() -> Summary:
    return next(summary for summary in clean_up() if summary.storage == "default")


def everything(store: Any) -> list[str]:
    """Return the names of all that there is, unfinished uploads too."""
    if store.name == "filesystem":
        return sorted(path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*") if path.is_file())
    return store.keys() + [upload["Key"] for upload in open_multipart_uploads(store)]


# --- what goes, and what stays --------------------------------------------------------------------


@EVERYWHERE
def test_what_nobody_claimed_is_removed(store: Any) -> None:
    pending_file(b"12345")
    pending_file(b"678")
    pending_parts()
    let_pass(48)

    assert of_default() == Summary("default", objects=2, size=8, uploads=1)
    assert everything(store) == []
    assert of_default() == Summary("default")


@EVERYWHERE
def test_what_is_younger_stays(store: Any) -> None:
    pending_file()
    pending_parts()
    before = everything(store)
    let_pass(47.9)

    assert of_default() == Summary("default", younger=2)
    assert everything(store) == before


@CEPH
def test_age_of_each_object_counts(store: S3Store) -> None:
    old = pending_file()
    time.sleep(4)
    young = pending_file()
    let_pass(48 - 3.5 / 3600)

    assert of_default() == Summary("default", objects=1, size=5, younger=1)
    assert store.keys() == [young.key] != [old.key]


@pytest.mark.django_db(transaction=True)
def test_what_was_saved_stays(store: Any) -> None:
    browser = Browser()
    token = browser.upload(FORM, "file", "report.txt", b"saved")
    [name] = browser.submit(FORM, {"title": "t", "file-s3upload": token}).result["saved"]
    pending_file()
    let_pass(1000)

    assert of_default().objects == 1
    assert everything(store) == [name]
    assert store.get(name) == b"saved"


THEIRS = [
    "report.txt",
    "documents/report.txt",
    "tmp/report.txt",
    f"tmp/{UUIDS.uuid()}",
    f"{PREFIX}report.txt",
    f"{PREFIX}{UUIDS.uuid()}.txt",
    f"{PREFIX}{UUIDS.uuid()}x",
    f"{PREFIX}{UUIDS.uuid()[:-1]}",
    f"{PREFIX}{UUIDS.uuid()[:-1]}0",
    f"{PREFIX}{UUIDS.uuid()}/{UUIDS.uuid()}",
    f"{PREFIX}deeper/{UUIDS.uuid()}",
    f"tmp/s3upload2/{UUIDS.uuid()}",
    f"tmp/s3upload{UUIDS.uuid()}",
]


@pytest.mark.parametrize("prefix", ["tmp/s3upload", "/tmp/s3upload/", "documents", "tmp"])  # noqa: S108
def test_keys_that_the_package_has_not_made_are_never_removed(store: Any, settings: Any, prefix: str) -> None:
    """Not even with a prefix that has the site's own files."""
    settings.S3UPLOAD_PREFIX = prefix
    # One of them has a name of ours where that is the prefix.
    theirs = [key for key in THEIRS if prefix != "tmp" or key != THEIRS[3]]
    for key in theirs:
        store.put(key, b"theirs")
    if store.name != "filesystem":
        store.client.create_multipart_upload(Bucket=store.bucket, Key=f"{PREFIX}theirs")
        store.client.create_multipart_upload(Bucket=store.bucket, Key="theirs")
    before = everything(store)
    let_pass(1000)

    clean_up()
    assert everything(store) == before


@pytest.mark.parametrize("prefix", ["", "/", "..", "a/../b", "a//b", ".", None])
def test_prefix_that_makes_no_sense_is_refused(store: Any, settings: Any, prefix: Any, call_count: Any) -> None:
    settings.S3UPLOAD_PREFIX = prefix
    call_count.clear()
    with pytest.raises(CommandError, match=re.escape(f"S3UPLOAD_PREFIX is {prefix!r}")):
        run()
    assert call_count == {}


@S3_STORES
def test_nothing_outside_the_prefix_is_listed(store: S3Store, settings: Any) -> None:
    settings.STORAGES["default"]["OPTIONS"]["location"] = "media"
    settings.STORAGES = {**settings.STORAGES}
    asked: list[dict[str, Any]] = []
    backend: Any = backend_named("default")
    for operation in ("ListObjectsV2", "ListMultipartUploads"):
        backend.client.meta.events.register(
            f"provide-client-params.s3.{operation}", lambda params, **_: asked.append(params)
        )
    token = pending_file()
    theirs = [token.key, f"media/{token.key}/x"]
    for key in theirs:
        store.put(key, b"theirs")
    let_pass(48)

    assert of_default().objects == 1
    assert store.keys() == sorted(theirs, key=lambda key: key.startswith("tmp"))
    assert asked
    assert all(one["Prefix"].startswith("media/tmp/s3upload/") and one["Delimiter"] == "/" for one in asked)


def test_remains_of_the_dummy_are_removed(filesystem_store: FilesystemStore, settings: Any) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "a.bin", 5, sha256="WZRHGrsBESr8wYFZ9sx0tPURuZgG2lmzyvWpwXPKz8U=")
    assert browser.send(upload, b"12345") < 300
    uuids = [UUIDS.uuid() for _ in range(6)]
    names = [
        f"{uuids[0]}.save",
        f"{uuids[1]}.sha256",
        f"{uuids[2]}.aZ09aZ09.part",
        f"{uuids[3]}.{uuids[4]}/1-00",
        f"{uuids[4]}.{uuids[5]}.closed/1-00",
    ]
    for name in names:
        filesystem_store.put(PREFIX + name, b"1")
    theirs = [f"{uuids[0]}.part", f"{uuids[0]}.aZ09aZ09.part.txt", f"{uuids[0]}.old/1", "a.sha256", "b.save"]
    for name in theirs:
        filesystem_store.put(PREFIX + name, b"theirs")
    let_pass(48)
    # Also where the dummy takes no uploads any more.
    settings.S3UPLOAD_DUMMY = False

    assert of_default() == Summary("default", objects=4, size=5 + 3, uploads=2)
    assert everything(filesystem_store) == sorted(PREFIX + name for name in theirs)


def test_links_are_not_followed(filesystem_store: FilesystemStore, tmp_path: Path) -> None:
    pending_file()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("theirs")
    uuid = UUIDS.uuid()
    (filesystem_store.folder / PREFIX / f"{uuid}.{uuid}").symlink_to(tmp_path / "elsewhere")
    (filesystem_store.folder / PREFIX / uuid).symlink_to(tmp_path / "elsewhere" / "file")
    let_pass(48)

    assert of_default().objects == 1
    assert (tmp_path / "elsewhere" / "file").read_text() == "theirs"


# --- which storages -------------------------------------------------------------------------------


def test_every_storage_is_cleaned_once(
    settings: Any, tmp_path: Path, ceph_store: S3Store, make_bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    films, other = make_bucket("ceph"), make_bucket("ceph")
    default = settings.STORAGES["default"]
    settings.STORAGES = storages_with(
        settings,
        archive={"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": films.options},
        again={"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": default["OPTIONS"]},
        below={**default, "OPTIONS": {**default["OPTIONS"], "location": "below"}},
        folder={"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}},
        memory={"BACKEND": "django.core.files.storage.InMemoryStorage"},
    )
    # A model field's own storage.
    monkeypatch.setattr(models.Attachment._meta.get_field("file"), "storage", S3UploadStorage(**other.options))
    settings.S3UPLOAD_DUMMY = True
    own = "testapp.Attachment.file"
    for alias in ("default", "archive", "below", "folder", own):
        pending_file(alias=alias)
        let_pass(48, alias)

    summaries = {summary.storage: summary.objects for summary in clean_up()}

    assert summaries == {"default": 1, "archive": 1, "below": 1, "folder": 1, own: 1}
    assert everything(ceph_store) == everything(films) == everything(other) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("age", [48, 48.5, "48", timedelta(hours=48)])
def test_age_can_be_given_by_a_program(settings: Any, filesystem_store: Any, age: Any) -> None:
    out = io.StringIO()
    call_command("s3upload_cleanup", age=age, stdout=out)
    assert "younger than 48" in out.getvalue()


@pytest.mark.parametrize("age", [None, "soon", 23])
def test_age_of_a_program_that_is_none(filesystem_store: Any, age: Any) -> None:
    with pytest.raises(CommandError, match="the age"):
        call_command("s3upload_cleanup", age=age)


def test_store_that_is_down_keeps_no_other_from_being_cleaned(settings: Any, bucket: S3Store) -> None:
    use_unreachable_s3(settings, client_config=None)
    options = {**settings.STORAGES["default"]["OPTIONS"], "bucket_name": "bucket-of-the-site"}
    settings.STORAGES = storages_with(
        settings,
        default={"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": options},
        archive={"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": bucket.options},
        wrong={"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": {**options, "endpoint_url": "nowhere"}},
        missing={"BACKEND": "no.such.Storage"},
        misspelt={"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"folder": "files"}},
        profile={"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": {"session_profile": "nobody"}},
    )
    pending_file(alias="archive")
    let_pass(48, "archive")

    out = io.StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("s3upload_cleanup", stdout=out)

    assert bucket.keys() == []
    assert "archive: 1 object (5 bytes) and 0 unfinished uploads removed" in out.getvalue()
    said = str(raised.value)
    assert "default: the store can't be reached, or refuses (EndpointConnectionError)" in said
    assert "wrong: it can't be used" in said
    assert "missing: it can't be used" in said
    assert "misspelt: it can't be used" in said
    assert "profile: it can't be used" in said
    secrets = ["127.0.0.1", "nowhere", "bucket-of-the-site", "AKIAEXAMPLE", "secret", "tmp/s3upload"]
    assert [secret for secret in secrets if secret in said + out.getvalue()] == []
    assert raised.value.returncode == 1


# --- beside others --------------------------------------------------------------------------------


@EVERYWHERE
def test_two_at_once_do_no_harm(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LIST_LIMIT", 3)
    monkeypatch.setattr(filesystem, "PAGE", 3)
    for _ in range(10):
        pending_file()
    for _ in range(3):
        pending_parts()
    let_pass(48)
    together = threading.Barrier(2)

    def clean() -> Summary:
        together.wait()
        try:
            return of_default()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        done = [future.result() for future in [pool.submit(clean), pool.submit(clean)]]

    assert everything(store) == []
    assert [one.failed for one in done] == [0, 0]
    # Of an object, S3 does not say whether it was there.
    objects = sum(one.objects for one in done)
    assert objects == 10 if store.name == "filesystem" else 10 <= objects <= 20
    if store.name != "localstack":
        assert sum(one.uploads for one in done) == 3


@pytest.mark.django_db(transaction=True)
def test_form_whose_file_was_cleaned_up_has_an_error_and_no_row(store: Any) -> None:
    browser = Browser()
    token = browser.upload(FORM, "file", "report.txt", b"too late")
    let_pass(48)
    assert of_default().objects == 1

    answer = browser.post(FORM, {"title": "t", "file-s3upload": token})

    assert b"no longer there" in answer.content
    assert not models.Document.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_file_that_goes_while_it_is_saved_makes_no_row(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form is sent in the last minute, and is slow."""
    browser = Browser()
    token = browser.upload(FORM, "file", "report.txt", b"too late")
    look = DirectUploadedFile.look

    def slow(upload: DirectUploadedFile, is_owner: Callable[[str], bool]) -> None:
        look(upload, is_owner)
        let_pass(48)
        assert of_default().objects == 1

    monkeypatch.setattr(DirectUploadedFile, "look", slow)
    refused_with = browser.post(FORM, {"title": "t", "file-s3upload": token}).status_code

    assert refused_with == 400
    assert not models.Document.objects.exists()
    assert everything(store) == []


def test_upload_that_was_cleaned_up_is_gone_to_its_browser(store: Any) -> None:
    browser = Browser()
    upload = browser.choose(FORM, "file", "large.bin", LARGE)
    parts = browser.send_parts(upload, bytes(LARGE))
    let_pass(48)
    assert of_default().uploads == 1

    refused(browser.call("complete/", {"token": upload["token"], "parts": parts}), 400)
    browser.abort(upload["token"])


def use_other_user(settings: Any, store: S3Store, *denied: dict[str, Any]) -> None:
    """STORAGES["default"] has the keys of a user who may do everything in a bucket, but what is denied."""
    everyone: dict[str, Any] = {"Principal": {"AWS": ["arn:aws:iam:::user/other"]}}
    arn = f"arn:aws:s3:::{store.bucket}"
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    policy = {"Version": "2012-10-17", "Statement": [{**everyone, **one} for one in (allowed, *denied)]}
    store.client.put_bucket_policy(Bucket=store.bucket, Policy=json.dumps(policy))
    keys = {"access_key": store.account.other_access_key, "secret_key": store.account.other_secret_key}
    default = settings.STORAGES["default"]
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": {**default["OPTIONS"], **keys}}}


def test_object_that_can_not_be_removed_keeps_no_other_from_it(settings: Any, ceph_store: S3Store) -> None:
    store = ceph_store
    tokens = [pending_file() for _ in range(3)]
    parts = [pending_parts() for _ in range(2)]
    arn = f"arn:aws:s3:::{store.bucket}"
    use_other_user(
        settings,
        store,
        {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": f"{arn}/{tokens[1].key}"},
        {"Effect": "Deny", "Action": "s3:AbortMultipartUpload", "Resource": f"{arn}/{parts[0].key}"},
    )
    let_pass(48)

    out = io.StringIO()
    with pytest.raises(CommandError, match="default: 2 could not be removed") as raised:
        call_command("s3upload_cleanup", stdout=out)

    assert "default: 2 objects (10 bytes) and 1 unfinished upload removed" in out.getvalue()
    assert everything(store) == [tokens[1].key, parts[0].key]
    assert tokens[1].key not in str(raised.value)


def test_file_that_can_not_be_removed_keeps_no_other_from_it(filesystem_store: FilesystemStore) -> None:
    pending_file()
    # A folder where a checksum should be can't be removed as a file, by root neither.
    blocked = pending_file()
    (filesystem_store.folder / f"{blocked.key}.sha256").mkdir()
    pending_file()
    let_pass(48)

    assert of_default() == Summary("default", objects=2, size=10, failed=1)


# --- many -----------------------------------------------------------------------------------------


@EVERYWHERE
def test_every_page_is_looked_at(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LIST_LIMIT", 2)
    monkeypatch.setattr(deleting, "DELETE_LIMIT", 2)
    monkeypatch.setattr(filesystem, "PAGE", 2)
    for number in range(7):
        pending_file(bytes(number))
    for _ in range(5):
        pending_parts()
    let_pass(48)

    assert of_default() == Summary("default", objects=7, size=21, uploads=5)
    assert everything(store) == []


@CEPH
def test_objects_are_removed_in_batches(store: S3Store, call_count: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.put(PREFIX + UUIDS.uuid(), b""), range(60)))
    monkeypatch.setattr(listing, "LIST_LIMIT", 40)
    let_pass(48)
    call_count.clear()

    assert of_default().objects == 60
    # Two pages of pending objects, and one of what is in place.
    assert call_count == {"ListObjectsV2": 3, "DeleteObjects": 2, "ListMultipartUploads": 1}


def test_list_tells_how_far_it_has_got() -> None:
    uuids = sorted(UUIDS.uuid() for _ in range(2000))
    differences = [abs(position(uuid) - number / 2000) for number, uuid in enumerate(uuids)]

    assert max(differences) < 0.1
    assert [position("2" * 22), position("z" * 22)] == [0, 1]


# --- the command ----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@EVERYWHERE
def test_dry_run_removes_nothing(store: Any) -> None:
    pending_file()
    pending_parts()
    before = everything(store)
    let_pass(48)

    assert run("--dry-run") == (
        "default: 1 object (5 bytes) and 1 unfinished upload would be removed; 0 younger than 48 hours\n"
    )
    assert everything(store) == before


def test_summary_says_what_was_done(filesystem_store: FilesystemStore) -> None:
    for _ in range(2):
        pending_file(bytes(3 * MIB))
    let_pass(30)
    pending_file()

    assert run("--age", "30") == (
        "default: 2 objects (6.0 MB) and 0 unfinished uploads removed; 1 younger than 30 hours\n"
    )


def test_quiet_says_nothing(filesystem_store: FilesystemStore, capsys: pytest.CaptureFixture[str]) -> None:
    pending_file()
    let_pass(48)
    terminal = Terminal()
    call_command("s3upload_cleanup", "--quiet", stderr=terminal)

    assert capsys.readouterr().out + terminal.getvalue() == ""
    assert filesystem_store.keys() == []


def test_quiet_says_what_went_wrong(settings: Any) -> None:
    use_unreachable_s3(settings)
    with pytest.raises(CommandError, match="default: the store can't be reached"):
        run("--quiet")


@pytest.mark.parametrize("age", ["23.9", "0", "-48"])
def test_age_is_no_shorter_than_a_token_lives(filesystem_store: FilesystemStore, age: str) -> None:
    pending_file()
    let_pass(48)
    with pytest.raises(CommandError, match=rf"the age is {age} hours, but a token lives 24 hours"):
        run("--age", age) if age[0] != "-" else run(f"--age={age}")
    assert len(filesystem_store.keys()) == 1


@pytest.mark.parametrize("age", ["a day", "", "nan", "inf", "1e300"])
def test_age_is_a_number(filesystem_store: FilesystemStore, age: str) -> None:
    with pytest.raises(CommandError, match="is no number of hours"):
        run("--age", age)


def test_age_of_a_token_is_the_shortest(filesystem_store: FilesystemStore) -> None:
    pending_file()
    let_pass(24)

    assert "1 object" in run("--age", "24")


@CEPH
def test_terminal_shows_how_far_it_has_got(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LIST_LIMIT", 5)
    for digit in "2Gi":
        for _ in range(5):
            store.put(PREFIX + digit + UUIDS.uuid()[1:], b"")
    terminal = Terminal()
    call_command("s3upload_cleanup", stderr=terminal, stdout=io.StringIO())

    shown = [int(percent) for percent in re.findall(r"default \[#* *\] +(\d+)%", terminal.getvalue())]
    # Three pages of pending objects; then unfinished uploads, and what is in place.
    assert shown == sorted(shown)
    first, second, *others = shown
    assert 0 <= first <= 2 < 8 < second < 20
    assert others == [33, 67, 100]
    # Nothing of it is left.
    assert terminal.getvalue().endswith("\r\033[K")


def test_no_bar_where_there_is_no_terminal(filesystem_store: FilesystemStore) -> None:
    err = io.StringIO()
    call_command("s3upload_cleanup", stdout=io.StringIO(), stderr=err)

    assert err.getvalue() == ""


def test_core_refuses_a_short_age_too() -> None:
    with pytest.raises(ValueError, match="a token lives 24 hours"):
        clean_up(timedelta(hours=23))
