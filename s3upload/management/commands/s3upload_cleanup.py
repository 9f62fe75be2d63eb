"""``manage.py s3upload_cleanup``: what nobody claimed goes."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from s3upload.cleanup import DEFAULT_AGE, Summary, clean_up, clean_up_records, in_hours

WIDTH = 30
"""Characters of the progress bar."""


class Command(BaseCommand):
    help = (
        "Removes uploads that no form has claimed: pending objects and unfinished uploads in parts, in every storage. "
        "It can run at any time."
    )
    # It looks at what it needs itself, and runs where the site's views are not installed.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--age",
            type=_age,
            default=DEFAULT_AGE,
            metavar="HOURS",
            help="remove what is at least so old; no less than a token lives (default: %(default)s)".replace(
                "%(default)s", f"{DEFAULT_AGE / timedelta(hours=1):g}"
            ),
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
        parser.add_argument("--quiet", action="store_true", help="print errors only")

    def handle(self, *args: Any, age: timedelta | str | float, dry_run: bool, quiet: bool, **options: Any) -> None:
        if not isinstance(age, timedelta):
            # As call_command() hands it on, for a scheduler.
            try:
                age = _age(age)
            except argparse.ArgumentTypeError as error:
                raise CommandError(f"the age {error}") from error
        shows_progress = not quiet and self.stderr.isatty()
        try:
            summaries = clean_up(age, dry_run=dry_run, progress=self._show if shows_progress else None)
            records = clean_up_records(age, dry_run=dry_run)
        except (ValueError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        if shows_progress:
            self._write("\r\033[K")
        if not quiet:
            for summary in summaries:
                self.stdout.write(_text(summary, age, dry_run=dry_run))
            for record in records:
                self.stdout.write(record)
        problems = [
            *(f"{one.storage}: {one.error}" for one in summaries if one.error),
            *(f"{one.storage}: {one.failed} could not be removed" for one in summaries if one.failed),
        ]
        if problems:
            raise CommandError("Not everything could be cleaned up. " + "; ".join(problems))

    def _show(self, storage: str, done: float) -> None:
        bar = "#" * int(done * WIDTH)
        self._write(f"\r\033[K{storage} [{bar:<{WIDTH}}] {done:4.0%}")

    def _write(self, text: str) -> None:
        # Neither in red nor line by line, as errors are.
        self.stderr.write(text, style_func=str, ending="")
        self.stderr.flush()


def _age(hours: str | float) -> timedelta:
    try:
        return timedelta(hours=float(hours))
    except (TypeError, ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{hours!r} is no number of hours; the default is 48") from error


def _text(summary: Summary, age: timedelta, *, dry_run: bool) -> str:
    # filesizeformat writes a space that does not break, which not every terminal shows.
    size = filesizeformat(summary.size).replace("\xa0", " ")
    objects = f"{summary.objects} object{'' if summary.objects == 1 else 's'} ({size})"
    uploads = f"{summary.uploads} unfinished upload{'' if summary.uploads == 1 else 's'}"
    done = "would be removed" if dry_run else "removed"
    foreign = f"; {summary.foreign} not signed by this site, left alone" if summary.foreign else ""
    younger = f"{summary.younger} younger than {in_hours(age)}"
    kept = f"; {summary.kept} kept" if summary.kept else ""
    return f"{summary.storage}: {objects} and {uploads} {done}; {younger}{kept}{foreign}"
