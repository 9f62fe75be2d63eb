"""The adapter: what this store does. How it does it is in the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, TypeGuard, cast
from weakref import finalize

from django.core.files.storage import Storage
from storages.backends.azure_storage import AzureStorage

from ...conf import conf
from ...parts import Limits
from ...tokens import Token
from ..base import Backend, Page, Part, Pending, Stat, pending_prefix
from . import blocks, copying, deleting, listing, presigning, reading
from .clients import account_key_of, check_credential, make_service

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient, UserDelegationKey

PATIENCE = 120
"""Seconds that the store may be silent while it copies, or makes a blob of its blocks."""


class AzureBackend(Backend):
    """
    Azure Blob storage.

    Has a client of its own, made when first needed and shared between threads.
    """

    storage: AzureStorage
    saves_by = "s3upload.backends.azure.AzureUploadStorage"
    needs = '"azure_container", and "connection_string" or "account_name" with a credential,'

    @classmethod
    def problem_of(cls, storage: Storage) -> str:
        if not getattr(storage, "azure_container", None):
            return "it has no container"
        with closing(make_service(cast("AzureStorage", storage))) as service:
            check_credential(service, type(storage).__name__)
        return ""

    def __init__(self, storage: AzureStorage) -> None:
        super().__init__(storage)
        self._lock = Lock()
        self._delegation_key = presigning.DelegationKey()

    @property
    def service(self) -> BlobServiceClient:
        """The client of the account; made when first needed."""
        with self._lock:
            return self._service

    @cached_property
    def _service(self) -> BlobServiceClient:
        service = make_service(self.storage)
        check_credential(service, type(self.storage).__name__)
        # Its connections end with the backend.
        finalize(self, service.close)
        return service

    @property
    def container_name(self) -> str:
        return str(self.storage.azure_container)

    @property
    def container(self) -> ContainerClient:
        return self.service.get_container_client(self.container_name)

    def blob(self, key: str) -> BlobClient:
        """Return the client of a blob below the storage's location."""
        return self.container.get_blob_client(self.full_key(key))

    def full_key(self, name: str) -> str:
        """Return the name in the container of a name below the storage's location."""
        return str(self.storage._get_valid_path(name))

    @property
    def url(self) -> str:
        """The address of the account."""
        return self.service.url.partition("?")[0].rstrip("/")

    @property
    def public_url(self) -> str:
        """The address of the account for browsers."""
        public = getattr(self.storage, "public_endpoint_url", None) or conf.PUBLIC_ENDPOINT_URL
        return public.rstrip("/") if public else self.url

    @property
    def has_identity(self) -> bool:
        """Whether the server has an identity, and no key of the account."""
        return account_key_of(self.service) is None

    @property
    def patience(self) -> dict[str, Any]:
        """What a client is told of a request that takes the store long."""
        # Never less than the site says.
        options: dict[str, Any] = self.storage.client_options or {}
        return {} if "read_timeout" in options else {"read_timeout": PATIENCE}

    def delegation_key(self, expiry: datetime) -> UserDelegationKey:
        """Return a user delegation key that lasts until something expires."""
        service = self.service
        with self._lock:
            return self._delegation_key.valid_until(service, expiry)

    # What the store can do

    @property
    def takes_checksums(self) -> bool:
        # It verifies MD5 and CRC-64, of which browsers know neither.
        return False

    @property
    def limits(self) -> Limits:
        return blocks.LIMITS

    @property
    def signs_types(self) -> bool:
        return False

    # A file in one request

    def presign(self, token: Token, sha256: str | None = None) -> dict[str, Any]:
        return presigning.presign(self, token)

    # A file in parts

    def begin(self, token: Token) -> str:
        return blocks.begin(self, token)

    def put_part(self, token: Token, number: int, body: IO[bytes], size: int) -> Part:
        return blocks.put_part(self, token, number, body, size)

    def presign_part(self, token: Token, number: int, checksum: str | None = None) -> dict[str, Any]:
        return presigning.presign_part(self, token, number)

    def list_parts(self, token: Token) -> list[Part]:
        return blocks.list_parts(self, token)

    def complete(self, token: Token, parts: list[Part]) -> None:
        blocks.complete(self, token, parts)

    def abort(self, token: Token) -> None:
        if token.part_size:
            deleting.end(self, token.key)
        else:
            self.delete([token.key])

    # A pending object

    def stat(self, key: str, head: int = 0) -> Stat:
        return reading.stat_with_head(self, key, head) if head else reading.stat(self, key)

    def read(self, key: str, etag: str, start: int, size: int) -> bytes:
        return reading.read(self, key, etag, start, size)

    def can_copy_from(self, source: Backend) -> TypeGuard[AzureBackend]:
        """Return whether the store can copy from another backend's: of the same account."""
        return isinstance(source, AzureBackend) and self._account == source._account

    @property
    def _account(self) -> tuple[str, str]:
        return (self.url, str(self.service.account_name))

    def copy_from(
        self, source: AzureBackend, key: str, stat: Stat, name: str, settings: dict[str, Any], *, overwrite: bool
    ) -> None:
        """
        Copy a pending blob to its final name, inside the account, and wait until that is done.

        :param source: the backend that has the pending blob.
        :param stat: of the blob that was validated; another one is not copied.
        :param name: the final name, below this storage's location.
        :param settings: the storage's content settings for it. Nothing that the browser could have set on the
            pending blob is kept.
        :param overwrite: whether what has the name already may be replaced.
        :raises UploadGone: when the pending blob is not there.
        :raises UploadChanged: when another one is there.
        :raises NameTaken: when something has the name.
        """
        copying.copy(self, source, key, stat, name, settings, overwrite=overwrite)

    def delete(self, keys: Iterable[str]) -> None:
        deleting.delete(self, keys)

    # A stored object

    def download_url(self, name: str, *, age: int, method: str = "GET", **headers: str) -> str | None:
        # One permission allows GET and HEAD.
        return presigning.download_url(self, name, age, headers)

    # All pending objects

    @property
    def place(self) -> tuple[str, ...] | None:
        return (self.url, self.container_name, self.full_key(pending_prefix()))

    def list_pending(self) -> Iterator[Page]:
        return listing.list_pending(self)

    def list_unfinished(self) -> Iterator[Page]:
        return listing.list_unfinished(self)

    def remove(self, pending: Iterable[Pending]) -> tuple[list[Pending], int]:
        return deleting.remove(self, pending)
