"""People with permissions, the two kinds of store, and what becomes of an upload."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from PIL import Image

from s3upload.async_uploads.models import UploadRecord
from tests.conftest import FilesystemStore, S3Store, storages_with
from tests.faults.conftest import impatient, use_line
from tests.proxy import Answer, Proxy, is_call
from tests.testapp.models import Contract
from tests.wire import Browser

NEW = "/contracts/new/"
BODY = b"We agree."
DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>No.</Message></Error>'


def make_user(name: str, *permissions: str, **fields: Any) -> User:
    """Return a user who has these permissions, such as "add_contract"."""
    user = User.objects.create_user(name, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def page_of(contract: Contract) -> str:
    """Return the address of a contract's form."""
    return f"/contracts/{contract.pk}/"


def an_image(width: int = 40, height: int = 30) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(stream, "PNG")
    return stream.getvalue()


def only_record() -> UploadRecord:
    """Return the one record that there is."""
    [record] = UploadRecord.objects.all()
    return record


EVERYWHERE = pytest.mark.parametrize("store", ["filesystem", "ceph", "localstack", "azurite"], indirect=True)


@pytest.fixture(params=["filesystem", "ceph"])
def store(request: pytest.FixtureRequest) -> Any:
    """STORAGES["default"] is a folder, then a bucket."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def archive(settings: Any, tmp_path: Path) -> Path:
    """STORAGES["archive"], where notes are kept, is a folder as well."""
    folder = tmp_path / "archive"
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(folder)}}
    settings.STORAGES = storages_with(settings, archive=backend)
    return folder


@pytest.fixture
def editor(db: None) -> User:
    """Somebody who may do all with contracts."""
    return make_user("editor", "add_contract", "change_contract", "view_contract")


@pytest.fixture
def browser(editor: User) -> Browser:
    """The editor's browser."""
    return Browser(editor)


@pytest.fixture
def contract(editor: User) -> Contract:
    """A contract without files."""
    return Contract.objects.create(title="A contract")


class Folder:
    """A folder that can't save to "contracts/": there is a file of that name."""

    def __init__(self, store: FilesystemStore) -> None:
        self.store = store
        store.put("contracts", b"in the way")

    def mend(self) -> None:
        (self.store.folder / "contracts").unlink()


class Line:
    """A bucket that refuses to copy."""

    def __init__(self, store: S3Store, line: Proxy) -> None:
        self.store = store
        self.fault = line.add(Answer(is_call("CopyObject"), float("inf"), status=403, body=DENIED))

    def mend(self) -> None:
        self.fault.heal()


@pytest.fixture(params=["filesystem", "ceph"])
def broken(request: pytest.FixtureRequest, settings: Any) -> Any:
    """A store that takes uploads and saves none, until it is mended."""
    if request.param == "filesystem":
        yield Folder(request.getfixturevalue("filesystem_store"))
        return
    bucket = request.getfixturevalue("bucket")
    with Proxy(bucket.account.endpoint_url) as line:
        use_line(settings, bucket, line, client_config=impatient(5))
        yield Line(bucket, line)


@pytest.fixture
def failed(broken: Any, browser: Browser) -> UploadRecord:
    """The record of an upload that the store would not save."""
    token = browser.upload(NEW, "text", "a.txt", BODY, "text/plain")
    browser.submit(NEW, {"title": "x", "text-s3upload": token})
    return only_record()
