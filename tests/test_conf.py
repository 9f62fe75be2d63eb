"""The settings: defaults, read when used, and in one place."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings
from django.urls import set_script_prefix

import s3upload
from s3upload.conf import Settings, conf

DEFAULTS = {
    "PREFIX": "tmp/s3upload",
    "ENDPOINT": "/__s3upload__/",
    "MAX_SIZE": 5 * 1024**3,
    "AUTHORIZE": None,
    "REPLACE_WIDGETS": True,
    "UPLOAD_ON": "select",
    "DUMMY": None,
    "PUBLIC_ENDPOINT_URL": None,
    "METHOD": None,
    "FILEPOND_UPLOAD_TMP": None,
    "FILEPOND_FILE_STORE_PATH": None,
    "FILEPOND_STORAGE": None,
    "FILEPOND_UPLOAD_STORAGE": None,
    "FILEPOND_PERMISSION_CLASSES": {},
    "FILEPOND_DELETE_UPLOAD_TMP_DIRS": True,
    "FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR": False,
    "FILEPOND_FETCH": False,
    "FILEPOND_FETCH_ALLOW": (),
    "FILEPOND_FETCH_MAX_SIZE": 100 * 1024**2,
    "FILEPOND_FETCH_TIMEOUT": 30,
    "FILEPOND_FETCH_REDIRECTS": 5,
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_default(name: str) -> None:
    assert getattr(conf, name) == DEFAULTS[name]


def test_no_setting_is_without_a_test_of_its_default() -> None:
    assert Settings.defaults.keys() == DEFAULTS.keys()


@pytest.mark.parametrize("name", DEFAULTS)
def test_setting_is_read_when_it_is_used(name: str) -> None:
    with override_settings(**{f"S3UPLOAD_{name}": "changed"}):
        assert getattr(conf, name) == "changed"
    assert getattr(conf, name) == DEFAULTS[name]


@pytest.mark.parametrize("name", DEFAULTS)
def test_default_is_forgotten_when_the_setting_changes(name: str, settings: Any, monkeypatch: Any) -> None:
    full_name = f"S3UPLOAD_{name}"
    assert getattr(conf, name) == DEFAULTS[name]
    monkeypatch.setattr(django_settings, full_name, "patched", raising=False)
    assert getattr(conf, name) == "patched"
    monkeypatch.undo()
    assert getattr(conf, name) == DEFAULTS[name]
    setattr(settings, full_name, "set")
    assert getattr(conf, name) == "set"
    with override_settings():
        delattr(django_settings, full_name)
        assert getattr(conf, name) == DEFAULTS[name]
    assert getattr(conf, name) == "set"
    delattr(settings, full_name)
    assert getattr(conf, name) == DEFAULTS[name]
    assert full_name not in dir(django_settings)


def test_misspelt_setting_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="S3UPLOAD_MAXSIZE"):
        _ = conf.MAXSIZE
    assert not hasattr(conf, "nothing")


@pytest.mark.parametrize(
    ("debug", "dummy", "expected"),
    [
        (True, None, True),
        (False, None, False),
        (True, False, False),
        (False, True, True),
        (True, True, True),
        (False, False, False),
    ],
)
def test_dummy_serves_as_debug_says_unless_the_setting_does(
    settings: Any, debug: bool, dummy: bool | None, expected: bool
) -> None:
    settings.DEBUG = debug
    settings.S3UPLOAD_DUMMY = dummy
    assert conf.serves_dummy is expected


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("/", "/__s3upload__/"), ("/site/", "/site/__s3upload__/"), ("/a/b/", "/a/b/__s3upload__/")],
)
def test_endpoint_is_below_the_prefix_that_the_site_is_mounted_at(prefix: str, expected: str) -> None:
    set_script_prefix(prefix)
    try:
        assert conf.endpoint_url == expected
    finally:
        set_script_prefix("/")


def test_settings_of_django_are_read_in_no_other_module() -> None:
    package = Path(s3upload.__file__).parent
    readers = set()
    # Migrations name the users' model in Django's own way.
    for path in set(package.rglob("*.py")) - set(package.rglob("migrations/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "django.conf":
                readers.add(path.relative_to(package).as_posix())
    assert readers == {"conf.py"}
