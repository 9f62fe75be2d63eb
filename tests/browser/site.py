"""What a site has that stands between a visitor and an upload."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def login_wall(get_response: Any) -> Any:
    """Middleware that sends whoever is not signed in to the login, whatever is asked for."""

    def middleware(request: HttpRequest) -> Any:
        if request.path.startswith("/static/") or request.user.is_authenticated:
            return get_response(request)
        return redirect_to_login(request.get_full_path(), "/admin/login/")

    return middleware


def refuse(request: HttpRequest, policy: Any, file: Any) -> None:
    """S3UPLOAD_AUTHORIZE of a site where nobody may upload."""
    raise PermissionDenied("Only members may upload files.")
