"""What the database has a say in is so on PostgreSQL too; the suite itself runs on SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.servers.base import running
from tests.servers.postgresql import Database

ROOT = Path(__file__).parent.parent

ON_POSTGRESQL = (
    "tests/test_databases.py::test_database_is_the_one_that_was_asked_for",
    "tests/test_files.py",
    "tests/test_owners.py",
    "tests/async_uploads/test_fields.py",
    "tests/async_uploads/test_records.py",
    "tests/filepond/test_api.py",
    "tests/filepond/test_process.py::test_what_is_recorded",
    "tests/filepond/test_process.py::test_metadata_that_is_no_json_is_refused",
    "tests/filepond/test_process.py::test_field_with_nul_is_refused",
    "tests/filepond/test_chunks.py::test_two_chunks_at_once",
)
"""What runs on PostgreSQL as well: files, folders and single tests. Not in a browser, and with no other store than a
folder, for which database there is makes no difference to them."""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Database]:
    """PostgreSQL, for processes that the tests start."""
    with running("tests.servers.postgresql", Database) as database:
        yield database


def run_pytest(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run tests in a process of their own, since the settings are read once."""
    # It is nobody's worker, and what was chosen on this one's command line is not for it.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=inherited | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.mark.django_db
def test_database_is_the_one_that_was_asked_for() -> None:
    versions = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version"}

    assert connection.vendor == os.environ.get("TESTS_DATABASE", "sqlite")
    with connection.cursor() as cursor:
        cursor.execute(versions[connection.vendor])
        [version] = cursor.fetchone()
    assert version[0].isdigit()


@pytest.mark.timeout(420)
def test_on_postgresql(postgresql: Database) -> None:
    chosen = ("-m", "not browser", "-k", "not ceph and not localstack and not azur")
    done = run_pytest(*chosen, *ON_POSTGRESQL, **postgresql.environ())

    assert done.returncode == 0, f"on PostgreSQL:\n{done.stdout}\n{done.stderr}"


def test_unknown_database_is_refused() -> None:
    done = run_pytest(ON_POSTGRESQL[0], TESTS_DATABASE="postgres")

    assert done.returncode != 0
    assert "TESTS_DATABASE is 'postgres'. It should be one of: sqlite, postgresql." in done.stdout + done.stderr
