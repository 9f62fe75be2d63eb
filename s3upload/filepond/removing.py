"""What goes with the record of a temporary upload: its file, what was on the way, and their folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from django.core.files.storage import FileSystemStorage, Storage
from django.utils.timezone import is_aware, make_naive

from ..backends import backend_for
from ..backends.base import Backend
from ..conf import conf
from ..exceptions import UnusableUpload
from ..files import after_commit
from . import places
from .files import delete_file
from .models import TemporaryUpload, is_id

logger = logging.getLogger(__name__)

TOGETHER = 500
"""Ids that one query names."""


def remove_after_commit(instance: TemporaryUpload, **signal: Any) -> None:
    """Receive ``post_delete`` of temporary uploads, by whatever way they were deleted."""
    # Django takes the primary key from the instance before an outer transaction commits.
    after_commit(partial(remove_all, copy(instance)))


def remove_all(upload: TemporaryUpload, *, with_folder: bool = False) -> bool:
    """
    Remove everything of an upload, and nothing else; return whether nothing is left.

    What is gone already is no error. What can't be removed is logged: the record is gone, and nobody could be told.

    :param upload: its record, which need not be in the database any more.
    :param with_folder: whether its folder goes even where ``S3UPLOAD_FILEPOND_DELETE_UPLOAD_TMP_DIRS`` keeps it.
    """
    steps: list[Callable[[], None]] = []
    done = _tried(lambda: steps.extend(_steps(upload, with_folder or conf.FILEPOND_DELETE_UPLOAD_TMP_DIRS)))
    # Each one, whatever has become of the others.
    return all([done, *map(_tried, steps)])


def strays(alias: str, before: datetime) -> Iterator[TemporaryUpload]:
    """
    Yield what has folders in a storage, and no record: a worker was killed before there was one.

    :param alias: the storage's, as temporary uploads have it.
    :param before: what has changed since then is left alone.
    """
    storage = places.temporary_storage(alias)
    root = places.root_of(alias)
    try:
        folders = [folder for folder in storage.listdir(root)[0] if is_id(folder)]
    except (NotImplementedError, FileNotFoundError):
        return
    for start in range(0, len(folders), TOGETHER):
        some = folders[start : start + TOGETHER]
        known = set(TemporaryUpload.objects.filter(pk__in=some).values_list("pk", flat=True))
        for folder in some:
            if folder not in known and _is_older(storage, f"{root}{folder}", before):
                yield TemporaryUpload(upload_id=folder, storage=alias)


def _is_older(storage: Storage, folder: str, before: datetime) -> bool:
    try:
        times = [storage.get_modified_time(name) for name in _below(storage, folder)]
        if isinstance(storage, FileSystemStorage):
            times.append(storage.get_modified_time(folder))
    except (NotImplementedError, FileNotFoundError):
        return False
    # Some storages list folders in which nothing is left.
    return bool(times) and all(time < (before if is_aware(time) else make_naive(before)) for time in times)


def _steps(upload: TemporaryUpload, with_folder: bool) -> list[Callable[[], None]]:
    storage = upload.place
    steps: list[Callable[[], None]] = []
    if isinstance(storage, FileSystemStorage):
        if not _is_below(upload.key, upload.folder):
            steps.append(partial(storage.delete, upload.key))
        return [*steps, partial(_remove_folder, storage, upload, with_folder)]
    backend = backend_for(storage)
    if backend is not None and upload.progress.get("upload_id") and not upload.is_complete:
        token = replace(upload.token, part_size=upload.progress.get("part_size", 0))
        steps.append(partial(backend.abort, token))
    return [*steps, partial(_remove_names, storage, backend, upload)]


def _tried(step: Callable[[], None]) -> bool:
    try:
        step()
    except UnusableUpload as error:
        logger.warning("something of a temporary upload could not be removed: %s", error.detail)
        return False
    except Exception as error:  # whatever it is: any storage's, a folder that the settings forbid
        logger.warning("something of a temporary upload could not be removed: %s", type(error).__name__)
        return False
    return True


def _remove_folder(storage: FileSystemStorage, upload: TemporaryUpload, with_folder: bool) -> None:
    folder = storage.path(upload.folder)
    with suppress(FileNotFoundError):
        if os.path.islink(folder):
            # It was not made here: what it leads to is none of ours.
            os.remove(folder)
            return
        _empty(folder)
        if with_folder:
            os.rmdir(folder)


def _empty(folder: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    _empty(entry.path)
                    os.rmdir(entry.path)
                else:
                    os.remove(entry.path)


def _remove_names(storage: Storage, backend: Backend | None, upload: TemporaryUpload) -> None:
    folder = upload.folder
    names = {upload.key, *(name for name in _noted(upload) if _is_below(name, folder))}
    with suppress(NotImplementedError, FileNotFoundError):
        names.update(_below(storage, folder))
    if backend is not None:
        backend.delete(sorted(names))
        return
    for name in sorted(names):
        delete_file(storage, name)


def _noted(upload: TemporaryUpload) -> Iterator[str]:
    """Give what the record knows of pieces; not every storage can list them."""
    for value in upload.progress.values():
        yield from (name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str))


def _is_below(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/") and ".." not in PurePosixPath(name).parts


def _below(storage: Storage, folder: str) -> Iterator[str]:
    folders, files = storage.listdir(folder)
    for file in files:
        # That of Azure tells whole names, with its location before them.
        yield f"{folder}/{file.rpartition(f'{folder}/')[2]}"
    for inner in folders:
        yield from _below(storage, f"{folder}/{inner}")
