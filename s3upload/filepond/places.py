"""Where uploads are: a folder of the server, or a storage of ``STORAGES``."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, Storage

from ..backends import storage_named
from ..backends.base import pending_prefix
from ..conf import conf
from .exceptions import ConfigurationError

FOLDER = ""
"""Stands in a record for the local folder, where an alias of ``STORAGES`` could be."""

PREFIX = "filepond/"
"""Where temporary uploads are in a storage of ``STORAGES``, below the prefix of pending objects."""

UPLOAD_TMP = "filepond_uploads"
"""The folder for temporary uploads in ``BASE_DIR``, where no setting names one."""


def temporary_alias() -> str:
    """Return the name of the storage that new temporary uploads go to; :data:`FOLDER` for the local folder."""
    return conf.FILEPOND_UPLOAD_STORAGE or FOLDER


def temporary_storage(alias: str) -> Storage:
    """
    Return a storage of temporary uploads.

    :param alias: as :func:`temporary_alias` gave it when the upload began.
    :raises ConfigurationError: when the local folder may not be used.
    :raises LookupError: when ``STORAGES`` has no such storage (any more).
    """
    return storage_named(alias) if alias else _folder(str(temporary_folder()))


def root_of(alias: str) -> str:
    """Return what the names of temporary uploads begin with in a storage: empty in the local folder."""
    return pending_prefix() + PREFIX if alias else ""


def temporary_folder() -> Path:
    """
    Return the local folder of temporary uploads.

    :raises ConfigurationError: when no setting names it, or it is outside the project without leave.
    """
    base = conf.base_dir
    folder = conf.FILEPOND_UPLOAD_TMP
    if folder is None:
        if base is None:
            raise ConfigurationError(
                "There is no folder for temporary uploads: set S3UPLOAD_FILEPOND_UPLOAD_TMP to the path of one, or "
                "S3UPLOAD_FILEPOND_UPLOAD_STORAGE to the name of a storage."
            )
        return Path(base, UPLOAD_TMP)
    if conf.FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR or base is None or _is_inside(folder, base):
        return Path(folder)
    raise ConfigurationError(
        f"S3UPLOAD_FILEPOND_UPLOAD_TMP is {os.fspath(folder)!r}, which is not below BASE_DIR. Choose a folder there, "
        "or set S3UPLOAD_FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR to True when you mean it."
    )


def stored_storage() -> Storage:
    """
    Return the storage of stored uploads.

    :raises ConfigurationError: when no setting says where they are.
    :raises ImproperlyConfigured: when ``STORAGES`` has no such storage.
    """
    if conf.FILEPOND_STORAGE is not None:
        try:
            return storage_named(conf.FILEPOND_STORAGE)
        except LookupError as error:
            raise ImproperlyConfigured(f"S3UPLOAD_FILEPOND_STORAGE: {error}") from error
    if conf.FILEPOND_FILE_STORE_PATH is None:
        raise ConfigurationError(
            "There is no place for stored uploads: set S3UPLOAD_FILEPOND_STORAGE to the name of a storage, or "
            "S3UPLOAD_FILEPOND_FILE_STORE_PATH to the path of a folder."
        )
    return _folder(os.fspath(conf.FILEPOND_FILE_STORE_PATH))


def _is_inside(folder: str | os.PathLike[str], base: str) -> bool:
    return Path(folder).resolve().is_relative_to(Path(base).resolve())


@lru_cache(maxsize=16)
def _folder(path: str) -> FileSystemStorage:
    # One for each folder, as each has its backend.
    return FileSystemStorage(location=path)
