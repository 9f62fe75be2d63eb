"""
Requests that browsers may send, signed: a shared access signature (SAS) for one blob and one permission.

https://learn.microsoft.com/rest/api/storageservices/create-service-sas

A SAS signs the address, the permission and the end. It signs neither size nor type nor any other header. What keeps
"what was agreed is what is saved" here:

- A whole file has the permission *create* alone. It makes a blob where there is none; Azure refuses to overwrite one
  with it. What has arrived stays as it is: whoever holds the address can't exchange it, nor change its properties,
  and has sent one blob of at most 5,000 MiB.
- A part takes the permission *write*: Put Block has no smaller one. That would allow to write the whole blob, so
  nobody takes the store's word for what is there: the server itself makes the blob of the blocks, on the condition
  that it is still the one that it began with (:mod:`.blocks`).
- What the store then has is compared with the token when the form is posted: its size, its type, and that it has
  nothing else that only a browser can have set (:mod:`.reading`). Reading and copying carry its ETag from then on.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from django.core.exceptions import ImproperlyConfigured

from ...conf import PRESIGNED_AGE
from ...tokens import Token
from .blocks import block_id
from .clients import account_key_of
from .errors import translated_errors

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, UserDelegationKey

    from .backend import AzureBackend

CREATE = BlobSasPermissions(create=True)
WRITE = BlobSasPermissions(write=True)
READ = BlobSasPermissions(read=True)

KEY_AGE = timedelta(days=1)
"""How long a user delegation key is asked for; some requests are signed with each."""

LONGEST_KEY_AGE = timedelta(days=7)

SKEW = timedelta(minutes=5)
"""How far the server's clock may be ahead of the store's."""

ANSWER_HEADERS = frozenset(
    {"cache_control", "content_disposition", "content_encoding", "content_language", "content_type"}
)
"""What a SAS may say of the answer to a read: rscc, rscd, rsce, rscl, rsct."""


def presign(backend: AzureBackend, token: Token) -> dict[str, Any]:
    """Return a presigned Put Blob."""
    url = signed_url(backend, token.key, CREATE, PRESIGNED_AGE, base=backend.public_url)
    return {
        "method": "PUT",
        "url": url,
        "headers": {"x-ms-blob-type": "BlockBlob", "Content-Type": token.content_type},
    }


def presign_part(backend: AzureBackend, token: Token, number: int) -> dict[str, Any]:
    """Return a presigned Put Block."""
    url = signed_url(backend, token.key, WRITE, PRESIGNED_AGE, base=backend.public_url)
    encoded = b64encode(block_id(token, number).encode()).decode()
    return {"url": f"{url}&comp=block&blockid={quote(encoded, safe='')}", "headers": {}}


def download_url(backend: AzureBackend, name: str, age: int, headers: dict[str, str]) -> str:
    """Return the address from which a blob can be read."""
    unknown = headers.keys() - ANSWER_HEADERS
    if unknown:
        raise TypeError(f"an answer can't have {', '.join(sorted(unknown))}, but {', '.join(sorted(ANSWER_HEADERS))}")
    domain = backend.storage.custom_domain
    # As django-storages does it: a content delivery network reads, and does not write.
    base = f"{backend.storage.azure_protocol}://{domain}" if domain else backend.public_url
    return signed_url(backend, name, READ, age, base=base, **headers)


def signed_url(
    backend: AzureBackend, key: str, permission: BlobSasPermissions, age: int, *, base: str, **headers: Any
) -> str:
    """
    Return the address of a blob, signed for one thing.

    :param permission: what it may be used for.
    :param age: seconds after which it is worth nothing. It has no beginning, which clocks could disagree about.
    :param base: the address of the account.
    :param headers: of the answer.
    :raises ImproperlyConfigured: when there is nothing to sign with.
    """
    service = backend.service
    expiry = _now() + timedelta(seconds=age)
    path = backend.full_key(key)
    # Whoever signs is no variable here: error reports show variables.
    sas = generate_blob_sas(
        str(service.account_name),
        backend.container_name,
        path,
        permission=permission,
        expiry=expiry,
        protocol="https" if base.startswith("https:") else None,
        **headers,
        **_signed_by(backend, expiry),
    )
    return f"{base}/{quote(backend.container_name)}/{quote(path, safe='/~')}?{sas}"


def _signed_by(backend: AzureBackend, expiry: datetime) -> dict[str, Any]:
    if backend.has_identity:
        return {"user_delegation_key": backend.delegation_key(expiry)}
    return {"account_key": account_key_of(backend.service)}


class DelegationKey:
    """
    A user delegation key, asked for when needed and kept while it lasts.

    https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
    """

    def __init__(self) -> None:
        self._key: UserDelegationKey | None = None
        self._expiry = datetime.min.replace(tzinfo=UTC)

    def valid_until(self, service: BlobServiceClient, expiry: datetime) -> UserDelegationKey:
        """
        Return a key that lasts until something expires.

        :raises ImproperlyConfigured: when no key lasts so long.
        """
        if self._key is None or self._expiry < expiry:
            now = _now()
            until = max(now + KEY_AGE, expiry + SKEW)
            if until > now + LONGEST_KEY_AGE:
                raise ImproperlyConfigured("what is signed with a token_credential lives for less than 7 days")
            with translated_errors("GetUserDelegationKey"):
                self._key = service.get_user_delegation_key(now - SKEW, until)
            self._expiry = until
        return self._key


def _now() -> datetime:
    return datetime.now(UTC)
