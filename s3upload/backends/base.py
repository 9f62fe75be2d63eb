"""The port to a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import shortuuid
from django.core.files.storage import Storage

from ..conf import conf
from ..tokens import Token


@dataclass(frozen=True, slots=True)
class Stat:
    """
    What a store knows of an object.

    :param size: bytes.
    :param etag: changes whenever the content does; without quotes.
    :param content_type: ``None`` where the store keeps none.
    """

    size: int
    etag: str
    content_type: str | None


class Backend(ABC):
    """
    How one kind of store signs, stats, reads and deletes; made once per storage and process, shared by threads.

    Keys are names below the storage's location, as in Django's storage API. Wherever the store is asked,
    :class:`~s3upload.exceptions.StoreUnavailable` is raised when it refuses or does not answer.

    :param storage: the storage whose store it is.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __reduce__(self) -> tuple[Any, ...]:
        # It stands in its storage, and storages are pickled and copied.
        return type(self), (self.storage,)

    @classmethod
    def serves(cls) -> bool:
        """Return whether uploads may be taken here and now."""
        return True

    def new_key(self) -> str:
        """Return a key that no other upload has, under the pending prefix."""
        return f"{conf.PREFIX.strip('/')}/{shortuuid.uuid()}"

    @abstractmethod
    def presign(self, token: Token) -> dict[str, Any]:
        """
        Return a presigned request for the one object of a token: of exactly its key, size and type.

        :returns: ``{"method": "POST", "url", "fields"}``, the file to be sent last, under the name ``file``; or
            ``{"method": "PUT", "url", "headers"}``, the file being the body.
        """

    @abstractmethod
    def stat(self, key: str) -> Stat:
        """
        Return what the store knows of a pending object.

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
    def delete(self, keys: Iterable[str]) -> None:
        """Delete pending objects, in as few requests as the store allows; one that is gone already is no error."""
