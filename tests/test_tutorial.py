"""The tutorial is followed: its blocks are put where they say, and the site does what the text says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.base import running
from tests.servers.postgresql import Database
from tests.site.following import Site, Text

PAGE = Text("tutorial")

VISIT = Path(__file__).parent / "site" / "follow_tutorial.py"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Database]:
    with running("tests.servers.postgresql", Database) as database:
        yield database


@pytest.fixture
def follow(tmp_path: Path) -> Callable[..., Site]:
    """Follow the page up to "Run it", and further on to a store and a database."""

    def follow(store: Callable[[Site], None] | None = None, database: Database | None = None) -> Site:
        site = Site(PAGE, tmp_path, database.environ() if database else {})
        site.run("-m", "django", "startproject", "mysite", ".")
        site.run("manage.py", "startapp", "library")
        for name in ("settings", "models", "urls", "views", "form", "list", "admin", "serializers", "script"):
            site.write(f"tutorial-{name}")
        if store is not None:
            store(site)
        if database is not None:
            site.write("tutorial-postgresql", lambda code: "import os\n" + code)
        site.run("manage.py", "makemigrations", "library")
        site.run("manage.py", "migrate")
        assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
        return site

    return follow


def on_s3(bucket: Any) -> Callable[[Site], None]:
    """Return what puts the site into a bucket, by the page's block with other options."""

    def write(site: Site) -> None:
        options = {**bucket.options, "file_overwrite": False}
        site.write("tutorial-s3", lambda code: re.sub(r'"OPTIONS": \{.*\}', f'"OPTIONS": {options!r}', code))

    return write


def on_azure(store: Any) -> Callable[[Site], None]:
    """Return what puts the site into a container, in the same way."""

    def write(site: Site) -> None:
        site.write("tutorial-azure", lambda code: re.sub(r'"OPTIONS": \{.*\}', f'"OPTIONS": {store.options!r}', code))

    return write


def test_commands_are_those_that_the_test_runs() -> None:
    assert [command for command in PAGE.commands() if "pip" not in command] == [
        "django-admin startproject mysite .",
        "python manage.py startapp library",
        "python manage.py makemigrations library",
        "python manage.py migrate",
        "python manage.py check",
        "python manage.py createsuperuser",
        "python manage.py runserver",
    ]


def test_every_block_is_used() -> None:
    used = {"settings", "models", "urls", "views", "form", "list", "admin", "serializers", "script", "s3", "azure"}

    assert PAGE.blocks().keys() == {f"tutorial-{name}" for name in used | {"postgresql"}}


def visit(site: Site) -> None:
    """Do what the page says that people do; the script says what it saw."""
    assert site.run(str(VISIT)) == "all is as the tutorial says\n"


def test_in_a_folder_on_sqlite(follow: Callable[..., Site]) -> None:
    visit(follow())


def test_on_ceph_and_postgresql(follow: Callable[..., Site], ceph_store: Any, postgresql: Database) -> None:
    visit(follow(on_s3(ceph_store), postgresql))


def test_on_azurite_and_sqlite(follow: Callable[..., Site], azurite_store: Any) -> None:
    visit(follow(on_azure(azurite_store)))
