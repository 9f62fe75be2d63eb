"""
Many people upload at the same time while the store refuses one request in ten.

Four workers of gunicorn, twenty clients, a store behind a line that answers 503 in its place, to the server and to the
clients alike. Every form that was accepted has its object, every object its row.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from s3upload.exceptions import StoreUnavailable
from tests.conftest import S3Store
from tests.faults.conftest import line_options
from tests.proxy import Answer, Proxy, every
from tests.servers.base import free_port
from tests.visitor import Visitor
from tests.wire import Page, send

UPLOADS = int(os.environ.get("LOAD_UPLOADS", "300"))
CLIENTS = 20
WORKERS = 4
TRIES = 6
"""As many as the script makes."""

FORM = "/forms/document/"
MESSAGE = str(StoreUnavailable.default_message)


@pytest.fixture
def line(bucket: S3Store) -> Iterator[Proxy]:
    with Proxy(bucket.account.endpoint_url) as line:
        yield line


@pytest.fixture
def site(bucket: S3Store, line: Proxy, tmp_path: Path) -> Iterator[str]:
    """The address of the site on four workers."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "tests.site.wsgi", "--preload", "--bind", address]
    environ = {
        **os.environ,
        "SITE_DATABASE": str(tmp_path / "site.sqlite3"),
        "SITE_STORAGE": json.dumps(line_options(bucket, line, public_endpoint_url=line.address)),
    }
    with (tmp_path / "gunicorn.log").open("wb") as log:
        # More threads than one: a worker that waits before it asks the store again can do something else.
        server = subprocess.Popen(
            [*command, "--workers", str(WORKERS), "--threads", "4"], env=environ, stdout=log, stderr=log
        )
        try:
            wait_for(f"http://{address}", server, tmp_path / "gunicorn.log")
            yield f"http://{address}"
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            Visitor().get(address + FORM)
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]  # noqa: PT018
            time.sleep(0.1)
        else:
            return


@dataclass
class Client:
    """
    A person who uploads one file after the other.

    :param site: the address of the site.
    """

    site: str
    statuses: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, bytes] = field(default_factory=dict)
    """What was accepted, by its name in the store."""

    def upload(self, number: int) -> None:
        body = random.Random(number).randbytes(random.Random(-number).randint(1000, 5000))
        visitor = Visitor()
        page = visitor.get(self.site + FORM)
        assert page.status == 200
        policy = Page(page.text).file_input("file")["data-s3upload-policy"]
        files = [{"name": f"{number}.bin", "size": len(body), "type": "application/octet-stream"}]
        answer = visitor.ask(self.site, "presign/", {"policy": policy, "files": files})
        assert answer.status == 200
        [upload] = json.loads(answer.text)["uploads"]
        self.send(upload, body)
        self.post(visitor, {"title": str(number), "file-s3upload": upload["token"]}, body)

    def send(self, upload: dict[str, Any], body: bytes) -> None:
        for attempt in range(TRIES):
            status = send(upload, body)
            self.statuses[f"store {status}"] += 1
            if status < 300:
                return
            time.sleep(random.random() * 0.1 * 2**attempt)
        pytest.fail("the store never took the file")

    def post(self, visitor: Visitor, form: dict[str, str], body: bytes) -> None:
        for _attempt in range(TRIES):
            answer = visitor.post(self.site + FORM, form)
            self.statuses[f"form {answer.status}"] += 1
            if answer.saved:
                [name] = answer.saved
                assert name not in self.bodies
                self.bodies[name] = body
                return
            # Either no page at all, or the form with its upload.
            assert MESSAGE in answer.text, answer
            if answer.status == 200:
                self.statuses["came back"] += 1
                [kept] = Page(answer.text).kept("file")
                form["file-s3upload"] = kept["value"] or ""
        pytest.fail("the form was never accepted")


@pytest.mark.timeout(600)
def test_rows_and_objects_agree_under_load(site: str, bucket: S3Store, line: Proxy, tmp_path: Path) -> None:
    throttle = line.add(Answer(every(10), times=float("inf")))
    clients = [Client(site) for _ in range(CLIENTS)]

    def work(number: int) -> None:
        for upload in range(number, UPLOADS, CLIENTS):
            clients[number].upload(upload)

    start = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS)))
    seconds = time.monotonic() - start
    throttle.heal()

    statuses = sum((client.statuses for client in clients), Counter())
    accepted = {name: body for client in clients for name, body in client.bodies.items()}
    pending = bucket.keys("tmp/")
    said = f"{UPLOADS} uploads in {seconds:.0f} s; {len(throttle.requests)} of {len(line.requests)} requests refused"
    print(f"{said}; {dict(statuses)}; {len(pending)} objects left pending")  # noqa: T201
    with closing(sqlite3.connect(tmp_path / "site.sqlite3")) as database:
        rows = [name for (name,) in database.execute("SELECT file FROM testapp_document")]

    assert len(throttle.requests) > UPLOADS / 4
    assert len(accepted) == UPLOADS
    assert sorted(rows) == sorted(accepted)
    assert sorted(set(bucket.keys()) - set(pending)) == sorted(rows)
    assert set(statuses) <= {"store 201", "store 503", "form 200", "form 503", "came back"}
    assert "Traceback" not in (tmp_path / "gunicorn.log").read_text()
    with ThreadPoolExecutor(8) as pool:
        for name, stored in zip(rows, pool.map(bucket.get, rows), strict=True):
            assert stored == accepted[name], name
