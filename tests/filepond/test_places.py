"""Where uploads are, as the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, storages

from s3upload.filepond.exceptions import ConfigurationError
from s3upload.filepond.places import stored_storage, temporary_folder, temporary_storage


@pytest.fixture
def base(settings: Any, tmp_path: Path) -> Path:
    """The folder of the project."""
    settings.BASE_DIR = base = tmp_path / "project"
    base.mkdir()
    return base


def test_folder_in_the_project_when_none_is_named(base: Path) -> None:
    assert temporary_folder() == base / "filepond_uploads"


@pytest.mark.parametrize("as_type", [str, Path])
def test_folder_below_the_project(settings: Any, base: Path, as_type: Any) -> None:
    settings.S3UPLOAD_FILEPOND_UPLOAD_TMP = as_type(base / "data" / "uploads")

    assert temporary_folder() == base / "data" / "uploads"


def test_folder_outside_needs_leave(settings: Any, base: Path, tmp_path: Path) -> None:
    settings.S3UPLOAD_FILEPOND_UPLOAD_TMP = outside = tmp_path / "uploads"

    with pytest.raises(ConfigurationError, match="S3UPLOAD_FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR"):
        temporary_folder()
    settings.S3UPLOAD_FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR = True
    assert temporary_folder() == outside


def test_way_out_of_the_project_is_outside(settings: Any, base: Path, tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    (base / "link").symlink_to(tmp_path / "uploads")

    for folder in (base / ".." / "uploads", base / "link", tmp_path / "project-uploads"):
        settings.S3UPLOAD_FILEPOND_UPLOAD_TMP = folder
        with pytest.raises(ConfigurationError, match="BASE_DIR"):
            temporary_folder()


def test_project_without_a_folder_has_to_name_one(settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = None

    with pytest.raises(ConfigurationError, match="S3UPLOAD_FILEPOND_UPLOAD_TMP"):
        temporary_folder()
    settings.S3UPLOAD_FILEPOND_UPLOAD_TMP = tmp_path
    assert temporary_folder() == tmp_path


def test_temporary_storage_is_that_of_its_name(base: Path) -> None:
    assert temporary_storage("archive") is storages["archive"]
    with pytest.raises(LookupError):
        temporary_storage("nowhere")
    folder = temporary_storage("")
    assert isinstance(folder, FileSystemStorage)
    assert folder.location == str(base / "filepond_uploads")


def test_storage_wins_over_the_folder(settings: Any, tmp_path: Path) -> None:
    settings.S3UPLOAD_FILEPOND_FILE_STORE_PATH = tmp_path
    folder = stored_storage()
    assert isinstance(folder, FileSystemStorage)
    assert folder.location == str(tmp_path)
    settings.S3UPLOAD_FILEPOND_STORAGE = "archive"

    assert stored_storage() is storages["archive"]


def test_no_place_for_stored_uploads(settings: Any) -> None:
    with pytest.raises(ConfigurationError, match="S3UPLOAD_FILEPOND_STORAGE"):
        stored_storage()
    settings.S3UPLOAD_FILEPOND_STORAGE = "nowhere"
    with pytest.raises(ImproperlyConfigured, match=r"S3UPLOAD_FILEPOND_STORAGE.*nowhere"):
        stored_storage()
