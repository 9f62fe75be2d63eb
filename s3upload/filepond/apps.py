from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FilePondConfig(AppConfig):
    name = "s3upload.filepond"
    label = "s3upload_filepond"
    verbose_name = _("FilePond uploads")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .. import scopes
        from . import keeper

        scopes.register(keeper.NAME, keeper.FilePondKeeper())
