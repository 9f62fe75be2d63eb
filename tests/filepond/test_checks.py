"""What can be set wrong is said by ``manage.py check``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from rest_framework.permissions import AllowAny

# From Django 6.1 on, the checks of a JSONField ask the database.
pytestmark = pytest.mark.django_db


def ids() -> list[str]:
    return [str(message.id) for message in run_checks() if str(message.id).startswith("s3upload_filepond.")]


@pytest.fixture(autouse=True)
def _base_dir(settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path


def test_default_is_right() -> None:
    assert ids() == []


def test_folder_outside_of_the_project(settings: Any, tmp_path: Path) -> None:
    settings.S3UPLOAD_FILEPOND_UPLOAD_TMP = tmp_path.parent / "elsewhere"
    assert ids() == ["s3upload_filepond.E001"]
    settings.S3UPLOAD_FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR = True
    assert ids() == []


def test_folder_that_nothing_names(settings: Any) -> None:
    del settings.BASE_DIR
    assert ids() == ["s3upload_filepond.E001"]
    settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = "archive"
    assert ids() == []


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ({"GET_LOAD": ["rest_framework.permissions.AllowAny"], "GET_FETCH": []}, []),
        ({"GET_LOAD": [AllowAny]}, []),
        ({"POST": [], 1: []}, ["s3upload_filepond.E002"] * 2),
        ({"GET_LOAD": ["nobody.knows", "rest_framework.permissions.Nobody"]}, ["s3upload_filepond.E003"] * 2),
        ("AllowAny", []),
    ],
)
def test_permissions(settings: Any, classes: Any, expected: list[str]) -> None:
    settings.S3UPLOAD_FILEPOND_PERMISSION_CLASSES = classes
    assert ids() == expected


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (["files.internal", "10.1.0.0/16"], []),
        (["10.1.0.1/16"], []),
        (["http://files.internal"], ["s3upload_filepond.E004"]),
        ([1], []),
    ],
)
def test_what_may_be_fetched_from(settings: Any, allowed: Any, expected: list[str]) -> None:
    settings.S3UPLOAD_FILEPOND_FETCH_ALLOW = allowed
    assert ids() == expected
