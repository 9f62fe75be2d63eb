"""What an API answers when an upload can't be used."""

from __future__ import annotations

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.fields import get_error_detail
from rest_framework.serializers import as_serializer_error

from ..exceptions import StoreUnavailable, UnusableUpload


class ServiceUnavailable(APIException):
    """Raised when the store refuses a request or does not answer: 503."""

    status_code = 503
    default_detail = StoreUnavailable.default_message
    default_code = StoreUnavailable.default_code


def field_error(error: DjangoValidationError) -> APIException:
    """Return the error of a field: 400, unless the store was not to be reached."""
    return ServiceUnavailable() if isinstance(error, StoreUnavailable) else ValidationError(get_error_detail(error))


def view_error(error: Exception) -> Exception:
    """Return the error of a view that has looked at an upload, or saved one, outside of a field."""
    if isinstance(error, StoreUnavailable):
        return ServiceUnavailable()
    return ValidationError(as_serializer_error(error)) if isinstance(error, UnusableUpload) else error
