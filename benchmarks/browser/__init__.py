"""What a visitor waits for, in Chromium: by size on loopback, on a slow line, and for the script itself."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, Target
from benchmarks.stage import Stage, rotated
from tests.conftest import Chrome

from .scripts import bundle_uppy, sizes, static, uppy_version
from .ways import PARTS, PUT, PUT_AND_POST, S3FILE, S3FILE_COPY, S3UPLOAD, UPPY, Line, Way, Window

VERSIONS = {"Uppy, S3 plugin": uppy_version()}

SLUGS = ("browser-answer", "browser-upload", "browser-line", "browser-script")

MB = 1_000_000

SPEED = 10 * MB
ROUND_TRIP = 0.03
"""Bytes per second and connection, and seconds, of the slow line."""

GARBAGE = 12
"""Seconds after which the store has removed what was deleted: it waits five, and looks every five."""


def measure(stage: Stage) -> Iterator[Figure]:
    """Yield the wanted figures."""
    if stage.wants("browser-answer", "browser-upload"):
        yield from (figure for figure in by_size(stage) if stage.wants(figure.slug))
    if stage.wants("browser-line"):
        yield on_a_line(stage)
    if stage.wants("browser-script"):
        yield weigh_scripts()


WAYS = (S3UPLOAD, S3FILE_COPY, S3FILE, UPPY, PUT_AND_POST, PUT, PARTS)


def by_size(stage: Stage, ways: tuple[Way, ...] = WAYS) -> list[Figure]:
    """Upload files of several sizes on loopback."""
    megabytes = (1, 20) if stage.quick else (10, 100, 500)
    small, large = str(megabytes[0]), str(megabytes[-1])
    answer = Figure(
        slug="browser-answer",
        title="In Chromium, on loopback: from the choice of a file to the answer to the form",
        unit="MB/s",
        note="A file is chosen and the form submitted at once. The clock is the page's own: from the change event to "
        "the last byte of the answer, with the form post and the copy to its place in the store. What is "
        "bare is signed beforehand and is nothing but the request, or the requests, to the store: it ends with the "
        "store's answer, without a form and without a copy, but where it says so. The sites of Uppy and of that form "
        "make the same calls to the store as s3upload.",
        axis="size of the file, MB",
        targets=[
            Target(
                text="10 MB in Chromium, to a bare PUT",
                cell=(S3UPLOAD.title, small),
                base=(PUT.title, small),
                limit=0.8,
                at_least=True,
            ),
            Target(
                text="10 MB in Chromium, to a bare PUT and the same form (floor of the same clock)",
                cell=(S3UPLOAD.title, small),
                base=(PUT_AND_POST.title, small),
                limit=0.8,
                at_least=True,
            ),
            Target(
                text="500 MB in Chromium, to s3file with its copy storage",
                cell=(S3UPLOAD.title, large),
                base=(S3FILE_COPY.title, large),
                limit=0.9,
                at_least=True,
            ),
        ],
    )
    upload = Figure(
        slug="browser-upload",
        title="In Chromium, on loopback: from the choice of a file until it is in the store",
        unit="MB/s",
        note="The same uploads, until the form is on its way.",
        axis="size of the file, MB",
    )
    with _window(stage) as window, Line(stage) as line:
        for size in megabytes:
            path = _file(stage, size * MB)
            for way, times in _in_turn(stage, window, line, ways, path):
                upload.add(way.title, str(size), size / times.upload)
                answer.add(way.title, str(size), size / times.answer)
            path.unlink()
    return [answer, upload]


def on_a_line(stage: Stage) -> Figure:
    """Upload one file over a slow line."""
    size = 10 if stage.quick else 40
    column = f"{size} MB"
    figure = Figure(
        slug="browser-line",
        title="In Chromium, on a slow line: from the choice of a file to the answer to the form",
        unit="s",
        note=f"{SPEED // MB} MB/s for each connection and {ROUND_TRIP * 1000:.0f} ms to make one and for each answer, "
        "between the browser and both servers, by a proxy. s3upload sends the parts of a file at the same time; "
        "s3file sends every file over one connection, and so does Uppy with its defaults, which sends up to 100 MiB "
        "whole. What s3upload gains here comes from the limit being one for each connection: on a line that limits "
        "all of them together, it is not there.",
        targets=[
            Target(
                text="40 MB on the limited line, to s3file with its copy storage",
                cell=(S3UPLOAD.title, column),
                base=(S3FILE_COPY.title, column),
                limit=0.35,
            )
        ],
    )
    path = _file(stage, size * MB)
    with _window(stage) as window, Line(stage, speed=SPEED, round_trip=ROUND_TRIP) as line:
        for way, times in _in_turn(stage, window, line, (S3UPLOAD, S3FILE_COPY, UPPY, PUT, PARTS), path):
            figure.add(way.title, column, times.answer)
    path.unlink()
    return figure


def weigh_scripts() -> Figure:
    """Weigh what pages load."""
    figure = Figure(
        slug="browser-script",
        title="The script",
        unit="bytes",
        note="As it is served, and compressed. That of s3file is served as it was written; Uppy's bundle is its core "
        "with the S3 plugin and no interface; that of s3upload has its interface, style and translations in it.",
        targets=[
            Target(
                text="the script with everything in it, minified and compressed",
                cell=("s3upload", "gzip"),
                base=None,
                limit=8 * 1024,
            )
        ],
    )
    scripts = {
        "s3upload": static("s3upload", "s3upload/s3upload.js"),
        "s3file": static("s3file", "s3file/js/s3file.js"),
        UPPY.title: bundle_uppy(),
    }
    for title, script in scripts.items():
        for column, size in sizes(script).items():
            figure.add(title, column, size)
    return figure


def _in_turn(stage: Stage, window: Window, line: Line, ways: tuple[Way, ...], path: Path) -> Iterator:
    size = path.stat().st_size
    for way in ways:
        # Once for nothing: sites and browser have then loaded what they load late.
        window.upload(way, path, line)
    for round_ in range(stage.rounds):
        _clear(stage, line, size)
        for way in rotated(ways, round_):
            times = window.upload(way, path, line)
            stage.say(f"{size / MB:.0f} MB, {way.title}: {times.upload:.3f} s, {times.answer:.3f} s")
            yield way, times
    _clear(stage, line, size)


def _clear(stage: Stage, line: Line, size: int) -> None:
    """Leave the store with nothing to keep and, after large files, nothing to remove."""
    stage.empty_bucket(line.bucket)
    if size > 50 * MB:
        time.sleep(GARBAGE)


def _file(stage: Stage, size: int) -> Path:
    path = stage.folder / f"chosen-{size}.bin"
    with path.open("wb") as file:
        for start in range(0, size, MB):
            file.write(os.urandom(min(MB, size - start)))
    return path


@contextlib.contextmanager
def _window(stage: Stage) -> Iterator[Window]:
    chrome = Chrome(stage.folder / "chromium")
    try:
        yield Window(chrome, bundle_uppy().decode())
    finally:
        chrome.quit()
