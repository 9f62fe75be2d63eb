"""
Serve the site of the tests until the input ends.

The first line of the output is its address; then the operations of S3 follow that it makes, as they are called.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any
from wsgiref.simple_server import WSGIServer

import django
from botocore.client import BaseClient
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

from s3upload.backends.s3 import copying


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_calls() -> None:
    make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def said(client: BaseClient, operation: str, parameters: Any) -> Any:
        say(operation)
        return make_api_call(client, operation, parameters)

    BaseClient._make_api_call = said  # type: ignore[attr-defined]


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.site.settings"
    django.setup()
    if "SITE_COPY_LIMIT" in os.environ:
        # Bytes; what takes more than 5 GiB otherwise.
        copying.COPY_LIMIT = copying.COPY_PART_SIZE = int(os.environ["SITE_COPY_LIMIT"])
    call_command("migrate", run_syncdb=True, verbosity=0)
    server: WSGIServer = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(StaticFilesHandler(WSGIHandler()))
    say(f"http://127.0.0.1:{server.server_port}")
    say_calls()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
