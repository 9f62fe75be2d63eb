"""An upload in parts, between its presigning and the form: every step from its token alone, on any server."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from .backends import backend_named
from .backends.base import Backend, Part
from .exceptions import Forged, Malformed, UploadChanged, UploadGone
from .tokens import Token


def presign_parts(token: Token, numbers: Sequence[int], checksums: Sequence[str] | None) -> list[dict[str, Any]]:
    """
    Return a presigned request for each of some parts, in order.

    :param numbers: of the parts; the first part has the number 1.
    :param checksums: their SHA-256 in base64, where the token says that parts have checksums.
    :returns: dicts ``{"number", "url", "headers"}``.
    :raises Malformed: when there is no such part, or not one checksum for each.
    """
    expected = len(numbers) if token.has_checksums else 0
    are_parts = all(1 <= number <= token.part_count for number in numbers) and len(set(numbers)) == len(numbers)
    if not are_parts or len(checksums or ()) != expected:
        raise Malformed
    backend = backend_of(token)
    return [
        {"number": number, **backend.presign_part(token, number, checksum)}
        for number, checksum in zip_longest(numbers, checksums or ())
    ]


def list_parts(token: Token) -> list[dict[str, Any]]:
    """
    Return what has arrived; of an upload that is complete, all parts, without their ETags.

    :returns: dicts ``{"number", "size", "etag"}``.
    :raises UploadGone: when nothing is there (any more).
    """
    backend = backend_of(token)
    try:
        parts = backend.list_parts(token)
    except UploadGone:
        if not _is_complete(backend, token):
            raise
        parts = [Part(number, token.part_length(number), "") for number in range(1, token.part_count + 1)]
    return [{"number": part.number, "size": part.size, "etag": part.etag} for part in parts]


def complete(token: Token, claimed: Sequence[tuple[int, str]]) -> None:
    """
    Make the object of its parts; again makes no difference.

    :param claimed: number and ETag of every part, as the browser has them; an ETag that it can't read is empty.
    :raises Malformed: when these are not the parts of the file.
    :raises UploadChanged: when the store has other ones.
    :raises UploadGone: when nothing is there (any more).
    """
    if [number for number, _etag in claimed] != list(range(1, token.part_count + 1)):
        raise Malformed
    backend = backend_of(token)
    try:
        parts = backend.list_parts(token)
        if not _are_agreed(token, parts, claimed):
            raise UploadChanged("other parts than agreed")
        backend.complete(token, parts)
    except UploadGone:
        # Somebody was faster, or the store's answer was lost: then its mark may be missing.
        if not _is_complete(backend, token):
            raise
        if token.in_place:
            backend.mark_new(token)


def abort(token: Token) -> None:
    """Remove what there is of an upload, in parts or not, unless it has been saved."""
    backend_of(token).abort(token)


def backend_of(token: Token) -> Backend:
    """
    Return the backend of the store that a token is for.

    :raises Forged: when its storage takes no uploads (any more).
    """
    try:
        return backend_named(token.storage)
    except LookupError as error:
        raise Forged from error


def _are_agreed(token: Token, parts: list[Part], claimed: Sequence[tuple[int, str]]) -> bool:
    # Lengths are signed; stores have been seen to take a part that was copied from elsewhere, of any length.
    return [(part.number, part.size) for part in parts] == [
        (number, token.part_length(number)) for number in range(1, token.part_count + 1)
    ] and all(etag.strip('"') in ("", part.etag) for part, (_number, etag) in zip(parts, claimed, strict=True))


def _is_complete(backend: Backend, token: Token) -> bool:
    try:
        return backend.stat(token.key).size == token.size and (not token.in_place or backend.is_pending(token))
    except UploadGone:
        return False
