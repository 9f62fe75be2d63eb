from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_delete
from django.utils.translation import gettext_lazy as _


class FilePondConfig(AppConfig):
    name = "s3upload.filepond"
    label = "s3upload_filepond"
    verbose_name = _("FilePond uploads")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .. import scopes
        from . import checks, keeper
        from .models import TemporaryUpload
        from .removing import remove_after_commit

        checks.register()
        scopes.register(keeper.NAME, keeper.FilePondKeeper())
        # By a signal: a query set, a cascade and the admin don't call the model's own delete().
        post_delete.connect(remove_after_commit, sender=TemporaryUpload, dispatch_uid=f"{self.label}.remove")
