from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AsyncUploadsConfig(AppConfig):
    name = "s3upload.async_uploads"
    label = "s3upload_async_uploads"
    verbose_name = _("Uploads")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .. import scopes
        from . import checks, scope
        from .keeper import AsyncKeeper

        scopes.register(scope.NAME, AsyncKeeper())
        checks.register()
