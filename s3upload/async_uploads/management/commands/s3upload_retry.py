"""``manage.py s3upload_retry``: what could not be promoted is tried again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from s3upload.async_uploads.models import UploadRecord
from s3upload.async_uploads.records import retry
from s3upload.exceptions import S3UploadError


class Command(BaseCommand):
    help = "Tries again to save the uploads that a store would not save. It can run at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="of the records; all that failed without")

    def handle(self, *args: Any, ids: list[int], **options: Any) -> None:
        failed = UploadRecord.objects.filter(state=UploadRecord.State.FAILED)
        if ids:
            unknown = set(ids) - set(failed.filter(pk__in=ids).values_list("pk", flat=True))
            if unknown:
                raise CommandError(f"No failed upload has the id {', '.join(map(str, sorted(unknown)))}.")
            failed = failed.filter(pk__in=ids)
        problems = []
        for record in failed.order_by("pk").iterator():
            try:
                name = retry(record)
            except (S3UploadError, DatabaseError) as error:
                problems.append(f"{record.pk}: {type(error).__name__}: {error}")
            else:
                self.stdout.write(f"{record.pk}: stored as {name}")
        if problems:
            raise CommandError("Not everything could be stored. " + "; ".join(problems))
        if not options.get("quiet") and not ids and not failed.exists():
            self.stdout.write("Nothing is left that failed.")
