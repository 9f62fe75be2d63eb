"""What this app does at each step of an upload; see :mod:`s3upload.scopes`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from ..exceptions import Forged, NotAllowed
from ..policy import ChosenFile, Policy
from ..scopes import Keeper
from ..tokens import Token
from .fields import AsyncFileMixin
from .permissions import Action, may
from .records import State, all_records, note_granted
from .registry import registry_named
from .scope import Scope

CHUNK = 500
"""Keys that one query names."""


class AsyncKeeper(Keeper):
    """Asks for the permission, and keeps the record."""

    def authorize(self, request: HttpRequest, policy: Policy, files: Sequence[ChosenFile]) -> None:
        scope = Scope.parse(policy.scope)
        try:
            field = registry_named(scope.registry).field(scope.field_id)
        except LookupError as error:
            raise Forged from error
        authorize_upload(request, field, scope.instance_id)

    def granted(self, request: HttpRequest, policy: Policy, tokens: Sequence[Token]) -> None:
        note_granted(tokens, getattr(request, "user", None))

    def place_of(self, token: Token) -> str | None:
        record = all_records().filter(storage=token.storage, key=token.key, state=State.STORED).first()
        return record.stored_as if record is not None else None

    def kept(self, keys: Collection[str]) -> Collection[str]:
        failed = all_records().filter(state=State.FAILED)
        listed = list(keys)
        return {
            key
            for start in range(0, len(listed), CHUNK)
            for key in failed.filter(pending_key__in=listed[start : start + CHUNK]).values_list(
                "pending_key", flat=True
            )
        }

    def clean_up(self, age: timedelta, *, dry_run: bool) -> str:
        # What has failed stays until somebody decides. What was stored is on record as long as a form can be sent
        # for it once more.
        old = all_records().filter(created__lte=timezone.now() - age).exclude(state=State.FAILED)
        counts = dict(old.values_list("state").annotate(count=models.Count("pk")).order_by())
        failed = all_records().filter(state=State.FAILED).count()
        if not dry_run:
            old._raw_delete(old.db)
        if not (counts or failed):
            return ""
        done = "would be removed" if dry_run else "removed"
        return (
            f"records: {counts.get('pending', 0)} unclaimed and {counts.get('stored', 0)} stored {done}; "
            f"{failed} failed"
        )


def authorize_upload(request: HttpRequest, field: AsyncFileMixin, instance_id: str) -> models.Model | None:
    """
    Return the instance that somebody wants to upload for; ``None`` for one that is not there yet.

    :raises NotAllowed: when they may not, or there is no such instance; which of the two is not told.
    """
    if not instance_id:
        return authorize(request, field, "create", None)
    return authorize(request, field, "update", find_instance(field, instance_id))


def authorize(
    request: HttpRequest, field: AsyncFileMixin, action: Action, instance: models.Model | None
) -> models.Model | None:
    """
    Return an instance, if who asks has the field's permission on it.

    :param instance: ``None`` where none is needed, or none was found.
    :raises NotAllowed: when they have not, or one is needed.
    """
    is_missing = instance is None and action != "create"
    user = getattr(request, "user", None)
    if is_missing or not may(user or _anonymous(), field.permission(action), instance):
        raise NotAllowed(_("You may not read this file.") if action == "detail" else None)
    return instance


def find_instance(field: AsyncFileMixin, instance_id: str) -> models.Model | None:
    """Return the instance of a primary key, as the site's own views would find it; ``None`` where there is none."""
    if "\0" in instance_id:  # PostgreSQL has no texts with it
        return None
    try:
        return field.model._default_manager.filter(pk=instance_id).first()
    except (ValueError, TypeError, OverflowError, ValidationError):  # no key of this model: "x", or no UUID
        return None


def _anonymous() -> object:
    # Only now: it takes the apps that it belongs to, which a site without users need not have.
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser()
