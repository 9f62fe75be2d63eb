"""What can be set wrong, said by ``manage.py check``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ..checks import VALID
from ..conf import conf
from .addresses import Allowed
from .exceptions import ConfigurationError
from .places import FOLDER, temporary_alias, temporary_folder

PERMISSIONS = ("DELETE_REVERT", "GET_FETCH", "GET_LOAD", "GET_RESTORE", "PATCH_PATCH", "POST_PROCESS")
"""The names of the verbs in ``S3UPLOAD_FILEPOND_PERMISSION_CLASSES``."""


def register() -> None:
    """Register the checks; again makes no difference."""
    checks.register(check_place, Tags.files)
    checks.register(check_permissions, Tags.security)
    checks.register(check_fetch, Tags.security)


def check_place(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """Temporary uploads have a place where they may be."""
    if temporary_alias() != FOLDER or not _is_valid("FILEPOND_UPLOAD_TMP"):
        return
    try:
        temporary_folder()
    except ConfigurationError as error:
        yield Error("FilePond's temporary uploads have no place.", hint=str(error), id="s3upload_filepond.E001")


def check_permissions(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """Permissions are those of verbs that there are: with a misspelt name, a verb would have the default."""
    settings = conf.FILEPOND_PERMISSION_CLASSES
    if not _is_valid("FILEPOND_PERMISSION_CLASSES"):
        return
    for name in sorted(settings.keys() - set(PERMISSIONS), key=str):
        yield Error(
            f"S3UPLOAD_FILEPOND_PERMISSION_CLASSES has {name!r}, which is no verb of FilePond's.",
            hint=f"The names are {', '.join(PERMISSIONS)}.",
            id="s3upload_filepond.E002",
        )
    for name, paths in settings.items():
        for path in paths:
            try:
                import_string(path) if isinstance(path, str) else path
            except ImportError as error:
                yield Error(
                    f"S3UPLOAD_FILEPOND_PERMISSION_CLASSES has {path!r} for {name}, where there is no class.",
                    hint=f"It should be the dotted path of a permission class. {error}.",
                    id="s3upload_filepond.E003",
                )


def check_fetch(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """What may be fetched from can be understood."""
    if not _is_valid("FILEPOND_FETCH_ALLOW"):
        return
    try:
        Allowed.from_settings()
    except ImproperlyConfigured as error:
        yield Error("S3UPLOAD_FILEPOND_FETCH_ALLOW can't be understood.", hint=str(error), id="s3upload_filepond.E004")


def _is_valid(name: str) -> bool:
    # What is of another type, the core's own check says.
    is_valid, _expected = VALID[name]
    return is_valid(getattr(conf, name))
