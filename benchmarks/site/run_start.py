"""
A site from nothing to a ready application, and on to its first form.

Prints ``{"ready": {…}, "form": {…}}`` with ``cpu`` and ``wall``, in seconds since the process began, and ``boto``, how
many modules of boto3 and botocore were imported.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from django.core.wsgi import get_wsgi_application


def main() -> None:
    application = get_wsgi_application()
    ready = used()
    status = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": sys.stdin.buffer,
    }
    b"".join(application(environ, lambda line, headers: status.append(line)))
    form = used()
    assert status == ["200 OK"], status
    sys.stdout.write(json.dumps({"ready": ready, "form": form}))


def used() -> dict[str, Any]:
    return {
        "cpu": time.process_time(),
        # The clock is one for all processes.
        "wall": time.monotonic() - float(os.environ["BENCH_BEGUN"]),
        "boto": sum(1 for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore")),
    }


if __name__ == "__main__":
    main()
