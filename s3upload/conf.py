"""
The settings, their defaults, and how long things live.

The only module that reads Django's settings for this package, on every access, so that ``override_settings`` works.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import get_script_prefix

POLICY_AGE = 7 * 24 * 3600
"""Seconds that a rendered page can start uploads."""

TOKEN_AGE = 24 * 3600
"""Seconds that an uploaded file can be claimed."""

PRESIGNED_AGE = 3600
"""Seconds that a presigned request can be used."""

MAX_BODY = 1024**2
"""Bytes of a request for the endpoint: the 10,000 parts of a file fit, with ETags of 64 characters."""

MAX_FILES = 1000
"""Files that one request may name where the site sets no limit: each of them can cost a call to the store."""


class Setting:
    """
    One setting of the site, read on every access.

    :param default: what it is where the site says nothing.
    """

    def __init__(self, default: Any) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"S3UPLOAD_{name}"

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        # Where Django remembers what it has found, and forgets it as soon as a setting changes. Without that, one that
        # the site has not set costs an exception each time.
        known = vars(settings)
        try:
            return known[self.name]
        except KeyError:
            found = known[self.name] = getattr(settings, self.name, self.default)
            return found


class Settings:
    """The settings of the site, as attributes without their ``S3UPLOAD_``."""

    PREFIX = Setting("tmp/s3upload")
    ENDPOINT = Setting("/__s3upload__/")
    MAX_SIZE = Setting(5 * 1024**3)
    AUTHORIZE = Setting(None)
    REPLACE_WIDGETS = Setting(True)
    UPLOAD_ON = Setting("select")
    DUMMY = Setting(None)
    PUBLIC_ENDPOINT_URL = Setting(None)
    METHOD = Setting(None)

    # Of the leaf s3upload.filepond
    FILEPOND_UPLOAD_TMP = Setting(None)
    FILEPOND_FILE_STORE_PATH = Setting(None)
    FILEPOND_STORAGE = Setting(None)
    FILEPOND_UPLOAD_STORAGE = Setting(None)
    FILEPOND_PERMISSION_CLASSES = Setting({})
    FILEPOND_DELETE_UPLOAD_TMP_DIRS = Setting(True)
    FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR = Setting(False)
    FILEPOND_FETCH = Setting(False)
    FILEPOND_FETCH_ALLOW = Setting(())
    FILEPOND_FETCH_MAX_SIZE = Setting(100 * 1024**2)
    FILEPOND_FETCH_TIMEOUT = Setting(30)
    FILEPOND_FETCH_REDIRECTS = Setting(5)

    defaults = {name: setting.default for name, setting in vars().items() if isinstance(setting, Setting)}

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"there is no setting S3UPLOAD_{name}")

    @property
    def serves_dummy(self) -> bool:
        """Whether the filesystem dummy may take uploads: under ``DEBUG``, or where ``S3UPLOAD_DUMMY`` says so."""
        allowed = self.DUMMY
        return bool(settings.DEBUG if allowed is None else allowed)

    @property
    def secret_keys(self) -> list[str | bytes]:
        """The site's keys: the one that signs, then those that were in use before."""
        return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]

    @property
    def endpoint_url(self) -> str:
        """The path of the presign endpoint as the browser sees it, below the prefix that the site is mounted at."""
        return get_script_prefix().rstrip("/") + str(self.ENDPOINT)

    @property
    def max_files(self) -> int:
        """How many files one request may name; Django's own limit for a form, where the site has one."""
        limit: int | None = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        return MAX_FILES if limit is None else limit

    @property
    def max_body(self) -> int:
        """How many bytes a request for the endpoint may have; Django's own limit, where that is less."""
        limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return MAX_BODY if limit is None else min(limit, MAX_BODY)

    @property
    def middleware(self) -> tuple[str, ...]:
        """The dotted paths of the site's middleware, outermost first."""
        return tuple(settings.MIDDLEWARE)

    @property
    def user_model(self) -> str:
        """The model of the site's users, as ``app_label.Model``."""
        return settings.AUTH_USER_MODEL

    @property
    def base_dir(self) -> str | None:
        """The folder of the project, where its settings name it as ``BASE_DIR``; else ``None``."""
        folder = getattr(settings, "BASE_DIR", None)
        return None if folder is None else str(folder)

    @property
    def has_urls(self) -> bool:
        """Whether the site has a URLconf."""
        return bool(getattr(settings, "ROOT_URLCONF", None))

    @property
    def unknown(self) -> set[str]:
        """The names of settings that look like ours and are not."""
        return {name for name in dir(settings) if name.startswith("S3UPLOAD_")} - {
            f"S3UPLOAD_{name}" for name in self.defaults
        }

    @property
    def storages(self) -> dict[str, dict[str, Any]]:
        """The site's ``STORAGES``."""
        return settings.STORAGES


conf = Settings()
