"""What can go wrong with FilePond's uploads, beside what :mod:`s3upload.exceptions` has."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from ..exceptions import S3UploadError


class ConfigurationError(S3UploadError, ImproperlyConfigured):
    """Raised when a folder that the settings name is not there, is none, or may not be used."""
