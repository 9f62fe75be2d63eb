"""
Fixtures: the stores, the browser, and what a test asks of them.

Servers start when a test first asks for one, one each per worker. A part that is missing (a
program, an environment) fails the test that needs it; nothing is skipped.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from weakref import WeakSet

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobProperties
from botocore.client import BaseClient
from pytest_django.live_server_helper import LiveServer
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.servers.azurite import AzureAccount
from tests.servers.base import S3Account, in_background, running

# Of the tests' own clients of Azure, whose calls are no business of `call_count` either.
OUR_AGENT = "s3upload-tests"

AZURE_OPERATIONS = {
    ("HEAD", "", False): "GetBlobProperties",
    ("GET", "", False): "GetBlob",
    ("PUT", "", False): "PutBlob",
    ("PUT", "", True): "CopyBlob",
    ("PUT", "copy", False): "AbortCopyBlob",
    ("PUT", "properties", False): "SetBlobProperties",
    ("PUT", "blocklist", False): "PutBlockList",
    ("GET", "blocklist", False): "GetBlockList",
    ("PUT", "block", False): "PutBlock",
    ("PUT", "lease", False): "LeaseBlob",
    ("DELETE", "", False): "DeleteBlob",
    ("POST", "batch", False): "BlobBatch",
    ("GET", "list", False): "ListBlobs",
}
"""The operations of Azure by method, the query's `comp`, and whether something is copied."""

# What the blob says that an upload in blocks begins with.
UNFINISHED = {"s3upload": "unfinished"}

# Clients of the tests' own, whose calls are no business of `call_count`.
our_clients: WeakSet[BaseClient] = WeakSet()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long texts by their argument: signed ones differ from worker to worker, and xdist refuses that."""
    return argname if isinstance(val, str) and len(val) > 40 else None


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep SQLite's test database in a file of this run: servers in threads open it themselves."""
    from django.db import connection

    if connection.vendor == "sqlite":
        name = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(name)


# --- stores ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def ceph() -> Iterator[S3Account]:
    """Ceph's radosgw."""
    with in_background("tests.servers.ceph") as account:
        yield account


@pytest.fixture(scope="session")
def localstack() -> Iterator[S3Account]:
    """LocalStack's S3."""
    with in_background("tests.servers.localstack") as account:
        yield account


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzureAccount]:
    """Azurite, which emulates Azure Blob storage."""
    with running("tests.servers.azurite", AzureAccount) as account:
        yield account


class FilesystemStore:
    """What a test may ask of the dummy's folder."""

    name = "filesystem"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> bytes:
        return (self.folder / key).read_bytes()

    def put(self, key: str, body: bytes) -> None:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def keys(self, prefix: str = "") -> list[str]:
        # What a store knows of an object stands beside it here.
        files = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".sha256")
        keys = sorted(path.relative_to(self.folder).as_posix() for path in files)
        return [key for key in keys if key.startswith(prefix)]


class S3Store:
    """What a test may ask of a bucket, by a client that `call_count` does not count."""

    def __init__(self, name: str, account: S3Account) -> None:
        self.name = name
        self.account = account
        self.client = account.client()
        our_clients.add(self.client)
        self.bucket = f"test-{uuid.uuid4().hex[:16]}"

    @property
    def options(self) -> dict[str, Any]:
        """The OPTIONS of a storage in this bucket."""
        return {
            "bucket_name": self.bucket,
            "endpoint_url": self.account.endpoint_url,
            "access_key": self.account.access_key,
            "secret_key": self.account.secret_key,
            "region_name": self.account.region,
            "addressing_style": "path",
            "signature_version": "s3v4",
        }

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def head(self, key: str) -> dict[str, Any]:
        return dict(self.client.head_object(Bucket=self.bucket, Key=key))

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def remove(self) -> None:
        for key in self.keys():
            self.client.delete_object(Bucket=self.bucket, Key=key)
        # A page that was left may be aborting its upload just now: LocalStack then answers one of the two with
        # an internal error, or the upload is gone already.
        client = self.account.client(retries={"total_max_attempts": 5})
        for upload in client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ()):
            with contextlib.suppress(client.exceptions.NoSuchUpload):
                client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        self.client.delete_bucket(Bucket=self.bucket)


class AzureStore:
    """What a test may ask of a container, by a client that `call_count` does not count."""

    name = "azurite"

    def __init__(self, account: AzureAccount) -> None:
        self.account = account
        self.bucket = f"test-{uuid.uuid4().hex[:16]}"
        self.client = account.client(user_agent=OUR_AGENT)
        self.container = self.client.get_container_client(self.bucket)

    @property
    def options(self) -> dict[str, Any]:
        """The OPTIONS of a storage in this container."""
        return {"connection_string": self.account.connection_string(), "azure_container": self.bucket}

    def get(self, key: str) -> bytes:
        return self.container.download_blob(key).readall()

    def put(self, key: str, body: bytes) -> None:
        self.container.upload_blob(key, body, overwrite=True)

    def head(self, key: str) -> BlobProperties:
        return self.container.get_blob_client(key).get_blob_properties()

    def keys(self, prefix: str = "") -> list[str]:
        return [blob.name for blob in self._list(prefix) if blob.metadata != UNFINISHED]

    def uploads(self) -> list[str]:
        """Return the names of uploads in blocks that are not over."""
        return [blob.name for blob in self._list() if blob.metadata == UNFINISHED]

    def uncommitted(self) -> list[str]:
        """Return the names of what is nothing but blocks."""
        made = [blob.name for blob in self._list()]
        listed = self.container.list_blobs(include=["uncommittedblobs"])
        return [blob.name for blob in listed if blob.name not in made]

    def _list(self, prefix: str = "") -> list[BlobProperties]:
        return list(self.container.list_blobs(prefix, include=["metadata"]))

    def remove(self) -> None:
        self.client.delete_container(self.bucket)
        self.client.close()


@pytest.fixture
def azurite_store(settings: Any, azurite: AzureAccount) -> Iterator[AzureStore]:
    """STORAGES["default"] is a fresh container on Azurite."""
    store = AzureStore(azurite)
    azurite.create_bucket(store.bucket)
    use_azure(settings, store)
    yield store
    store.remove()


def use_azure(settings: Any, store: AzureStore, **options: Any) -> None:
    """Make STORAGES["default"] a storage in a container, with further options."""
    default = {
        "BACKEND": "s3upload.backends.azure.AzureUploadStorage",
        "OPTIONS": {**store.options, **options},
    }
    settings.STORAGES = storages_with(settings, default=default)


@pytest.fixture
def make_bucket(request: pytest.FixtureRequest) -> Iterator[Callable[[str], S3Store]]:
    """Make a fresh bucket with CORS in the store of that name ("ceph" or "localstack")."""
    made: list[S3Store] = []

    def make(name: str) -> S3Store:
        store = S3Store(name, request.getfixturevalue(name))
        store.account.create_bucket(store.bucket)
        made.append(store)
        return store

    yield make
    for store in made:
        store.remove()


@pytest.fixture
def bucket(make_bucket: Callable[[str], S3Store]) -> S3Store:
    """A fresh bucket on Ceph."""
    return make_bucket("ceph")


def storages_with(settings: Any, **storages: dict[str, Any]) -> dict[str, Any]:
    return {**settings.STORAGES, **storages}


@pytest.fixture
def filesystem_store(settings: Any, tmp_path: Path) -> FilesystemStore:
    """STORAGES["default"] is a folder, and the dummy serves it."""
    folder = tmp_path / "media"
    folder.mkdir()
    settings.MEDIA_ROOT = str(folder)
    settings.S3UPLOAD_DUMMY = True
    settings.STORAGES = storages_with(settings, default={"BACKEND": "django.core.files.storage.FileSystemStorage"})
    return FilesystemStore(folder)


def use_s3(settings: Any, store: S3Store) -> S3Store:
    settings.STORAGES = storages_with(
        settings,
        default={"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": store.options},
    )
    return store


@pytest.fixture
def ceph_store(settings: Any, make_bucket: Callable[[str], S3Store]) -> S3Store:
    """STORAGES["default"] is a fresh bucket on Ceph."""
    return use_s3(settings, make_bucket("ceph"))


@pytest.fixture
def localstack_store(settings: Any, make_bucket: Callable[[str], S3Store]) -> S3Store:
    """STORAGES["default"] is a fresh bucket on LocalStack."""
    return use_s3(settings, make_bucket("localstack"))


@pytest.fixture(params=["filesystem", "ceph", "localstack"])
def store(request: pytest.FixtureRequest) -> FilesystemStore | S3Store | AzureStore:
    """STORAGES["default"] is each of the stores in turn; `indirect` parameters choose, among them "azurite"."""
    chosen: FilesystemStore | S3Store | AzureStore = request.getfixturevalue(f"{request.param}_store")
    return chosen


class CallCount(Counter[str]):
    """How often each operation of S3 or Azure was called, by its name, such as "HeadObject" or "PutBlob"."""


@pytest.fixture
def call_count(monkeypatch: pytest.MonkeyPatch) -> CallCount:
    """Count the calls to the store that the code under test makes, from now on."""
    calls = CallCount()
    make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted(client: BaseClient, operation: str, parameters: Any) -> Any:
        if client not in our_clients:
            calls[operation] += 1
        return make_api_call(client, operation, parameters)

    send = RequestsTransport.send

    def counted_request(transport: RequestsTransport, request: Any, **options: Any) -> Any:
        if OUR_AGENT not in request.headers.get("User-Agent", ""):
            calls[azure_operation(request)] += 1
        return send(transport, request, **options)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    monkeypatch.setattr(RequestsTransport, "send", counted_request)
    return calls


def azure_operation(request: Any) -> str:
    """Return the name that Azure has for a request."""
    query = parse_qs(urlsplit(request.url).query)
    copies = "x-ms-copy-source" in request.headers
    return AZURE_OPERATIONS[request.method, query.get("comp", [""])[0], copies]


# --- browser --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def live_server(django_db_setup: None, live_server: LiveServer) -> LiveServer:
    """Pytest-django's, started when the database is known to be a file: its threads share no connection."""
    return live_server


class Chrome(webdriver.Chrome):
    """Debian's Chromium, with the few verbs that the tests share."""

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = program("chromium")
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            # It talks to nobody but the servers of the tests.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1100,900",
            "--lang=en",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # A warning before leaving the page is for people; tests that look at it say so.
        options.unhandled_prompt_behavior = "accept"
        super().__init__(options=options, service=webdriver.ChromeService(program("chromedriver")))
        self.expected_errors: list[str] = []

    def expect_error(self, pattern: str) -> None:
        """Let the console show errors that match this regular expression."""
        self.expected_errors.append(pattern)

    def find(self, selector: str) -> WebElement:
        return self.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[WebElement]:
        return self.find_elements(By.CSS_SELECTOR, selector)

    def wait_for(self, selector: str, timeout: float = 20) -> WebElement:
        """Wait until an element matches, and return the first."""
        WebDriverWait(self, timeout, 0.05).until(lambda _: self.find_all(selector), f"nothing matches {selector!r}")
        return self.find(selector)

    def wait_until(self, script: str, *arguments: Any, timeout: float = 20) -> Any:
        """Wait until the JavaScript expression is true, and return its value."""
        return WebDriverWait(self, timeout, 0.05).until(
            lambda _: self.execute_script(f"return {script}", *arguments), f"never: {script}"
        )

    def evaluate(self, script: str, *arguments: Any) -> Any:
        """Return the value of a JavaScript expression."""
        return self.execute_script(f"return {script}", *arguments)

    def result(self, timeout: float = 30) -> dict[str, Any]:
        """Wait for the test site's page after a save, and return what it says (views.py)."""
        self.wait_for("#result", timeout)
        value: dict[str, Any] = self.evaluate("JSON.parse(document.getElementById('result').textContent)")
        return value

    def unexpected_errors(self) -> list[str]:
        """Return errors of the console since the last look: scripts, network, content policy."""
        messages = [
            str(entry["message"])
            for entry in self.get_log("browser")  # type: ignore[no-untyped-call]
            if entry["level"] == "SEVERE"
        ]
        return [
            message for message in messages if not any(re.search(pattern, message) for pattern in self.expected_errors)
        ]


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing; `make test` installs it")
    return path


@pytest.fixture(scope="session")
def chrome_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    driver = Chrome(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def chrome(chrome_session: Chrome, request: pytest.FixtureRequest) -> Iterator[Chrome]:
    """Chromium on an empty page, without cookies; the test fails when the console had errors."""
    for name in ("filesystem_store", "ceph_store", "localstack_store", "azurite_store", "store"):
        if name in request.fixturenames:
            # Made first, so that it outlives the page: what is still uploading at the end meets no other store.
            request.getfixturevalue(name)
    chrome_session.expected_errors = []
    chrome_session.unexpected_errors()
    yield chrome_session
    errors = chrome_session.unexpected_errors()
    chrome_session.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chrome_session.get("about:blank")
    assert not errors, "the console of the browser has errors:\n" + "\n".join(errors)
