"""The dummy: what only a folder can get wrong."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from s3upload.backends import backend_named
from tests.conftest import FilesystemStore
from tests.test_files import overwrite, uploaded

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on another file system than the store's; where there is none, one out of which nothing is renamed."""
    if SHARED_MEMORY.is_dir() and SHARED_MEMORY.stat().st_dev != tmp_path.stat().st_dev:
        with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
            yield Path(folder)
        return
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    rename = os.rename

    def rename_within(source: Any, target: Any) -> None:
        if Path(source).is_relative_to(folder):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_within)
    yield folder


@pytest.fixture(params=["memory", "same file system", "other file system"])
def received_in(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> None:
    """Where Django keeps what the dummy receives."""
    if request.param != "memory":
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
        is_other = request.param == "other file system"
        settings.FILE_UPLOAD_TEMP_DIR = str(request.getfixturevalue("elsewhere") if is_other else tmp_path)


@pytest.mark.usefixtures("received_in")
def test_saved_file_is_not_changed_when_the_pending_one_is_sent_again(filesystem_store: FilesystemStore) -> None:
    """The two are one file by two names until the transaction commits."""
    upload = uploaded(b"validated")
    default_storage.save("a.txt", upload)
    paths = [filesystem_store.folder / name for name in ("a.txt", upload.token.key)]
    assert os.path.samefile(*paths)
    overwrite(upload, b"malicious")
    assert filesystem_store.get("a.txt") == b"validated"
    assert filesystem_store.get(upload.token.key) == b"malicious"
    assert filesystem_store.keys() == ["a.txt", upload.token.key]


@pytest.mark.usefixtures("received_in")
def test_file_that_waits_to_be_saved_is_not_changed_when_it_is_sent_again(filesystem_store: FilesystemStore) -> None:
    upload: Any = uploaded(b"validated")
    path = Path(upload.temporary_file_path())
    overwrite(upload, b"malicious")
    assert path.read_bytes() == b"validated"


@pytest.mark.usefixtures("received_in")
def test_nothing_else_is_left_of_what_was_received(filesystem_store: FilesystemStore, tmp_path: Path) -> None:
    upload = uploaded(b"content")
    assert filesystem_store.get(upload.token.key) == b"content"
    backend_named("default").delete([upload.token.key])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
