"""
What a worker has used, told by the worker itself.

It stands before Django, under the path `PATH`: ``GET`` answers ``{"cpu": …, "peak": …, "rss": …, "calls": {…}}`` (CPU
seconds of the process with all its threads, peak and present bytes of memory, operations of S3 by name since the
start); ``POST`` also lets the peak begin anew.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

PATH = "/__meter__/"

calls: Counter[str] = Counter()


def read(*, reset: bool) -> bytes:
    status = Path("/proc/self/status").read_text()
    used = {name: int(kib) * 1024 for name, kib in re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB", status, re.MULTILINE)}
    if reset:
        # https://docs.kernel.org/filesystems/proc.html: 5 resets the peak
        Path("/proc/self/clear_refs").write_text("5")
    answer = {"cpu": time.process_time(), "peak": used["VmHWM"], "rss": used["VmRSS"], "calls": calls}
    return json.dumps(answer).encode()


def count_calls() -> None:
    """Count the calls to S3. Imports botocore: not where the start of a site, or its first form, is measured."""
    from botocore.client import BaseClient

    make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted(client: BaseClient, operation: str, parameters: Any) -> Any:
        calls[operation] += 1
        return make_api_call(client, operation, parameters)

    BaseClient._make_api_call = counted  # type: ignore[attr-defined]
