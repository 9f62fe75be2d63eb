"""Fixtures of the browser tests: the page, files to choose, and what the site was asked."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.signals import request_started
from pytest_django.live_server_helper import LiveServer

from s3upload.parts import part_count, part_size_for
from tests.browser.page import Page
from tests.conftest import Chrome, FilesystemStore, S3Store
from tests.proxy import Proxy

MAKE = Callable[..., Path]


@pytest.fixture
def page(chrome: Chrome, live_server: LiveServer, transactional_db: None) -> Iterator[Page]:
    """The test site in the browser."""
    page = Page(chrome, live_server.url)
    yield page
    page.hurry()
    page.forget()


@pytest.fixture
def make_file(tmp_path: Path) -> MAKE:
    """Make a file of random bytes; of the same name again, in another folder."""

    def make(name: str = "report.bin", size: int = 1000) -> Path:
        folder = tmp_path / f"chosen-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        path = folder / name
        path.write_bytes(random.randbytes(size))
        return path

    return make


@dataclass(frozen=True)
class LargeFile:
    """A file that is sent in parts."""

    path: Path
    size: int
    sha256: str

    @property
    def parts(self) -> list[int]:
        """The numbers of its parts."""
        return list(range(1, part_count(self.size, part_size_for(self.size)) + 1))

    def is_at(self, store: FilesystemStore | S3Store, key: str) -> bool:
        """Return whether the store has the same bytes under a key."""
        digest = hashlib.sha256()
        if isinstance(store, S3Store):
            body = store.client.get_object(Bucket=store.bucket, Key=key)["Body"]
            for chunk in body.iter_chunks(1024**2):
                digest.update(chunk)
        else:
            digest.update(store.get(key))
        return digest.hexdigest() == self.sha256


def large_file(folder: Path, name: str, size: int) -> LargeFile:
    """Make a file of random bytes, a million at a time."""
    digest = hashlib.sha256()
    path = folder / name
    with path.open("wb") as file:
        for start in range(0, size, 1_000_000):
            block = os.urandom(min(1_000_000, size - start))
            digest.update(block)
            file.write(block)
    return LargeFile(path, size, digest.hexdigest())


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> LargeFile:
    """200 MB, in fifteen parts."""
    return large_file(tmp_path_factory.mktemp("film"), "film.bin", 200_000_000)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> LargeFile:
    """90 MB, in ten parts: twice as many as are sent at the same time."""
    return large_file(tmp_path_factory.mktemp("clip"), "clip.bin", 90_000_000)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> LargeFile:
    """40 MB: few parts, for what has no interest in parts but has to send them."""
    return large_file(tmp_path_factory.mktemp("parts"), "parts.bin", 40_000_000)


@pytest.fixture
def line(store: S3Store, settings) -> Iterator[Proxy]:
    """The line from the browser to the store; the server has its own."""
    with Proxy(store.account.endpoint_url) as line:
        settings.S3UPLOAD_PUBLIC_ENDPOINT_URL = line.address
        yield line


@pytest.fixture
def site_line(page: Page) -> Iterator[Proxy]:
    """The line from the browser to the site."""
    with Proxy(page.address) as line:
        page.address = line.address
        yield line


class Requests(list[tuple[str, str]]):
    """The requests that the site got: method and path."""

    def posts(self, path: str) -> int:
        """Return how often something was posted to a path."""
        return self.count(("POST", path))

    @property
    def presigned(self) -> int:
        """How often the presign endpoint was asked."""
        return self.posts("/__s3upload__/presign/")


@pytest.fixture
def requests() -> Iterator[Requests]:
    """What the site is asked from now on."""
    requests = Requests()

    def take_down(environ: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if environ:
            requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))

    request_started.connect(take_down)
    yield requests
    request_started.disconnect(take_down)


@pytest.fixture
def start_site(transactional_db: None) -> Iterator[Callable[[], str]]:
    """Start the site once more, with the settings of this moment: a server keeps its middleware."""
    servers: list[LiveServer] = []

    def start() -> str:
        servers.append(LiveServer("localhost"))
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()
