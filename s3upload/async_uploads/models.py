"""The record of uploads. The fields can be imported from here as well."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..backends import backend_named
from ..conf import conf
from ..tokens import Token
from .fields import AsyncFileField, AsyncImageField
from .scope import Scope

__all__ = ["AsyncFileField", "AsyncImageField", "UploadRecord"]


class UploadRecord(models.Model):
    """One upload through an async field, from the moment that it is allowed to begin."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        STORED = "stored", _("Stored")
        FAILED = "failed", _("Failed")

    name = models.CharField(_("name"), max_length=255, help_text=_("As it was chosen."))
    size = models.PositiveBigIntegerField(_("size"), help_text=_("Bytes."))
    content_type = models.CharField(_("media type"), max_length=255)
    storage = models.CharField(_("storage"), max_length=255)
    key = models.CharField(_("key"), max_length=500, db_index=True, help_text=_("Where it was uploaded to."))
    # What the clean-up finds: of an upload in place, its record beside the store's other ones.
    pending_key = models.CharField(max_length=500, db_index=True, editable=False)
    upload_id = models.TextField(editable=False)
    in_place = models.BooleanField(default=False, editable=False)
    registry = models.CharField(_("registry"), max_length=100)
    field = models.CharField(_("field"), max_length=255)
    # A primary key can be any text, and a name as long as its field has room for.
    instance_id = models.TextField(_("instance"), blank=True)
    input_name = models.CharField(max_length=255, editable=False)
    owner = models.ForeignKey(
        conf.user_model,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    owner_identity = models.CharField(max_length=64, blank=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    stored_as = models.TextField(
        _("stored as"), blank=True, help_text=_("Or, where that failed, was to be stored as.")
    )
    error = models.TextField(_("error"), blank=True)
    etag = models.CharField(max_length=255, blank=True, editable=False)
    created = models.DateTimeField(_("begun"), auto_now_add=True)
    changed = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["-created", "-pk"]
        indexes = [
            models.Index(fields=["state", "created"], name="s3upload_record_state"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, token: Token, owner: Any = None) -> Self:
        """
        Return the record of an upload that begins, not saved yet.

        :param owner: the user, if there is one.
        """
        scope = Scope.parse(token.scope)
        return cls(
            name=token.name,
            size=token.size,
            content_type=token.content_type,
            storage=token.storage,
            key=token.key,
            pending_key=backend_named(token.storage).pending_key_of(token),
            upload_id=token.upload_id,
            in_place=token.in_place,
            registry=scope.registry,
            field=scope.field_id,
            instance_id=scope.instance_id,
            input_name=token.field,
            owner=owner,
            owner_identity=token.owner,
        )

    @property
    def token(self) -> Token:
        """The claim check of the upload."""
        return Token(
            storage=self.storage,
            key=self.key,
            name=self.name,
            size=self.size,
            content_type=self.content_type,
            field=self.input_name,
            owner=self.owner_identity,
            upload_id=self.upload_id,
            in_place=self.in_place,
            scope=str(Scope(self.registry, self.field, self.instance_id)),
        )
