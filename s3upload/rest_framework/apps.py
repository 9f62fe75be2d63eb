from __future__ import annotations

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class RestFrameworkConfig(AppConfig):
    name = "s3upload.rest_framework"
    label = "s3upload_rest_framework"
    verbose_name = _("Direct uploads")

    def ready(self) -> None:
        from ..widgets import install
        from . import browsable, fields, requests

        for module in (requests, fields, browsable):
            install(module.METHODS)
        if apps.is_installed("drf_spectacular"):
            # To define its classes registers them.
            from . import schema  # noqa: F401
