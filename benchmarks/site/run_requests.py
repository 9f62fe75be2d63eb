"""
Requests without an upload, through a site with its middleware and through the same without it, in turn.

``run_requests BATCHES``: prints ``{request: {"with": [seconds, …], "without": [seconds, …]}}``, each for one request;
fails when the answers differ, or what was read of the body.
"""

from __future__ import annotations

import gc
import io
import json
import sys
import time
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings

from benchmarks.visitor import BOUNDARY, multipart

MB = 1_000_000

FORM = b"name=Ada&" + b"&".join(b"field%d=a+value" % number for number in range(20))
REFUSED = b"".join(multipart([("name", "Ada")], [("a.bin", MB)])[0])

MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"

Answer = tuple[str, bytes, int]

REQUESTS: dict[str, tuple[str, str, str, bytes, int]] = {
    "GET": ("GET", "/form/", "", b"", 40),
    "form, urlencoded": ("POST", "/form/", "application/x-www-form-urlencoded", FORM, 40),
    "JSON, 1 MB": ("POST", "/body/", "application/json", json.dumps("a" * (MB - 2)).encode(), 40),
    "raw stream, 1 MB": ("POST", "/body/", "application/octet-stream", bytes(MB), 40),
    # There is no cookie of CSRF protection.
    "multipart, refused": ("POST", "/", MULTIPART, REFUSED, 40),
}
"""Method, path, type and body, and how many are made in a batch."""


def main() -> None:
    django.setup()
    batches = int(sys.argv[1])
    with_it = WSGIHandler()
    with override_settings(MIDDLEWARE=settings.MIDDLEWARE[:-1]):
        without_it = WSGIHandler()
    handlers = {"with": with_it, "without": without_it}
    answer: dict[str, dict[str, list[float]]] = {}
    for name, request in REQUESTS.items():
        answers = {how: call(handler, *request[:4]) for how, handler in handlers.items()}
        assert answers["with"] == answers["without"], (name, answers)
        taken = answer[name] = {"with": [], "without": []}
        for number in range(-batches // 10, batches):
            # The garbage of one is not collected in the time of the other.
            gc.collect()
            for how in ("with", "without") if number % 2 else ("without", "with"):
                seconds = cpu_of(handlers[how], request)
                if number >= 0:
                    taken[how].append(seconds)
    sys.stdout.write(json.dumps(answer))


def cpu_of(handler: WSGIHandler, request: tuple[str, str, str, bytes, int]) -> float:
    *what, times = request
    begun = time.process_time()
    for _ in range(times):
        call(handler, *what)
    return (time.process_time() - begun) / times


def call(handler: WSGIHandler, method: str, path: str, content_type: str, body: bytes) -> Answer:
    """Return the status, the answer, and how much of the body was read."""
    stream = io.BytesIO(body)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": stream,
    }
    status = []
    response = handler(environ, lambda line, headers: status.append(line))
    content = b"".join(response)
    read = stream.tell()
    response.close()
    return status[0], content, read


if __name__ == "__main__":
    main()
