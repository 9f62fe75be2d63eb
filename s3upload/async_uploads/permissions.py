"""Who may upload to a field, and download from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from django.contrib.auth import get_backends, get_permission_codename
from django.db import models

Permission = str | Callable[[Any, models.Model | None], bool] | None
"""The name of a permission, a function ``(user, instance) -> bool``, or ``None``: anyone."""

Action = Literal["create", "update", "detail"]

DJANGO_ACTIONS: dict[Action, str] = {"create": "add", "update": "change", "detail": "view"}

# What answers has_perm() in Django's own backends.
_ANSWERING = ("has_perm", "get_all_permissions", "get_user_permissions", "get_group_permissions", "_get_permissions")


def default_permission(model: type[models.Model], action: Action) -> str:
    """Return the permission that Django's admin would ask for."""
    options = model._meta
    return f"{options.app_label}.{get_permission_codename(DJANGO_ACTIONS[action], options)}"


def may(user: Any, permission: Permission, instance: models.Model | None) -> bool:
    """
    Return whether a user has a permission, on the very instance where there is one.

    Django's own backend knows no permissions on instances, and says no for each of them. As long as a site has no
    other one, what a user may do with all instances counts for each; with another one, its answer for the instance
    decides.

    :param user: of the request; may be anonymous.
    """
    if permission is None:
        return True
    if callable(permission):
        return bool(permission(user, instance))
    if instance is None or not any(map(_knows_instances, get_backends())):
        return bool(user.has_perm(permission))
    return bool(user.has_perm(permission, instance))


def _knows_instances(backend: Any) -> bool:
    # Only now: it has models, and this module is imported by those of the site.
    from django.contrib.auth.backends import BaseBackend, ModelBackend

    own = [getattr(type(backend), name, None) for name in _ANSWERING]
    return any(
        method not in (None, getattr(ModelBackend, name), getattr(BaseBackend, name, None))
        for name, method in zip(_ANSWERING, own, strict=True)
    )
