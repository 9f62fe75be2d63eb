"""Fixtures of the browser tests: the page, files to choose, and what the site was asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.signals import request_started
from pytest_django.live_server_helper import LiveServer

from tests.browser.page import Page
from tests.conftest import Chrome

MAKE = Callable[..., Path]


@pytest.fixture
def page(chrome: Chrome, live_server: LiveServer, transactional_db: None) -> Iterator[Page]:
    """The test site in the browser."""
    page = Page(chrome, live_server.url)
    yield page
    page.hurry()


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
