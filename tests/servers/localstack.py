"""LocalStack's S3: strict about checksums and conditional requests, lenient about signatures."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.servers import base

ROOT = Path(__file__).parents[2]

# LocalStack keeps objects in one folder for every instance and user; this gives each its own.
LAUNCH = """
import sys
import localstack.services.s3.provider as provider
provider.DEFAULT_S3_TMP_DIR = sys.argv[1]
from localstack.runtime.main import main
main()
"""


class LocalStack(base.Server):
    """
    LocalStack's S3 provider without Docker, on loopback.

    It runs in an environment of its own (requirements-localstack.txt), whose interpreter is
    LOCALSTACK_PYTHON or else .venv-localstack/bin/python in the checkout.
    """

    name = "localstack"

    def start(self) -> base.S3Account:
        python = Path(os.environ.get("LOCALSTACK_PYTHON") or ROOT / ".venv-localstack" / "bin" / "python")
        if not python.exists():
            raise base.ServerError(
                f"LocalStack's environment is missing: there is no {python}. "
                "`make test` makes it; LOCALSTACK_PYTHON names another."
            )
        port = base.free_port()
        folder = str(self.folder)
        self.spawn(
            [python, "-c", LAUNCH, f"{folder}/objects"],
            env={
                **os.environ,
                "SERVICES": "s3",
                "EAGER_SERVICE_LOADING": "1",
                "STRICT_SERVICE_LOADING": "1",
                "GATEWAY_LISTEN": f"127.0.0.1:{port}",
                "GATEWAY_SERVER": "hypercorn",
                "S3_SKIP_SIGNATURE_VALIDATION": "0",
                "LS_LOG": "warning",
                # It stays on this machine: no telemetry, certificate download or name server.
                "DISABLE_EVENTS": "1",
                "SKIP_SSL_CERT_DOWNLOAD": "1",
                "DNS_ADDRESS": "0",
                # It writes below its own folder only.
                "OVERRIDE_IN_DOCKER": "0",
                "HOME": folder,
                "TMPDIR": folder,
                "CONFIG_DIR": folder,
                "FILESYSTEM_ROOT": folder,
                "LOCALSTACK_VOLUME_DIR": folder,
            },
        )
        account = base.S3Account(
            endpoint_url=f"http://127.0.0.1:{port}",
            access_key="test",
            secret_key="test",
            other_access_key="000000000002",  # twelve digits are an account of their own
            other_secret_key="test",
        )
        self.wait_until_answering(f"{account.endpoint_url}/_localstack/health")
        return account


def main() -> int:
    options = base.argument_parser("Run LocalStack's S3 on loopback.").parse_args()
    return base.main(LocalStack(), options)


if __name__ == "__main__":
    sys.exit(main())
