"""A file that is larger than one copy takes: it arrives and is saved, and nobody has it in memory."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import MAKE
from tests.browser.page import Page
from tests.conftest import Chrome, S3Store
from tests.servers.base import in_background
from tests.site.process import site_process

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

MIB = 1024**2
SIX_GIB = 6 * 1024 * MIB + 1
FORM = "/forms/document/"


@pytest.fixture
def disk_store() -> Iterator[S3Store]:
    """A bucket on a Ceph that keeps its objects on disk."""
    with in_background("tests.servers.ceph", "--store", "bluestore", "--gib", "20") as account:
        store = S3Store("ceph", account)
        account.create_bucket(store.bucket)
        yield store


class Site:
    """
    The site in a process of its own.

    :param process: that serves it.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.address = process.stdout.readline().strip()
        assert self.address.startswith("http"), "the site did not start"
        self.calls: Counter[str] = Counter()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def close(self) -> None:
        assert self.process.stdout is not None
        self._reading.join()
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.calls[line.strip()] += 1

    def forget_peak(self) -> int:
        """Have the peak of the site's memory counted anew; return its memory in bytes."""
        # proc_pid_clear_refs(5)
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.memory("VmRSS")

    def memory(self, name: str) -> int:
        return memory_of(self.process.pid, name)


@pytest.fixture
def site(disk_store: S3Store, tmp_path: Path) -> Iterator[Site]:
    with site_process(disk_store.options, tmp_path) as process:
        site = Site(process)
        yield site
    site.close()


def memory_of(pid: int, name: str) -> int:
    """Return a figure of /proc/<pid>/status, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def shares_of(chrome: Chrome) -> int:
    """Return the memory of Chromium's processes in bytes; what they share is counted once (PSS)."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    driver = chrome.service.process.pid
    family = {driver}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    total = 0
    for pid in family - {driver}:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it has ended
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


class Watch:
    """Looks at Chromium's memory as long as it lasts; a context manager."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome
        self.before = shares_of(chrome)
        self.peak = self.before
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            self.peak = max(self.peak, shares_of(self.chrome))


def save(page: Page, file: Path) -> None:
    page.open(FORM)
    page.type("[name=title]", "A file")
    page.choose(file)
    page.wait_for_states("done", timeout=600)
    page.submit()
    assert page.chrome.result(timeout=300)["saved"] == [f"documents/{file.name}"]


def test_six_gibibytes_are_saved_and_nobody_holds_them(
    chrome: Chrome, site: Site, disk_store: S3Store, make_file: MAKE, tmp_path: Path
) -> None:
    page = Page(chrome, site.address)
    # What is loaded and made once, for the first file.
    save(page, make_file("first.bin", 30 * MIB))
    save(page, make_file("second.bin", 30 * MIB))
    path = tmp_path / "sparse.bin"
    with path.open("wb") as sparse:
        sparse.truncate(SIX_GIB)
    page.open(FORM)
    before = site.forget_peak()
    site.calls.clear()
    with Watch(chrome) as watch:
        save(page, path)
    site_rise = site.memory("VmHWM") - before
    browser_rise = watch.peak - watch.before
    said = f"the site's memory rose by {site_rise / MIB:.1f} MiB, Chromium's by {browser_rise / MIB:.1f} MiB"
    print(f"{said}; calls: {dict(site.calls)}")  # noqa: T201

    key = "documents/sparse.bin"
    assert disk_store.head(key)["ContentLength"] == SIX_GIB
    for start in (0, 1024**3 - 7, 5 * 1024**3 - 8, SIX_GIB - 16):
        answer = disk_store.client.get_object(Bucket=disk_store.bucket, Key=key, Range=f"bytes={start}-{start + 15}")
        assert answer["Body"].read() == bytes(16)
    assert "CopyObject" not in site.calls
    assert site.calls["UploadPartCopy"] == 13
    assert site_rise < 10 * MIB, said
    assert browser_rise < 300 * MIB, said
