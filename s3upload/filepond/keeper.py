"""What the core asks of this app: whose file an id is, and what is to be cleaned up."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import router
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import ngettext

from ..exceptions import StoreUnavailable, UploadForeign, UploadGone
from ..files import DirectUploadedFile, RequestUploads
from ..owners import identities_of, outside_event_loop
from ..scopes import Keeper
from ..tokens import SignedText
from .files import upload_file
from .models import TemporaryUpload, is_id
from .places import temporary_alias

logger = logging.getLogger(__name__)

NAME = "filepond"


class FilePondKeeper(Keeper):
    """Takes ids in place of tokens, and cleans up."""

    def upload_of(
        self, request: HttpRequest, uploads: RequestUploads, posted: SignedText, field: str
    ) -> DirectUploadedFile | None:
        if not is_id(posted):
            return None
        found = outside_event_loop(lambda: TemporaryUpload.objects.filter(pk=posted, is_complete=True).first())
        if found is None or found.owner not in identities_of(request):
            # The same for both: nobody learns which ids there are.
            missing = TemporaryUpload(upload_id=posted, upload_name="file", size=0, storage=temporary_alias())
            return upload_file(missing, uploads, posted, UploadGone("no such upload of this visitor"))
        error = UploadForeign("an upload was posted for two fields") if uploads.has(found.token) else None
        return upload_file(found, uploads, posted, error)

    def clean_up(self, age: timedelta, *, dry_run: bool) -> str:
        using = router.db_for_write(TemporaryUpload)
        old = TemporaryUpload.objects.using(using).filter(changed__lt=timezone.now() - age)
        count = old.count()
        failed = 0
        if not dry_run:
            for upload in old.iterator(chunk_size=100):
                try:
                    upload.delete()
                except (OSError, StoreUnavailable, LookupError) as error:
                    logger.warning("a temporary upload could not be removed: %s", type(error).__name__)
                    failed += 1
        done = "would be removed" if dry_run else "removed"
        problems = f"; {failed} could not be removed" if failed else ""
        uploads = ngettext("%(count)d temporary upload", "%(count)d temporary uploads", count) % {"count": count}
        return f"FilePond: {uploads} {done}{problems}"
