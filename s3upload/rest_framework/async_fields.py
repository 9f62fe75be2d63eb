"""Serializer fields of the async model fields: a token in, ``{"key", "name", "url"}`` out."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, ClassVar

from django.core.files.base import File
from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from ..async_uploads import fields as model_fields
from ..files import DirectUploadedFile
from ..middleware import claim_tokens
from ..tokens import SignedText
from .policies import model_field_of, policy_for


class AsyncFileField(serializers.FileField):
    """
    A file of an async model field.

    What comes in is the token of an upload, as text or as ``{"token": …}``; a file, where a form is posted; ``None``
    or an empty text to take the file away, where the model field may be blank; or what came out before, which leaves
    the file as it is. What goes out is ``{"key", "name", "url"}``, or ``None``.

    :param model_field: in a serializer that has no model; a ``ModelSerializer`` finds it by the field's source.
    """

    default_error_messages: ClassVar[Any] = {
        "no_token": _("Send the token of an upload, or what was sent for this file before."),
        "foreign_key": _("This is not the file that is there. Send the token of an upload."),
    }

    def __init__(self, *, model_field: model_fields.AsyncFileMixin | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_field = model_field

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        is_cleared = data is None or data == ""
        if is_cleared and not self.read_only and not self.allow_null and self._may_be_blank:
            return True, ""
        return super().validate_empty_values(data)

    @property
    def _may_be_blank(self) -> bool:
        model_field = model_field_of(self)
        return model_field is not None and model_field.blank

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            return self._of_object(data)
        if isinstance(data, str):
            data = self._claimed(data)
        elif not isinstance(data, File):
            self.fail("no_token")
        file = super().to_internal_value(data)
        current = self._current
        # The same was sent before, and the file is there.
        return current if current and getattr(file, "saved_as", None) == current.name else file

    def _of_object(self, data: dict[str, Any]) -> Any:
        token = data.get("token")
        if isinstance(token, str):
            return self.checked(self.to_internal_value(token), data)
        current = self._current
        if not isinstance(data.get("key"), str) or token is not None:
            self.fail("no_token")
        if not current or current.name != data["key"]:
            self.fail("foreign_key")
        return current

    def checked(self, file: Any, data: dict[str, Any]) -> Any:
        """Return a file, when what was said of it is right."""
        return file

    @property
    def _current(self) -> Any:
        instance: Any = getattr(self.parent, "instance", None)
        return getattr(instance, self.source or "", None) if isinstance(instance, models.Model) else None

    def _claimed(self, token: str) -> DirectUploadedFile:
        request = self.context.get("request")
        if request is None:
            raise RuntimeError(
                f"the field {self.field_name!r} needs the request, to know whose upload it is: give the serializer "
                'context={"request": request}'
            )
        http_request = getattr(request, "_request", request)
        [files] = claim_tokens(http_request, [(policy_for(self).field, [SignedText(token)])])
        if not files:
            self.fail("no_token")
        return files[0]

    def to_representation(self, value: Any) -> Any:
        """Return ``{"key", "name", "url"}``; the address is that of the download view, which asks for permission."""
        if not value:
            return None
        url = value.url
        request = self.context.get("request")
        return {
            "key": value.name,
            "name": PurePosixPath(value.name).name,
            "url": url if request is None else request.build_absolute_uri(url),
        }


class AsyncImageField(AsyncFileField, serializers.ImageField):
    """
    An image of an async model field: ``{"key", "name", "url", "width", "height"}`` out.

    Width and height that come in with a token are compared with those of the image, which are read from its head in
    the store; those that go out are what ``width_field`` and ``height_field`` have, else ``None``.
    """

    default_error_messages: ClassVar[Any] = {
        "dimensions": _("The image is %(width)s by %(height)s pixels, and not as large as you say."),
    }

    def checked(self, file: Any, data: dict[str, Any]) -> Any:
        image = getattr(file, "image", file)
        known = {"width": image.width, "height": image.height}
        if any(data.get(side) not in (None, pixels) for side, pixels in known.items()):
            raise serializers.ValidationError(str(self.error_messages["dimensions"]) % known, code="dimensions")
        return file

    def to_representation(self, value: Any) -> Any:
        """Return ``{"key", "name", "url", "width", "height"}``."""
        shown = super().to_representation(value)
        if shown is None:
            return None
        field = value.field
        for side in ("width", "height"):
            name = getattr(field, f"{side}_field", None)
            shown[side] = getattr(value.instance, name) if name else None
        return shown


SERIALIZER_FIELDS: dict[type[models.Field[Any, Any]], type[serializers.Field[Any, Any, Any, Any]]] = {
    model_fields.AsyncFileField: AsyncFileField,
    model_fields.AsyncImageField: AsyncImageField,
}
"""For the ``serializer_field_mapping`` of a site's own base class of serializers."""
