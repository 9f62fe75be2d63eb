"""The validator for sizes: on form fields, on model fields, in migrations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.utils import translation

from s3upload.validators import FileSizeValidator


@pytest.mark.parametrize("size", [0, 9, 10])
def test_file_up_to_the_largest_size_is_valid(size: int) -> None:
    FileSizeValidator(10)(ContentFile(b"x" * size))


def test_larger_file_is_invalid_and_the_message_names_both_sizes() -> None:
    with pytest.raises(ValidationError) as error:
        FileSizeValidator(max_size=1024)(ContentFile(b"x" * 2048))
    assert error.value.code == "max_size"
    assert error.value.messages == ["The file is too large (2.0\xa0KB). At most 1.0\xa0KB are allowed."]


def test_message_is_in_the_language_of_the_user() -> None:
    validator = FileSizeValidator(max_size=1024)
    with pytest.raises(ValidationError) as error:
        validator(ContentFile(b"x" * 2048))
    with translation.override("de"):
        assert "zu groß" in error.value.messages[0]


def test_field_of_a_form_refuses_a_file_that_was_posted_the_ordinary_way() -> None:
    class Form(forms.Form):
        file = forms.FileField(validators=[FileSizeValidator(3)])

    assert Form({}, {"file": SimpleUploadedFile("a.txt", b"123")}).is_valid()
    form = Form({}, {"file": SimpleUploadedFile("a.txt", b"1234")})
    assert form.errors.as_data()["file"][0].code == "max_size"


def test_validators_of_one_size_are_equal() -> None:
    assert FileSizeValidator(1) == FileSizeValidator(1)
    assert hash(FileSizeValidator(1)) == hash(FileSizeValidator(1))
    assert FileSizeValidator(1) != FileSizeValidator(2)
    assert FileSizeValidator(1) != 1


def state_with(max_size: int) -> ProjectState:
    field = models.FileField(validators=[FileSizeValidator(max_size)])
    state = ProjectState()
    state.add_model(ModelState("app", "Thing", [("id", models.AutoField(primary_key=True)), ("file", field)]))
    return state


def test_makemigrations_sees_no_change_where_there_is_none() -> None:
    assert MigrationAutodetector(state_with(5), state_with(5))._detect_changes() == {}
    assert MigrationAutodetector(state_with(5), state_with(6))._detect_changes()


def test_validator_is_written_to_migrations_and_read_again() -> None:
    text, imports = MigrationWriter.serialize(FileSizeValidator(max_size=5))
    namespace: dict[str, Any] = {}
    exec("\n".join(imports), namespace)  # noqa: S102
    assert eval(text, namespace) == FileSizeValidator(5)  # noqa: S307
    assert text == "s3upload.validators.FileSizeValidator(max_size=5)"


SITE = """
import sys
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=["s3upload", "shop"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "s3upload.middleware.S3UploadMiddleware"],
)
django.setup()
call_command("makemigrations", "shop")
call_command("makemigrations", "shop", check_changes=True)
"""

MODELS = """
from django.db import models
from s3upload.validators import FileSizeValidator

class Thing(models.Model):
    id = models.AutoField(primary_key=True)
    file = models.FileField(validators=[FileSizeValidator(max_size=10 * 1024**2)])
"""


def test_makemigrations_of_a_site_writes_one_migration_and_no_second(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "models.py").write_text(MODELS)
    (tmp_path / "site_.py").write_text(SITE)
    done = subprocess.run([sys.executable, "site_.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "shop" / "migrations").glob("0*.py")] == ["0001_initial.py"]
    assert "FileSizeValidator(max_size=10485760)" in (tmp_path / "shop" / "migrations" / "0001_initial.py").read_text()
