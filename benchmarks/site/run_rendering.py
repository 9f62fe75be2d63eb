"""
A form with many file inputs, rendered again and again.

``run_rendering REPETITIONS INPUTS …``: prints, for each number of inputs, ``{"seconds": …, "bytes": …}`` of one form;
with s3upload also ``"again"``, the seconds of one that comes within the second of another.
"""

from __future__ import annotations

import json
import sys
import time

import django
from django import forms

from . import cold
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
        answer[count] = {"seconds": seconds_of(form, times, is_cold=True), "bytes": len(html.encode())}
        if cold.HAS_MEMORY:
            answer[count]["again"] = seconds_of(form, times, is_cold=False)
    sys.stdout.write(json.dumps(answer))


def seconds_of(form: type[forms.Form], times: int, *, is_cold: bool) -> float:
    """Return the CPU seconds of one rendering; it is no part of it to forget the one before."""
    seconds = 0.0
    for _ in range(times):
        if is_cold:
            cold.forget()
        begun = time.process_time()
        str(form())
        seconds += time.process_time() - begun
    return seconds / times


if __name__ == "__main__":
    main()
