"""Each check: what it says no to, what it lets pass, and that it says so once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from django.core import checks as django_checks
from django.core.checks import CheckMessage, run_checks
from django.core.files.storage import InMemoryStorage
from django.core.management import CommandError, call_command
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import path, re_path
from storages.backends.s3 import S3Storage

import s3upload.checks
from tests.conftest import storages_with
from tests.pages import use_unreachable_s3
from tests.testapp.models import Record

FILES = "django.core.files.storage.FileSystemStorage"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
OURS = "s3upload.middleware.S3UploadMiddleware"

OPTIONS = {"bucket_name": "bucket", "access_key": "a", "secret_key": "b", "region_name": "eu-central-1"}


# From Django 6.1 on, the checks of a JSONField ask the database.
pytestmark = pytest.mark.django_db


def ours(*, deploy: bool = False) -> list[CheckMessage]:
    messages = run_checks(include_deployment_checks=deploy)
    return [message for message in messages if str(message.id).startswith("s3upload.")]


def ids(*, deploy: bool = False) -> list[str]:
    return [str(message.id) for message in ours(deploy=deploy)]


def test_site_of_the_tests_has_nothing_to_say() -> None:
    assert ids(deploy=True) == []


# --- the dummy -----------------------------------------------------------------------------------


def test_dummy_as_default_storage_fails_the_deployment_check(settings: Any) -> None:
    settings.STORAGES = storages_with(settings, default={"BACKEND": FILES})
    with pytest.raises(CommandError, match=r"s3upload\.E001"):
        call_command("check", deploy=True)


def test_dummy_by_setting_fails_the_deployment_check(settings: Any) -> None:
    settings.S3UPLOAD_DUMMY = True
    with pytest.raises(CommandError, match=r"s3upload\.E001"):
        call_command("check", deploy=True)


class OwnFolder(s3upload.checks.FileSystemStorage):
    """A subclass, as sites have them."""


def test_subclass_of_the_dummy_fails_the_deployment_check(settings: Any) -> None:
    settings.STORAGES = storages_with(settings, default={"BACKEND": "tests.test_checks.OwnFolder"})
    assert ids(deploy=True) == ["s3upload.E001"]


def test_dummy_is_fine_while_developing(settings: Any) -> None:
    settings.S3UPLOAD_DUMMY = True
    settings.STORAGES = storages_with(settings, default={"BACKEND": FILES})
    call_command("check")
    assert ids() == []


def test_site_that_keeps_files_on_disk_on_purpose_can_silence_it(settings: Any) -> None:
    settings.STORAGES = storages_with(settings, default={"BACKEND": FILES})
    settings.SILENCED_SYSTEM_CHECKS = ["s3upload.E001"]
    call_command("check", deploy=True)


def test_storage_on_s3_passes_the_deployment_check(settings: Any) -> None:
    use_unreachable_s3(settings)
    call_command("check", deploy=True)
    assert ids(deploy=True) == []


# --- the middleware ------------------------------------------------------------------------------


class OwnCsrf(CsrfViewMiddleware):
    """A subclass, as sites have them."""


def function_middleware(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> Any:
        return get_response(request)

    return middleware


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([SESSION, CSRF, AUTH, OURS], []),
        ([CSRF, OURS], []),
        ([SESSION, OURS], []),
        ([SESSION, AUTH, OURS], []),
        (["tests.test_checks.OwnCsrf", OURS], []),
        (["tests.test_checks.function_middleware", CSRF, OURS], []),
        ([SESSION, CSRF, AUTH], ["s3upload.E002"]),
        ([], ["s3upload.E002"]),
        ([OURS, CSRF], ["s3upload.E003"]),
        ([OURS, SESSION, CSRF, AUTH], ["s3upload.E003"] * 3),
        ([SESSION, CSRF, OURS, AUTH], ["s3upload.E003"]),
        ([OURS, "tests.test_checks.OwnCsrf"], ["s3upload.E003"]),
        ([OURS], ["s3upload.W004"]),
    ],
)
def test_middleware(settings: Any, middleware: list[str], expected: list[str]) -> None:
    settings.MIDDLEWARE = middleware
    assert ids() == expected


def test_misplaced_middleware_is_named(settings: Any) -> None:
    settings.MIDDLEWARE = [SESSION, CSRF, OURS, AUTH]
    (message,) = ours()
    assert message.msg.startswith("AuthenticationMiddleware comes after")
    assert message.hint
    assert "AuthenticationMiddleware" in message.hint


# --- the settings --------------------------------------------------------------------------------

WRONG = {
    "PREFIX": ["", "/", "a//b", "a/../b", "./a", None, 1, b"tmp"],
    "ENDPOINT": ["", "/", "//", "upload/", "/upload", None, 1],
    "MAX_SIZE": [0, -1, "5", 1.5, True, None, 50_000 * 1024**3 + 1],
    "AUTHORIZE": [1, True, print],
    "REPLACE_WIDGETS": [None, 1, "yes"],
    "UPLOAD_ON": ["", "SELECT", "change", None, ["select"]],
    "DUMMY": ["yes", 1, 0],
    "PUBLIC_ENDPOINT_URL": ["", "s3.example.org", "ftp://s3.example.org", 1],
    "METHOD": ["GET", "post", "MULTIPART", ["POST"]],
    "FILEPOND_UPLOAD_TMP": ["", 1],
    "FILEPOND_FILE_STORE_PATH": ["", 1],
    "FILEPOND_STORAGE": ["", "nowhere", 1],
    "FILEPOND_UPLOAD_STORAGE": ["nowhere", 1],
    "FILEPOND_PERMISSION_CLASSES": [None, [], {"GET_LOAD": "rest_framework.permissions.AllowAny"}],
    "FILEPOND_DELETE_UPLOAD_TMP_DIRS": [None, 1, "no"],
    "FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR": [None, 1, "yes"],
    "FILEPOND_FETCH": [None, 1, "yes"],
    "FILEPOND_FETCH_ALLOW": [[1], [None]],
    "FILEPOND_FETCH_MAX_SIZE": [0, -1, "5", 1.5, True, None],
    "FILEPOND_FETCH_TIMEOUT": [0, -1, "5", True, None],
    "FILEPOND_FETCH_REDIRECTS": [-1, "5", 1.5, True, None],
}

RIGHT = {
    "PREFIX": ["tmp", "/tmp/x/", "a.b/c..d"],  # noqa: S108
    "ENDPOINT": ["/x/", "/_/uploads/"],
    "MAX_SIZE": [1, 5 * 1024**3, 50_000 * 1024**3],
    "AUTHORIZE": [None, "tests.test_checks.function_middleware"],
    "REPLACE_WIDGETS": [True, False],
    "UPLOAD_ON": ["select", "submit"],
    "DUMMY": [None, True, False],
    "PUBLIC_ENDPOINT_URL": [None, "https://s3.example.org", "http://127.0.0.1:9000"],
    "METHOD": ["POST", "PUT", None],
    "FILEPOND_UPLOAD_TMP": [None, "/srv/uploads", Path("/srv/uploads")],
    "FILEPOND_FILE_STORE_PATH": [None, "/srv/stored", Path("/srv/stored")],
    "FILEPOND_STORAGE": [None, "archive"],
    "FILEPOND_UPLOAD_STORAGE": [None, "archive"],
    "FILEPOND_PERMISSION_CLASSES": [{}, {"GET_LOAD": ["rest_framework.permissions.AllowAny"]}, {"GET_LOAD": ()}],
    "FILEPOND_DELETE_UPLOAD_TMP_DIRS": [True, False],
    "FILEPOND_ALLOW_EXTERNAL_UPLOAD_DIR": [True, False],
    "FILEPOND_FETCH": [True, False],
    "FILEPOND_FETCH_ALLOW": [(), ["files.internal", "10.1.0.0/16"], {"::1"}],
    "FILEPOND_FETCH_MAX_SIZE": [1, 5 * 1024**3],
    "FILEPOND_FETCH_TIMEOUT": [1, 0.5],
    "FILEPOND_FETCH_REDIRECTS": [0, 5],
}


def test_every_setting_is_checked() -> None:
    names = s3upload.checks.conf.defaults.keys()
    assert WRONG.keys() == RIGHT.keys() == names


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_value_of_a_setting_is_an_error(settings: Any, name: str, value: Any) -> None:
    setattr(settings, f"S3UPLOAD_{name}", value)
    (message,) = ours()
    assert message.id == "s3upload.E005"
    assert message.msg == f"S3UPLOAD_{name} is {value!r}."
    assert message.hint


WRONG_OPTIONS: dict[str, list[Any]] = {
    "upload_method": ["put", "MULTIPART"],
    "public_endpoint_url": ["files.example.org"],
    "promote": ["", "in_place", "move", True],
    "stored_prefix": ["", "/", "a//b", "../a", 1],
    "provider": [
        "r2",
        True,
        ["post"],
        {"posts": True},
        {"post": "yes"},
        {"post": 1},
        {"tags_uploads": None},
        {"max_size": "5"},
        {"max_count": True},
        {"max_count": 1.5},
        {"post": True, "x": 1},
    ],
}

RIGHT_OPTIONS: dict[str, list[Any]] = {
    "upload_method": ["POST", "PUT", None],
    "public_endpoint_url": ["https://files.example.org", None],
    "promote": ["copy", "in-place", None],
    "stored_prefix": ["media", "/a/b/"],
    "provider": [{}, {"post": False, "max_count": 1000}, None],
}


def test_every_option_is_checked() -> None:
    assert WRONG_OPTIONS.keys() == RIGHT_OPTIONS.keys() == s3upload.checks.VALID_OPTIONS.keys()


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in RIGHT_OPTIONS.items() for value in values]
)
def test_right_value_of_a_storage_option_passes(settings: Any, option: str, value: Any) -> None:
    use_unreachable_s3(settings, "archive", **{option: value})
    assert ids() == []


@pytest.mark.parametrize("more", [{}, {"promote": "in-place", "upload_method": "POST"}], ids=["alone", "with others"])
@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in WRONG_OPTIONS.items() for value in values]
)
def test_wrong_value_of_a_storage_option_is_an_error(
    settings: Any, option: str, value: Any, more: dict[str, str]
) -> None:
    use_unreachable_s3(settings, "archive", **{**more, option: value})
    (message,) = ours()
    assert message.id == "s3upload.E005"
    assert message.msg == f'The option "{option}" of STORAGES["archive"] is {value!r}.'


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "it has no bucket"),
        ({"bucket_name": "b", "public_endpoint": "x"}, "Invalid setting 'public_endpoint' for S3UploadStorage"),
    ],
)
def test_storage_that_cannot_be_used_is_an_error(settings: Any, options: dict[str, str], problem: str) -> None:
    backend = {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "reports": backend}
    (message,) = ours()
    assert message.id == "s3upload.E010"
    assert message.msg == f'STORAGES["reports"] can\'t be used: {problem}.'


AZURE_KEY = "c2VjcmV0"
ACCOUNT = {"account_name": "acme", "azure_container": "media"}


def use_on_azure(settings: Any, **options: Any) -> None:
    backend = {"BACKEND": "s3upload.backends.azure.AzureUploadStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "reports": backend}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "it has no container"),
        ({"account_name": "acme", "account_key": AZURE_KEY}, "it has no container"),
        (
            {"azure_container": "media", "account_key": AZURE_KEY},
            "AzureUploadStorage has no account: set account_name or connection_string",
        ),
        (
            {"azure_container": "media", "connection_string": f"AccountKey={AZURE_KEY}"},
            "Azure's SDK makes no client with the options of AzureUploadStorage",
        ),
        (
            {**ACCOUNT, "account_key": f"{AZURE_KEY}!"},
            "the account key of AzureUploadStorage is none: it is not in base64",
        ),
        *(
            (
                {**ACCOUNT, **credential},
                "AzureUploadStorage has nothing to sign uploads with: set account_key, token_credential, or a "
                "connection_string that has the key; a sas_token can't sign",
            )
            for credential in ({}, {"sas_token": "sv=1&sig=c2VjcmV0"})
        ),
        (
            {**ACCOUNT, "account_key": AZURE_KEY, "container": "x"},
            "Invalid setting 'container' for AzureUploadStorage",
        ),
    ],
)
def test_storage_on_azure_that_cannot_be_used_is_an_error(
    settings: Any, options: dict[str, str], problem: str
) -> None:
    use_on_azure(settings, **options)
    (message,) = ours()
    assert message.id == "s3upload.E010"
    assert message.msg == f'STORAGES["reports"] can\'t be used: {problem}.'
    assert "azure_container" in message.hint
    assert "c2VjcmV0" not in f"{message.msg} {message.hint}"


class Identity:
    """As azure-identity has them."""

    def get_token(self, *scopes: str, **options: Any) -> None:
        pytest.fail("a token was asked for")


@pytest.mark.parametrize(
    "options",
    [
        {**ACCOUNT, "account_key": AZURE_KEY},
        {**ACCOUNT, "token_credential": Identity()},
        {"connection_string": f"AccountName=acme;AccountKey={AZURE_KEY}", "azure_container": "media"},
    ],
    ids=["key", "identity", "connection string"],
)
def test_storage_on_azure_that_can_be_used_passes(settings: Any, options: dict[str, Any]) -> None:
    use_on_azure(settings, **options)
    assert ids() == []


def test_setting_that_there_is_not_is_named(settings: Any) -> None:
    settings.S3UPLOAD_MAXSIZE = 1
    (message,) = ours()
    assert (message.id, message.msg) == ("s3upload.W009", "There is no setting S3UPLOAD_MAXSIZE.")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in RIGHT.items() for value in values])
def test_right_value_of_a_setting_passes(settings: Any, name: str, value: Any) -> None:
    setattr(settings, f"S3UPLOAD_{name}", value)
    assert ids() == []


@pytest.mark.parametrize(
    "dotted_path", ["", "authorize", "no.such.module", "tests.test_checks.nothing", "tests.test_checks.FILES"]
)
def test_authorize_that_names_nothing_callable_is_an_error(settings: Any, dotted_path: str) -> None:
    settings.S3UPLOAD_AUTHORIZE = dotted_path
    assert ids() == ["s3upload.E006"]


# --- the endpoint --------------------------------------------------------------------------------


def view(request: HttpRequest, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], []),
        ([path("other/", view)], []),
        ([path("<path:anything>", view)], []),
        ([re_path(r"", view)], []),
        ([path("uploads/", view)], ["s3upload.W007"]),
        ([path("uploads/<slug:name>/", view)], ["s3upload.W007"]),
        ([path("uploads/", view), path("<path:anything>", view)], ["s3upload.W007"]),
    ],
)
def test_url_of_the_site_at_the_endpoint(settings: Any, patterns: list[Any], expected: list[str]) -> None:
    settings.ROOT_URLCONF = tuple(patterns)
    settings.S3UPLOAD_ENDPOINT = "/uploads/"
    assert ids() == expected


def test_site_without_urls_has_nothing_at_the_endpoint(settings: Any) -> None:
    settings.ROOT_URLCONF = None
    assert list(s3upload.checks.check_endpoint(None)) == []


# --- storages ------------------------------------------------------------------------------------


def test_stock_storage_as_default_is_warned_of(settings: Any) -> None:
    settings.STORAGES = storages_with(
        settings, default={"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": OPTIONS}
    )
    assert ids() == ["s3upload.W008"]


def test_stock_storage_on_azure_is_warned_of(settings: Any) -> None:
    backend = {
        "BACKEND": "storages.backends.azure_storage.AzureStorage",
        "OPTIONS": {**ACCOUNT, "account_key": AZURE_KEY},
    }
    settings.STORAGES = storages_with(settings, default=backend)
    (message,) = ours()
    assert message.id == "s3upload.W008"
    assert "s3upload.backends.azure.AzureUploadStorage" in message.hint


class OwnStock(S3Storage):  # type: ignore[misc]
    """A subclass, as sites have them."""


class OwnCopying(s3upload.checks.import_string("s3upload.storage.S3UploadStorage")):  # type: ignore[misc]
    """A subclass, as sites have them."""


@pytest.mark.parametrize(("name", "expected"), [("OwnStock", ["s3upload.W008"]), ("OwnCopying", [])])
def test_subclass_as_default(settings: Any, name: str, expected: list[str]) -> None:
    settings.STORAGES = storages_with(settings, default={"BACKEND": f"tests.test_checks.{name}", "OPTIONS": OPTIONS})
    assert ids() == expected


def test_stock_storage_of_a_model_field_is_warned_of_at_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Record._meta.get_field("file")
    monkeypatch.setattr(field, "storage", OwnStock(**OPTIONS))
    (message,) = ours()
    assert message.id == "s3upload.W008"
    assert message.obj is field


@pytest.mark.parametrize("storage", [InMemoryStorage(), OwnCopying(**OPTIONS)])
def test_other_storage_of_a_model_field_passes(monkeypatch: pytest.MonkeyPatch, storage: Any) -> None:
    monkeypatch.setattr(Record._meta.get_field("file"), "storage", storage)
    assert ids() == []


def test_storage_that_cannot_be_imported_is_left_to_django(settings: Any) -> None:
    settings.STORAGES = storages_with(settings, default={"BACKEND": "no.such.Storage"})
    assert ids(deploy=True) == []


# --- what stores can't do ------------------------------------------------------------------------

R2 = "https://account.r2.cloudflarestorage.com"
IN_PLACE = {"promote": "in-place"}
BY_POST = {"upload_method": "POST"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        (IN_PLACE, []),
        (BY_POST, []),
        ({"endpoint_url": R2}, []),
        ({"endpoint_url": R2, "upload_method": "PUT"}, []),
        ({"endpoint_url": R2, **IN_PLACE}, ["s3upload.E011"]),
        ({"endpoint_url": R2, **BY_POST}, ["s3upload.E012"]),
        ({"endpoint_url": R2, **IN_PLACE, **BY_POST}, ["s3upload.E011", "s3upload.E012"]),
        ({"public_endpoint_url": R2, **BY_POST}, ["s3upload.E012"]),
        ({"endpoint_url": R2, **IN_PLACE, "provider": {"tagging": True}}, []),
        ({"endpoint_url": R2, **BY_POST, "provider": {"post": True}}, []),
        ({**IN_PLACE, "provider": {"tagging": False}}, ["s3upload.E011"]),
        ({**BY_POST, "provider": {"post": False}}, ["s3upload.E012"]),
    ],
)
@pytest.mark.parametrize("alias", ["default", "reports"])
def test_what_the_store_of_a_storage_cannot_do(
    settings: Any, alias: str, options: dict[str, Any], expected: list[str]
) -> None:
    use_unreachable_s3(settings, alias, **options)
    messages = ours()
    assert [message.id for message in messages] == expected
    for message in messages:
        assert message.msg.startswith(f'STORAGES["{alias}"] can\'t ')
        assert message.hint


def test_method_of_the_site_counts_where_the_storage_has_none(settings: Any) -> None:
    settings.S3UPLOAD_METHOD = "POST"
    use_unreachable_s3(settings, endpoint_url=R2)
    assert ids() == ["s3upload.E012"]
    use_unreachable_s3(settings, endpoint_url=R2, upload_method="PUT")
    assert ids() == []


def test_storage_of_a_model_field_is_named_at_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Record._meta.get_field("file")
    monkeypatch.setattr(field, "storage", OwnCopying(**OPTIONS, endpoint_url=R2, promote="in-place"))
    (message,) = ours()
    assert (message.id, message.obj) == ("s3upload.E011", field)
    assert message.msg == "The storage of this field can't promote in place: its store knows no tags."


def test_site_can_be_checked_without_credentials(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    use_unreachable_s3(settings, access_key=None, secret_key=None, **IN_PLACE)
    assert ids() == []


def test_no_client_is_made_where_there_is_nothing_to_ask(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3.session.Session, "client", lambda *args, **kwargs: pytest.fail("a client was made"))
    use_unreachable_s3(settings)
    assert ids() == []


# --- all of them ---------------------------------------------------------------------------------


def test_ids_are_used_for_one_thing_each() -> None:
    source = Path(s3upload.checks.__file__).read_text()
    times = Counter(re.findall(r'id="s3upload\.[EW](\d{3})"', source))
    assert sorted(times) == [f"{number:03}" for number in range(1, 13)]
    # A setting and a storage's option are one thing.
    assert {number for number in times if times[number] > 1} == {"005"}


def test_checks_are_registered_once() -> None:
    s3upload.checks.register()
    s3upload.checks.register()
    registered = [
        check
        for check in django_checks.registry.registry.get_checks(include_deployment_checks=True)
        if check.__module__ == "s3upload.checks"
    ]
    assert len(registered) == len({check.__name__ for check in registered}) == 7


SMALLEST_SITE = """
import sys
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(SECRET_KEY="x", INSTALLED_APPS=["s3upload"], MIDDLEWARE=[
    "django.middleware.csrf.CsrfViewMiddleware", "s3upload.middleware.S3UploadMiddleware"])
django.setup()
call_command("check")
print(sorted(sys.modules.keys() & {"azure", "boto3", "botocore", "storages", "django.contrib.auth.models"}))
"""


def test_smallest_site_starts_without_other_apps_and_without_boto3(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SMALLEST_SITE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
