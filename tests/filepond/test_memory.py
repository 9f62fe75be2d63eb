"""A gigabyte through the server's worker, whose memory does not rise with it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import S3Store
from tests.filepond.conftest import OPEN, random_bytes
from tests.servers.base import free_port

MIB = 1024**2
SIZE = 10**9
CHUNK = 5_000_000
RISE = 16 * MIB
BLOCK = random_bytes(MIB)


def blocks(start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes of the file from one to another; it repeats itself, and no chunk is like the one before."""
    while start < stop:
        offset = start % MIB
        block = BLOCK[offset : offset + stop - start]
        start += len(block)
        yield block


class Site:
    """
    The site on one worker.

    :param port: on loopback.
    :param process: that of gunicorn, whose only child is the worker.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = process
        self.cookie = ""

    @property
    def worker(self) -> Path:
        pid = self.process.pid
        [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return Path("/proc") / child

    def memory(self, name: str) -> int:
        """Return a line of the worker's status, in bytes."""
        [line] = [line for line in (self.worker / "status").read_text().splitlines() if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024

    def ask(self, method: str, path: str, body: Iterator[bytes] | bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Send a request, and return status and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {"Cookie": self.cookie, "X-CSRFToken": "a" * 32, **named})
            answer = connection.getresponse()
            return answer.status, answer.read(1000)
        finally:
            connection.close()

    def digest(self, path: str) -> str:
        """Return the digest of what a path is answered with."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("GET", path, headers={"Cookie": self.cookie})
            answer = connection.getresponse()
            assert answer.status == 200
            return hashlib.file_digest(answer, "sha256").hexdigest()  # type: ignore[arg-type]
        finally:
            connection.close()


@pytest.fixture(params=["folder", "ceph"])
def site(request: pytest.FixtureRequest, bucket: S3Store, tmp_path: Path) -> Iterator[Site]:
    """The site, whose temporary uploads are in a folder, then in a bucket."""
    settings = {
        "BASE_DIR": str(tmp_path),
        "S3UPLOAD_FILEPOND_PERMISSION_CLASSES": OPEN,
        "S3UPLOAD_FILEPOND_UPLOAD_STORAGE": "default" if request.param == "ceph" else None,
    }
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.site.wsgi", "--bind", f"127.0.0.1:{port}", "--timeout", "120"]
    environ = {
        **os.environ,
        "SITE_DATABASE": str(tmp_path / "site.sqlite3"),
        "SITE_STORAGE": json.dumps(bucket.options),
        "SITE_SETTINGS": json.dumps(settings),
    }
    with (tmp_path / "gunicorn.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        site = Site(port, process)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    site.ask("GET", "/forms/plain/")
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline  # noqa: PT018
                    time.sleep(0.1)
            site.cookie = "csrftoken=" + "a" * 32
            yield site
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def in_one_request(site: Site, size: int) -> str:
    head = (
        b'--x\r\nContent-Disposition: form-data; name="filepond"\r\n\r\n{}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="filepond"; filename="a.bin"\r\n\r\n'
    )
    tail = b"\r\n--x--\r\n"

    def body() -> Iterator[bytes]:
        yield head
        yield from blocks(0, size)
        yield tail

    status, answer = site.ask(
        "POST",
        "/fp/process/",
        body(),
        Content_Type="multipart/form-data; boundary=x",
        Content_Length=str(len(head) + size + len(tail)),
    )
    assert status == 200, answer
    return answer.decode()


def in_chunks(site: Site, size: int) -> str:
    form = b'--x\r\nContent-Disposition: form-data; name="filepond"\r\n\r\n{}\r\n--x--\r\n'
    status, answer = site.ask(
        "POST", "/fp/process/", form, Content_Type="multipart/form-data; boundary=x", Upload_Length=str(size)
    )
    assert status == 200, answer
    upload_id = answer.decode()
    for offset in range(0, size, CHUNK):
        stop = min(offset + CHUNK, size)
        status, answer = site.ask(
            "PATCH",
            f"/fp/patch/{upload_id}",
            blocks(offset, stop),
            Content_Type="application/offset+octet-stream",
            Content_Length=str(stop - offset),
            Upload_Offset=str(offset),
            Upload_Name="a.bin",
        )
        assert status == 204, answer
    return upload_id


@pytest.mark.parametrize("send", [in_one_request, in_chunks])
def test_memory_of_the_worker_stays_flat(site: Site, send: object) -> None:
    assert callable(send)
    # What is imported and made once is there before.
    upload_id = send(site, 12 * MIB)
    site.digest(f"/fp/restore/{upload_id}")
    (site.worker / "clear_refs").write_text("5")
    before = site.memory("VmRSS")

    upload_id = send(site, SIZE)

    rise = site.memory("VmHWM") - before
    assert rise < RISE, f"{rise / MIB:.1f} MiB"
    expected = hashlib.sha256()
    for block in blocks(0, SIZE):
        expected.update(block)
    assert site.digest(f"/fp/restore/{upload_id}") == expected.hexdigest()
    rise = site.memory("VmHWM") - before
    assert rise < RISE, f"{rise / MIB:.1f} MiB when it was read again"
