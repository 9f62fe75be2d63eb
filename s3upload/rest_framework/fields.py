"""
File fields of serializers: what is uploaded is held to the field's policy once more, as a form does it.

Django REST framework has no hook for that: so its fields get the methods below, which call what they replace, and do
nothing more for a file that was posted the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.fields import FileField, ImageField, ListField

from ..files import DirectUploadedFile
from ..widgets import check_upload
from .exceptions import field_error
from .policies import policy_for

_file_value = FileField.to_internal_value
_image_value = ImageField.to_internal_value
_list_value = ListField.to_internal_value


def file_to_internal_value(self: FileField, data: Any) -> Any:
    # An ImageField calls this as well, between its own checks.
    if isinstance(self, ImageField):
        return _file_value(self, data)
    return checked_value(self, data, _file_value)


def image_to_internal_value(self: ImageField, data: Any) -> Any:
    return checked_value(self, data, _image_value)


def checked_value(field: FileField, data: Any, value_of: Callable[[Any, Any], Any]) -> Any:
    """
    Return what a field makes of posted data, when its policy allows the upload.

    :param value_of: what the field does without a policy.
    :raises APIException: a ``ValidationError``, or one for 503 when the store was not to be reached.
    """
    if not isinstance(data, DirectUploadedFile):
        return value_of(field, data)
    policy = policy_for(field)
    try:
        check_upload(data, policy)
        value = value_of(field, data)
        # Once more: its first bytes are known now. An ImageField has said more clearly what is no image.
        policy.check(data.chosen)
    except ValidationError as error:
        raise field_error(error) from error
    return value


def list_to_internal_value(self: ListField, data: Any) -> Any:
    # A file can be iterated over, and would be read line by line.
    if isinstance(data, DirectUploadedFile):
        self.fail("not_a_list", input_type="file")
    return _list_value(self, data)


METHODS: dict[type, dict[str, Any]] = {
    FileField: {"to_internal_value": file_to_internal_value},
    ImageField: {"to_internal_value": image_to_internal_value},
    ListField: {"to_internal_value": list_to_internal_value},
}
