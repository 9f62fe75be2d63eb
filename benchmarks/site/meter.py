"""
What a worker has used, told by the worker itself.

It stands before Django, under the path `PATH`: ``GET`` answers ``{"cpu": …, "peak": …, "rss": …}`` (CPU seconds of the
process with all its threads, peak and present bytes of memory); ``POST`` also lets the peak begin anew.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

PATH = "/__meter__/"


def read(*, reset: bool) -> bytes:
    status = Path("/proc/self/status").read_text()
    used = {name: int(kib) * 1024 for name, kib in re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB", status, re.MULTILINE)}
    if reset:
        # https://docs.kernel.org/filesystems/proc.html: 5 resets the peak
        Path("/proc/self/clear_refs").write_text("5")
    answer = {"cpu": time.process_time(), "peak": used["VmHWM"], "rss": used["VmRSS"]}
    return json.dumps(answer).encode()
