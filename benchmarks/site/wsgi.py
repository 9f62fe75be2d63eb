import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from . import meter

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.site.settings"
django_application = get_wsgi_application()
if "BENCH_STATIC" in os.environ:
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    django_application = StaticFilesHandler(django_application)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] != meter.PATH:
        return django_application(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [meter.read(reset=environ["REQUEST_METHOD"] == "POST")]
