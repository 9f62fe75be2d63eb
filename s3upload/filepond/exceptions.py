"""What can go wrong with FilePond's uploads, beside what :mod:`s3upload.exceptions` has."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from ..exceptions import InvalidRequest, Malformed, NotAllowed, S3UploadError


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


class FetchOff(NotAllowed):
    """Raised when a file is to be fetched and ``S3UPLOAD_FILEPOND_FETCH`` does not say that this is wanted."""

    default_message = _("Files are not fetched from other addresses here.")


class FetchRefused(Malformed):
    """Raised when an address is none that a file can be fetched from, whoever answers there."""

    default_message = _("A file can only be fetched from an address that begins with https:// or http://.")


class FetchFailed(Malformed):
    """
    Raised when there is no file to be had: what is there may not be reached, does not answer, or has something else.

    The message is the same for all of these: nobody is to learn from here what answers inside of the site's network.
    """

    default_message = _("No file could be fetched from this address.")


class FetchTooLarge(Malformed):
    """
    Raised when a remote file has more bytes than may be fetched.

    :param max_size: how many bytes that are.
    """

    status = 413

    def __init__(self, max_size: int) -> None:
        super().__init__(
            _("The file is too large. At most %(max_size)s are allowed.") % {"max_size": filesizeformat(max_size)}
        )
        self.max_size = max_size

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.max_size,)
