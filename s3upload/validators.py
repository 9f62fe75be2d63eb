"""A validator for the size of a file, for form fields and model fields."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.template.defaultfilters import filesizeformat
from django.utils.deconstruct import deconstructible
from django.utils.translation import gettext_lazy as _


@deconstructible
class FileSizeValidator:
    """
    Refuses files above a size; a field that has it refuses them before a byte is sent.

    The widget asks any validator of a field for an attribute ``max_size`` (an ``int``, bytes), so that validators of
    other packages that have one are respected as well.

    :param max_size: the largest size allowed, in bytes.
    """

    message = _("The file is too large (%(size)s). At most %(max_size)s are allowed.")
    code = "max_size"

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size

    def __call__(self, value: File[Any]) -> None:
        """
        :raises ValidationError: when ``value.size`` is above ``max_size``.
        """
        if value.size > self.max_size:
            raise ValidationError(
                self.message,
                code=self.code,
                params={
                    "size": filesizeformat(value.size),
                    "max_size": filesizeformat(self.max_size),
                    "value": value,
                },
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileSizeValidator) and self.max_size == other.max_size

    def __hash__(self) -> int:
        return hash(self.max_size)
