"""
What keeps an eye on uploads: apps that decide who may upload, and remember what was uploaded.

A scope is a text in the signed policy and in the token, ``"<name>:<anything>"``. The name is that of a keeper, which
an app registers when it is ready; what follows is the keeper's own. Uploads without a scope have no keeper.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from django.http import HttpRequest

from .exceptions import Forged
from .policy import ChosenFile, Policy
from .tokens import SignedText, Token

if TYPE_CHECKING:
    from .files import DirectUploadedFile, RequestUploads


class Keeper:
    """What an app is told of the uploads in its scopes; each method does nothing here."""

    def authorize(self, request: HttpRequest, policy: Policy, files: Sequence[ChosenFile]) -> None:
        """
        Decide whether somebody may upload.

        :raises PermissionDenied: when not.
        """

    def granted(self, request: HttpRequest, policy: Policy, tokens: Sequence[Token]) -> None:
        """Remember uploads, before anybody can begin with them."""

    def place_of(self, token: Token) -> str | None:
        """Return the name that an upload was saved under, below the storage's location; ``None`` where it wasn't."""
        return None

    def upload_of(
        self, request: HttpRequest, uploads: RequestUploads, posted: SignedText, field: str
    ) -> DirectUploadedFile | None:
        """
        Return the file for something that was posted in place of a token; ``None`` where it is nothing of the app's.

        :param uploads: of the request, to which the file is added.
        :param posted: not signed by this site.
        :param field: that it was posted for (see :func:`s3upload.policy.field_identity`).
        """
        return None

    def kept(self, keys: Collection[str]) -> Collection[str]:
        """Return those of some keys that the clean-up, and who cancels an upload, must leave alone."""
        return ()

    def clean_up(self, age: timedelta, *, dry_run: bool) -> str:
        """
        Clean up what the app remembers itself, after the stores were cleaned.

        :param age: what is younger stays.
        :param dry_run: whether nothing is removed, and only counted.
        :returns: what was done, for the person at the terminal.
        """
        return ""


_keepers: dict[str, Keeper] = {}


def register(name: str, keeper: Keeper) -> None:
    """Have a keeper asked about the scopes that begin with a name; again replaces it."""
    _keepers[name] = keeper


def keepers() -> Iterable[Keeper]:
    """Return all keepers."""
    return list(_keepers.values())


def keeper_of(scope: str) -> Keeper | None:
    """
    Return the keeper of a scope; ``None`` for uploads without one.

    :raises Forged: when its app is not installed (any more).
    """
    if not scope:
        return None
    keeper = _keepers.get(scope.partition(":")[0])
    if keeper is None:
        raise Forged
    return keeper
