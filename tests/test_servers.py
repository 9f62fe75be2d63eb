"""The servers are what the other tests take them for, and are gone when their user is."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient
from botocore.exceptions import ClientError

from tests.conftest import AzureStore, S3Store
from tests.servers.azurite import AzureAccount
from tests.servers.base import ServerError, in_background, running

STARTED_BY_A_PROCESS_OF_ITS_OWN = """
import time
from tests.servers.base import in_background
with in_background("tests.servers.ceph") as account:
    print(account.endpoint_url, flush=True)
    time.sleep(60)
"""


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except OSError:
        return False
    return True


def test_server_ends_when_its_user_is_killed() -> None:
    root = Path(__file__).parent.parent
    user = subprocess.Popen(
        [sys.executable, "-c", STARTED_BY_A_PROCESS_OF_ITS_OWN], cwd=root, stdout=subprocess.PIPE, text=True
    )
    with user:
        assert user.stdout is not None
        url = user.stdout.readline().strip()
        assert answers(url)
        user.kill()
    deadline = time.monotonic() + 10
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not answers(url), "radosgw outlived the process that it was started for"


def test_missing_environment_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALSTACK_PYTHON", "/nowhere/python")

    with pytest.raises(ServerError, match="no /nowhere/python"), in_background("tests.servers.localstack"):
        pass


def test_missing_node_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURITE_MODULES", "/nowhere")

    with (
        pytest.raises(ServerError, match="no /nowhere/azurite"),
        running("tests.servers.azurite", AzureAccount),
    ):
        pass


def test_pages_of_any_origin_may_put_into_a_container(azurite_store: AzureStore) -> None:
    preflight = urllib.request.Request(
        f"{azurite_store.container.url}/key",
        headers={
            "Origin": "http://site.example",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type,x-ms-blob-type",
        },
        method="OPTIONS",
    )
    with urllib.request.urlopen(preflight) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] in {"*", "http://site.example"}
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


def test_azurite_keeps_one_account_out_of_the_containers_of_another(azurite_store: AzureStore) -> None:
    azurite_store.put("a", b"mine")
    other = BlobServiceClient(
        azurite_store.client.url,
        credential={"account_name": "main", "account_key": azurite_store.account.other_account_key},
        retry_total=0,
    )

    with other, pytest.raises(HttpResponseError, match="AuthorizationFailure"):
        other.get_blob_client(azurite_store.bucket, "a").download_blob()


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_pages_of_any_origin_may_post_to_a_bucket(store: S3Store) -> None:
    preflight = urllib.request.Request(
        f"{store.account.endpoint_url}/{store.bucket}",
        headers={"Origin": "http://site.example", "Access-Control-Request-Method": "POST"},
        method="OPTIONS",
    )
    with urllib.request.urlopen(preflight) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] in {"*", "http://site.example"}
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_ceph_keeps_one_user_out_of_the_buckets_of_another(bucket: S3Store) -> None:
    bucket.put("a", b"mine")

    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.account.client(other=True).get_object(Bucket=bucket.bucket, Key="a")
