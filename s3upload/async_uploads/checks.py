"""What can be set wrong, said by ``manage.py check``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Tags
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from ..conf import conf
from .registry import registries


def register() -> None:
    """Register the checks; again makes no difference."""
    checks.register(check_addresses, Tags.urls)


def check_addresses(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterator[CheckMessage]:
    """The registries with fields are in the URLconf."""
    if not conf.has_urls:
        return
    for registry in registries():
        if not registry.fields:
            continue
        try:
            registry.reverse("upload-policy")
        except ImproperlyConfigured as error:
            yield CheckWarning(
                f"The files of the async fields of the registry {registry.name!r} can't be downloaded.",
                hint=str(error),
                id="s3upload_async_uploads.W001",
            )
