"""How a client of Azure's is made from the options of a storage."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from azure.storage.blob import BlobServiceClient, LinearRetry
from django.core.exceptions import ImproperlyConfigured
from storages.backends.azure_storage import AzureStorage


def make_service(storage: AzureStorage) -> BlobServiceClient:
    """
    Return a new client of the account of a storage.

    :raises ImproperlyConfigured: when the options name no account, or make no sense.
    """
    options: dict[str, Any] = {
        # A store that hangs must not hold a worker for minutes, as the SDK's own three retries do, 15 s and more
        # apart. What the site says in the storage's ``client_options`` wins.
        "connection_timeout": 5,
        "read_timeout": 10,
        "retry_policy": LinearRetry(backoff=1, retry_total=1, random_jitter_range=1),
        **(storage.client_options or {}),
    }
    if storage.api_version:
        options["api_version"] = storage.api_version
    name = type(storage).__name__
    try:
        if storage.connection_string is not None:
            return BlobServiceClient.from_connection_string(storage.connection_string, **options)
        if not storage.account_name:
            raise ImproperlyConfigured(f"{name} has no account: set account_name or connection_string")
        url = f"{storage.azure_protocol}://{storage.account_name}.blob.{storage.endpoint_suffix}"
        return BlobServiceClient(url, credential=_credential_of(storage), **options)
    except (ValueError, AttributeError, TypeError):
        # Not "from" it: its message may have the key, and would stand in the log.
        raise ImproperlyConfigured(f"Azure's SDK makes no client with the options of {name}") from None


def _credential_of(storage: AzureStorage) -> Any:
    if storage.account_key:
        return {"account_name": storage.account_name, "account_key": storage.account_key}
    return storage.sas_token or storage.token_credential


def account_key_of(service: BlobServiceClient) -> str | None:
    """Return the key that a client signs with; ``None`` where it has an identity instead, or nothing."""
    return getattr(service.credential, "account_key", None)


def check_credential(service: BlobServiceClient, name: str) -> None:
    """
    Make sure that what browsers send can be signed.

    :param name: of the storage's class, for the message.
    :raises ImproperlyConfigured: when there is a ``sas_token`` only, or nothing.
    """
    if not (account_key_of(service) or hasattr(service.credential, "get_token")):
        raise ImproperlyConfigured(
            f"{name} has nothing to sign uploads with: set account_key, token_credential, or a connection_string that "
            "has the key; a sas_token can't sign"
        )
    try:
        b64decode(account_key_of(service) or "", validate=True)
    except ValueError:
        # Found here: where something is signed with it, error reports would show it.
        raise ImproperlyConfigured(f"the account key of {name} is none: it is not in base64") from None
