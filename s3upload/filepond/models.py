"""The uploads: temporary ones, and those that were stored."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Any, BinaryIO, ClassVar, Self

from django.contrib.auth import get_user_model
from django.core.files.storage import FileSystemStorage, Storage
from django.db import models, router, transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..backends.base import UUID, UUIDS
from ..conf import conf
from ..owners import identities_of
from ..policy import ChosenFile
from ..tokens import Token
from . import places
from .files import open_file

ID_LENGTH = 22


def new_id() -> str:
    """Return an id that no other upload has; nobody can guess it."""
    return str(UUIDS.uuid())


def is_id(value: object) -> bool:
    """Return whether something is what an upload's id can be."""
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def user_of(request: HttpRequest) -> Any:
    """Return the user of the site who sends a request; ``None`` for anybody else: authentication may know devices."""
    user = getattr(request, "user", None)
    return user if isinstance(user, get_user_model()) and user.is_authenticated else None


class UploadQuerySet(models.QuerySet[Any]):
    """Uploads, and whose they are."""

    def of(self, request: HttpRequest) -> Self:
        """
        Return those of who sends a request.

        :param request: Django's own.
        """
        theirs = models.Q(owner_identity__in=identities_of(request))
        user = user_of(request)
        if user is not None:
            # Identities are bound to the keys of the site, which change; what is stored stays.
            theirs |= models.Q(uploaded_by=user.pk)
        return self.filter(theirs)


class Upload(models.Model):
    """What is known of an upload from its beginning to its end."""

    upload_name = models.CharField(_("name"), max_length=255, blank=True, help_text=_("As it was chosen."))
    content_type = models.CharField(_("media type"), max_length=255)
    size = models.PositiveBigIntegerField(_("size"), help_text=_("Bytes."))
    metadata = models.JSONField(_("metadata"), null=True, blank=True)
    owner_identity = models.CharField(max_length=64, editable=False)
    uploaded_by = models.ForeignKey(
        conf.user_model,
        verbose_name=_("uploaded by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    objects = UploadQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)


class TemporaryUpload(Upload):
    """
    An upload that nobody has claimed yet, from its first byte on.

    To delete it deletes its file and its folder as well.
    """

    upload_id = models.CharField(_("id"), primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    # Hides the name on the disk.
    file_id = models.CharField(max_length=ID_LENGTH, default=new_id, editable=False)
    offset = models.PositiveBigIntegerField(_("arrived"), default=0, help_text=_("Bytes that have arrived."))
    is_complete = models.BooleanField(_("is complete"), default=False)
    field = models.CharField(_("field"), max_length=255, blank=True, help_text=_("The name of the FilePond."))
    storage = models.CharField(_("storage"), max_length=255, blank=True)
    # The name in its storage, which may have changed it.
    key = models.CharField(max_length=500, editable=False, db_index=True)
    # What the server must remember between two chunks; see receivers.py.
    progress = models.JSONField(default=dict, editable=False)
    uploaded = models.DateTimeField(_("begun"), auto_now_add=True)
    changed = models.DateTimeField(_("changed"), auto_now=True, db_index=True)

    class Meta:
        verbose_name = _("temporary upload")
        verbose_name_plural = _("temporary uploads")
        ordering: ClassVar = ["-uploaded"]

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        if self.__dict__.get("key") == "":
            self.key = f"{places.root_of(self.storage)}{self.upload_id}/{self.file_id}"

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the record and, when the transaction has committed, everything of the upload that there is."""
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            # Another request may have noted what it has begun; what nobody knows of could not be removed.
            noted = type(self).objects.using(using).select_for_update().filter(pk=self.pk)
            found = noted.values_list("progress", "is_complete", "key").first()
            self.progress, self.is_complete, self.key = found or (self.progress, self.is_complete, self.key)
            return super().delete(using=using, keep_parents=keep_parents)

    def describe(self, name: str, declared: str = "") -> None:
        """
        Note what the file is.

        :param name: cleaned.
        :param declared: the media type that the client says.
        """
        self.upload_name = name
        self.content_type = ChosenFile(name, self.size, declared).content_type

    @property
    def place(self) -> Storage:
        """The storage that has the file."""
        return places.temporary_storage(self.storage)

    @property
    def folder(self) -> str:
        """The name of the folder in the storage that has what belongs to this upload, and nothing else."""
        parent = PurePosixPath(self.key).parent
        # As it was named when the upload began; what comes in parts has its key elsewhere.
        return str(parent) if parent.name == self.upload_id else f"{places.root_of(self.storage)}{self.upload_id}"

    @property
    def token(self) -> Token:
        """The claim check that the file would have had as a direct upload."""
        return Token(
            self.storage,
            self.key,
            self.upload_name,
            self.size,
            self.content_type,
            self.field,
            self.owner_identity,
            self.progress.get("upload_id", ""),
        )

    def get_file_path(self) -> str:
        """
        Return the path of the file on the local disk, for who moves it somewhere.

        :raises NotImplementedError: when it is in a storage that has no local files; :meth:`open` reads it.
        """
        if not isinstance(self.place, FileSystemStorage):
            raise NotImplementedError(
                f"The upload {self.upload_id} is in the storage {self.storage!r}, which has no local files: read it "
                "with open(), or store it with s3upload.filepond.api.store_upload()."
            )
        return os.fspath(self.place.path(self.key))

    def open(self) -> BinaryIO:
        """
        Open the file to be read, wherever it is.

        :raises FileNotFoundError: when it is not there.
        """
        return open_file(self.place, self.key)[0]


class StoredUpload(Upload):
    """An upload that was stored by :func:`s3upload.filepond.api.store_upload`."""

    upload_id = models.CharField(_("id"), primary_key=True, max_length=ID_LENGTH, editable=False)
    name = models.TextField(_("stored as"), help_text=_("The name in its storage."))
    uploaded = models.DateTimeField(_("uploaded"))
    stored = models.DateTimeField(_("stored"), auto_now_add=True)

    class Meta:
        verbose_name = _("stored upload")
        verbose_name_plural = _("stored uploads")
        ordering: ClassVar = ["-stored"]
