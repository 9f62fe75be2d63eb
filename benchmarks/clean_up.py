"""What the clean-up of a bucket costs, by what is in it."""

from __future__ import annotations

from collections.abc import Iterator

from .figures import Figure
from .stage import Stage

COUNTS = {10: 5, 100: 5, 1_000: 3, 10_000: 2, 100_000: 1}
"""Pending objects, and rounds at most: many objects even out what differs."""

WALL, CPU = "time", "CPU of the command"

ROW = "s3upload_cleanup"

SLUGS = ("clean-up", "clean-up-memory")


def measure(stage: Stage) -> Iterator[Figure]:
    if not stage.wants(*SLUGS):
        return
    time = Figure(
        slug="clean-up",
        title="The clean-up, by the pending objects that it removes",
        unit="s",
        axis="pending objects",
        note="All are listed, and removed a thousand at a time. The class behind the command is told that all of them "
        "are old: the command takes none that is younger than a day. A store on loopback that does not wait for a "
        "disk. 1,000 objects are removed in three rounds at most, 10,000 in two, and 100,000 in one.",
    )
    memory = Figure(
        slug="clean-up-memory",
        title="Rise of memory during the clean-up",
        unit="MiB",
        axis="pending objects",
        note="The peak of the resident set, less what the process had before the first list. In as many "
        "rounds as above.",
    )
    bucket = stage.create_bucket()
    stage.account.client().put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    options = stage.storage_options(bucket)
    for number in range(stage.rounds):
        for count, rounds in COUNTS.items():
            if number >= rounds or (stage.quick and count > 100):
                continue
            stage.say(f"{time.slug}: round {number + 1}, {count} objects")
            stage.run("run_clean_up", "s3upload", "fill", str(count), options=options)
            used = stage.run("run_clean_up", "s3upload", "clean", str(count), options=options)
            time.add(f"{ROW}, {WALL}", str(count), used["wall"])
            time.add(f"{ROW}, {CPU}", str(count), used["cpu"])
            memory.add(ROW, str(count), used["peak"] / 1024**2)
    yield from (figure for figure in (time, memory) if stage.wants(figure.slug))
