"""What the core asks of this app: whose file an id is, and what is to be cleaned up."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta

from django.db import router, transaction
from django.http import HttpRequest
from django.utils import timezone

from ..exceptions import UploadForeign, UploadGone
from ..files import DirectUploadedFile, RequestUploads
from ..owners import outside_event_loop
from ..scopes import Keeper
from ..tokens import SignedText
from .exceptions import ConfigurationError
from .files import upload_file
from .models import TemporaryUpload, UploadQuerySet, is_id
from .places import temporary_alias
from .removing import TOGETHER, remove_all, strays

logger = logging.getLogger(__name__)

NAME = "filepond"


class FilePondKeeper(Keeper):
    """Takes ids in place of tokens, and cleans up."""

    def upload_of(
        self, request: HttpRequest, uploads: RequestUploads, posted: SignedText, field: str
    ) -> DirectUploadedFile | None:
        if not is_id(posted):
            return None
        own = TemporaryUpload.objects.of(request)
        found = outside_event_loop(lambda: own.filter(pk=posted, is_complete=True).first())
        if found is None:
            # The same for both: nobody learns which ids there are.
            missing = TemporaryUpload(upload_id=posted, upload_name="file", size=0, storage=temporary_alias())
            return upload_file(missing, uploads, posted, UploadGone("no such upload of this visitor"))
        error = UploadForeign("an upload was posted for two fields") if uploads.has(found.token) else None
        return upload_file(found, uploads, posted, error)

    def kept(self, keys: Collection[str]) -> Collection[str]:
        # What comes in parts is where the core's uploads are. It goes with its record.
        listed = list(keys)
        return {
            key
            for start in range(0, len(listed), TOGETHER)
            for key in _all().filter(key__in=listed[start : start + TOGETHER]).values_list("key", flat=True)
        }

    def clean_up(self, age: timedelta, *, dry_run: bool) -> str:
        before = timezone.now() - age
        old = _all().filter(changed__lt=before)
        count = old.count() if dry_run else sum(_remove(old, pk) for pk in old.values_list("pk", flat=True).iterator())
        problem, folders = "", 0
        try:
            for stray in strays(temporary_alias(), before):
                folders += dry_run or remove_all(stray, with_folder=True)
        except (ConfigurationError, LookupError) as error:
            # Nothing can have been uploaded then; where it is used, it says more.
            logger.info("no temporary uploads can be looked for: %s", error)
        except Exception as error:  # any storage's own: what other apps have is cleaned all the same
            logger.error("the temporary uploads could not be listed: %s", type(error).__name__)
            problem = f"; what is left without one could not be listed ({type(error).__name__})"
        if not (count or folders or problem):
            return ""
        done = "would be removed" if dry_run else "removed"
        uploads = f"{count} temporary upload{'' if count == 1 else 's'}"
        return f"FilePond: {uploads} and {folders} folder{'' if folders == 1 else 's'} without one {done}{problem}"


def _all() -> UploadQuerySet:
    return TemporaryUpload.objects.using(router.db_for_write(TemporaryUpload))


def _remove(old: UploadQuerySet, upload_id: str) -> bool:
    with transaction.atomic(using=old.db):
        # Somebody may have gone on with it since it was found.
        upload = old.select_for_update().filter(pk=upload_id).first()
        if upload is not None:
            upload.delete()
    return upload is not None
