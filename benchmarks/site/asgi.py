import os
from typing import Any

from django.core.asgi import get_asgi_application

from . import meter

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.site.settings"
django_application = get_asgi_application()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope.get("path") != meter.PATH:
        await django_application(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": meter.read(reset=scope["method"] == "POST")})
