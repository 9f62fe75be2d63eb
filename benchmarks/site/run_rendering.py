"""
A form with many file inputs, rendered again and again.

``run_rendering REPETITIONS INPUTS …``: prints, for each number of inputs, ``{"seconds": …, "bytes": …}`` of one form.
"""

from __future__ import annotations

import json
import sys
import time

import django
from django import forms

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
        answer[count] = {"seconds": seconds_of(form, times), "bytes": len(html.encode())}
    sys.stdout.write(json.dumps(answer))


def seconds_of(form: type[forms.Form], times: int) -> float:
    """Return the CPU seconds of one rendering."""
    begun = time.process_time()
    for _ in range(times):
        str(form())
    return (time.process_time() - begun) / times


if __name__ == "__main__":
    main()
