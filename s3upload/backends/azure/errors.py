"""What goes wrong on the way to the store, and what answers in its place, as errors of this package."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError

from ...exceptions import StoreUnavailable, UploadChanged, UploadGone

logger = logging.getLogger(__name__)

# https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
GONE = frozenset({"BlobNotFound", "404 CannotVerifyCopySource"})
CONDITION = frozenset({"ConditionNotMet", "SourceConditionNotMet", "412"})
CHANGED = CONDITION | {
    "InvalidRange",
    "InvalidBlockList",
    "InvalidBlobType",
    # A browser can send it to a tier that can't be read, or encrypted with a key of its own.
    "BlobArchived",
    "BlobUsesCustomerSpecifiedEncryption",
}
TAKEN = frozenset({"BlobAlreadyExists", "TargetConditionNotMet"})


class NameTaken(StoreUnavailable):
    """Raised when a copy would overwrite what somebody else has saved at the same moment."""


@contextmanager
def translated_errors(operation: str, gone: frozenset[str] = GONE) -> Iterator[None]:
    """
    Raise the errors of Azure's SDK as ours.

    :param operation: for the log, which gets it and the store's error code, and no address, key or signature.
    :param gone: the store's codes for what is not there.
    :raises NameTaken: when there is something already where nothing may be overwritten.
    """
    try:
        yield
    except HttpResponseError as error:
        status = error.status_code
        code = code_of(error)
        if code in gone or f"{status} {code}" in gone:
            raise UploadGone(code) from error
        if code in TAKEN:
            raise NameTaken(code) from error
        # Not every store that speaks it has a code for this one.
        if code in CHANGED or status == 416:
            raise UploadChanged(code) from error
        logger.error("the store refused %s: %s", operation, code)
        raise StoreUnavailable(code) from error
    except AzureError as error:
        logger.error("the store did not answer %s: %s", operation, type(error).__name__)
        raise StoreUnavailable(type(error).__name__, answered=False) from error


def code_of(error: HttpResponseError) -> str:
    """Return the store's code of an error, or the status of its answer."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or error.status_code or type(error).__name__)


def quoted(etag: str) -> str:
    """Return an ETag as conditions have it."""
    return f'"{etag}"'


def unquoted(answer: Any, operation: str) -> str:
    """
    Return the ETag of an answer, without quotes.

    :raises StoreUnavailable: when it has none.
    """
    # Something on the way may answer with 200 in the store's place: a network that wants a login, a balancer.
    etag = answer.get("etag")
    if not etag:
        logger.error("what answered %s is no store: there is no ETag", operation)
        raise StoreUnavailable("no ETag")
    return str(etag).strip('"')


def clock_of(headers: Mapping[str, str]) -> datetime:
    """
    Return what the store's clock showed when it answered.

    :raises StoreUnavailable: when the answer does not say.
    """
    # Ages are told by one clock alone: the one that the store writes its times by, whatever the server's shows.
    try:
        return parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError) as error:
        raise StoreUnavailable("the answer has no date") from error
