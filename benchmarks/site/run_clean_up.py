"""
The clean-up of a bucket with many pending objects.

``run_clean_up fill COUNT`` puts them there, into a bucket that anybody may write to. ``run_clean_up clean COUNT``
removes them, and prints ``{"wall": …, "cpu": …, "peak": …}``: seconds, and bytes that the memory rose by.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import django

from . import meter

TOGETHER = 8


def main() -> None:
    django.setup()
    what, count = sys.argv[1], int(sys.argv[2])
    sys.stdout.write(json.dumps((fill if what == "fill" else clean)(count)))


def fill(count: int) -> int:
    """Put objects of 8 bytes into the bucket; unsigned, which is sooner done."""
    from s3upload.backends import backend_named

    backend = backend_named("default")
    netloc = urlsplit(backend.storage.endpoint_url).netloc

    def put(number: int) -> None:
        connection = http.client.HTTPConnection(netloc, timeout=60)
        for _ in range(number, count, TOGETHER):
            connection.request("PUT", f"/{backend.bucket}/{backend.new_key('a')}", b"measured")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
        connection.close()

    with ThreadPoolExecutor(max_workers=TOGETHER) as pool:
        list(pool.map(put, range(TOGETHER)))
    return count


def clean(count: int) -> dict[str, float]:
    """Remove what is there, however young: the command is for what is a day old, and this day is not waited for."""
    from s3upload.backends import backend_named
    from s3upload.cleanup import CleanUp

    backend = backend_named("default")
    # The first call makes a client, which is no part of the work.
    next(iter(backend.list_unfinished()), None)
    before = json.loads(meter.read(reset=True))
    begun = time.monotonic()
    # The clock of the store says no fractions of a second.
    summary = CleanUp("default", backend, timedelta(seconds=-2), dry_run=False, progress=None).run()
    wall = time.monotonic() - begun
    after = json.loads(meter.read(reset=False))
    assert (summary.objects, summary.failed, summary.error) == (count, 0, ""), summary
    return {"wall": wall, "cpu": after["cpu"] - before["cpu"], "peak": after["peak"] - before["rss"]}


if __name__ == "__main__":
    main()
