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
from weakref import WeakSet

import pytest
from botocore.client import BaseClient
from pytest_django.live_server_helper import LiveServer
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.servers.base import S3Account, in_background

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
def store(request: pytest.FixtureRequest) -> FilesystemStore | S3Store:
    """STORAGES["default"] is each of the stores in turn; `indirect` parameters choose."""
    chosen: FilesystemStore | S3Store = request.getfixturevalue(f"{request.param}_store")
    return chosen


class CallCount(Counter[str]):
    """How often each operation of S3 was called, by its name, such as "HeadObject"."""


@pytest.fixture
def call_count(monkeypatch: pytest.MonkeyPatch) -> CallCount:
    """Count the calls to the store that the code under test makes, from now on."""
    calls = CallCount()
    make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted(client: BaseClient, operation: str, parameters: Any) -> Any:
        if client not in our_clients:
            calls[operation] += 1
        return make_api_call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    return calls


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
    for name in ("filesystem_store", "ceph_store", "localstack_store", "store"):
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
