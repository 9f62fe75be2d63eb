"""Model fields in place of Django's, with permissions, limits and a record of every upload."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.core.files.base import File
from django.db import models
from django.db.models.fields.files import FieldFile, ImageFieldFile
from django.utils.translation import gettext_lazy as _

from ..exceptions import StoreUnavailable, UploadGone
from ..files import DirectUploadedFile, upload_of
from . import forms
from .permissions import Action, Permission, default_permission
from .registry import AsyncFieldRegistry, default_async_field_registry
from .scope import Scope
from .validators import FileRules

if TYPE_CHECKING:
    from django.core.checks import CheckMessage

logger = logging.getLogger(__name__)

DOWNLOAD_AGE = 300
"""Seconds that the address of a download can be used, unless ``download_params`` say otherwise."""

RESPONSE_HEADERS = frozenset(
    {"cache_control", "content_disposition", "content_encoding", "content_language", "content_type"}
)
"""What ``download_params`` may set of an answer."""


class _Default:
    """What stands for the permissions of the model."""

    def __repr__(self) -> str:
        return "the model's permission"


MODEL_PERMISSION: Any = _Default()


class AsyncFieldFile(FieldFile):
    """The value of an async field on an instance."""

    field: Any

    @property
    def url(self) -> str:
        """The address of the download view, which asks for the permission each time."""
        self._require_file()  # type: ignore[attr-defined]
        return cast("AsyncFileMixin", self.field).download_url(self.instance)

    def save(self, name: str, content: File[Any], save: bool = True) -> None:
        """
        Save a file, as ``FieldFile.save`` does it.

        Where the store fails to promote an upload, the row gets the pending object, its record says so, and it can be
        tried again later. Where there is no room for its name, or it is saved already, that is an error as any other.
        """
        upload = upload_of(content)
        if upload is None or not self.field.has_record_of(upload):
            super().save(name, content, save)
            return
        from .records import note_failed, note_stored

        # An upload that can't be used is no failed promote.
        upload.check()
        try:
            self._promote(name, content, upload)
        except (StoreUnavailable, OSError) as error:
            if upload.saved_as or len(upload.key) > self.field.max_length:
                raise
            reason = note_failed(upload, self.field.generate_filename(self.instance, name), error)
            logger.error(
                "an upload to %s could not be promoted and stays pending: %s", self.field.async_field_id, reason
            )
            self._take(upload.key)
        else:
            note_stored(upload, cast("str", self.name), self.instance.pk)
        if save:
            self.instance.save()

    save.alters_data = True  # type: ignore[attr-defined]

    def _promote(self, name: str, content: File[Any], upload: DirectUploadedFile) -> None:
        try:
            super().save(name, content, save=False)
        except (UploadGone, FileNotFoundError) as error:
            # The same form, sent twice at the same moment: the other one was faster, or is about to be.
            if not upload.look_again():
                raise UploadGone("saved meanwhile") from error
            super().save(name, content, save=False)

    def _take(self, name: str) -> None:
        self.name = name
        setattr(self.instance, self.field.attname, name)
        self._committed = True


class AsyncImageFieldFile(AsyncFieldFile, ImageFieldFile):
    """The value of an async image field on an instance."""


class AsyncFileMixin(models.FileField):
    """
    What async fields add to Django's ``FileField``.

    A permission is a name such as ``"documents.add_document"``, a function ``(user, instance) -> bool``, or ``None``:
    anyone, with or without an account.

    :param perm_create: to upload for a new instance; the model's "add" permission when left out.
    :param perm_update: to upload for an instance that is there; the model's "change" permission when left out.
    :param perm_detail: to download; the model's "view" permission when left out.
    :param max_size: bytes; as much as the site allows when left out.
    :param file_restrictions: media types (``"image/png"``), ``"image/*"`` and extensions (``".doc"``, ``"docx"``).
    :param async_field_registry: where the field is found by its id.
    :param max_length: characters of the names in the database.
    :param download_params: ``{"expire": seconds, "parameters": {"cache_control": …}}``: how long the address of a
        download can be used, and what headers the answer has, of :data:`RESPONSE_HEADERS`.
    :raises ValueError: when one of them makes no sense.
    """

    attr_class = AsyncFieldFile
    form_field_class: type[forms.AsyncFieldMixin] = forms.AsyncFileField

    def __init__(
        self,
        *args: Any,
        perm_create: Permission = MODEL_PERMISSION,
        perm_update: Permission = MODEL_PERMISSION,
        perm_detail: Permission = MODEL_PERMISSION,
        max_size: int | None = None,
        file_restrictions: Sequence[str] | None = None,
        async_field_registry: AsyncFieldRegistry = default_async_field_registry,
        max_length: int = 500,
        download_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, max_length=max_length, **kwargs)
        self.perm_create = perm_create
        self.perm_update = perm_update
        self.perm_detail = perm_detail
        self.max_size = max_size
        self.file_restrictions = file_restrictions
        self.async_field_registry = async_field_registry
        self.download_params = dict(download_params or {})
        _check_options(max_size, file_restrictions, self.download_params)
        self.rules = FileRules(max_size, file_restrictions or ())

    @property
    def validators(self) -> list[Any]:
        # Not among those of __init__, which migrations would write down.
        return [*super().validators, self.rules]

    def contribute_to_class(  # type: ignore[override]
        self, cls: type[models.Model], name: str, private_only: bool = False
    ) -> None:
        super().contribute_to_class(cls, name, private_only=private_only)
        # The models that migrations make for themselves have other apps.
        if not cls._meta.abstract and cls._meta.apps is apps:
            self.async_field_registry.register_field(self)

    @property
    def async_field_id(self) -> str:
        """The field's id in its registry."""
        return self.async_field_registry.generate_id(self)

    def permission(self, action: Action) -> Permission:
        """Return the permission that an action takes."""
        own: Permission = getattr(self, f"perm_{action}")
        return default_permission(self.model, action) if own is MODEL_PERMISSION else own

    def s3upload_scope(self, instance: models.Model | None = None) -> str:
        """Return what uploads for an instance are bound to; of one that is not saved yet, for ``None``."""
        return str(Scope(self.async_field_registry.name, self.async_field_id, self._instance_id(instance)))

    def has_record_of(self, upload: DirectUploadedFile) -> bool:
        """Return whether an upload was begun for this field."""
        return upload.token.scope.startswith(str(Scope(self.async_field_registry.name, self.async_field_id)))

    def download_url(self, instance: models.Model) -> str:
        """
        Return the address of the download view for an instance.

        :raises ValueError: when the instance was never saved.
        """
        instance_id = self._instance_id(instance)
        if not instance_id:
            raise ValueError(f"the instance has no primary key yet: save it before asking for {self.name}.url")
        return self.async_field_registry.reverse("download-file", self.async_field_id, instance_id)

    def _instance_id(self, instance: models.Model | None) -> str:
        # Of a child of the field's model, the key of the parent.
        if instance is None or instance._state.adding:
            return ""
        key = getattr(instance, cast("Any", self.model._meta.pk).attname)
        # Copies are made by taking the key away.
        return "" if key is None else str(key)

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if (
            isinstance(data, DirectUploadedFile)
            and data.saved_as
            and data.saved_as == getattr(instance, self.name).name
        ):
            return  # the form was sent twice, and the file is there
        super().save_form_data(instance, data)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, File) and not getattr(value, "_committed", False):
            raise TypeError(
                f"update() and bulk_update() save no file: assign it to {self.name!r} of an instance, and save() that"
            )
        return super().get_db_prep_save(value, connection)

    def formfield(self, **kwargs: Any) -> Any:
        form_class = kwargs.setdefault("form_class", self.form_field_class)
        if issubclass(form_class, forms.AsyncFieldMixin):
            kwargs.setdefault("async_field_id", self.async_field_id)
            kwargs.setdefault("async_field_registry", self.async_field_registry)
        return super().formfield(**kwargs)


class AsyncFileField(AsyncFileMixin):
    """A ``FileField`` that uploads while the form is filled in; see :class:`AsyncFileMixin`."""

    description = _("File")


class AsyncImageField(AsyncFileMixin, models.ImageField):
    """
    An ``ImageField`` that uploads while the form is filled in; see :class:`AsyncFileMixin`.

    Width and height, for ``width_field`` and ``height_field``, are read from the head of the image in the store.

    :param suppress_pillow_check: whether a file is taken for an image by its type and first bytes alone, for sites
        without Pillow; width and height are not known then.
    """

    attr_class = AsyncImageFieldFile
    form_field_class = forms.AsyncImageField

    def __init__(
        self,
        verbose_name: Any = None,
        name: str | None = None,
        width_field: str | None = None,
        height_field: str | None = None,
        suppress_pillow_check: bool = False,
        file_restrictions: Sequence[str] | None = ("image/*",),
        **kwargs: Any,
    ) -> None:
        if suppress_pillow_check and (width_field or height_field):
            raise ValueError("width_field and height_field need Pillow: leave suppress_pillow_check out")
        self.suppress_pillow_check = suppress_pillow_check
        super().__init__(verbose_name, name, width_field, height_field, file_restrictions=file_restrictions, **kwargs)

    def _check_image_library_installed(self) -> list[CheckMessage]:
        return [] if self.suppress_pillow_check else super()._check_image_library_installed()  # type: ignore[misc]

    def formfield(self, **kwargs: Any) -> Any:
        if self.suppress_pillow_check:
            kwargs.setdefault("form_class", forms.AsyncFileField)
        return super().formfield(**kwargs)


def _check_options(max_size: Any, file_restrictions: Any, download_params: dict[str, Any]) -> None:
    if max_size is not None and (type(max_size) is not int or max_size <= 0):
        raise ValueError(f"max_size is {max_size!r}: give a number of bytes above 0, or leave it out")
    if isinstance(file_restrictions, str) or not all(
        isinstance(one, str) and one.strip() and "," not in one for one in file_restrictions or ()
    ):
        raise ValueError(
            f"file_restrictions is {file_restrictions!r}: give a list of media types and extensions, such as "
            '["image/*", ".pdf"]'
        )
    unknown = download_params.keys() - {"expire", "parameters"}
    unknown |= download_params.get("parameters", {}).keys() - RESPONSE_HEADERS
    if unknown:
        raise ValueError(
            f"download_params has {', '.join(sorted(unknown))}: it may have expire (seconds) and parameters, and they "
            f"{', '.join(sorted(RESPONSE_HEADERS))}"
        )
    expire = download_params.get("expire", DOWNLOAD_AGE)
    if type(expire) is not int or not 0 < expire <= 7 * 24 * 3600:
        raise ValueError(f"the expire of download_params is {expire!r}: give seconds, above 0 and at most a week")
