"""The fields by their ids, and the addresses that they are served at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.urls import NoReverseMatch, URLPattern, path, reverse

if TYPE_CHECKING:
    from .fields import AsyncFileMixin

_registries: dict[str, AsyncFieldRegistry] = {}


class AsyncFieldRegistry:
    """
    Fields by their ids. Most sites need no other than :data:`default_async_field_registry`.

    Its addresses belong into the site's URLconf::

        path("async-uploads/", include(default_async_field_registry.get_url_patterns()))

    :param name: letters, digits, ``-`` and ``_``; unlike that of any other registry.
    :raises ValueError: when it has other characters, or is that of another one.
    """

    def __init__(self, name: str) -> None:
        if not name.replace("-", "_").isidentifier():
            raise ValueError(f"the name of a registry is {name!r}: give it letters, digits, '-' and '_' only")
        if name in _registries:
            raise ValueError(f"there is a registry {name!r} already: give this one another name")
        self.name = name
        self._ids: set[str] = set()
        _registries[name] = self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"

    def generate_id(self, field: models.Field[Any, Any]) -> str:
        """Return the id of a field, the same in every process: ``app_label.model.field``."""
        return f"{field.model._meta.label_lower}.{field.name}"

    def register_field(self, field: models.Field[Any, Any]) -> None:
        """Have a field found by its id; async fields do so themselves."""
        self._ids.add(self.generate_id(field))

    def field(self, field_id: str) -> AsyncFileMixin:
        """
        Return the field of an id.

        :raises LookupError: when no field of that id is registered here.
        """
        if field_id not in self._ids:
            raise LookupError(f"the registry {self.name!r} has no field {field_id!r}")
        label, _dot, name = field_id.rpartition(".")
        try:
            # As it is now: a test may have defined the model anew.
            field: Any = apps.get_model(label)._meta.get_field(name)
        except FieldDoesNotExist as error:
            raise LookupError(f"there is no field {field_id!r} any more") from error
        return field  # type: ignore[no-any-return]

    @property
    def fields(self) -> list[AsyncFileMixin]:
        """All registered fields, by their ids."""
        return [self.field(field_id) for field_id in sorted(self._ids)]

    def get_url_patterns(self) -> list[URLPattern]:
        """Return the URL patterns of the views that the fields need; for ``include()``."""
        from . import views

        return [
            path(
                "generate-upload-url/",
                views.GenerateUploadUrlView.as_view(registry=self),
                name=self._url_name("generate-upload-url"),
            ),
            path(
                "upload-policy/", views.UploadPolicyView.as_view(registry=self), name=self._url_name("upload-policy")
            ),
            path(
                "download-file/<str:async_field_id>/<path:instance_id>",
                views.DownloadRedirectView.as_view(registry=self),
                name=self._url_name("download-file"),
            ),
            path("file/<str:signed>", views.SignedFileView.as_view(registry=self), name=self._url_name("file")),
        ]

    def reverse(self, view: str, *arguments: str) -> str:
        """
        Return the address of one of the views.

        :raises ImproperlyConfigured: when the addresses are not in the site's URLconf.
        """
        try:
            return reverse(self._url_name(view), args=arguments)
        except NoReverseMatch as error:
            raise ImproperlyConfigured(
                f"The registry {self.name!r} has no addresses. Add its get_url_patterns() to the URLconf, outside of "
                'any namespace: path("async-uploads/", include(default_async_field_registry.get_url_patterns())).'
            ) from error

    def _url_name(self, view: str) -> str:
        return f"s3upload-{self.name}-{view}"


def registry_named(name: str) -> AsyncFieldRegistry:
    """
    Return a registry.

    :raises LookupError: when there is none of that name.
    """
    try:
        return _registries[name]
    except KeyError:
        raise LookupError(f"there is no registry {name!r}") from None


def registries() -> list[AsyncFieldRegistry]:
    """Return all registries."""
    return list(_registries.values())


default_async_field_registry = AsyncFieldRegistry("default")
"""Where fields are registered that are not told another registry."""
