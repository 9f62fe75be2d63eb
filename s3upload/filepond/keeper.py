"""What the core asks of this app: whose file an id is, and what is to be cleaned up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from django.db import router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from ..exceptions import UploadForeign, UploadGone
from ..files import DirectUploadedFile, RequestUploads
from ..owners import identities_of, outside_event_loop
from ..scopes import Keeper
from ..tokens import SignedText
from .exceptions import ConfigurationError
from .files import upload_file
from .models import TemporaryUpload, is_id
from .places import temporary_alias
from .removing import remove_all, strays

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
        before = timezone.now() - age
        old = TemporaryUpload.objects.using(using).filter(changed__lt=before)
        left = list(self._strays(before))
        if dry_run:
            count = old.count()
        else:
            count = sum(map(partial(self._remove, old, using), old.values_list("pk", flat=True).iterator()))
            for stray in left:
                remove_all(stray)
        done = "would be removed" if dry_run else "removed"
        uploads = f"{count} temporary upload{'' if count == 1 else 's'}"
        folders = f"{len(left)} folder{'' if len(left) == 1 else 's'} without one"
        return f"FilePond: {uploads} and {folders} {done}"

    @staticmethod
    def _remove(old: QuerySet[TemporaryUpload], using: str, upload_id: str) -> bool:
        with transaction.atomic(using=using):
            # Somebody may have gone on with it since it was found.
            upload = old.select_for_update().filter(pk=upload_id).first()
            if upload is not None:
                upload.delete()
        return upload is not None

    @staticmethod
    def _strays(before: datetime) -> Iterator[TemporaryUpload]:
        try:
            yield from strays(temporary_alias(), before)
        except (ConfigurationError, LookupError) as error:
            # Nothing can have been uploaded then; where it is used, it says more.
            logger.info("no temporary uploads can be looked for: %s", error)
