"""
Uploads that stay where they are, from the beginning to their removal.

The mark on the object is in ``marks``, what is written beside it in ``notes``; to save one is to take its mark away.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ...claims import REMOVE
from ...exceptions import StoreUnavailable, UploadGone
from ...tokens import Token
from . import marks, multipart, notes
from .deleting import delete_alone

if TYPE_CHECKING:
    from .backend import S3Backend


def begin(backend: S3Backend, token: Token) -> str:
    """Begin an upload in parts where the object stays, record it, and return its id."""
    parameters = {**backend.write_parameters(token), "Tagging": marks.TAGGING}
    # Nobody has validated it yet: it is not to be public before it is saved.
    parameters.pop("ACL", None)
    token = replace(token, upload_id=multipart.begin(backend, token, parameters))
    try:
        notes.write_record(backend, token)
    except StoreUnavailable:
        # Without it, nobody would find the upload.
        with suppress(StoreUnavailable):
            multipart.abort(backend, token)
        raise
    return token.upload_id


def abort(backend: S3Backend, token: Token) -> None:
    """Remove the parts, the object and the record of an upload, and leave the claim."""
    # One that has been saved where it is, or is being saved, stays.
    if not notes.claim(backend, token, REMOVE):
        return
    if token.upload_id:
        multipart.abort(backend, token)
    with suppress(UploadGone):
        # The claim of an older save may have been cleaned up.
        if marks.is_pending(backend, token):
            delete_alone(backend, token.key)
    backend.delete([backend.record_of(token)])


def expire(backend: S3Backend, token: Token, age: timedelta, *, dry_run: bool) -> list[tuple[int, bool]] | None:
    """Remove an upload, unless somebody has saved it; return what there was of it."""
    was_claimed = False
    if dry_run or not notes.claim(backend, token, REMOVE):
        try:
            held, held_for = notes.claim_on(backend, token)
        except UploadGone:
            # In a dry run nobody has claimed it; else whoever had is back at it.
            if not dry_run:
                return None
        else:
            was_claimed = held is None or held.key != token.key or held.purpose != REMOVE
            if was_claimed and held_for < age:
                return None
    was_open = multipart.is_open(backend, token) if dry_run else multipart.abort(backend, token)
    with suppress(UploadGone):
        # Who claimed it to save it, and died before its mark was gone, refers to it nowhere. Without a mark it may be
        # somebody's.
        if marks.has_mark(backend, token.key) if was_claimed else marks.is_pending(backend, token):
            if not dry_run:
                delete_alone(backend, token.key)
            return [(token.size, False)]
    return [(0, True)] if was_open else []
