"""How long a process takes to be ready, and what it has imported by then."""

from __future__ import annotations

from collections.abc import Iterator

from .figures import Figure, Target
from .stage import Stage, rotated
from .variants import VARIANTS

OURS, STOCK = VARIANTS["s3upload"].title, VARIANTS["s3storage"].title

READY, FORM = "application ready", "first form answered"
CPU, WALL = "CPU", "wall"

SLUGS = ("start-up", "boto3")


def measure(stage: Stage) -> Iterator[Figure]:
    if not stage.wants(*SLUGS):
        return
    time = Figure(
        slug="start-up",
        title="Start of a process",
        unit="ms",
        base=STOCK,
        note="From the start of the interpreter until Django's WSGI application can be called, and until it has "
        "answered the first request, for a form.",
        targets=[
            Target(
                text=f"start-up to a ready application, {what}",
                cell=(OURS, f"{READY}, {what}"),
                base=(STOCK, f"{READY}, {what}"),
                limit=1.1,
            )
            for what in (CPU, WALL)
        ],
    )
    imported = Figure(
        slug="boto3",
        title="Modules of boto3 and botocore that a process has imported",
        unit="modules",
        targets=[
            Target(text=f"modules of boto3 imported: {column}", cell=(OURS, column), base=None, limit=0)
            for column in (READY, FORM)
        ],
    )
    # The first start compiles, and warms the cache of the file system.
    for number in range(-1, 2 if stage.quick else 3 * stage.rounds):
        for variant, named in rotated(VARIANTS.items(), number):
            stage.say(f"{time.slug}: round {number + 1}, {variant}")
            answer = stage.run("run_start", variant)
            if number < 0:
                continue
            for column, used in ((READY, answer["ready"]), (FORM, answer["form"])):
                time.add(named.title, f"{column}, {CPU}", used["cpu"] * 1000)
                time.add(named.title, f"{column}, {WALL}", used["wall"] * 1000)
                imported.add(named.title, column, used["boto"])
    yield from (figure for figure in (time, imported) if stage.wants(figure.slug))
