"""Form fields of the async model fields: the core's widget and script, bound to a field of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.files.base import File
from django.forms.widgets import ClearableFileInput

from .registry import AsyncFieldRegistry, default_async_field_registry

if TYPE_CHECKING:
    from .fields import AsyncFileMixin


class AsyncFileInput(ClearableFileInput):
    """Django's input for one file; uploads as every file input does."""


class AsyncFilesInput(AsyncFileInput):
    """The same for several files."""

    allow_multiple_selected = True


class AsyncFieldMixin(forms.FileField):
    """
    What async form fields add to Django's ``FileField``. In a plain form, too, they ask for the model field's
    permission and keep to its limits.

    :param async_field_id: of the model field, in its registry.
    :param multiple: whether several files can be chosen; the cleaned value is a list then.
    """

    widget: Any = AsyncFileInput

    def __init__(
        self,
        *,
        async_field_id: str,
        async_field_registry: AsyncFieldRegistry = default_async_field_registry,
        multiple: bool = False,
        **kwargs: Any,
    ) -> None:
        self.async_field_id = async_field_id
        self.async_field_registry = async_field_registry
        self.multiple = multiple
        if multiple:
            kwargs.setdefault("widget", AsyncFilesInput)
        super().__init__(**kwargs)

    @property
    def model_field(self) -> AsyncFileMixin:
        """The model field, whose permissions, limits and storage count."""
        return self.async_field_registry.field(self.async_field_id)

    def clean(self, data: Any, initial: Any = None) -> Any:
        if not self.multiple:
            return super().clean(data, initial)
        files = data if isinstance(data, (list, tuple)) else [data]
        cleaned = [super(AsyncFieldMixin, self).clean(file, initial) for file in files or [None]]
        return [file for file in cleaned if file]

    def run_validators(self, value: Any) -> None:
        super().run_validators(value)
        if isinstance(value, File):
            # In a plain form, no model does it.
            self.model_field.rules(value)


class AsyncFileField(AsyncFieldMixin):
    """The form field of an async file field; see :class:`AsyncFieldMixin`."""


class AsyncImageField(AsyncFieldMixin, forms.ImageField):
    """The form field of an async image field; see :class:`AsyncFieldMixin`."""
