"""What can go wrong with FilePond's uploads, beside what :mod:`s3upload.exceptions` has."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from ..exceptions import InvalidRequest, Malformed, S3UploadError


class ConfigurationError(S3UploadError, ImproperlyConfigured):
    """Raised when a folder that the settings name is not there, is none, or may not be used."""


class BadUpload(Malformed):
    """Raised when what the client says of an upload does not fit what it sends, or nothing that exists."""


class NotThere(InvalidRequest):
    """Raised when there is no such upload, or it is somebody else's."""

    status = 404
    default_message = _("There is no such upload.")


class OtherOffset(InvalidRequest):
    """Raised when a chunk is not the one that is to come now; another request may have been faster."""

    status = 409
    default_message = _("Another part of the file is to come now. Try again.")


class TooLong(InvalidRequest):
    """Raised when a file is larger than is allowed."""

    status = 413
