"""What the middleware costs a request that has no upload."""

from __future__ import annotations

from collections.abc import Iterator

from .figures import Figure, Target
from .stage import Stage

WITH, WITHOUT = "with the middleware", "without it"

REQUESTS = ["GET", "form, urlencoded", "JSON, 1 MB", "raw stream, 1 MB", "multipart, refused"]

SLUGS = ("no-upload",)


def measure(stage: Stage) -> Iterator[Figure]:
    if not stage.wants(*SLUGS):
        return
    figure = Figure(
        slug="no-upload",
        title="A request without an upload, through the middleware",
        unit="µs",
        base=WITHOUT,
        note="CPU of Django's WSGI handler, called in the same process with and without the middleware in turn. JSON "
        "and stream are read by the view in pieces of 64 KiB; the multipart form, of 1 MB, is refused by Django's "
        "CSRF protection. The run fails unless both give the same answer and have read as much of the body.",
        targets=[
            Target(text=f"through the middleware: {name}", cell=(WITH, name), base=(WITHOUT, name), limit=1.05)
            for name in REQUESTS
        ],
    )
    for number in range(stage.rounds):
        stage.say(f"{figure.slug}: round {number + 1}")
        for name, taken in stage.run("run_requests", "s3upload", "3" if stage.quick else "40").items():
            for row, how in ((WITH, "with"), (WITHOUT, "without")):
                for seconds in taken[how]:
                    figure.add(row, name, seconds * 1e6)
    yield figure
