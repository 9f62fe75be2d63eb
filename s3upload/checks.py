"""What can be set wrong, said by ``manage.py check``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from django.apps import AppConfig, apps
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, Storage, default_storage, storages
from django.db import models
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string

from .backends import backend_class_for, backend_for
from .backends.base import Backend
from .backends.providers import OPTIONS as PROVIDER_OPTIONS
from .conf import conf
from .parts import S3_LIMITS

if TYPE_CHECKING:
    from .backends.s3 import S3Backend

# By name: to import them takes the apps that they belong to, which a site need not have.
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
OURS = "s3upload.middleware.S3UploadMiddleware"


def register() -> None:
    """Register the checks; again makes no difference."""
    checks.register(check_settings, Tags.files)
    checks.register(check_middleware, Tags.files)
    checks.register(check_storages, Tags.files)
    checks.register(check_buckets, Tags.files)
    checks.register(check_providers, Tags.files)
    checks.register(check_endpoint, Tags.urls)
    checks.register(check_dummy, Tags.security, deploy=True)


def check_dummy(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """The dummy has no place in production."""
    default = _import(conf.storages.get("default", {}).get("BACKEND", ""))
    if conf.DUMMY or (isinstance(default, type) and issubclass(default, FileSystemStorage)):
        yield Error(
            "The filesystem dummy backend of s3upload must not be used in production.",
            hint='Set STORAGES["default"] to s3upload.storage.S3UploadStorage, and do not set S3UPLOAD_DUMMY. A site '
            "that keeps its files on disk on purpose adds this id to SILENCED_SYSTEM_CHECKS: without DEBUG the "
            "dummy does not serve.",
            id="s3upload.E001",
        )


def check_middleware(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """The middleware is there, behind those that know who is asking."""
    classes = [_import(path) for path in conf.middleware]
    position = _position(classes, OURS)
    if position is None:
        yield Error(
            "s3upload is installed, but its middleware is not in MIDDLEWARE.",
            hint=f'Add "{OURS}" behind the authentication middleware.',
            id="s3upload.E002",
        )
        return
    for known in (SESSIONS, CSRF, AUTHENTICATION):
        before = _position(classes, known)
        if before is not None and before > position:
            name = known.rpartition(".")[2]
            yield Error(
                f"{name} comes after S3UploadMiddleware in MIDDLEWARE.",
                hint=f'Move "{OURS}" behind {name}: the presign endpoint must know who is asking.',
                id="s3upload.E003",
            )
    if all(_position(classes, known) is None for known in (SESSIONS, CSRF)):
        yield CheckWarning(
            "Uploads are bound to nobody: MIDDLEWARE has neither sessions nor CSRF protection.",
            hint='Add "django.middleware.csrf.CsrfViewMiddleware" before S3UploadMiddleware.',
            id="s3upload.W004",
        )


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """Every setting has a value that makes sense."""
    for name, (is_valid, expected) in VALID.items():
        value = getattr(conf, name)
        if not is_valid(value):
            yield Error(
                f"S3UPLOAD_{name} is {value!r}.",
                hint=f"It should be {expected}.",
                id="s3upload.E005",
            )
    for alias, storage in conf.storages.items():
        for option, (is_valid, expected) in VALID_OPTIONS.items():
            value = storage.get("OPTIONS", {}).get(option)
            if value is not None and not is_valid(value):
                yield Error(
                    f'The option "{option}" of STORAGES["{alias}"] is {value!r}.',
                    hint=f"It should be {expected}.",
                    id="s3upload.E005",
                )
    for name in sorted(conf.unknown):
        yield CheckWarning(
            f"There is no setting {name}.",
            hint="It is misspelt, or of another version; the documentation lists the settings.",
            id="s3upload.W009",
        )
    if isinstance(conf.AUTHORIZE, str) and not callable(_import(conf.AUTHORIZE)):
        yield Error(
            f"S3UPLOAD_AUTHORIZE is {conf.AUTHORIZE!r}, where nothing can be called.",
            hint="It should be the dotted path of a function (request, policy, file) that raises PermissionDenied "
            "to refuse.",
            id="s3upload.E006",
        )


def check_endpoint(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """No URL of the site has the path of the endpoint."""
    if not (_is_path(conf.ENDPOINT) and conf.has_urls):
        return
    # A pattern that matches everything was written for the paths that nothing else serves.
    nothing_of_its_own = (None, _resolve(f"/{secrets.token_hex(16)}/"))
    matches = [_resolve(conf.ENDPOINT + "presign/"), _resolve(conf.ENDPOINT)]
    for match in [match for match in matches if match not in nothing_of_its_own][:1]:
        yield CheckWarning(
            f"The URL pattern {match!r} of the site can't be reached below the presign endpoint, {conf.ENDPOINT!r}.",
            hint="Set S3UPLOAD_ENDPOINT to a path that the site does not use.",
            id="s3upload.W007",
        )


def check_buckets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """Every storage of STORAGES that is on S3 or Azure can be made, and names its bucket or container."""
    for alias, options in conf.storages.items():
        backend_class = _backend_class(_import(options.get("BACKEND", "")))
        if backend_class is None or not backend_class.saves_by:
            continue
        try:
            problem = backend_class.problem_of(storages[alias])
        except ImproperlyConfigured as error:
            problem = str(error)
        if problem:
            name = backend_class.saves_by.rpartition(".")[2]
            yield Error(
                f'STORAGES["{alias}"] can\'t be used: {problem}.',
                hint=f"Its OPTIONS are those of {name}, {backend_class.needs} among them.",
                id="s3upload.E010",
            )


def check_storages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """Storages on S3 and Azure save by copying."""
    better = _better_storage(_import(conf.storages.get("default", {}).get("BACKEND", "")))
    if better:
        yield _sends_twice('STORAGES["default"] sends', better)
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, models.FileField) and field.storage is not default_storage:
                better = _better_storage(field.storage.__class__)
                if better:
                    yield _sends_twice("The storage of this field sends", better, field)


def _sends_twice(what: str, better: str, obj: Any = None) -> CheckMessage:
    return CheckWarning(
        f"{what} every byte of an uploaded file to the store a second time.",
        obj=obj,
        hint=f"Use {better}, or a subclass of it, with the same options: it saves by a copy.",
        id="s3upload.W008",
    )


def check_providers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """No storage on S3 is asked for what its store is known not to do."""
    for name, obj, storage in _storages_on_s3():
        in_place = getattr(storage, "promote", None) == "in-place"
        by_post = (getattr(storage, "upload_method", None) or conf.METHOD) == "POST"
        if not (in_place or by_post):
            continue  # nobody makes a client for nothing
        try:
            provider = cast("S3Backend", backend_for(storage)).provider
        except (ImproperlyConfigured, TypeError):
            # There need be no credentials where the checks run; a wrong option has an error of its own.
            continue
        if in_place and not provider.tagging:
            yield Error(
                f"{name} can't promote in place: its store knows no tags.",
                obj=obj,
                hint='Take the option promote="in-place" away. For a store that does know them, set the option '
                'provider={"tagging": True}.',
                id="s3upload.E011",
            )
        if by_post and not provider.post:
            yield Error(
                f"{name} can't upload by POST: its store takes no presigned POST.",
                obj=obj,
                hint="Leave S3UPLOAD_METHOD and the option upload_method out: the store is then sent PUT. For one "
                'that does take POST, set the option provider={"post": True}.',
                id="s3upload.E012",
            )


def _storages_on_s3() -> Iterator[tuple[str, Any, Storage]]:
    """Yield name, object of the message, and storage, of those that can be made."""
    for alias, options in conf.storages.items():
        if _is_on_s3(_import(options.get("BACKEND", ""))):
            with suppress(ImproperlyConfigured):  # which another check says
                yield f'STORAGES["{alias}"]', None, storages[alias]
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if (
                isinstance(field, models.FileField)
                and field.storage is not default_storage
                and _is_on_s3(field.storage.__class__)
            ):
                yield "The storage of this field", field, field.storage


def _is_on_s3(storage_class: Any) -> bool:
    # Or what speaks it: these differ.
    return hasattr(_backend_class(storage_class), "provider")


def _backend_class(storage_class: Any) -> type[Backend] | None:
    return backend_class_for(storage_class) if isinstance(storage_class, type) else None


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and len(value) > 2 and value.startswith("/") and value.endswith("/")


def _is_prefix(value: Any) -> bool:
    return isinstance(value, str) and all(part not in ("", ".", "..") for part in value.strip("/").split("/"))


def _is_folder(value: Any) -> bool:
    return value is None or (isinstance(value, str | PathLike) and bool(str(value)))


def _is_alias(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value in conf.storages)


def _is_positive(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_provider(value: Any) -> bool:
    return isinstance(value, dict) and all(
        type(one) is PROVIDER_OPTIONS.get(name) and isinstance(one, int) and (one is False or one > 0)
        for name, one in value.items()
    )


VALID: dict[str, tuple[Callable[[Any], bool], str]] = {
    "PREFIX": (_is_prefix, 'a key prefix such as "tmp/s3upload", without empty parts and dots'),
    "ENDPOINT": (_is_path, 'a path that begins and ends with "/", such as "/__s3upload__/"'),
    "MAX_SIZE": (
        lambda value: type(value) is int and 0 < value <= S3_LIMITS.largest_file,
        "a number of bytes, above 0 and at most 48.8 TiB, which is the largest object that S3 takes",
    ),
    "AUTHORIZE": (lambda value: value is None or isinstance(value, str), "None or the dotted path of a function"),
    "REPLACE_WIDGETS": (lambda value: isinstance(value, bool), "True or False"),
    "UPLOAD_ON": (lambda value: value in ("select", "submit"), '"select" or "submit"'),
    "DUMMY": (lambda value: value is None or isinstance(value, bool), "True, False, or None: as DEBUG says"),
    "PUBLIC_ENDPOINT_URL": (
        lambda value: value is None or (isinstance(value, str) and value.startswith(("http://", "https://"))),
        "None or an address that begins with https:// or http://",
    ),
    "METHOD": (lambda value: value in (None, "POST", "PUT"), '"POST", "PUT", or None: as the store takes it'),
    "FILEPOND_UPLOAD_TMP": (_is_folder, "the path of a folder, or None: filepond_uploads in BASE_DIR"),
    "FILEPOND_FILE_STORE_PATH": (_is_folder, "the path of a folder, or None"),
    "FILEPOND_STORAGE": (_is_alias, "None or the name of a storage in STORAGES"),
    "FILEPOND_UPLOAD_STORAGE": (_is_alias, "None or the name of a storage in STORAGES"),
    "FILEPOND_PERMISSION_CLASSES": (
        lambda value: isinstance(value, dict) and all(isinstance(one, list | tuple) for one in value.values()),
        'a dict of lists of dotted paths, such as {"POST_PROCESS": ["rest_framework.permissions.IsAuthenticated"]}',
    ),
    "FILEPOND_DELETE_UPLOAD_TMP_DIRS": (lambda value: isinstance(value, bool), "True or False"),
    "FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR": (lambda value: isinstance(value, bool), "True or False"),
    "FILEPOND_FETCH": (lambda value: isinstance(value, bool), "True or False"),
    "FILEPOND_FETCH_ALLOW": (
        lambda value: isinstance(value, list | tuple | set | frozenset) and all(isinstance(one, str) for one in value),
        'a list of hosts and networks, such as ["files.internal", "10.1.0.0/16"]',
    ),
    "FILEPOND_FETCH_MAX_SIZE": (_is_positive, "a number of bytes above 0"),
    "FILEPOND_FETCH_TIMEOUT": (
        lambda value: type(value) in (int, float) and value > 0,
        "a number of seconds above 0",
    ),
    "FILEPOND_FETCH_REDIRECTS": (lambda value: type(value) is int and value >= 0, "a number, 0 or above"),
}


VALID_OPTIONS = {
    "public_endpoint_url": VALID["PUBLIC_ENDPOINT_URL"],
    "upload_method": VALID["METHOD"],
    "promote": (lambda value: value in ("copy", "in-place"), '"copy" or "in-place"'),
    "stored_prefix": VALID["PREFIX"],
    "provider": (_is_provider, f"a dict with keys of {', '.join(PROVIDER_OPTIONS)}, and values of the right types"),
}
"""What the options of ``S3UploadStorage`` may be."""


def _import(path: str) -> Any:
    try:
        return import_string(path)
    except ImportError:
        return None


def _position(classes: list[Any], wanted: str) -> int | None:
    for position, cls in enumerate(classes):
        if wanted in (f"{base.__module__}.{base.__qualname__}" for base in getattr(cls, "__mro__", ())):
            return position
    return None


def _better_storage(storage_class: Any) -> str:
    """Return the path of the storage to use instead of one that sends what could be copied; empty for others."""
    backend_class = _backend_class(storage_class)
    better = backend_class.saves_by if backend_class is not None else ""
    # Imported where there is a storage that needs it: boto3, or Azure's SDK, is there already.
    return better if better and not issubclass(storage_class, import_string(better)) else ""


def _resolve(path: str) -> str | None:
    try:
        return resolve(path).route
    except Resolver404:
        return None
