"""The adapter: what this store does. How it does it is in the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cached_property
from pathlib import PurePath, PurePosixPath
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, TypeGuard, cast
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage
from storages.backends.s3 import S3Storage

from ...conf import conf
from ...parts import part_size_for
from ...tokens import Token
from ..base import IN_PLACE, UUIDS, Backend, Page, Part, Pending, Stat, pending_prefix
from ..providers import Provider, provider_at
from . import copying, deleting, in_place, listing, marks, multipart, notes, presigning, reading
from .clients import COPY_CONFIG, account_of, make_client, make_session
from .signature import Signer

if TYPE_CHECKING:
    from boto3 import Session
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

NAME_LENGTH = 100
"""Characters of the names of objects that stay where they are: what a ``FileField`` holds unless it is told more."""

# The object parameters that decide how an object is written; without them a bucket that demands encryption refuses it.
ENCRYPTION = ("ServerSideEncryption", "SSEKMSKeyId")


class S3Backend(Backend):
    """
    S3 and the stores that speak it.

    Has a client of its own: boto3's clients are safe to share between threads, the resources that django-storages
    makes for every thread are not.
    """

    storage: S3Storage
    saves_by = "s3upload.storage.S3UploadStorage"
    needs = '"bucket_name"'

    @classmethod
    def problem_of(cls, storage: Storage) -> str:
        return "" if getattr(storage, "bucket_name", None) else "it has no bucket"

    def __init__(self, storage: S3Storage) -> None:
        super().__init__(storage)
        self._lock = Lock()
        # By bucket: what a storage says of its bucket is asked each time.
        self._signers: dict[str, Signer] = {}

    @property
    def bucket(self) -> str:
        return str(self.storage.bucket_name)

    @property
    def client(self) -> S3Client:
        """The client for the server's own requests; made when first needed."""
        with self._lock:
            return self._client

    @property
    def copier(self) -> S3Client:
        """The client that has objects copied, which takes longer."""
        with self._lock:
            return self._copier

    @property
    def presigner(self) -> S3Client:
        """The client for the address that browsers see; it sends nothing."""
        with self._lock:
            return self._presigner

    @property
    def signer(self) -> Signer:
        """What signs the requests of browsers."""
        bucket = self.bucket
        with self._lock:
            if bucket not in self._signers:
                # The session was made with some.
                credentials = cast("Credentials", self._session.get_credentials())
                self._signers[bucket] = Signer(self._presigner, bucket, credentials)
            return self._signers[bucket]

    @cached_property
    def _session(self) -> Session:
        return make_session(self.storage)

    @cached_property
    def _client(self) -> S3Client:
        return make_client(self.storage, self._session, self.storage.endpoint_url)

    @cached_property
    def _copier(self) -> S3Client:
        return make_client(self.storage, self._session, self.storage.endpoint_url, COPY_CONFIG)

    @cached_property
    def _presigner(self) -> S3Client:
        public = getattr(self.storage, "public_endpoint_url", None) or conf.PUBLIC_ENDPOINT_URL
        return make_client(self.storage, self._session, public) if public else self._client

    # What the store can do

    @cached_property
    def provider(self) -> Provider:
        """What the store can do; found from its addresses, the server's before the browser's, and the options."""
        hosts = [urlsplit(client.meta.endpoint_url).hostname or "" for client in (self.client, self.presigner)]
        try:
            return provider_at(hosts, getattr(self.storage, "provider", None))
        except TypeError as error:
            raise ImproperlyConfigured(f"the option provider of {type(self.storage).__name__}: {error}") from error

    @property
    def in_place(self) -> bool:
        return getattr(self.storage, "promote", None) == "in-place"

    @property
    def takes_checksums(self) -> bool:
        # Whoever has a store that knows none has told boto3 so: it sends them by itself.
        calculation = getattr(self.client.meta.config, "request_checksum_calculation", None)
        return self.provider.checksums and calculation != "when_required"

    @property
    def limits(self) -> Provider:
        return self.provider

    def part_size_for(self, size: int) -> int:
        # What stays where it is is always sent in parts: they end with the upload, while whoever has a presigned
        # request for a whole object could exchange it afterwards. An empty file is copied, which costs nothing.
        return part_size_for(size, self.limits) if self.in_place and size else super().part_size_for(size)

    # Keys, and what boto3 is told of an object

    def new_key(self, name: str, *, in_place: bool = False) -> str:
        if not in_place:
            return super().new_key(name)
        folder = f"{self.storage.stored_prefix.strip('/')}/{UUIDS.uuid()}/"
        path = PurePath(self.storage.get_valid_name(name))
        suffix = path.suffix[:16]
        return folder + path.stem[: max(NAME_LENGTH - len(folder) - len(suffix), 1)] + suffix

    def record_of(self, token: Token) -> str:
        return f"{pending_prefix()}{IN_PLACE}{PurePosixPath(token.key).parent.name}"

    def full_key(self, name: str) -> str:
        """Return the key in the bucket of a name below the storage's location."""
        return str(self.storage._normalize_name(name))

    def target(self, key: str) -> Any:
        """Return the parameters that name an object."""
        return {"Bucket": self.bucket, "Key": self.full_key(key)}

    def upload_of(self, token: Token) -> Any:
        """Return the parameters that name the multipart upload of a token."""
        return {**self.target(token.key), "UploadId": token.upload_id}

    def encryption(self, key: str) -> dict[str, str]:
        """Return the parameters by which the storage has an object encrypted."""
        parameters = self.storage.get_object_parameters(self.full_key(key))
        return {name: parameters[name] for name in ENCRYPTION if name in parameters}

    def write_parameters(self, token: Token) -> dict[str, Any]:
        """Return the parameters that the storage writes the object of a token with."""
        parameters: dict[str, Any] = self.storage._get_write_parameters(self.full_key(token.key), token)
        return parameters

    # A file in one request

    def presign(self, token: Token, sha256: str | None = None) -> dict[str, Any]:
        return presigning.presign(self, token, sha256)

    # A file in parts

    def begin(self, token: Token) -> str:
        if token.in_place:
            return in_place.begin(self, token)
        return multipart.begin(self, token, {"ContentType": token.content_type, **self.encryption(token.key)})

    def presign_part(self, token: Token, number: int, checksum: str | None = None) -> dict[str, Any]:
        return presigning.presign_part(self, token, number, checksum)

    def put_part(self, token: Token, number: int, body: IO[bytes], size: int) -> Part:
        return multipart.put_part(self, token, number, body, size)

    def list_parts(self, token: Token) -> list[Part]:
        return multipart.list_parts(self, token)

    def complete(self, token: Token, parts: list[Part]) -> None:
        multipart.complete(self, token, parts)

    def abort(self, token: Token) -> None:
        if token.in_place:
            in_place.abort(self, token)
            return
        if token.upload_id:
            multipart.abort(self, token)
        self.delete([token.key])

    # A pending object

    def stat(self, key: str, head: int = 0) -> Stat:
        return reading.stat_with_head(self, key, head) if head else reading.stat(self, key)

    def read(self, key: str, etag: str, start: int, size: int) -> bytes:
        return reading.read(self, key, etag, start, size)

    def download_url(self, name: str, *, age: int, method: str = "GET", **headers: str) -> str | None:
        return presigning.download_url(self, name, age, method, headers)

    def can_copy_from(self, source: Backend) -> TypeGuard[S3Backend]:
        """Return whether the store can copy from another backend's: same address, same credentials."""
        return isinstance(source, S3Backend) and account_of(self.storage) == account_of(source.storage)

    def copy_from(
        self,
        source: S3Backend,
        key: str,
        stat: Stat,
        name: str,
        parameters: dict[str, Any],
        *,
        is_marked: bool = False,
    ) -> None:
        """
        Copy a pending object to its final name, inside the store.

        :param source: the backend that has the pending object.
        :param stat: of the object that was validated; another one is not copied.
        :param name: the final name, below this storage's location.
        :param parameters: the storage's write parameters for it (content type, ACL, …). Nothing that the browser
            could have set on the pending object is kept.
        :param is_marked: whether the pending object has a mark, which its copy must not have.
        :raises UploadGone: when the pending object is not there.
        :raises UploadChanged: when another one is there.
        """
        if is_marked:
            parameters = {"Tagging": "", **parameters}
        copying.copy(self, source, key, stat, name, parameters)

    def delete(self, keys: Iterable[str]) -> None:
        deleting.delete(self, keys)

    # A pending object that stays where it is

    def is_pending(self, token: Token) -> bool:
        return marks.is_pending(self, token)

    def mark_new(self, token: Token) -> None:
        marks.mark_new(self, token)

    def keep(self, key: str, parameters: dict[str, Any]) -> None:
        """
        Take the mark from an object: it is saved.

        :param parameters: the storage's write parameters for it, whose ACL and tags it gets.
        :raises UploadGone: when it is not there.
        """
        marks.keep(self, key, parameters)

    def claim(self, token: Token, purpose: str) -> bool:
        return notes.claim(self, token, purpose)

    def unclaim(self, token: Token) -> None:
        notes.unclaim(self, token)

    # All pending objects, and all uploads in place

    @property
    def place(self) -> tuple[str, ...] | None:
        return (self.client.meta.endpoint_url, self.bucket, self.full_key(pending_prefix()))

    def list_pending(self) -> Iterator[Page]:
        return listing.list_pending(self)

    def list_unfinished(self) -> Iterator[Page]:
        return listing.list_unfinished(self)

    def remove(self, pending: Iterable[Pending]) -> tuple[list[Pending], int]:
        return deleting.remove(self, pending)

    def list_in_place(self) -> Iterator[Page]:
        return listing.list_in_place(self)

    def read_record(self, key: str) -> Token:
        return notes.read_record(self, key)

    def expire(self, token: Token, age: timedelta, *, dry_run: bool = False) -> list[tuple[int, bool]] | None:
        return in_place.expire(self, token, age, dry_run=dry_run)
