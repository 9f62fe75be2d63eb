"""What goes wrong on the way to the store, and what answers in its place, as errors of this package."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import botocore.exceptions
from django.core.exceptions import ImproperlyConfigured

from ...exceptions import StoreUnavailable, UploadChanged, UploadGone

logger = logging.getLogger(__name__)

GONE = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
OVER = GONE | {"NoSuchUpload"}
CHANGED = frozenset(
    {
        "412",
        "PreconditionFailed",
        "ConditionalRequestConflict",
        "416",
        "InvalidRange",
        "BadDigest",
        "EntityTooSmall",
        "InvalidPart",
        "InvalidPartOrder",
    }
)


@contextmanager
def translated_errors(operation: str, gone: frozenset[str] = GONE) -> Iterator[None]:
    """
    Raise boto3's errors as ours.

    :param operation: for the log, where the error does not name one. The log gets it and the store's error code, and
        no address, key or signature.
    :param gone: the store's codes for what is not there.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in gone:
            raise UploadGone(code) from error
        if code in CHANGED:
            raise UploadChanged(code) from error
        logger.error("the store refused %s: %s", error.operation_name, code)
        raise StoreUnavailable(code) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.ParamValidationError) as error:
        raise ImproperlyConfigured(f"{operation} can't be sent: {error}") from error
    except (
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.HTTPClientError,
        # botocore follows a redirect to where HeadBucket says, and HeadBucket too.
        RecursionError,
    ) as error:
        logger.error("the store did not answer %s: %s", operation, type(error).__name__)
        raise StoreUnavailable(type(error).__name__, answered=False) from error


def etag_of(answer: Any, operation: str) -> str:
    """
    Return the ETag of an answer, without quotes.

    :raises StoreUnavailable: when it has none.
    """
    # Something on the way may answer with 200 in the store's place: a network that wants a login, a balancer.
    if "ETag" not in answer:
        logger.error("what answered %s is no store: there is no ETag", operation)
        raise StoreUnavailable("no ETag")
    return str(answer["ETag"].strip('"'))


def clock_of(answer: Any) -> datetime:
    """
    Return what the store's clock showed when it answered.

    :raises StoreUnavailable: when the answer does not say.
    """
    # Ages are told by one clock alone: the one that the store writes its times by, whatever the server's shows.
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError) as error:
        raise StoreUnavailable("the answer has no date") from error
