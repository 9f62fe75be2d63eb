"""
What is written beside an upload in place: the record that it was begun, and the one claim on it.

Pure: knows no store. Both are objects below the pending prefix; what is not signed by this site counts for nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import astuple, dataclass, field
from typing import Literal

from django.core import signing

from .exceptions import Forged
from .tokens import Token

RECORD_SALT = "s3upload.record"

CLAIM_SALT = "s3upload.claim"

SAVE: Literal["save"] = "save"
"""The purpose of a form that saves the object where it is; one alone can."""

REMOVE: Literal["remove"] = "remove"
"""The purpose of whoever removes it: who cancels, the clean-up. What one has begun another may end."""


@dataclass(frozen=True, slots=True)
class Claim:
    """
    What one request has set out to do with an upload.

    :param key: of the object.
    :param purpose: :data:`SAVE` or :data:`REMOVE`.
    :param nonce: of the request, by which it knows its own claim when the store's answer was lost.
    """

    key: str
    purpose: str
    nonce: str = field(default_factory=secrets.token_hex)

    def sign(self) -> str:
        """Return the claim as signed text."""
        return signing.dumps(astuple(self), salt=CLAIM_SALT)

    @classmethod
    def unsign(cls, signed: str) -> Claim:
        """
        Return a claim.

        :raises Forged: when the text was not signed by this site.
        """
        try:
            return cls(*signing.loads(signed, salt=CLAIM_SALT))
        except (signing.BadSignature, ValueError, TypeError) as error:
            raise Forged from error

    def is_met_by(self, held: Claim) -> bool:
        """Return whether who makes this claim may go on, where there is one already."""
        return held == self or (held.key == self.key and held.purpose == self.purpose == REMOVE)


def sign_record(token: Token) -> str:
    """Return the record of an upload in place as signed text, which can't be posted as a token."""
    return token.sign(salt=RECORD_SALT)


def unsign_record(signed: str) -> Token:
    """
    Return the token of the upload that a record is of, however old that is.

    :raises Forged: when the text was not signed by this site.
    """
    token, _expired = Token.unsign(signed, salt=RECORD_SALT)
    return token
