"""
What every benchmark stands on: a store, buckets in it, and sites of the variants as processes.

A module of benchmarks has ``SLUGS``, the names of its figures, and ``measure(stage)``, which yields those of them that
``stage.wants()``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from tests.servers.base import S3Account, free_port, in_background

from .site.meter import PATH as METER
from .variants import VARIANTS

T = TypeVar("T")

ROOT = Path(__file__).parents[1]

START_TIMEOUT = 30.0
"""Seconds that a site may take to answer."""

GIB = 16
"""Room of the store, in memory: a file of 5 GB, and its copy in passing."""


@dataclass(frozen=True)
class Reading:
    """
    What the meter of a site says.

    :param cpu: seconds that the worker has computed since its start.
    :param peak: bytes of memory that it had at most, since the last reset.
    :param rss: bytes that it has now.
    """

    cpu: float
    peak: int
    rss: int


@dataclass(frozen=True)
class Site:
    """A site that runs: its address, and its processes' ``port``."""

    variant: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def read_meter(self, *, reset: bool = False) -> Reading:
        """
        Ask a worker what it has used.

        :param reset: whether the peak of its memory begins anew.
        """
        request = urllib.request.Request(self.url + METER, method="POST" if reset else "GET")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Reading(**json.load(answer))


class Stage(contextlib.ExitStack):
    """
    Where benchmarks run; a context manager. The store starts when it is first asked for.

    :param wanted: the slugs of the figures to measure; all when empty.
    :param quick: whether it is only to be seen that the benchmarks work: small sizes, few repetitions.
    :param rounds: how often everything is measured.
    """

    def __init__(self, *, wanted: Collection[str] = (), quick: bool = False, rounds: int = 5) -> None:
        super().__init__()
        self.wanted = frozenset(wanted)
        self.quick = quick
        self.rounds = 1 if quick else rounds

    def wants(self, *slugs: str) -> bool:
        """Return whether one of these figures is to be measured."""
        return not self.wanted or not self.wanted.isdisjoint(slugs)

    def say(self, text: str) -> None:
        """Tell whoever waits how far it is."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    @cached_property
    def folder(self) -> Path:
        """A folder that goes with the stage."""
        return Path(self.enter_context(tempfile.TemporaryDirectory(prefix="s3upload-benchmarks-")))

    @cached_property
    def account(self) -> S3Account:
        """Ceph, with all objects in memory."""
        return self.enter_context(in_background("tests.servers.ceph", "--gib", str(GIB)))

    def create_bucket(self) -> str:
        """Create a bucket that a page of any origin may upload to; return its name."""
        name = f"bench-{uuid.uuid4().hex[:12]}"
        self.account.create_bucket(name)
        return name

    def empty_bucket(self, name: str) -> None:
        """Remove what was uploaded: the store has so much memory and no more."""
        client = self.account.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            if found := page.get("Contents"):
                client.delete_objects(Bucket=name, Delete={"Objects": [{"Key": item["Key"]} for item in found]})

    def clear(self, bucket: str) -> None:
        """Remove what was uploaded, into this bucket or on disk."""
        self.empty_bucket(bucket)
        for variant in VARIANTS:
            shutil.rmtree(self.folder / variant, ignore_errors=True)

    def storage_options(self, bucket: str, **more: Any) -> dict[str, Any]:
        """
        Return the OPTIONS of an S3 storage in a bucket.

        :param more: what differs, such as the ``endpoint_url`` of a proxy.
        """
        return OFFLINE | {
            "bucket_name": bucket,
            "endpoint_url": self.account.endpoint_url,
            "access_key": self.account.access_key,
            "secret_key": self.account.secret_key,
            "region_name": self.account.region,
            **more,
        }

    def environ(self, variant: str, options: dict[str, Any] | None = None, **more: str) -> dict[str, str]:
        """Return the environment that makes a process a site of this variant."""
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "benchmarks.site.settings",
            "BENCH_VARIANT": variant,
            "BENCH_STORAGE": json.dumps(options or OFFLINE),
            "BENCH_FOLDER": str(self.folder / variant),
            **more,
        }

    def run(self, module: str, variant: str, *arguments: str, options: dict[str, Any] | None = None) -> Any:
        """
        Run a module of the site in a process of a variant's own, to its end.

        :param module: below ``benchmarks.site``.
        :returns: what it prints, which is JSON.
        """
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.site.{module}", *arguments],
            cwd=ROOT,
            env=self.environ(variant, options, BENCH_BEGUN=repr(time.monotonic())),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
        )
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def site(
        self,
        variant: str,
        options: dict[str, Any] | None = None,
        *,
        workers: int = 1,
        is_async: bool = False,
        **environ: str,
    ) -> Iterator[Site]:
        """
        Run a site: gunicorn with sync workers, or uvicorn.

        :param variant: a name in ``benchmarks.variants.VARIANTS``.
        :param options: of its S3 storage, see `storage_options`; without, a store that nobody is to ask.
        :param environ: further variables: ``BENCH_STATIC="1"`` serves the static files.
        """
        port = free_port()
        module = f"benchmarks.site.{'asgi' if is_async else 'wsgi'}:application"
        server = (
            ["uvicorn", module, "--port", str(port), "--log-level", "warning", "--no-access-log"]
            if is_async
            else ["gunicorn", module, "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--timeout", "900"]
        )
        log = self.folder / f"{variant}-{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *server, "--workers", str(workers)],
                cwd=ROOT,
                env=self.environ(variant, options, **environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        site = Site(variant, port)
        try:
            _wait_for(site, process, log)
            yield site
        finally:
            process.terminate()
            process.wait(timeout=60)


def rotated(items: Iterable[T], number: int) -> list[T]:
    """Return items in the order of a round: another one begins each time."""
    listed = list(items)
    first = number % len(listed)
    return listed[first:] + listed[:first]


OFFLINE = {
    "bucket_name": "bench",
    "endpoint_url": "http://127.0.0.1:9",
    "access_key": "key",
    "secret_key": "secret",
    "region_name": "us-east-1",
    "addressing_style": "path",
    "signature_version": "s3v4",
}
"""The OPTIONS of a storage of a site that has no reason to talk to its store."""


def _wait_for(site: Site, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            site.read_meter()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{site.variant} did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.05)
        else:
            return
