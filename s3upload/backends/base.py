"""The port to a store."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, ClassVar

import shortuuid
from django.core.files.storage import Storage

from ..conf import conf
from ..parts import ONE_REQUEST, S3_LIMITS, Limits, part_size_for
from ..tokens import Token

# Not the module's own, whose alphabet a site may change: what is cleaned up is known by its key.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
UUIDS = shortuuid.ShortUUID(ALPHABET)

UUID = re.compile(f"[{ALPHABET}]{{22}}")
"""What the last part of a pending object's key is like, and nothing that a person has named."""

IN_PLACE = "in-place/"
"""Where the records and claims of uploads in place are, below the pending prefix."""

CLAIM_SUFFIX = ".claimed"
"""Ends the key of a claim; what is before it is the key of the record."""


@dataclass(frozen=True, slots=True)
class Stat:
    """
    What a store knows of an object.

    :param size: bytes.
    :param etag: changes whenever the content does; without quotes.
    :param content_type: ``None`` where the store keeps none.
    :param checksum: ``"sha256:"`` and the SHA-256 in base64, which the store has verified; of a file that was sent in
        parts, that of the parts' checksums, then ``-`` and their number. ``None`` where it has verified none, or has
        told the first bytes instead.
    :param head: the first bytes, where they were asked for.
    """

    size: int
    etag: str
    content_type: str | None
    checksum: str | None = None
    head: bytes | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """
    A part that has arrived.

    :param number: the first is 1.
    :param size: bytes.
    :param etag: without quotes.
    :param checksum: its SHA-256 in base64, which the store has verified; ``None`` where it has not.
    """

    number: int
    size: int
    etag: str
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """
    Something below the pending prefix: an object, or an unfinished upload in parts.

    :param key: below the storage's location.
    :param size: bytes; 0 for an unfinished upload.
    :param modified: when it was written or begun, by the store's clock.
    :param upload_id: of an unfinished upload; empty for an object.
    """

    key: str
    size: int
    modified: datetime
    upload_id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """
    Some of what is pending; as much as the store tells at once.

    :param now: what the store's clock showed.
    :param found: in the order of the keys, where the store has one.
    :param done: which part of the whole list has been seen with this page, from 0 to 1.
    """

    now: datetime
    found: list[Pending]
    done: float


class Backend(ABC):
    """
    How one kind of store signs, stats, reads and deletes; made once per storage and process, shared by threads.

    Keys are names below the storage's location, as in Django's storage API. Wherever the store is asked,
    :class:`~s3upload.exceptions.StoreUnavailable` is raised when it refuses or does not answer.

    :param storage: the storage whose store it is.
    """

    saves_by: ClassVar[str] = ""
    """The dotted path of the storage that saves by a copy inside the store; empty where no other would send."""

    needs: ClassVar[str] = ""
    """Which options a storage must have, for a hint."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    @classmethod
    def problem_of(cls, storage: Storage) -> str:
        """
        Return what a storage lacks; empty where it can be used. Asks nothing of the store.

        :raises ImproperlyConfigured: which says it as well.
        """
        return ""

    def __reduce__(self) -> tuple[Any, ...]:
        # It stands in its storage, and storages are pickled and copied.
        return type(self), (self.storage,)

    @classmethod
    def serves(cls) -> bool:
        """Return whether uploads may be taken here and now."""
        return True

    @property
    def in_place(self) -> bool:
        """Whether uploads go to where they stay, marked, and are saved by taking the mark away."""
        return False

    @property
    def takes_checksums(self) -> bool:
        """Whether the store verifies checksums that come with a request."""
        return True

    @property
    def signs_types(self) -> bool:
        """Whether nobody but the server can give a type to what is sent in parts."""
        return True

    @property
    def limits(self) -> Limits:
        """What the store allows of parts."""
        return S3_LIMITS

    def new_key(self, name: str, *, in_place: bool = False) -> str:
        """
        Return a key that no other upload has: under the pending prefix, or where the object stays.

        :param name: of the file, cleaned.
        :param in_place: whether it stays there.
        """
        return f"{pending_prefix()}{UUIDS.uuid()}"

    def part_size_for(self, size: int) -> int:
        """
        Return the size of the parts that a file is sent in, in bytes; 0 for a file that is sent in one request.

        :param size: of the file, in bytes.
        """
        return part_size_for(size, self.limits) if size > ONE_REQUEST else 0

    # A file in one request

    @abstractmethod
    def presign(self, token: Token, sha256: str | None = None) -> dict[str, Any]:
        """
        Return a presigned request for the one object of a token: of exactly its key, size and type.

        :param sha256: in base64; then of exactly this content, where the store verifies it.
        :returns: ``{"method": "POST", "url", "fields"}``, the file to be sent last, under the name ``file``; or
            ``{"method": "PUT", "url", "headers"}``, the file being the body.
        """

    # A file in parts

    @abstractmethod
    def begin(self, token: Token) -> str:
        """Begin a multipart upload of the object of a token, and return the store's name for it."""

    @abstractmethod
    def presign_part(self, token: Token, number: int, checksum: str | None = None) -> dict[str, Any]:
        """
        Return a presigned ``PUT`` of one part, of exactly its length.

        :param number: of the part; the first is 1.
        :param checksum: its SHA-256 in base64; then of exactly this content, where the store verifies it.
        :returns: ``{"url", "headers"}``.
        """

    @abstractmethod
    def put_part(self, token: Token, number: int, body: IO[bytes], size: int) -> Part:
        """
        Put a part there that has come to the server.

        :param number: of the part; the first is 1. One that is there already is replaced.
        :param body: what is read; a file, which a store that is asked twice is sent twice.
        :param size: bytes of it.
        :raises UploadGone: when the upload is over, completed or aborted.
        """

    @abstractmethod
    def list_parts(self, token: Token) -> list[Part]:
        """
        Return the parts that have arrived, by their numbers.

        :raises UploadGone: when the upload is over, completed or aborted.
        """

    @abstractmethod
    def complete(self, token: Token, parts: list[Part]) -> None:
        """
        Make the object of its parts.

        :param parts: all of them, as :meth:`list_parts` has returned them.
        :raises UploadGone: when the upload is over, completed or aborted.
        :raises UploadChanged: when the store has other parts.
        """

    @abstractmethod
    def abort(self, token: Token) -> None:
        """Remove whatever there is of a pending upload: parts, object. Again makes no difference."""

    # A pending object

    def is_pending(self, token: Token) -> bool:
        """
        Return whether nobody has claimed an object yet, where objects are promoted in place.

        :raises UploadGone: when it is not there.
        """
        raise NotImplementedError(f"{type(self).__name__} promotes nothing in place")

    def mark_new(self, token: Token) -> None:
        """
        Mark an object that has just been completed, unless it has its mark already, or was saved.

        :raises UploadGone: when it is not there.
        """
        raise NotImplementedError(f"{type(self).__name__} promotes nothing in place")

    def claim(self, token: Token, purpose: str) -> bool:
        """
        Claim an upload in place, and return whether it may be dealt with now; of all who ask, one is told so.

        Who removes it may go on where another one, who removes it too, has stopped.

        :param purpose: :data:`~s3upload.claims.SAVE` or :data:`~s3upload.claims.REMOVE`.
        """
        raise NotImplementedError(f"{type(self).__name__} promotes nothing in place")

    def unclaim(self, token: Token) -> None:
        """Take back a claim that was not made use of."""
        raise NotImplementedError(f"{type(self).__name__} promotes nothing in place")

    def record_of(self, token: Token) -> str:
        """Return the key of the record of an upload in place, which goes when the object is saved."""
        raise NotImplementedError(f"{type(self).__name__} promotes nothing in place")

    def pending_key_of(self, token: Token) -> str:
        """Return the key of what goes when an upload is saved: the pending object, or the record of one that stays."""
        return self.record_of(token) if token.in_place else token.key

    @abstractmethod
    def stat(self, key: str, head: int = 0) -> Stat:
        """
        Return what the store knows of a pending object, in one call.

        :param head: how many of its first bytes to return with it; not for an empty object.
        :raises UploadGone: when it is not there.
        """

    @abstractmethod
    def read(self, key: str, etag: str, start: int, size: int) -> bytes:
        """
        Return up to ``size`` bytes of a pending object from byte ``start`` on.

        :param etag: of the object that is meant.
        :raises UploadGone: when it is not there.
        :raises UploadChanged: when another object is there.
        """

    @abstractmethod
    def download_url(self, name: str, *, age: int, method: str = "GET", **headers: str) -> str | None:
        """
        Return a signed address from which a stored object can be read; ``None`` where the store serves nobody.

        :param name: of the object, below the storage's location.
        :param age: seconds that the address can be used.
        :param method: ``"GET"`` or ``"HEAD"``.
        :param headers: what the answer shall have: ``cache_control``, ``content_disposition``, ``content_encoding``,
            ``content_language``, ``content_type``.
        """

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Delete pending objects, in as few requests as the store allows; one that is gone already is no error."""

    # All pending objects

    @property
    @abstractmethod
    def place(self) -> tuple[str, ...] | None:
        """Where the pending objects are: the same for all storages that share them. ``None`` where none can be."""

    @abstractmethod
    def list_pending(self) -> Iterator[Page]:
        """
        Give the pending objects, page by page; nothing but what this package has put there.

        What is given may be removed before the next page is asked for.
        """

    @abstractmethod
    def list_unfinished(self) -> Iterator[Page]:
        """Give the uploads in parts that are neither completed nor aborted, in the same way."""

    @abstractmethod
    def remove(self, pending: Iterable[Pending]) -> tuple[list[Pending], int]:
        """
        Remove pending objects and unfinished uploads, in as few requests as the store allows.

        :returns: what is gone now, and how many could not be removed. What somebody else has removed meanwhile is in
            neither, where the store tells.
        """

    # All uploads in place

    def list_in_place(self) -> Iterator[Page]:
        """Give the records of uploads in place, and the claims, each of which follows its record."""
        return iter(())

    def read_record(self, key: str) -> Token:
        """
        Return the token of the upload that a record is of.

        :raises UploadGone: when the record is not there any more.
        :raises Forged: when it was not made by this site, or for another upload.
        """
        raise NotImplementedError(f"{type(self).__name__} promotes nothing in place")

    def expire(self, token: Token, age: timedelta, *, dry_run: bool = False) -> list[tuple[int, bool]] | None:
        """
        Remove an upload in place, unless somebody has saved it.

        :param age: what was claimed more recently is left alone.
        :param dry_run: whether nothing is removed.
        :returns: bytes, and whether it is an unfinished upload, of what was removed; nothing where there was none; and
            ``None`` where it is left alone.
        """
        raise NotImplementedError(f"{type(self).__name__} promotes nothing in place")


def pending_prefix() -> str:
    """Return what the keys of pending objects begin with, below the storage's location."""
    return f"{conf.PREFIX.strip('/')}/"


def is_ours(key: str, below: str = "") -> bool:
    """
    Return whether a key is directly below the pending prefix, and made by this package.

    :param below: a folder there, instead.
    """
    prefix = pending_prefix() + below
    return key.startswith(prefix) and UUID.fullmatch(key, len(prefix)) is not None


def position(uuid: str) -> float:
    """
    Return where a key stands in the list of all that could be, from 0 to 1.

    :param uuid: its last part. Keys are random, and stores list them in order: so this says how far a list has got.
    """
    base = len(ALPHABET)
    value: int = sum(ALPHABET.index(digit) * base ** (21 - place) for place, digit in enumerate(uuid[:4]))
    return float(min(value / 2**128, 1))
