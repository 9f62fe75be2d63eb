"""
A process of the site is killed at each step of saving, or is not alone.

Two processes, one database, one store. What a row refers to is there, whole; the same form, posted to the process that
lives, works or says why it does not.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from s3upload.exceptions import UploadGone
from tests.conftest import S3Store
from tests.faults.conftest import line_options
from tests.proxy import HoldAnswer, HoldRequest, Proxy, Waiting, is_call
from tests.servers.base import S3Account
from tests.site.process import site_process
from tests.visitor import Response, Visitor

MIB = 1024**2
SMALL = random.Random(3).randbytes(5000)
LARGE = random.Random(4).randbytes(11 * MIB)
IN_ONE_PIECE = 5 * MIB

DOCUMENT = "/forms/document/"
RECORD = "/forms/record/"
FORMSET = "/documents/formset/"

GONE = str(UploadGone.default_message)


@dataclass
class Ground:
    """What all processes of the site share."""

    folder: Path
    bucket: S3Store
    line: Proxy

    @contextmanager
    def process(self, **environ: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """Give the address of a process of the site, and the process."""
        options = line_options(self.bucket, self.line)
        archive = json.dumps({**options, "promote": "in-place"})
        environ |= {"SITE_ARCHIVE": archive, "SITE_COPY_LIMIT": str(IN_ONE_PIECE)}
        with site_process(options, self.folder, **environ) as process:
            assert process.stdout is not None
            with process.stdout:
                address = process.stdout.readline().strip()
                assert address.startswith("http"), (self.folder / "site.log").read_text()
                yield address, process

    @property
    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "site.sqlite3", timeout=20, isolation_level=None)

    @property
    def rows(self) -> list[str]:
        """The names of the files that rows refer to."""
        with closing(self.database) as database:
            tables = ("testapp_document", "testapp_record")
            return [name for table in tables for (name,) in database.execute(f"SELECT file FROM {table}")]  # noqa: S608

    @property
    def pending(self) -> list[str]:
        return self.bucket.keys("tmp/")

    def clear(self) -> None:
        with closing(self.database) as database:
            database.execute("DELETE FROM testapp_document")
            database.execute("DELETE FROM testapp_record")
        for key in self.bucket.keys(""):
            self.bucket.client.delete_object(Bucket=self.bucket.bucket, Key=key)

    def has_every_row_whole(self, body: bytes) -> bool:
        return all(self.bucket.get(name) == body for name in self.rows)


@pytest.fixture(scope="module")
def module_ground(ceph: S3Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    bucket = S3Store("ceph", ceph)
    ceph.create_bucket(bucket.bucket)
    with Proxy(ceph.endpoint_url) as line:
        yield Ground(tmp_path_factory.mktemp("ground"), bucket, line)
    bucket.remove()


@pytest.fixture(scope="module")
def alive(module_ground: Ground) -> Iterator[str]:
    """The address of the process that lives."""
    with module_ground.process() as (address, _process):
        yield address


@pytest.fixture
def ground(module_ground: Ground, alive: str) -> Iterator[Ground]:
    yield module_ground
    module_ground.line.sever()
    module_ground.clear()


@dataclass
class Posting:
    """A form that is posted while something else happens."""

    post: Callable[[], Response]
    response: Response | None = None
    error: OSError | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.response = self.post()
        except OSError as error:
            self.error = error

    def result(self) -> Response:
        self.thread.join(60)
        assert self.response is not None, self.error
        return self.response


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "never"
        time.sleep(0.02)


def killed_while(ground: Ground, path: str, body: bytes, fault: Waiting) -> tuple[Visitor, dict[str, str]]:
    """Post a form to a process, and kill that when the fault is reached; return who posted, and what."""
    with ground.process() as (address, process):
        visitor = Visitor()
        form = {"title": "t", "file-s3upload": visitor.upload(address, path, "a.bin", body)}
        ground.line.add(fault)
        posting = Posting(lambda: visitor.post(address + path, form))
        assert fault.reached.wait(30)
        process.kill()
        process.wait()
        posting.thread.join()
        assert posting.error is not None
    return visitor, form


@pytest.mark.parametrize("late", [False, True], ids=["lost", "late"])
@pytest.mark.parametrize(
    ("operation", "body"),
    [("HeadObject", SMALL), ("CopyObject", SMALL), ("UploadPartCopy", LARGE), ("CompleteMultipartUpload", LARGE)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_killed_before_the_store_is_asked(ground: Ground, alive: str, operation: str, body: bytes, late: bool) -> None:
    fault = HoldRequest(is_call(operation))
    visitor, form = killed_while(ground, DOCUMENT, body, fault)
    assert ground.rows == []
    [pending] = ground.bucket.keys()
    assert ground.bucket.get(pending) == body
    if not late:
        ground.line.sever()

    again = visitor.post(alive + DOCUMENT, form)
    assert again.saved == ground.rows
    # What was on its way may arrive now.
    fault.heal()
    if late:
        wait_until(lambda: fault.requests[0].status)
    assert ground.has_every_row_whole(body)
    assert ground.bucket.keys() == ground.rows


@pytest.mark.parametrize(
    ("operation", "body"),
    [("HeadObject", SMALL), ("CopyObject", SMALL), ("UploadPartCopy", LARGE), ("CompleteMultipartUpload", LARGE)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_killed_before_the_answer_comes(ground: Ground, alive: str, operation: str, body: bytes) -> None:
    fault = HoldAnswer(is_call(operation))
    visitor, form = killed_while(ground, DOCUMENT, body, fault)
    assert ground.rows == []
    [pending] = ground.pending
    assert ground.bucket.get(pending) == body

    again = visitor.post(alive + DOCUMENT, form)
    assert again.saved == ground.rows
    assert ground.has_every_row_whole(body)
    assert ground.bucket.keys() == ground.rows


def test_killed_between_the_copy_and_the_row(ground: Ground, alive: str) -> None:
    with ground.process() as (address, process), closing(ground.database) as database:
        visitor = Visitor()
        form = {"title": "t", "file-s3upload": visitor.upload(address, DOCUMENT, "a.bin", SMALL)}
        database.execute("BEGIN IMMEDIATE")
        posting = Posting(lambda: visitor.post(address + DOCUMENT, form))
        wait_until(lambda: ground.bucket.keys("documents/"))
        process.kill()
        process.wait()
        posting.thread.join()
        database.execute("ROLLBACK")
    assert ground.rows == []
    assert len(ground.pending) == 1

    again = visitor.post(alive + DOCUMENT, form)
    assert again.saved == ground.rows
    assert ground.has_every_row_whole(SMALL)
    assert ground.bucket.keys() == ground.rows


def test_killed_between_the_row_and_the_commit(ground: Ground, alive: str) -> None:
    """With ATOMIC_REQUESTS, the first file's row is written, and the second file's copy waits."""
    with ground.process(SITE_ATOMIC="1") as (address, process):
        visitor = Visitor()
        form = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0"}
        for number, name in enumerate(["a.bin", "b.bin"]):
            form[f"form-{number}-title"] = name
            form[f"form-{number}-file-s3upload"] = visitor.upload(address, FORMSET, name, SMALL, "form-0-file")
        fault = ground.line.add(HoldRequest(lambda call: call.copies and call.path.endswith("b.bin")))
        posting = Posting(lambda: visitor.post(address + FORMSET, form))
        assert fault.reached.wait(30)
        process.kill()
        process.wait()
        posting.thread.join()
    ground.line.sever()
    assert ground.bucket.keys("documents/") == ["documents/a.bin"]
    assert ground.rows == []
    assert len(ground.pending) == 2

    again = visitor.post(alive + FORMSET, form)
    assert again.saved == ground.rows == ["documents/a.bin", "documents/b.bin"]
    assert ground.has_every_row_whole(SMALL)
    assert ground.bucket.keys() == ground.rows


@pytest.mark.parametrize("fault_class", [HoldRequest, HoldAnswer])
def test_killed_after_the_commit(ground: Ground, alive: str, fault_class: type[Waiting]) -> None:
    visitor, form = killed_while(ground, DOCUMENT, SMALL, fault_class(is_call("DeleteObjects")))
    ground.line.sever()
    assert len(ground.rows) == 1
    assert ground.has_every_row_whole(SMALL)
    is_left = fault_class is HoldRequest
    assert len(ground.pending) == is_left

    again = visitor.post(alive + DOCUMENT, form)
    if is_left:
        # Who never saw an answer sends the form once more: a second row, as with any form of Django's.
        assert len(again.saved) == 1
    else:
        assert GONE in again.text
    assert len(ground.rows) == 1 + is_left
    assert ground.has_every_row_whole(SMALL)
    assert ground.pending == []


@pytest.mark.parametrize("fault_class", [HoldRequest, HoldAnswer])
@pytest.mark.parametrize("operation", ["GetObjectTagging", "PutObject", "PutObjectTagging"])
def test_killed_while_saving_in_place(ground: Ground, alive: str, operation: str, fault_class: type[Waiting]) -> None:
    # The first PutObject is the record of the upload, the second one the claim.
    fault = fault_class(lambda call: is_call(operation)(call) and (operation != "PutObject" or "claimed" in call.path))
    visitor, form = killed_while(ground, RECORD, SMALL, fault)
    ground.line.sever()
    assert ground.rows == []
    [key] = ground.bucket.keys("uploads/")
    assert ground.bucket.get(key) == SMALL

    again = visitor.post(alive + RECORD, form)
    if operation == "GetObjectTagging" or (operation, fault_class) == ("PutObject", HoldRequest):
        assert again.saved == ground.rows == [key]
    else:
        # Somebody has claimed it, and may have saved it: another row may have it. Before the mark is gone, the form
        # finds it valid, and saving does not.
        assert again.status == 400 or GONE in again.text
        assert ground.rows == []
    assert ground.bucket.get(key) == SMALL


# --- two processes at the same time -----------------------------------------------------------


@pytest.mark.parametrize("operation", ["HeadObject", "CopyObject", "DeleteObjects"])
def test_two_submits_at_the_same_step(ground: Ground, alive: str, operation: str) -> None:
    with ground.process() as (address, _process):
        visitor = Visitor()
        form = {"title": "t", "file-s3upload": visitor.upload(address, DOCUMENT, "a.bin", SMALL)}
        fault = ground.line.add(HoldRequest(is_call(operation), times=2))
        postings = [Posting(lambda site=site: visitor.post(site + DOCUMENT, form)) for site in (address, alive)]
        wait_until(lambda: len(fault.requests) == 2)
        fault.heal()
        answers = [posting.result() for posting in postings]
    agrees(ground, answers)


@pytest.mark.parametrize("operation", ["HeadObject", "CopyObject"])
def test_second_submit_overtakes_the_first(ground: Ground, alive: str, operation: str) -> None:
    with ground.process() as (address, _process):
        visitor = Visitor()
        form = {"title": "t", "file-s3upload": visitor.upload(address, DOCUMENT, "a.bin", SMALL)}
        fault = ground.line.add(HoldRequest(is_call(operation)))
        first = Posting(lambda: visitor.post(address + DOCUMENT, form))
        assert fault.reached.wait(30)
        second = visitor.post(alive + DOCUMENT, form)
        assert len(second.saved) == 1
        fault.heal()
        answer = first.result()
        assert answer.saved == []
        assert (answer.status == 200 and GONE in answer.text) if operation == "HeadObject" else answer.status == 400
    agrees(ground, [answer, second])


def agrees(ground: Ground, answers: list[Response]) -> None:
    """Rows are what visitors were told, and the bucket has what the rows say, whole, and nothing else."""
    assert all(answer.status in (200, 400) for answer in answers), answers
    assert sorted(ground.rows) == sorted(name for answer in answers for name in answer.saved)
    assert ground.rows
    assert ground.has_every_row_whole(SMALL)
    assert ground.bucket.keys() == sorted(set(ground.rows))
