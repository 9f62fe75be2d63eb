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


class Settings:
    """The settings of the site, as attributes without their ``S3UPLOAD_``."""

    defaults: dict[str, Any] = {
        "PREFIX": "tmp/s3upload",
        "ENDPOINT": "/__s3upload__/",
        "MAX_SIZE": 5 * 1024**3,
        "AUTHORIZE": None,
        "REPLACE_WIDGETS": True,
        "UPLOAD_ON": "select",
        "DUMMY": None,
        "PUBLIC_ENDPOINT_URL": None,
        "METHOD": None,
    }

    def __getattr__(self, name: str) -> Any:
        try:
            default = self.defaults[name]
        except KeyError:
            raise AttributeError(f"there is no setting S3UPLOAD_{name}") from None
        return getattr(settings, f"S3UPLOAD_{name}", default)

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
    def max_files(self) -> int | None:
        """How many files one request may name; Django's own limit for a form."""
        return settings.DATA_UPLOAD_MAX_NUMBER_FILES

    @property
    def middleware(self) -> tuple[str, ...]:
        """The dotted paths of the site's middleware, outermost first."""
        return tuple(settings.MIDDLEWARE)

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
