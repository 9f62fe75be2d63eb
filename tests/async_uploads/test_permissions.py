"""Who may upload to a field, and download from it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import models

from s3upload.async_uploads.permissions import default_permission, may
from tests.async_uploads.conftest import make_user
from tests.testapp.models import Contract, ContractProxy, Note

pytestmark = pytest.mark.django_db

HERE = "tests.async_uploads.test_permissions"
DJANGO = "django.contrib.auth.backends.ModelBackend"
CHANGE = "testapp.change_contract"


class TitleBackend(ModelBackend):
    """Knows instances: who has the title of a contract as name may do all with it."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return super().has_perm(user_obj, perm) if obj is None else obj.title == user_obj.get_username()


class SealingBackend:
    """Knows instances, and refuses one for all."""

    def authenticate(self, request: Any) -> None:
        """Nobody."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        if obj is not None and obj.title == "sealed":
            raise PermissionDenied
        return False


class OtherNames(ModelBackend):
    """Has another way to log in, and nothing else of its own."""

    def authenticate(self, request: Any, badge: str = "", **kwargs: Any) -> None:  # type: ignore[override]
        """Nobody."""


@pytest.mark.parametrize(
    ("action", "expected"),
    [("create", "add_contract"), ("update", "change_contract"), ("detail", "view_contract")],
)
def test_defaults_are_those_of_the_admin(action: Any, expected: str) -> None:
    assert default_permission(Contract, action) == f"testapp.{expected}"
    assert Contract._meta.get_field("text").permission(action) == f"testapp.{expected}"


def test_proxy_has_the_permissions_of_its_model() -> None:
    assert ContractProxy._meta.get_field("text").permission("create") == "testapp.add_contract"


def test_permission_of_a_field() -> None:
    assert Note._meta.get_field("file").permission("detail") is None
    assert callable(Note._meta.get_field("file").permission("create"))


@pytest.mark.parametrize("user", [AnonymousUser(), User(username="nobody")])
def test_anyone_where_there_is_no_permission(user: Any) -> None:
    assert may(user, None, None)
    assert may(user, None, Contract(pk=1))


def test_function_decides_on_user_and_instance() -> None:
    asked: list[Any] = []

    def decide(user: Any, instance: models.Model | None) -> bool:
        asked.append((user, instance))
        return instance is not None

    user, contract = AnonymousUser(), Contract(pk=1)

    assert not may(user, decide, None)
    assert may(user, decide, contract)
    assert asked == [(user, None), (user, contract)]


@pytest.mark.parametrize("backends", [[DJANGO], [f"{HERE}.OtherNames", DJANGO]])
@pytest.mark.parametrize("instance", [None, Contract(pk=1)])
def test_permission_on_the_model_counts_for_each_instance(settings: Any, backends: Any, instance: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = backends

    assert may(make_user("a", "change_contract"), CHANGE, instance)
    assert not may(make_user("b", "add_contract"), CHANGE, instance)
    assert not may(AnonymousUser(), CHANGE, instance)
    assert may(make_user("c", is_superuser=True), CHANGE, instance)


def test_backend_that_knows_instances_decides_on_them(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [DJANGO, f"{HERE}.TitleBackend"]
    user = make_user("mine", "change_contract")

    assert may(user, CHANGE, None)
    assert may(user, CHANGE, Contract(pk=1, title="mine"))
    assert not may(user, CHANGE, Contract(pk=2, title="yours"))


def test_backend_may_refuse_an_instance_for_all(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{HERE}.SealingBackend", f"{HERE}.TitleBackend"]

    assert not may(make_user("sealed", "change_contract"), CHANGE, Contract(pk=1, title="sealed"))


def test_somebody_inactive_may_nothing() -> None:
    assert not may(make_user("gone", "change_contract", is_active=False), CHANGE, Contract(pk=1))
