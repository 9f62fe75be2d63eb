"""Azurite, Azure's own emulator of its blob storage: checks signatures, permissions and conditions as Azure does."""

from __future__ import annotations

import os
import secrets
import sys
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient, CorsRule

from tests.servers import base

FOLDER = Path(__file__).parent / "node"
"""Where its Node package is described, and installed."""

# What a page needs for uploads; as docs/azure.rst has it.
CORS_RULE = CorsRule(["*"], ["PUT"], allowed_headers=["content-type", "x-ms-blob-type"], max_age_in_seconds=3000)


@dataclass(frozen=True, kw_only=True)
class AzureAccount(base.Account):
    """Where Azurite listens, and its two accounts, `main` and `other`."""

    account_key: str
    other_account_key: str

    def connection_string(self, *, other: bool = False) -> str:
        """Return what a storage, and Azure's tools, take as an account."""
        name, key = ("other", self.other_account_key) if other else ("main", self.account_key)
        return (
            f"DefaultEndpointsProtocol=http;AccountName={name};AccountKey={key};"
            f"BlobEndpoint={self.endpoint_url}/{name};"
        )

    def client(self, *, other: bool = False, **options: Any) -> BlobServiceClient:
        """Return a client of one of the accounts."""
        return BlobServiceClient.from_connection_string(self.connection_string(other=other), retry_total=0, **options)

    def environ(self, bucket: str) -> dict[str, str]:
        """Return the variables that Azure's tools read, and the container."""
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection_string(), "AZURE_CONTAINER": bucket}

    def create_bucket(self, name: str) -> None:
        """Create a container that a page of any origin may upload to, in both accounts."""
        for other in (False, True):
            with self.client(other=other) as client:
                client.create_container(name)
                client.set_service_properties(cors=[CORS_RULE])


class Azurite(base.Server):
    """
    Azurite's blob service on loopback.

    A Node package, installed in the folder `node` beside this module, or where AZURITE_MODULES says.
    """

    name = "azurite"

    def start(self) -> AzureAccount:
        modules = Path(os.environ.get("AZURITE_MODULES") or FOLDER / "node_modules")
        program = modules / "azurite" / "dist" / "src" / "blob" / "main.js"
        if not program.exists():
            raise base.ServerError(
                f"Azurite is missing: there is no {program}. "
                "`make test` installs it; AZURITE_MODULES names another folder with Node packages."
            )
        port = base.free_port()
        keys = [b64encode(secrets.token_bytes(64)).decode() for _ in range(2)]
        self.spawn(
            [
                "node",
                program,
                *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
                *("--location", self.folder / "data"),
                # The SDK is newer than what it knows.
                "--skipApiVersionCheck",
                "--silent",
            ],
            env={**os.environ, "AZURITE_ACCOUNTS": f"main:{keys[0]};other:{keys[1]}"},
        )
        account = AzureAccount(endpoint_url=f"http://127.0.0.1:{port}", account_key=keys[0], other_account_key=keys[1])
        self.wait_until_answering(f"{account.endpoint_url}/main")
        return account


def main() -> int:
    options = base.argument_parser("Run Azurite, the emulator of Azure Blob storage, on loopback.").parse_args()
    return base.main(Azurite(), options)


if __name__ == "__main__":
    sys.exit(main())
