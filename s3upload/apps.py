from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class S3UploadConfig(AppConfig):
    name = "s3upload"
    verbose_name = _("Direct uploads")

    def ready(self) -> None:
        from . import checks, widgets

        widgets.install()
        checks.register()
