"""
What can go wrong, and what Django makes of it.

::

    S3UploadError
    ├── Refused               presign: the policy, or who may upload, says no to a file
    ├── InvalidRequest        presign: answered with its ``status``
    │   ├── Malformed         400
    │   ├── NotAllowed        403
    │   │   ├── Forged        in a form post too
    │   │   └── Expired
    │   └── TooLarge          413
    └── UnusableUpload        a ValidationError: an error on the form field
        ├── UploadExpired     the token is older than a day
        ├── UploadForeign     the token is for another field or another person
        ├── UploadGone        the store has no such object (any more)
        ├── UploadChanged     the object is not the one that was agreed on or validated
        └── StoreUnavailable  the store refuses or does not answer; 503 outside a form

The messages are for the person in front of the page: translated, and without a key, an address or a token.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class S3UploadError(Exception):
    """The base of every error that this package raises."""


class Refused(S3UploadError, ValidationError):
    """Raised when a file is too large for a policy, or not of a type that the policy accepts."""


class InvalidRequest(S3UploadError):
    """
    Raised when the presign endpoint refuses a request as a whole.

    :param message: for the user; the class's own when left out.
    """

    status: ClassVar[int] = 400
    default_message: ClassVar[str | Promise] = _("The request could not be understood.")

    def __init__(self, message: str | Promise | None = None) -> None:
        super().__init__(message if message is not None else self.default_message)


class Malformed(InvalidRequest, BadRequest):
    """Raised when a request is not what the wire format says."""


class NotAllowed(InvalidRequest, PermissionDenied):
    """Raised when another site asks, or when ``S3UPLOAD_AUTHORIZE`` says no."""

    status = 403
    default_message = _("You may not upload files here.")


class Forged(NotAllowed):
    """Raised when a policy or a token was not signed by this site, or the signature does not fit."""

    default_message = _("This upload was not allowed by this site. Reload the page and choose the file again.")


class Expired(NotAllowed):
    """Raised when the policy of a page that was open for long has expired."""

    default_message = _("This page has been open for too long. Reload it and choose the file again.")


class TooLarge(InvalidRequest, BadRequest):
    """Raised when a request has too many files or is too long."""

    status = 413
    default_message = _("This is too much for one request. Choose fewer files at once.")


class UnusableUpload(S3UploadError, ValidationError):
    """
    Raised when an uploaded file is looked at and can't be used: a form shows it on the field.

    :param detail: for the log; never shown to the user.
    """

    default_message: ClassVar[str | Promise]
    default_code: ClassVar[str]

    def __init__(self, detail: str = "") -> None:
        # Still lazy: it may be raised in a thread, which does not know the user's language.
        super().__init__(cast("Any", self.default_message), code=self.default_code)
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.detail,)


class UploadExpired(UnusableUpload, BadRequest):
    """Raised when a token is older than a day."""

    default_code = "upload_expired"
    default_message = _("The uploaded file has expired. Choose the file again.")


class UploadForeign(UnusableUpload, BadRequest):
    """Raised when a token was given out for another field or to another person."""

    default_code = "upload_foreign"
    default_message = _("The uploaded file does not belong to this form. Choose the file again.")


class UploadGone(UnusableUpload, BadRequest):
    """Raised when the store has no object for a token: never sent, saved already, or cleaned up."""

    default_code = "upload_gone"
    default_message = _("The uploaded file is no longer there. Choose the file again.")


class UploadChanged(UnusableUpload, BadRequest):
    """Raised when the object differs from the one that was presigned, or from the one that was validated."""

    default_code = "upload_changed"
    default_message = _("The uploaded file has changed meanwhile. Choose the file again.")


class StoreUnavailable(UnusableUpload):
    """
    Raised when the store refuses a request or does not answer.

    :param answered: whether it did answer: the next request may have better luck.
    """

    default_code = "store_unavailable"
    default_message = _("The file store could not be reached. Try again in a moment.")

    def __init__(self, detail: str = "", answered: bool = True) -> None:
        super().__init__(detail)
        self.answered = answered

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.detail, self.answered)
