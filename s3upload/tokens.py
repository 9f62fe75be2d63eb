"""The claim check for one uploaded object. Pure: knows no request and no store."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

from django.core import signing

from .conf import TOKEN_AGE
from .exceptions import Forged
from .parts import part_count, part_length

SALT = "s3upload.token"

SUFFIX = "-s3upload"
"""Ends the names of the entries that tokens are posted under."""

MAX_LENGTH = 8192
"""Characters; with the longest file name a token stays below it."""


class SignedText(str):
    """Signed text as it came from a browser. Error pages and reports, which show variables, don't show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<signed>"


def entry_name(name: str) -> str:
    """Given the name of a file input, return the name that its tokens are posted under."""
    return name + SUFFIX


@dataclass(frozen=True, slots=True)
class Token:
    """
    The claim check for one uploaded object.

    :param storage: the name of the storage that holds the object (see :mod:`s3upload.backends`).
    :param key: the object's name below the storage's location.
    :param name: the file's original name, cleaned.
    :param size: bytes.
    :param content_type: the media type that the server decided on.
    :param field: the field it was uploaded through (see :func:`s3upload.policy.field_identity`).
    :param owner: who uploaded it (see :mod:`s3upload.owners`).
    :param upload_id: the store's name for the multipart upload; empty for a file that is sent in one request.
    :param part_size: bytes of its parts; 0 for a file that is sent in one request.
    :param has_checksums: whether each part comes with its checksum.
    :param in_place: whether the object is saved by taking its mark away, and not by a copy.
    :param scope: that of the policy (see :mod:`s3upload.scopes`).
    """

    storage: str
    key: str
    name: str
    size: int
    content_type: str
    field: str
    owner: str
    upload_id: str = ""
    part_size: int = 0
    has_checksums: bool = False
    in_place: bool = False
    scope: str = ""

    @property
    def part_count(self) -> int:
        """How many parts the file is sent in; 0 for one that is sent in one request."""
        return part_count(self.size, self.part_size) if self.part_size else 0

    def part_length(self, number: int) -> int:
        """Return the bytes of one part; the first has the number 1."""
        return part_length(self.size, self.part_size, number)

    def sign(self, salt: str = SALT) -> str:
        """
        Return the token as the signed text that the form posts.

        :param salt: the purpose; a token signed for one is forged for any other.
        """
        return signing.dumps(_values_of(self), salt=salt)

    @classmethod
    def unsign(cls, signed: str, salt: str = SALT, max_age: int = TOKEN_AGE) -> tuple[Token, bool]:
        """
        Return a token, and whether it has expired.

        :param signed: the text that came back.
        :param salt: the purpose that it must have been signed for.
        :param max_age: seconds after which it has expired.
        :raises Forged: when the text was not signed by this site.
        """
        if len(signed) > MAX_LENGTH:
            raise Forged
        try:
            try:
                return cls(*signing.loads(signed, salt=salt, max_age=max_age)), False
            except signing.SignatureExpired:
                return cls(*signing.loads(signed, salt=salt)), True
        except (signing.BadSignature, ValueError, TypeError):
            # Not "from" it: its message has the signature, and would stand in the log.
            raise Forged from None


# What astuple() gives, which copies each value.
_values_of = attrgetter(*(field.name for field in fields(Token)))
