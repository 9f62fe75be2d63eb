"""The servers are what the other tests take them for, and are gone when their user is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient
from botocore.exceptions import ClientError

from tests.conftest import AzureStore, S3Store
from tests.servers import postgresql as postgresql_server
from tests.servers.azurite import AzureAccount
from tests.servers.base import ServerError, in_background, running
from tests.servers.postgresql import Database

STARTED_BY_A_PROCESS_OF_ITS_OWN = """
import time
from tests.servers.base import in_background
with in_background("tests.servers.ceph") as account:
    print(account.endpoint_url, flush=True)
    time.sleep(60)
"""


POSTGRESQL_OF_A_PROCESS_OF_ITS_OWN = """
import time
from tests.servers.base import running
from tests.servers.postgresql import Database
with running("tests.servers.postgresql", Database) as database:
    print(database.endpoint_url, database.host, flush=True)
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


def query(url: str, sql: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute(sql).fetchone()
    assert row is not None
    return str(row[0])


def processes_with(text: str) -> list[str]:
    """Return the command lines of the processes that have a text in them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if text in line]


def shared_memory() -> set[tuple[str, ...]]:
    """Return the key and the identifier of each segment of shared memory that the system keeps (proc(5))."""
    return {tuple(line.split()[:2]) for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def test_postgresql_answers() -> None:
    with running("tests.servers.postgresql", Database) as database:
        assert query(database.endpoint_url, "SHOW server_encoding") == "UTF8"
        assert query(database.endpoint_url, "SHOW listen_addresses") == ""
        # Nobody else gets to its socket.
        assert Path(database.host).stat().st_mode & 0o077 == 0
        assert processes_with(database.host)

    assert not Path(database.host).exists()
    assert processes_with(database.host) == []


def test_postgresql_ends_when_its_user_is_killed() -> None:
    user = subprocess.Popen(
        [sys.executable, "-c", POSTGRESQL_OF_A_PROCESS_OF_ITS_OWN],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    with user:
        assert user.stdout is not None
        url, folder = user.stdout.readline().split()
        # Its other shared memory is in files of the folder.
        assert query(url, "SHOW dynamic_shared_memory_type") == "mmap"
        segment = tuple((Path(folder) / "data" / "postmaster.pid").read_text().splitlines()[6].split())
        assert segment in shared_memory()
        user.kill()
    deadline = time.monotonic() + 15
    while (processes_with(folder) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert processes_with(folder) == [], "PostgreSQL outlived the process that it was started for"
    assert not Path(folder).exists()
    assert segment not in shared_memory()


def test_postgresql_runs_a_command_beside_it() -> None:
    command = [sys.executable, "-m", "tests.servers.postgresql", "--", "printenv", "PGHOST", "TESTS_DATABASE"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    host, chosen = done.stdout.split()
    assert chosen == "postgresql"
    assert not Path(host).exists()


def test_missing_postgresql_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ServerError, match=f"no {tmp_path}.*initdb, and no initdb on the PATH. `make packages`"):
        postgresql_server.find_programs(tmp_path)


def test_newest_postgresql_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for version in ("9.6", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch(mode=0o755)

    assert postgresql_server.find_programs(tmp_path) == tmp_path / "17" / "bin"
    monkeypatch.setenv("PATH", str(tmp_path / "15" / "bin"))
    assert postgresql_server.find_programs(tmp_path / "nowhere") == tmp_path / "15" / "bin"


def test_socket_that_is_too_long_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))

    with (
        pytest.raises(ServerError, match=r"more than 107 bytes\. Set TMPDIR"),
        running("tests.servers.postgresql", Database),
    ):
        pass
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("users", [["postgres", "nobody"], ["nobody"], []])
def test_root_starts_postgresql_as_somebody_else(users: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def getpwnam(name: str) -> str:
        if name not in users:
            raise KeyError(name)
        return name

    monkeypatch.setattr(postgresql_server.pwd, "getpwnam", getpwnam)
    if users:
        assert postgresql_server.unprivileged_user() == users[0]
    else:
        with pytest.raises(ServerError, match=r"no user postgres or nobody\. Run the tests as an ordinary user"):
            postgresql_server.unprivileged_user()


def test_postgresql_is_not_roots() -> None:
    with running("tests.servers.postgresql", Database) as database:
        owner = Path(database.host).stat().st_uid

    assert owner != 0
    assert os.geteuid() in {0, owner}


def test_postgresql_has_no_buckets() -> None:
    command = [sys.executable, "-m", "tests.servers.postgresql", "--bucket", "mine", "--", "true"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stderr == "PostgreSQL has no buckets, so there can't be one of the name 'mine'.\n"
