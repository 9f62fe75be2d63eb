"""
The stores, and the names by which policies and tokens speak of storages.

A storage's name is an alias of ``STORAGES``, or ``app_label.Model.field`` for a model field that has a storage of its
own. Every process of the site finds the same storage by it.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import cast

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.files.storage import (
    FileSystemStorage,
    InvalidStorageError,
    Storage,
    default_storage,
    storages,
)
from django.db import models
from django.utils.functional import LazyObject, empty
from django.utils.module_loading import import_string

from ..conf import conf
from .base import Backend

DEFAULT = "default"

_ATTRIBUTE = "_s3upload_backend"

# Known without importing them: rendering a page must import neither boto3 nor Azure's SDK.
_KNOWN_STORAGES = frozenset(
    {
        "s3upload.backends.azure.AzureUploadStorage",
        "s3upload.storage.S3UploadStorage",
        "storages.backends.azure_storage.AzureStorage",
        "storages.backends.s3.S3Storage",
        "storages.backends.s3boto3.S3Boto3Storage",
    }
)


def storage_name(field: models.FileField) -> str:
    """Return the name of the storage that a model field keeps its files in."""
    if field.storage is default_storage:
        return DEFAULT
    return f"{field.model._meta.label}.{field.name}"


def storage_named(name: str) -> Storage:
    """
    Return the storage of a name.

    :raises LookupError: when the site has none of that name (any more).
    """
    if "." not in name:
        try:
            return storages[name]
        except InvalidStorageError as error:
            raise LookupError(f"STORAGES has no {name!r}") from error
    model, _dot, field_name = name.rpartition(".")
    try:
        field = apps.get_model(model)._meta.get_field(field_name)
    except (FieldDoesNotExist, ValueError) as error:
        raise LookupError(f"there is no field {name!r}") from error
    if not isinstance(field, models.FileField):
        raise LookupError(f"{name!r} is no file field")
    return field.storage


def takes_uploads(name: str) -> bool:
    """Return whether browsers may upload straight to a storage; makes neither storage nor client."""
    if "." not in name:
        path = conf.storages.get(name, {}).get("BACKEND", "")
        if path in _KNOWN_STORAGES:
            return True
        backend_class = backend_class_at(path)
    else:
        try:
            backend_class = backend_class_for(type(_unwrapped(storage_named(name))))
        except LookupError:
            return False
    return backend_class is not None and backend_class.serves()


def backend_for(storage: Storage) -> Backend | None:
    """Return the backend of a storage, one per process; ``None`` for a kind of storage that has none."""
    storage = _unwrapped(storage)
    backend: Backend | None = vars(storage).get(_ATTRIBUTE)
    if backend is not None:
        return backend
    backend_class = backend_class_for(type(storage))
    if backend_class is None:
        return None
    return cast("Backend", vars(storage).setdefault(_ATTRIBUTE, backend_class(storage)))


def backend_named(name: str) -> Backend:
    """
    Return the backend of the storage of a name.

    :raises LookupError: when there is no such storage, or it takes no uploads.
    """
    backend = backend_for(storage_named(name))
    if backend is None or not backend.serves():
        raise LookupError(f"the storage {name!r} takes no uploads")
    return backend


def backend_class_for(storage_class: type) -> type[Backend] | None:
    """Return the class of backend for a class of storage."""
    if issubclass(storage_class, FileSystemStorage):
        from .filesystem import FileSystemBackend

        return FileSystemBackend
    # A subclass of another one's storage can't exist before its module was imported.
    s3 = sys.modules.get("storages.backends.s3")
    if s3 is not None and issubclass(storage_class, s3.S3Storage):
        from .s3 import S3Backend

        return S3Backend
    azure = sys.modules.get("storages.backends.azure_storage")
    if azure is not None and issubclass(storage_class, azure.AzureStorage):
        from .azure import AzureBackend

        return AzureBackend
    return None


def _unwrapped(storage: Storage) -> Storage:
    if isinstance(storage, LazyObject):
        if storage._wrapped is empty:
            storage._setup()
        return cast("Storage", storage._wrapped)
    return storage


@cache
def backend_class_at(path: str) -> type[Backend] | None:
    """Return the class of backend for the storage class at a dotted path; ``None`` where there is none."""
    try:
        return backend_class_for(import_string(path))
    except ImportError:
        return None
