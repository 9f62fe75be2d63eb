"""
Notes beside an upload in place: the record that it was begun, and the one claim on it.

What they say, and what that means, is in :mod:`s3upload.claims`.
"""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import botocore.exceptions

from ...claims import Claim, sign_record, unsign_record
from ...exceptions import Forged, StoreUnavailable, UnusableUpload, UploadChanged, UploadGone
from ...tokens import MAX_LENGTH, Token
from ..base import CLAIM_SUFFIX
from .errors import clock_of, translated_errors

if TYPE_CHECKING:
    from .backend import S3Backend

CLAIMS = 3
"""Attempts at a claim: another one may be taken back at the same moment."""


def write_record(backend: S3Backend, token: Token) -> None:
    """Record that an upload was begun."""
    _put_text(backend, backend.record_of(token), sign_record(token))


def read_record(backend: S3Backend, key: str) -> Token:
    """Return the token of the upload that a record is of."""
    text, _age = _get_text(backend, key)
    token = unsign_record(text)
    if not token.in_place or backend.record_of(token) != key:
        raise Forged
    return token


def claim(backend: S3Backend, token: Token, purpose: str) -> bool:
    """Claim an upload, and return whether it may be dealt with now."""
    claim = Claim(token.key, purpose)
    for _attempt in range(CLAIMS):
        try:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
            _put_text(backend, _claim_key(backend, token), claim.sign(), IfNoneMatch="*")
        except UploadChanged:
            with suppress(UploadGone):
                held, _age = claim_on(backend, token)
                return held is not None and claim.is_met_by(held)
        except StoreUnavailable:
            # It may have been made, and the answer lost: then nobody else could make one.
            with suppress(UnusableUpload):
                held, _age = claim_on(backend, token)
                if held == claim:
                    return True
            raise
        else:
            return True
    raise StoreUnavailable("a claim was neither there nor could be made")


def unclaim(backend: S3Backend, token: Token) -> None:
    """Take back a claim."""
    backend.delete([_claim_key(backend, token)])


def _claim_key(backend: S3Backend, token: Token) -> str:
    return backend.record_of(token) + CLAIM_SUFFIX


def claim_on(backend: S3Backend, token: Token) -> tuple[Claim | None, timedelta]:
    """
    Return the claim on an upload, and its age; no claim where it was not made by this site.

    :raises UploadGone: when there is none.
    """
    text, age = _get_text(backend, _claim_key(backend, token))
    try:
        return Claim.unsign(text), age
    except Forged:
        return None, age


def _put_text(backend: S3Backend, key: str, text: str, **conditions: Any) -> None:
    parameters: Any = {**backend.target(key), **backend.encryption(key), **conditions}
    with translated_errors("PutObject"):
        backend.client.put_object(**parameters, Body=text.encode(), ContentType="text/plain")


def _get_text(backend: S3Backend, key: str) -> tuple[str, timedelta]:
    """Return what one of our own notes says, and its age."""
    with translated_errors("GetObject"):
        try:
            answer, text = _fetch(backend, key)
        except botocore.exceptions.IncompleteReadError:
            # Removed while it was read, it seems: then this says so.
            answer, text = _fetch(backend, key)
    return text.decode(errors="replace"), clock_of(answer) - answer["LastModified"]


def _fetch(backend: S3Backend, key: str) -> tuple[Any, bytes]:
    answer = backend.client.get_object(**backend.target(key))
    with closing(answer["Body"]) as body:
        return answer, body.read(MAX_LENGTH + 1)
