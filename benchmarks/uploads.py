"""What an upload costs the worker that serves the form: by size, by count, in calls, in memory."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.proxy import Proxy, Request

from .figures import Figure, Target
from .stage import Site, Stage, rotated
from .variants import VARIANTS
from .visitor import Visitor

MB = 1_000_000
SMALL = MB // 10

OURS, PEER = VARIANTS["s3upload"].title, VARIANTS["s3file-copy"].title
FLOOR = "boto3 alone: HEAD, copy, delete"

IN_STORE = ["s3storage", "s3file", "s3file-copy", "s3upload"]
"""The variants that keep files in the store."""

REPETITIONS = {0.1: 40, 1: 20, 10: 8, 100: 3, 1000: 1, 5000: 1}
"""By the size of the file in MB, in one sample: what is cheap must be done often to be measured."""

COUNTS = {1: 20, 3: 10, 10: 5, 30: 3, 50: 2, 100: 1}
"""Files in one form, and repetitions."""

STORE_DELAY = 0.02
"""Seconds that a store which is not on loopback takes for each call."""


def measure(stage: Stage) -> Iterator[Figure]:
    for slug, make in FIGURES.items():
        if stage.wants(slug):
            yield make(stage)


def upload_cpu(stage: Stage) -> Figure:
    figure = Figure(
        slug="upload-cpu",
        title="CPU of the worker for one upload, by the size of the file",
        unit="ms",
        axis="size of the file, MB",
        base=PEER,
        note="The whole way of one file: the form is shown, the upload presigned where that is the variant's way, the "
        "form posted and the file saved. What the browser sends to the store by itself does not pass the worker, and "
        "is not measured. One gunicorn worker. s3upload deletes the pending object within this; s3file leaves its own "
        "in the store. 5000 MB are measured in the first round only, and so are 1000 MB but for s3upload, what it is "
        "compared with, and boto3 alone.",
        targets=[
            Target(text="one upload of 0.1 MB", cell=(OURS, "0.1"), base=(PEER, "0.1"), limit=0.7),
            Target(text="one upload of 1000 MB", cell=(OURS, "1000"), base=(PEER, "1000"), limit=0.12),
            Target(text="one upload of 1000 MB, to one of 0.1 MB", cell=(OURS, "1000"), base=(OURS, "0.1"), limit=1.3),
        ],
    )
    sizes = [0.1, 1, 10, 20] if stage.quick else list(REPETITIONS)
    bucket = stage.create_bucket()
    with _sites(stage, VARIANTS, bucket) as sites:
        for number in range(stage.rounds):
            for size in sizes:
                if size > 1000 and number:
                    continue
                for site in rotated(sites, number):
                    if size > 1000 and site.variant != "s3upload":
                        continue
                    if size == 1000 and number and VARIANTS[site.variant].title not in (OURS, PEER):
                        continue
                    stage.say(f"{figure.slug}: round {number + 1}, {size} MB, {site.variant}")
                    repetitions = 1 if stage.quick else REPETITIONS[size]
                    seconds = _cpu_of_visits(site, repetitions, size=round(size * MB))
                    figure.add(VARIANTS[site.variant].title, f"{size:g}", seconds * 1000)
                    stage.clear(bucket)
                _add_floor(figure, stage, bucket, size)
    return figure


def _add_floor(figure: Figure, stage: Stage, bucket: str, size: float) -> None:
    repetitions = 2 if stage.quick else 20
    options = stage.storage_options(bucket)
    arguments = [str(round(size * MB)), str(repetitions)]
    figure.add(FLOOR, f"{size:g}", stage.run("run_floor", "s3storage", *arguments, options=options))
    stage.clear(bucket)


def files_cpu(stage: Stage) -> Figure:
    figure = Figure(
        slug="files-cpu",
        title="CPU of the worker for a form with several files of 0.1 MB",
        unit="ms",
        axis="files in one field",
        base=PEER,
        note="The whole way, as above.",
        targets=[Target(text="50 files of 0.1 MB in one field", cell=(OURS, "50"), base=(PEER, "50"), limit=0.45)],
    )
    bucket = stage.create_bucket()
    with _sites(stage, VARIANTS, bucket) as sites:
        for number in range(stage.rounds):
            for count, repetitions in _counts(stage).items():
                for site in rotated(sites, number):
                    stage.say(f"{figure.slug}: round {number + 1}, {count} files, {site.variant}")
                    seconds = _cpu_of_visits(site, repetitions, size=SMALL, count=count)
                    figure.add(VARIANTS[site.variant].title, str(count), seconds * 1000)
                    stage.clear(bucket)
    return figure


def files_wall(stage: Stage) -> Figure:
    figure = Figure(
        slug="files-wall",
        title="Time of the form post, with several files of 0.1 MB and 20 ms for each call to the store",
        unit="s",
        axis="files in one field",
        base=PEER,
        note="From the post of the form to its answer; what was uploaded before is in the store. Each answer of the "
        "store to the worker comes 20 ms late, and a new connection takes as long. 100 files are measured in the "
        "first round only.",
        targets=[
            Target(
                text="form post, 50 files, 20 ms per call to the store",
                cell=(OURS, "50"),
                base=(PEER, "50"),
                limit=0.35,
            )
        ],
    )
    bucket = stage.create_bucket()
    with Proxy(stage.account.endpoint_url) as line, _sites(stage, IN_STORE, bucket, line) as sites:
        for number in range(stage.rounds):
            for count in _counts(stage):
                if count == 100 and number:
                    continue
                for site in rotated(sites, number):
                    stage.say(f"{figure.slug}: round {number + 1}, {count} files, {site.variant}")
                    visitor = Visitor(site)
                    line.round_trip = 0
                    form = visitor.choose(SMALL, count)
                    line.round_trip = STORE_DELAY
                    begun = time.monotonic()
                    visitor.post(form)
                    figure.add(VARIANTS[site.variant].title, str(count), time.monotonic() - begun)
                    visitor.close()
                    stage.clear(bucket)
    return figure


def calls(stage: Stage) -> Figure:
    figure = Figure(
        slug="calls",
        title="Calls to the store",
        unit="calls",
        note="What the worker asks of the store, counted on the wire in one round, when the form is posted: the file "
        "is validated and saved. Before that only s3upload asks anything, and only for files sent in parts: the "
        "upload begins, and is completed. s3upload deletes the pending objects with one of these calls; s3file leaves "
        "its own in the store, to be removed by something else.",
        targets=[
            Target(text=f"calls to save a file: 2 and the delete, {column}", cell=(OURS, column), base=None, limit=3)
            for column in ("0.1 MB", "1000 MB", "5000 MB")
        ]
        + [
            Target(
                text="calls to save 50 files: 2 each and the delete",
                cell=(OURS, "50 files of 0.1 MB"),
                base=None,
                limit=2 * 50 + 1,
            )
        ],
    )
    columns = {"0.1 MB": (SMALL, 1), "50 files of 0.1 MB": (SMALL, 50)}
    large = {"20 MB": 20} if stage.quick else {"1000 MB": 1000, "5000 MB": 5000}
    columns |= {column: (size * MB, 1) for column, size in large.items()}
    bucket = stage.create_bucket()
    with Proxy(stage.account.endpoint_url) as line, _sites(stage, IN_STORE, bucket, line) as sites:
        for column, (size, count) in columns.items():
            for site in sites:
                if size > 1000 * MB and site.variant != "s3upload":
                    continue
                stage.say(f"{figure.slug}: {column}, {site.variant}")
                visitor = Visitor(site)
                title = VARIANTS[site.variant].title
                line.requests.clear()
                form = visitor.choose(size, count)
                if site.variant == "s3upload":
                    figure.add(f"{title}, before the form is posted", column, _calls_of_worker(line.requests))
                line.requests.clear()
                visitor.post(form)
                figure.add(title, column, _calls_of_worker(line.requests))
                visitor.close()
                stage.clear(bucket)
    return figure


def _calls_of_worker(requests: list[Request]) -> int:
    # s3file has one address for the browser and the server.
    return sum(1 for request in requests if request.operation != "PostObject")


def memory(stage: Stage) -> Figure:
    saved, read = "uploaded and saved", "read in chunks by the view"
    figure = Figure(
        slug="memory",
        title="Rise of the worker's memory with a file of 1000 MB",
        unit="MiB",
        note="The peak of the resident set during the upload, less what a worker needs that has saved a small file "
        "just before. A new worker for each sample; s3upload in up to three rounds, the others in the first.",
        targets=[
            Target(text="memory, 1000 MB uploaded and saved", cell=(OURS, saved), base=None, limit=3),
            Target(text="memory, 1000 MB read in chunks by the view", cell=(OURS, read), base=None, limit=16),
        ],
    )
    bucket = stage.create_bucket()
    for number in range(min(stage.rounds, 3)):
        for column, path in ((saved, "/"), (read, "/read/")):
            for variant in ["s3upload"] if number else VARIANTS:
                stage.say(f"{figure.slug}: round {number + 1}, {column}, {variant}")
                with stage.site(variant, stage.storage_options(bucket)) as site:
                    visitor = Visitor(site, path)
                    visitor.visit(SMALL)
                    before = site.read_meter(reset=True)
                    visitor.visit((20 if stage.quick else 1000) * MB)
                    rise = site.read_meter().peak - before.rss
                    figure.add(VARIANTS[variant].title, column, rise / 1024**2)
                    visitor.close()
                stage.clear(bucket)
    return figure


def workers(stage: Stage) -> Figure:
    figure = Figure(
        slug="workers",
        title="Uploads of 0.1 MB in a second, by the number of workers",
        unit="1/s",
        axis="workers, and visitors at the same time",
        base=PEER,
        note="The whole way of each upload, by as many visitors at the same time as there are workers. Visitors and "
        "store have the same processors as the workers: it ends to rise where these are all busy. The visitors are "
        "threads of one process, and may be what holds up the fastest variants. Two rounds at most.",
    )
    bucket = stage.create_bucket()
    each = 5 if stage.quick else 40
    for number in range(min(stage.rounds, 2)):
        for count in (1, 2) if stage.quick else (1, 2, 4):
            for variant in rotated(VARIANTS, number):
                stage.say(f"{figure.slug}: round {number + 1}, {count} workers, {variant}")
                with stage.site(variant, stage.storage_options(bucket), workers=count) as site:
                    _visit_together(site, count, 5 * count)
                    begun = time.monotonic()
                    _visit_together(site, count, each)
                    rate = count * each / (time.monotonic() - begun)
                    figure.add(VARIANTS[variant].title, str(count), rate)
                stage.clear(bucket)
    return figure


FIGURES: dict[str, Callable[[Stage], Figure]] = {
    "upload-cpu": upload_cpu,
    "files-cpu": files_cpu,
    "files-wall": files_wall,
    "calls": calls,
    "memory": memory,
    "workers": workers,
}

SLUGS = tuple(FIGURES)


@contextlib.contextmanager
def _sites(stage: Stage, variants: list[str] | dict, bucket: str, line: Proxy | None = None) -> Iterator[list[Site]]:
    """Run a site of each variant, warmed up; before the store stands the line, if there is one."""
    with contextlib.ExitStack() as stack:
        sites = []
        for variant in variants:
            options = stage.storage_options(bucket)
            if line is not None:
                options["endpoint_url"] = line.address
                if variant == "s3upload":
                    options["public_endpoint_url"] = stage.account.endpoint_url
            site = stack.enter_context(stage.site(variant, options))
            _cpu_of_visits(site, 2 if stage.quick else 20, size=SMALL)
            _cpu_of_visits(site, 1, size=20 * MB)
            sites.append(site)
        stage.clear(bucket)
        yield sites


def _cpu_of_visits(site: Site, repetitions: int, *, size: int, count: int = 1) -> float:
    """Return the CPU seconds of the worker for one visit."""
    visitor = Visitor(site)
    idle = site.read_meter().cpu
    before = site.read_meter().cpu
    for _ in range(repetitions):
        visitor.visit(size, count)
    after = site.read_meter().cpu
    visitor.close()
    # The meter costs something, too.
    return max(after - before - (before - idle), math.ulp(0)) / repetitions


def _visit_together(site: Site, visitors: int, each: int) -> None:
    def visit() -> None:
        visitor = Visitor(site)
        for _ in range(each):
            visitor.visit(SMALL)
        visitor.close()

    with ThreadPoolExecutor(max_workers=visitors) as pool:
        for done in [pool.submit(visit) for _ in range(visitors)]:
            done.result()


def _counts(stage: Stage) -> dict[int, int]:
    return {1: 1, 3: 1} if stage.quick else COUNTS
