"""
What nobody claimed goes: pending objects, and uploads in parts that were never finished.

Works beside running submits. What is removed is older than a token lives, so that no form can still be sent for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage, default_storage, storages
from django.db import models

from .backends import backend_for, backend_named, storage_name
from .backends.base import CLAIM_SUFFIX, Backend, Page, Pending
from .checks import VALID
from .conf import TOKEN_AGE, conf
from .exceptions import Forged, StoreUnavailable, UploadGone
from .scopes import keepers

logger = logging.getLogger(__name__)

SHORTEST_AGE = timedelta(seconds=TOKEN_AGE)

DEFAULT_AGE = 2 * SHORTEST_AGE

NOT_USABLE = "it can't be used as it is set up; manage.py check may say why"

TOGETHER = 8
"""Uploads in place that are looked at at the same time."""

Progress = Callable[[str, float], object]
"""Called with the name of a storage, and how far its clean-up has got, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What became of the pending objects of one storage.

    :param storage: its name (see :mod:`s3upload.backends`).
    :param objects: how many were removed; in a dry run, would be.
    :param size: bytes of these objects.
    :param uploads: unfinished uploads that were removed; in a dry run, would be.
    :param younger: objects and uploads that are not old enough.
    :param kept: those that are old enough, and left alone because an app wants them (see :mod:`s3upload.scopes`).
    :param failed: objects and uploads that could not be removed.
    :param foreign: records of uploads in place that this site has not signed, which are left alone.
    :param error: why the clean-up of this storage ended early; empty when it did not.
    """

    storage: str
    objects: int = 0
    size: int = 0
    uploads: int = 0
    younger: int = 0
    kept: int = 0
    failed: int = 0
    foreign: int = 0
    error: str = ""


def clean_up(
    age: timedelta = DEFAULT_AGE, *, dry_run: bool = False, progress: Progress | None = None
) -> list[Summary]:
    """
    Remove what nobody claimed, in every storage that browsers can upload to; each place once.

    A storage that can't be reached does not keep the others from being cleaned.

    :param age: what is younger, by the store's clock, stays.
    :param dry_run: whether nothing is removed, and only counted.
    :param progress: called now and then.
    :raises ValueError: when a token lives longer than the age.
    :raises ImproperlyConfigured: when ``S3UPLOAD_PREFIX`` makes no sense.
    """
    if age < SHORTEST_AGE:
        raise ValueError(f"the age is {in_hours(age)}, but a token lives {in_hours(SHORTEST_AGE)}: give no less")
    is_valid, expected = VALID["PREFIX"]
    if not is_valid(conf.PREFIX):
        raise ImproperlyConfigured(f"S3UPLOAD_PREFIX is {conf.PREFIX!r}. It should be {expected}.")
    summaries: list[Summary] = []
    places: set[tuple[str, ...]] = set()
    for name, find in _storages():
        try:
            backend = backend_for(find())
            place = backend.place if backend is not None else None
        except Exception as error:  # whatever it is: a wrong option, another package's storage, boto3
            logger.error("the storage %r can't be used: %s", name, type(error).__name__)
            summaries.append(Summary(name, error=NOT_USABLE))
            continue
        if backend is None or place is None or place in places:
            continue
        places.add(place)
        cleaning = CleanUp(name, backend, age, dry_run=dry_run, progress=progress)
        summaries.append(cleaning.run())
    return summaries


def clean_up_records(age: timedelta = DEFAULT_AGE, *, dry_run: bool = False) -> list[str]:
    """
    Have the apps that keep an eye on uploads clean up what they remember; to be called after :func:`clean_up`.

    :returns: what each of them has done, for people.
    """
    return [done for keeper in keepers() if (done := keeper.clean_up(age, dry_run=dry_run))]


def in_hours(age: timedelta) -> str:
    """Return an age as text."""
    hours = age / timedelta(hours=1)
    return f"{hours:g} hour{'' if hours == 1 else 's'}"


class CleanUp:
    """
    The clean-up of one storage.

    :param name: of the storage.
    :param backend: of its store.
    """

    def __init__(
        self, name: str, backend: Backend, age: timedelta, *, dry_run: bool, progress: Progress | None
    ) -> None:
        self.backend = backend
        self.age = age
        self.dry_run = dry_run
        self.progress = progress
        self.summary = Summary(name)
        self._kept: set[str] = set()
        self._lock = Lock()

    def run(self) -> Summary:
        """Clean up, and return what was done; again makes no difference."""
        lists: list[tuple[Callable[[], Iterator[Page]], Callable[[Page], None]]] = [
            (self.backend.list_pending, self._clean),
            (self.backend.list_unfinished, self._clean),
            (self.backend.list_in_place, self._clean_in_place),
        ]
        try:
            for number, (list_pages, clean) in enumerate(lists):
                for page in list_pages():
                    clean(page)
                    if self.progress is not None:
                        self.progress(self.summary.storage, (number + page.done) / len(lists))
        except StoreUnavailable as error:
            logger.error("the clean-up of %r ended early: %s", self.summary.storage, error.detail)
            self._count(error=f"the store can't be reached, or refuses ({error.detail})")
        except ImproperlyConfigured:
            # Its text may name a key or an address.
            self._count(error=NOT_USABLE)
        return self.summary

    def _clean(self, page: Page) -> None:
        old, kept = self._old(page)
        removed, failed = (old, 0) if self.dry_run else self.backend.remove(old)
        uploads = sum(1 for one in removed if one.upload_id)
        self._count(
            objects=self.summary.objects + len(removed) - uploads,
            size=self.summary.size + sum(one.size for one in removed),
            uploads=self.summary.uploads + uploads,
            younger=self.summary.younger + len(page.found) - len(old) - len(kept),
            kept=self.summary.kept + len(kept),
            failed=self.summary.failed + failed,
        )

    def _old(self, page: Page) -> tuple[list[Pending], set[str]]:
        """Return what is old enough, and the keys of what would be, if no app wanted it."""
        old = [one for one in page.found if page.now - one.modified >= self.age]
        keys = {one.key for one in old}
        kept = {key for keeper in keepers() for key in keeper.kept(keys)} if keys else set()
        return [one for one in old if one.key.removesuffix(CLAIM_SUFFIX) not in kept], kept

    def _clean_in_place(self, page: Page) -> None:
        old, wanted = self._old(page)
        claims = [one for one in old if _is_claim(one)]
        records = [one for one in old if not _is_claim(one)]
        younger = sum(1 for one in page.found if not _is_claim(one)) - len(records) - len(wanted)
        with ThreadPoolExecutor(max_workers=TOGETHER) as pool:
            settled = list(pool.map(self._settle, records))
        kept = wanted | {record.key for record, is_over in zip(records, settled, strict=True) if not is_over}
        self._count(younger=self.summary.younger + younger, kept=self.summary.kept + len(wanted))
        if not self.dry_run:
            over = [record.key for record in records if record.key not in kept]
            # Of a claim without a record too: its token has expired.
            over += [key + CLAIM_SUFFIX for key in over]
            # The record of the first one may have been on the page before.
            known = kept | self._kept
            over += [one.key for one in claims if one.key.removesuffix(CLAIM_SUFFIX) not in known]
            self.backend.delete(dict.fromkeys(over))
        self._kept = kept

    def _settle(self, record: Pending) -> bool:
        """Remove what a record is of; return whether the record has served its purpose."""
        summary = {"objects": 0, "size": 0, "uploads": 0, "failed": 0, "foreign": 0}
        is_over = True
        try:
            token = self.backend.read_record(record.key)
            # What a mark means is for the storage to say that it was uploaded to.
            backend = backend_named(token.storage)
            if backend.place != self.backend.place:
                raise Forged
            removed = backend.expire(token, self.age, dry_run=self.dry_run)
            is_over = removed is not None
            for size, is_upload in removed or ():
                summary["uploads" if is_upload else "objects"] += 1
                summary["size"] += size
        except UploadGone:
            pass
        except (Forged, LookupError):
            summary["foreign"] += 1
            is_over = False
        except StoreUnavailable as error:
            if not error.answered:
                raise
            summary["failed"] += 1
            is_over = False
        with self._lock:
            self._count(**{name: getattr(self.summary, name) + count for name, count in summary.items()})
        return is_over

    def _count(self, **counts: int | str) -> None:
        self.summary = replace(self.summary, **counts)  # type: ignore[arg-type]


def _is_claim(one: Pending) -> bool:
    return one.key.endswith(CLAIM_SUFFIX)


def _storages() -> Iterator[tuple[str, Callable[[], Storage]]]:
    """Yield the names of the storages, and what finds each of them."""
    for alias in conf.storages:
        yield alias, lambda alias=alias: storages[alias]  # type: ignore[misc]
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, models.FileField) and field.storage is not default_storage:
                yield storage_name(field), lambda field=field: field.storage  # type: ignore[misc]
