"""
A form with many file inputs, rendered again and again.

``run_rendering REPETITIONS INPUTS …``: prints, for each number of inputs, ``{"seconds": …, "bytes": …}`` of one form.
"""

from __future__ import annotations

import json
import sys
import time

import django

from .forms import form_of


def main() -> None:
    django.setup()
    repetitions, *inputs = map(int, sys.argv[1:])
    answer = {}
    for count in inputs:
        form = form_of(count)
        times = max(3, repetitions // count)
        for _ in range(max(3, times // 10)):
            html = str(form())
        begun = time.process_time()
        for _ in range(times):
            str(form())
        seconds = (time.process_time() - begun) / times
        answer[count] = {"seconds": seconds, "bytes": len(html.encode())}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
