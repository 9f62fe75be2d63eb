"""Fields are found by ids that every process knows, and are served where the site wants."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.migrations.state import ModelState, ProjectState
from django.test.utils import isolate_apps

from s3upload.async_uploads import registry as registry_module
from s3upload.async_uploads.fields import AsyncFileField
from s3upload.async_uploads.registry import AsyncFieldRegistry, default_async_field_registry, registry_named
from tests.testapp.models import Contract, ContractProxy, Note, SignedContract, other_registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> AsyncFieldRegistry:
    """A registry that nobody knows after the test."""
    monkeypatch.setattr(registry_module, "_registries", dict(registry_module._registries))
    return AsyncFieldRegistry("of-a-test")


def test_fields_register_themselves() -> None:
    ids = [field.async_field_id for field in default_async_field_registry.fields]

    assert ids == [
        "testapp.contract.seal",
        "testapp.contract.text",
        "testapp.parcel.label",
        "testapp.ticket.file",
    ]
    assert default_async_field_registry.field("testapp.contract.text") is Contract._meta.get_field("text")
    assert [field.async_field_id for field in other_registry.fields] == ["testapp.note.file"]


def test_id_is_the_same_in_every_process() -> None:
    code = "import django; django.setup(); from tests.testapp.models import *; print(Note.file.field.async_field_id)"
    environ = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONHASHSEED": "7"}
    answer = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == Note._meta.get_field("file").async_field_id == "testapp.note.file"


@pytest.mark.parametrize("model", [ContractProxy, SignedContract])
def test_field_is_inherited_with_its_id(model: Any) -> None:
    assert model._meta.get_field("text").async_field_id == "testapp.contract.text"


def test_models_of_migrations_register_nothing() -> None:
    before = default_async_field_registry.fields
    state = ProjectState()
    state.add_model(ModelState.from_model(Contract))
    historical = state.apps.get_model("testapp", "Contract")

    assert historical is not Contract
    assert default_async_field_registry.field("testapp.contract.text").model is Contract
    assert default_async_field_registry.fields == before


@isolate_apps("tests.testapp")
def test_abstract_models_register_nothing(registry: AsyncFieldRegistry) -> None:
    class Base(models.Model):
        file = AsyncFileField(async_field_registry=registry)

        class Meta:
            abstract = True
            app_label = "testapp"

    assert registry.fields == []


def test_field_that_is_not_registered(registry: AsyncFieldRegistry) -> None:
    with pytest.raises(LookupError, match=r"the registry 'of-a-test' has no field 'testapp.contract.text'"):
        registry.field("testapp.contract.text")


def test_field_can_be_registered_twice(registry: AsyncFieldRegistry) -> None:
    field = Contract._meta.get_field("text")
    registry.register_field(field)
    registry.register_field(field)

    assert registry.fields == [field]


def test_registry_that_is_not_there() -> None:
    with pytest.raises(LookupError, match="there is no registry 'nobody'"):
        registry_named("nobody")


def test_name_that_another_registry_has() -> None:
    with pytest.raises(ValueError, match="there is a registry 'default' already"):
        AsyncFieldRegistry("default")


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a/b"])
def test_name_that_no_registry_can_have(name: str) -> None:
    with pytest.raises(ValueError, match="the name of a registry is"):
        AsyncFieldRegistry(name)


@pytest.mark.django_db
def test_registry_without_addresses_is_said(registry: AsyncFieldRegistry) -> None:
    registry.register_field(Contract._meta.get_field("text"))

    with pytest.raises(ImproperlyConfigured, match="The registry 'of-a-test' has no addresses"):
        registry.reverse("upload-policy")
    [warning] = [message for message in run_checks() if message.id == "s3upload_async_uploads.W001"]
    assert "'of-a-test'" in warning.msg


@pytest.mark.django_db
def test_registries_of_the_site_have_addresses() -> None:
    assert not [message for message in run_checks() if (message.id or "").startswith("s3upload_async_uploads")]
    assert default_async_field_registry.reverse("generate-upload-url") == "/async-uploads/generate-upload-url/"
    assert other_registry.reverse("generate-upload-url") == "/other-uploads/generate-upload-url/"
