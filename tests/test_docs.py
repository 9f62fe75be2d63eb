"""The documentation names what there is, nothing else, and its examples run."""

from __future__ import annotations

import doctest
import hashlib
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
import types
import urllib.request
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.management import get_commands
from django.test import RequestFactory
from django.utils.module_loading import import_string
from storages.backends.s3 import S3Storage

from s3upload import cleanup, conf, multipart, parts, policy, presign, views, widgets
from s3upload.async_uploads.fields import (
    DOWNLOAD_AGE,
    MODEL_PERMISSION,
    RESPONSE_HEADERS,
    AsyncFileField,
    AsyncFileMixin,
    AsyncImageField,
)
from s3upload.async_uploads.models import UploadRecord
from s3upload.async_uploads.permissions import DJANGO_ACTIONS
from s3upload.async_uploads.registry import default_async_field_registry
from s3upload.backends import azure, backend_named, filesystem, providers, s3
from s3upload.backends.azure import presigning
from s3upload.backends.base import pending_prefix
from s3upload.backends.s3 import clients, copying, marks
from s3upload.cleanup import Summary, clean_up
from s3upload.exceptions import StoreUnavailable, UploadGone
from s3upload.files import DirectUploadedFile, RequestUploads
from s3upload.management.commands import s3upload_cleanup
from s3upload.storage import S3UploadStorage
from s3upload.tokens import Token
from tests.conftest import AZURE_OPERATIONS, CallCount, S3Store, program, storages_with
from tests.defences import DEFENCES
from tests.servers.azurite import CORS_RULE
from tests.test_cleanup import let_pass
from tests.test_locales import PLACEHOLDER, source
from tests.wire import send

ROOT = Path(__file__).parent.parent
MIB = 1024**2
DOCS = sorted((ROOT / "docs").glob("*.rst"))
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in DOCS}
ALL = "\n".join(PAGES.values())
OTHERS = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.rst", "CHANGELOG.rst"))
JS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "js" / "src").glob("*.js"))}


def confvals(pattern: str) -> dict[str, str]:
    """Return the documented settings and options of a name, with the text of each."""
    found = re.findall(r"^\.\. confval:: (\S+)\n(.*?)(?=^\S|\Z)", ALL, re.MULTILINE | re.DOTALL)
    return {name: text for name, text in found if re.fullmatch(pattern, name)}


def described(page: str, pattern: str) -> dict[str, str]:
    """Return the terms of a page's definition lists, with the text of each."""
    found = re.findall(r"^(\S.*)\n((?:    .*\n)+)", PAGES[page], re.MULTILINE)
    return {term: " ".join(text.split()) for term, text in found if re.fullmatch(pattern, term)}


def blocks(language: str, name: str = "") -> list[Any]:
    """Return the literal blocks of a language, of all pages; only the one of a name, where a name is given."""
    start = rf"^( *)\.\. code-block:: {language}\n((?:\1   :.*\n)*)\n((?:\1   .*\n|\n)+)"
    found = [(page, match) for page, text in PAGES.items() for match in re.finditer(start, text, re.MULTILINE)]
    return [
        pytest.param(textwrap.dedent(match[3]), id=f"{page}-{number}")
        for number, (page, match) in enumerate(found)
        if not name or f":name: {name}\n" in match[2]
    ]


def block(language: str, name: str) -> str:
    [parameter] = blocks(language, name)
    return str(parameter.values[0])


def rows(page: str, name: str) -> list[list[str]]:
    """Return the cells of a list-table, row by row, without its header."""
    [(options, table)] = re.findall(
        rf"^\.\. list-table::\n((?:   :.*\n)*   :name: {name}\n(?:   :.*\n)*)\n((?:   .*\n|\n)+)",
        PAGES[page],
        re.MULTILINE,
    )
    cells = [
        [" ".join(cell.split()) for cell in re.split(r"^     - ", f"     - {row}", flags=re.MULTILINE)[1:]]
        for row in re.split(r"^   \* - ", table, flags=re.MULTILINE)[1:]
    ]
    return cells[1:] if ":header-rows:" in options else cells


def run(name: str, **names: Any) -> dict[str, Any]:
    """Run a block, and return its names."""
    exec(compile(block("python", name), name, "exec"), names)  # noqa: S102 (our own text)
    return names


# --- what there is, and nothing else ----------------------------------------------------------


def test_every_setting_is_documented_with_its_default() -> None:
    documented = confvals("S3UPLOAD_.*")

    assert documented.keys() == {f"S3UPLOAD_{name}" for name in conf.Settings.defaults}
    for name, default in conf.Settings.defaults.items():
        [literal] = re.findall(r":default: ``(.*?)``", documented[f"S3UPLOAD_{name}"])
        assert eval(literal) == default, name  # noqa: S307 (our own text)


def test_no_setting_is_named_that_does_not_exist() -> None:
    named = set(re.findall(r"\bS3UPLOAD_[A-Z_]+", ALL + OTHERS))

    assert named <= {f"S3UPLOAD_{name}" for name in conf.Settings.defaults}


def test_every_storage_option_is_documented() -> None:
    options = S3UploadStorage().get_default_settings().keys() - S3Storage().get_default_settings().keys()

    assert options == confvals(r"(?!S3UPLOAD_|widget\.).*").keys()


def test_every_attribute_of_widgets_is_documented() -> None:
    code = (ROOT / "s3upload" / "widgets.py").read_text(encoding="utf-8")
    attributes = set(re.findall(r'getattr\((?:widget|self\.widget), "(s3upload\w*)"', code)) - {"s3upload_bound_field"}

    assert attributes
    assert confvals(r"widget\..*").keys() == {f"widget.{name}" for name in attributes}


CHECK = r"s3upload\w*\.[EW]\d{3}"
"""The id of a check, of the core or of another app."""


def ids_of_checks() -> set[str]:
    modules = (ROOT / "s3upload").rglob("checks.py")
    return {id_ for module in modules for id_ in re.findall(CHECK, module.read_text(encoding="utf-8"))}


def test_every_check_is_documented_and_no_other() -> None:
    ids = ids_of_checks()

    assert set(re.findall(rf"^``({CHECK})``: ", PAGES["troubleshooting"], re.MULTILINE)) == ids
    assert set(re.findall(CHECK, ALL + OTHERS)) == ids


def on_r2(**options: str) -> dict[str, Any]:
    known = eval(block("python", "r2"))  # noqa: S307 (our own text)
    keys = {"access_key": "key", "secret_key": "secret"}
    return {"BACKEND": "s3upload.storage.S3UploadStorage", "OPTIONS": {**known, **keys, **options}}


BROKEN: dict[str, dict[str, Any]] = {
    "s3upload.E001": {"S3UPLOAD_DUMMY": True},
    "s3upload.E002": {"MIDDLEWARE": []},
    "s3upload.E003": {
        "MIDDLEWARE": [
            "s3upload.middleware.S3UploadMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
        ]
    },
    "s3upload.W004": {"MIDDLEWARE": ["s3upload.middleware.S3UploadMiddleware"]},
    "s3upload.E005": {"S3UPLOAD_METHOD": "GET"},
    "s3upload.E006": {"S3UPLOAD_AUTHORIZE": "nobody.knows"},
    "s3upload.W007": {"S3UPLOAD_ENDPOINT": "/forms/"},
    "s3upload.W008": {"STORAGES": {"default": {"BACKEND": "storages.backends.s3.S3Storage"}}},
    "s3upload.W009": {"S3UPLOAD_MAXSIZE": 1},
    "s3upload.E010": {"STORAGES": {"archive": {"BACKEND": "s3upload.storage.S3UploadStorage"}}},
    "s3upload.E011": {"STORAGES": {"archive": on_r2(promote="in-place")}},
    "s3upload.E012": {"STORAGES": {"archive": on_r2(upload_method="POST")}},
    # A URLconf without the addresses of a registry.
    "s3upload_async_uploads.W001": {"ROOT_URLCONF": "django.contrib.auth.urls"},
    "s3upload_filepond.E001": {"S3UPLOAD_FILEPOND_UPLOAD_TMP": "/srv/uploads", "BASE_DIR": "/srv/site"},
    "s3upload_filepond.E002": {"S3UPLOAD_FILEPOND_PERMISSION_CLASSES": {"GET_RESTORED": []}},
    "s3upload_filepond.E003": {
        "S3UPLOAD_FILEPOND_PERMISSION_CLASSES": {"GET_LOAD": ["rest_framework.permissions.IsAuthentic"]}
    },
    "s3upload_filepond.E004": {"S3UPLOAD_FILEPOND_FETCH_ALLOW": ["http://files.internal"]},
}


def complaint(settings: Any, id_: str) -> CheckMessage:
    for name, value in BROKEN[id_].items():
        setattr(settings, name, storages_with(settings, **value) if name == "STORAGES" else value)
    return next(message for message in run_checks(include_deployment_checks=True) if message.id == id_)


@pytest.mark.django_db  # from Django 6.1 on, the checks of a JSONField ask the database
@pytest.mark.parametrize("id_", BROKEN)
def test_checks_say_what_is_documented(id_: str, settings: Any) -> None:
    message = complaint(settings, id_)
    [(term, cure)] = described("troubleshooting", rf"``{re.escape(id_)}``:.*").items()

    [quoted] = re.findall(r"\*(.*)\*", term)
    assert re.fullmatch(".+".join(map(re.escape, quoted.split("…"))), message.msg)
    names = set(re.findall(r"\w+(?:\.\w+)+|\b[A-Z][A-Z0-9_]{5,}\b", message.hint or ""))
    assert {name for name in names if name not in f"{term} {cure}"} == set()


def test_every_check_has_been_broken() -> None:
    assert BROKEN.keys() == ids_of_checks()


def test_every_event_is_documented_with_its_details() -> None:
    [names] = re.findall(r'@param \{("start".*?)\} name', JS["events"])
    events = {f"s3upload:{name}" for name in re.findall(r'"(\w+)"', names)}
    details = set(re.findall(r"^ \* @property \{\w+\} (\w+)", JS["events"], re.MULTILINE))
    [file_detail] = re.findall(r"@typedef \{\{(.*?)\}\} FileDetail", JS["events"])
    details |= set(re.findall(r"(\w+)\??:", file_detail))
    [table] = re.findall(r"^Events\n-+\n(.*?)\n\S[^\n]*\n---", PAGES["javascript"], re.MULTILINE | re.DOTALL)

    assert len(events) >= 5
    assert set(re.findall(r"\* - ``(s3upload:\w+)``", table)) == events
    assert set(re.findall(r"``([a-z]\w+)``", table)) == details
    assert set(re.findall(r"\bs3upload:\w+", ALL + OTHERS)) <= events


def test_every_event_is_dispatched() -> None:
    dispatched = set(re.findall(r'dispatch\([\w.]+, "(\w+)"', "".join(JS.values())))

    assert {f"s3upload:{name}" for name in dispatched} == set(re.findall(r"\bs3upload:\w+", PAGES["javascript"]))


def test_every_custom_property_is_documented_and_no_other() -> None:
    pattern = r"--s3upload-[a-z-]+"
    css = (ROOT / "js" / "src" / "s3upload.css").read_text(encoding="utf-8")

    assert set(re.findall(pattern, ALL)) == set(re.findall(pattern, css))


def test_classes_of_the_list_exist() -> None:
    css = (ROOT / "js" / "src" / "s3upload.css").read_text(encoding="utf-8")

    assert set(re.findall(r"\.s3upload__\w+", ALL)) <= set(re.findall(r"\.s3upload__\w+", css))


def test_every_command_is_documented_and_no_other() -> None:
    commands = {path.stem for path in (ROOT / "s3upload").rglob("management/commands/[!_]*.py")}
    named = set(re.findall(r"(?:manage\.py|django-admin) (\w+)", ALL + OTHERS))

    assert commands <= named
    assert named <= get_commands().keys() | {"check"}


def said_by_the_server() -> set[str]:
    """Return the translated texts that say something; the others name what the admin shows."""
    text = source("de", "django").read_text(encoding="utf-8")
    entries = re.findall(r"^#: (.*)\n(?:#.*\n)*msgid ((?:\".*\"\n)+)", text, re.MULTILINE)
    said = {("".join(re.findall(r'"(.*)"', lines)), module) for module, lines in entries}
    names = re.compile(r"\b(?:apps|fields|models)\.py")
    return {
        text for text, module in said if not names.search(module) and (text.endswith(".") or "admin.py" not in module)
    }


def test_every_message_is_documented_and_no_other() -> None:
    texts = said_by_the_server()
    texts |= {text for code in JS.values() for text in re.findall(r'gettext_noop\(\s*"(.*?)"', code)}
    [section] = re.findall(r"^What people may read\n-+\n(.*)", PAGES["troubleshooting"], re.MULTILINE | re.DOTALL)
    terms = re.findall(r"^(\S.*)\n    ", section, re.MULTILINE)

    assert sorted(terms) == sorted(PLACEHOLDER.sub("…", text) for text in texts)


def test_every_attribute_of_the_input_is_documented() -> None:
    code = (ROOT / "s3upload" / "widgets.py").read_text(encoding="utf-8")

    assert set(re.findall(r'"(data-s3upload-\w+)"', code)) == set(
        re.findall(r"\* - ``(data-s3upload-\w+)``", PAGES["how-it-works"])
    )


def test_every_hook_into_django_is_documented() -> None:
    hooks = {f"{cls.__name__}.{method}" for cls, methods in widgets.METHODS.items() for method in methods}

    assert set(re.findall(r"\* - ``(\w+\.\w+)``", PAGES["how-it-works"])) == hooks


def test_ages_are_those_of_the_code() -> None:
    assert (conf.POLICY_AGE, conf.PRESIGNED_AGE, conf.TOKEN_AGE) == (7 * 86400, 3600, 86400)
    assert re.findall(r"^     - (\d+ (?:days|hours?))$", PAGES["security"], re.MULTILINE) == [
        "7 days",
        "1 hour",
        "1 hour",
        "24 hours",
    ]


def test_browsers_are_those_that_the_script_is_built_for() -> None:
    [built_for] = re.findall(r"BROWSERS = \[(.*?)\]", (ROOT / "js" / "build.js").read_text(encoding="utf-8"))
    [documented] = re.findall(r"^Browsers\n-+\n\n(.*?)\n\n?", PAGES["javascript"], re.MULTILINE | re.DOTALL)

    assert set(re.findall(r"[\d.]+\d", documented)) == set(re.findall(r"[a-z](\d[\d.]*)", built_for))


def in_bytes(size: str) -> int:
    number, unit = size.split()
    return int(number) * {"MiB": MIB, "GiB": 1024 * MIB, "TiB": 1024**2 * MIB}[unit]


def test_parts_are_those_of_the_plan() -> None:
    table = rows("large-files", "part-sizes")

    assert len(table) > 5
    for file, size, count in table:
        # "48.8 TiB" is rounded down.
        bytes_ = parts.S3_LIMITS.largest_file if file == "48.8 TiB" else in_bytes(file)
        assert parts.part_size_for(bytes_) == in_bytes(size), file
        assert parts.part_count(bytes_, in_bytes(size)) == int(count.replace(",", "")), file


def test_sizes_of_large_files_are_those_of_the_code() -> None:
    assert in_bytes("16 MiB") == parts.ONE_REQUEST
    assert int(parts.S3_LIMITS.largest_file / 1024**4 * 10) == 488
    assert in_bytes("64 MiB") == presign.LARGEST_CHECKSUMMED_PART
    assert "above 625 GiB" in PAGES["large-files"]
    assert parts.part_size_for(in_bytes("625 GiB")) == in_bytes("64 MiB")
    assert parts.part_size_for(in_bytes("625 GiB") + 1) > in_bytes("64 MiB")
    assert (in_bytes("5 GiB"), in_bytes("512 MiB")) == (copying.COPY_LIMIT, copying.COPY_PART_SIZE)
    assert clients.CONNECTIONS // 2 == 8


def test_connections_and_patience_are_those_of_the_script() -> None:
    constants = dict(
        re.findall(r"^const ([A-Z]+) = ([\d_]+);", JS["retry"] + JS["send"] + JS["multipart"], re.MULTILINE)
    )

    assert {name: int(number) for name, number in constants.items()} == {
        "TRIES": 6,
        "FIRST": 500,
        "LONGEST": 15_000,
        "STALL": 30_000,
        "REVIVAL": 5000,
        "ABREAST": 5,
        "TOGETHER": 16,
    }
    assert "connections = createPool(6, 5);" in JS["queue"]
    assert "files = createPool(2);" in JS["queue"]
    assert "LIFE = 24 * 3600_000;" in JS["resume"]
    assert "WHOLE = 16 * 1024 ** 2;" in JS["file"]


def test_pictures_of_uppy_are_those_that_the_tests_take_out() -> None:
    style = (ROOT / "tests" / "testapp" / "static" / "testapp" / "uppy.css").read_text(encoding="utf-8")

    assert style.endswith(block("css", "uppy-pictures").strip() + "\n")


def test_every_state_is_documented_and_no_other() -> None:
    [states] = re.findall(r'@typedef \{("queued".*?)\} State', JS["file"])
    shown = set(re.findall(r'"(\w+)"', states)) - {"cancelled"} | {"kept"}

    assert {state.strip("`") for state, _text in rows("javascript", "states")} == shown


def test_every_function_of_the_script_is_documented() -> None:
    [exported] = re.findall(r"^export const \{ (.*?) \}", JS["index"], re.MULTILINE)

    assert set(re.findall(r"\bs3upload\.(\w+)\(", PAGES["javascript"])) == set(exported.split(", "))


def test_every_path_of_the_endpoint_is_documented() -> None:
    named = {path.strip("`") for path, _request, _answer in rows("how-it-works", "paths")}

    assert named | {"presign/", filesystem.PATH} == views.VIEWS.keys()


def test_providers_are_those_of_the_code() -> None:
    documented = {
        host.strip("`"): [answer == "yes" for answer in answers]
        for host, *answers in rows("storages", "provider-table")
    }
    known = {**providers.BY_HOST, "anything else": providers.Provider()}

    assert documented == {
        host: [one.post, one.checksums, one.tagging, one.tags_uploads] for host, one in known.items()
    }


def test_every_key_of_the_option_provider_is_documented() -> None:
    terms = re.findall(r"^((?:``\w+``(?:, )?)+)\n    ", PAGES["storages"], re.MULTILINE)

    assert set(re.findall(r"``(\w+)``", str(terms))) == providers.OPTIONS.keys()


def test_languages_are_those_that_are_shipped() -> None:
    names = {"de": "German", "fr": "French", "es": "Spanish"}
    shipped = {path.name for path in (ROOT / "s3upload" / "locale").iterdir()}

    assert shipped == names.keys()
    assert all(name in PAGES["javascript"] for name in names.values())


def test_every_call_to_the_store_is_documented() -> None:
    modules = Path(s3.__file__).parent.glob("*.py")
    code = "".join(module.read_text(encoding="utf-8") for module in modules)
    methods = re.findall(r"(?:client|copier)\.([a-z]+_[a-z_]+)\(", code) + re.findall(
        r'(?:get_paginator\(|_list\(backend, )"(\w+)"', code
    )
    calls = {name.title().replace("_", "") for name in methods} - {"GetPaginator", "GeneratePresignedUrl"}

    tables = str(rows("bucket", "calls") + rows("in-place", "tag-calls"))
    assert set(re.findall(r"``([A-Z]\w+[a-z][A-Z]\w+)``", tables)) == calls


def test_every_permission_comes_from_a_call() -> None:
    statements = json.loads(block("json", "policy-json"))["Statement"]
    actions = [statement["Action"] for statement in statements]
    allowed = {action for one in actions for action in ([one] if isinstance(one, str) else one)}
    allowed_in_place = set(json.loads(block("json", "policy-in-place-json"))["Action"])

    assert set(re.findall(r"``(s3:\w+)``", str(rows("bucket", "calls")))) == allowed
    assert set(re.findall(r"``(s3:\w+)``", str(rows("in-place", "tag-calls")))) == allowed_in_place - allowed


CLAIMS = ("faults", "threats")
"""The pages that have a test for each thing that they claim."""


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", ALL))

    assert named
    for path, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


@pytest.mark.parametrize("page", [page for page in CLAIMS if page in PAGES])
def test_every_row_of_what_is_claimed_has_a_test(page: str) -> None:
    tables = re.findall(r"^   :name: (\S+)$", PAGES[page], re.MULTILINE)

    assert tables
    for table in tables:
        assert [row for row in rows(page, table) if "``tests/" not in row[-1]] == [], table


def test_every_test_of_a_threat_has_been_seen_to_fail() -> None:
    """By the script that takes the defences out; what it breaks is there."""
    named = set(re.findall(r"``((?:tests|js)/[\w/.:]+)``", PAGES["threats"]))

    # What it breaks is the script's source, and not what is built of it.
    assert named - {defence.test for defence in DEFENCES} == {
        "tests/browser/test_submit.py::test_no_token_becomes_a_part_of_an_address"
    }
    assert {defence.test for defence in DEFENCES} <= named
    for defence in DEFENCES:
        assert (ROOT / defence.path).read_text(encoding="utf-8").count(defence.old) == 1, defence


@pytest.mark.parametrize("page", ["async-features", "filepond-features"])
def test_every_feature_has_its_test(page: str) -> None:
    tables = re.findall(r"^   :name: (\S+)$", PAGES[page], re.MULTILINE)

    assert len(tables) > 3
    for table in tables:
        unheld = [row for row in rows(page, table) if not re.match(r"``tests/.*::test_\w+``$", row[-1])]
        assert unheld == [], table


def shown(default: Any) -> str:
    written = repr(default).replace("'", '"')
    return "``default_async_field_registry``" if default is default_async_field_registry else f"``{written}``"


def test_every_option_of_async_fields_is_documented_with_its_default() -> None:
    documented = dict(
        re.fullmatch(r"``(\w+)``: (.*)", option).groups()  # type: ignore[union-attr]
        for option, _meaning in rows("async-uploads", "async-options")
    )
    own = inspect.signature(AsyncFileMixin.__init__).parameters.values()
    defaults = {one.name: one.default for one in own if one.kind is one.KEYWORD_ONLY}
    of_images = inspect.signature(AsyncImageField.__init__).parameters

    assert documented.keys() == defaults.keys()
    for name, default in defaults.items():
        action = {"perm_create": "add", "perm_update": "change", "perm_detail": "view"}.get(name)
        expected = f"the model's ``{action}`` permission" if default is MODEL_PERMISSION else shown(default)
        assert documented[name].startswith(expected), name
        assert action is None or action == DJANGO_ACTIONS[name.removeprefix("perm_")]  # type: ignore[index]
    assert shown(of_images["file_restrictions"].default) in documented["file_restrictions"]
    assert of_images["suppress_pillow_check"].default is False
    assert "``suppress_pillow_check`` (``True`` or ``False``, which is the default)" in " ".join(
        PAGES["async-uploads"].split()
    )


def test_downloads_are_as_documented() -> None:
    [(_term, text)] = described("async-uploads", "``parameters``").items()
    [(_term, expire)] = described("async-uploads", "``expire``").items()

    assert set(re.findall(r"``(\w+)``", text)) == RESPONSE_HEADERS
    assert f"{DOWNLOAD_AGE} when left out" in expire
    [longest] = re.findall(r"from 1 to ([\d,]+)", expire)
    AsyncFileField(download_params={"expire": int(longest.replace(",", ""))})
    with pytest.raises(ValueError, match="at most a week"):
        AsyncFileField(download_params={"expire": int(longest.replace(",", "")) + 1})
    field = eval(block("python", "async-download-params").removeprefix("image = ").rstrip(",\n"))  # noqa: S307 (our own text)
    assert field.download_params["expire"] == 21600


def test_states_of_uploads_are_those_of_the_record() -> None:
    assert [state.strip("`") for state, _meaning in rows("async-uploads", "async-states")] == UploadRecord.State.values


def test_every_address_of_a_registry_is_documented() -> None:
    paths = {str(pattern.pattern).partition("/")[0] for pattern in default_async_field_registry.get_url_patterns()}

    assert {path for path in paths if path not in PAGES["async-uploads"]} == set()


def test_every_test_of_faults_is_named() -> None:
    tests = [
        f"``tests/faults/{path.name}::{name}``"
        for path in (ROOT / "tests" / "faults").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert [test for test in tests if test not in PAGES["faults"]] == []


def test_every_class_that_is_named_exists() -> None:
    named = set(re.findall(r"\bs3upload(?:\.\w+)*\.[A-Z]\w{4,}", ALL + OTHERS))

    assert named
    assert all(import_string(path) for path in named)


# --- examples ---------------------------------------------------------------------------------


# --- Azure --------------------------------------------------------------------------------------


def test_example_of_azure_is_a_storage_that_can_be_used(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "c2VjcmV0")
    example = run("azure", STORAGES={})["STORAGES"]
    settings.STORAGES = storages_with(settings, **example)

    assert not [message for message in run_checks() if message.id and message.id.startswith("s3upload.")]
    assert backend_named("default").place == (
        "https://myaccount.blob.core.windows.net",
        "my-container",
        "tmp/s3upload",
    )


def test_cors_rule_of_azure_is_the_one_that_the_tests_have() -> None:
    [command] = [str(one.values[0]) for one in blocks("shell") if "storage cors add" in str(one)]
    options = dict(re.findall(r"--([a-z-]+) ([^\s\\]+)", command))

    assert options["methods"] == CORS_RULE.allowed_methods
    assert options["allowed-headers"] == CORS_RULE.allowed_headers
    assert options["max-age"] == str(CORS_RULE.max_age_in_seconds)
    assert options["services"] == "b"


def test_lifecycle_rule_of_azure_is_for_what_is_pending() -> None:
    [rule] = json.loads(block("json", "azure-lifecycle"))["rules"]
    place = f"{run_place()}/{pending_prefix()}"

    assert rule["definition"]["filters"]["prefixMatch"] == [place]
    assert rule["definition"]["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"] * 24 * 3600 >= (
        conf.TOKEN_AGE
    )


def run_place() -> str:
    [name] = re.findall(r'"azure_container": "(.*)"', block("python", "azure"))
    return str(name)


def test_every_call_to_azure_is_named() -> None:
    named = {
        name.replace(" ", "")
        for call, _when in rows("azure", "azure-calls")
        for name in re.findall(r"\*(.+?)\*", call)
    }

    # These are for what somebody else has done: a copy that fails, a lease.
    assert set(AZURE_OPERATIONS.values()) - named == {"AbortCopyBlob", "LeaseBlob"}
    assert named <= set(AZURE_OPERATIONS.values())


def test_numbers_of_azure_are_those_of_the_code() -> None:
    limits = azure.blocks.LIMITS

    assert f"{limits.largest_file / 1024**4:.1f} TiB" == "49.6 TiB"
    assert "49.6 TiB" in PAGES["azure"]
    assert f"up to {azure.copying.COPY_AGE // 60} minutes" in PAGES["azure"]
    assert f"{azure.backend.PATIENCE} where the store copies" in PAGES["azure"]
    assert timedelta(days=1) == presigning.KEY_AGE
    assert timedelta(days=7) == presigning.LONGEST_KEY_AGE


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_compile(code: str) -> None:
    compile(code, "example", "exec")


@pytest.mark.parametrize("text", blocks("json"))
def test_json_examples_parse(text: str) -> None:
    assert json.loads(text)


@pytest.mark.parametrize("code", blocks("javascript"))
def test_javascript_examples_parse(code: str, tmp_path: Path) -> None:
    file = tmp_path / "example.mjs"
    file.write_text(code, encoding="utf-8")

    checked = subprocess.run([program("node"), "--check", file], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.stem)
def test_sessions_are_as_shown(path: Path) -> None:
    assert doctest.testfile(str(path), module_relative=False).failed == 0


def test_sessions_in_docstrings_are_as_shown() -> None:
    results = doctest.testmod(policy)

    assert results.attempted
    assert results.failed == 0


def test_option_examples_are_options() -> None:
    for name in ("ceph", "r2", "b2", "two-addresses", "provider", "attachment"):
        options = eval(block("python", name))  # noqa: S307 (our own text)
        # It refuses what is none.
        S3UploadStorage(**options)


@pytest.mark.parametrize("name", ["r2", "b2", "provider"])
def test_stores_without_post_are_sent_a_put(name: str) -> None:
    options = {"region_name": "auto", **eval(block("python", name))}  # noqa: S307 (our own text)
    storage = S3UploadStorage(**options, access_key="key", secret_key="secret")
    presigned = s3.S3Backend(storage).presign(token(), "A" * 43 + "=")

    assert presigned["method"] == "PUT"
    assert presigned["headers"].keys() == {"Content-Type"}


@pytest.mark.django_db
def test_limit_of_the_example_is_one(settings: Any) -> None:
    settings.S3UPLOAD_MAX_SIZE = run("max-size")["S3UPLOAD_MAX_SIZE"]

    assert [message for message in run_checks() if message.id == "s3upload.E005"] == []


def test_films_are_saved_in_place() -> None:
    options = run("in-place", STORAGES={})["STORAGES"]["films"]["OPTIONS"]
    backend = s3.S3Backend(S3UploadStorage(**options, access_key="key", secret_key="secret"))
    [shown] = re.findall(r"as in ``(films/.*?)``", PAGES["in-place"])

    key = backend.new_key("holiday.mp4", in_place=True)
    assert backend.in_place
    assert re.sub("/.*/", "/…/", key) == re.sub("/.*/", "/…/", shown)
    assert len(key) == len(shown)


def test_checksum_example_keeps_the_checksum(filesystem_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The view of the example, with a form that only tells it what was uploaded."""
    body = b"bytes"
    claim = token(len(body))
    presigned = backend_named("default").presign(claim, b64encode(hashlib.sha256(body).digest()).decode())
    assert send(presigned, body) == 201
    uploads = RequestUploads(lambda: frozenset({""}))
    form = types.SimpleNamespace(
        is_valid=lambda: True,
        cleaned_data={"file": uploads.add(claim, claim.sign())},
        instance=types.SimpleNamespace(),
        save=lambda: None,
    )
    for name in ("reports", "reports.forms"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setattr(sys.modules["reports.forms"], "ReportForm", lambda *data: form, raising=False)
    monkeypatch.setattr("django.shortcuts.redirect", lambda name: name)

    run("checksum")["add_report"](RequestFactory().get("/"))

    assert form.instance.checksum == f"sha256:{b64encode(hashlib.sha256(body).digest()).decode()}"


def test_browsers_are_given_the_public_address() -> None:
    options = eval(block("python", "two-addresses"))  # noqa: S307 (our own text)
    storage = S3UploadStorage(**options, access_key="key", secret_key="secret")

    assert s3.S3Backend(storage).presign(token())["url"] == "https://files.example.com/my-bucket"


def test_browsers_are_given_the_address_of_the_region() -> None:
    storages = run("s3", STORAGES={})["STORAGES"]
    storage = S3UploadStorage(**storages["default"]["OPTIONS"], access_key="key", secret_key="secret")

    assert s3.S3Backend(storage).presign(token())["url"] == "https://my-bucket.s3.eu-central-1.amazonaws.com/"


def test_authorize_example_refuses_who_is_not_signed_in(
    settings: Any, filesystem_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = types.ModuleType("uploads.permissions")
    example.__dict__.update(run("authorize"))
    for name in ("uploads", "uploads.permissions"):
        monkeypatch.setitem(sys.modules, name, example)
    settings.S3UPLOAD_AUTHORIZE = "uploads.permissions.authorize"

    class User:
        def __init__(self, *, is_authenticated: bool, permissions: tuple[str, ...] = ()) -> None:
            self.is_authenticated = is_authenticated
            self.has_perm = permissions.__contains__

    def authorize(user: User) -> None:
        request = RequestFactory().get("/")
        request.user = user  # type: ignore[assignment]
        import_string(settings.S3UPLOAD_AUTHORIZE)(
            request, policy.Policy("contract", "default", 9), policy.ChosenFile("a", 1, "")
        )

    with pytest.raises(PermissionDenied, match="Sign in"):
        authorize(User(is_authenticated=False))
    with pytest.raises(PermissionDenied):
        authorize(User(is_authenticated=True))
    authorize(User(is_authenticated=True, permissions=("deals.add_contract",)))


def test_widget_example_has_the_policies_that_it_says(filesystem_store: Any) -> None:
    form = run("widgets")["ProfileForm"]()

    [signed] = re.findall('data-s3upload-policy="(.*?)"', str(form["portrait"]))
    assert policy.Policy.unsign(signed).max_size == 2 * 1024**2
    assert policy.Policy.unsign(signed).accept == "image/*"
    assert "s3upload" not in str(form["key"])


# --- the quickstart, from nothing ---------------------------------------------------------------


class Project:
    """A project as ``django-admin startproject`` makes it, to whose settings examples are added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run("-m", "django", "startproject", "mysite", ".")
        self.settings = folder / "mysite" / "settings.py"

    def add(self, *lines: str) -> None:
        self.settings.write_text("\n".join([self.settings.read_text(encoding="utf-8"), *lines]), encoding="utf-8")

    def manage(self, *arguments: str) -> str:
        return self._run("manage.py", *arguments)

    def _run(self, *arguments: str) -> str:
        environ = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        environ["PYTHONPATH"] = str(ROOT)
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


RENDER_A_FORM = """
from django import forms
class Form(forms.Form):
    file = forms.FileField()
print(Form().as_p())
"""


def test_quickstart_works_without_a_store(project: Project) -> None:
    project.add(block("python", "local"))

    assert "no issues" in project.manage("check", "--fail-level", "WARNING")
    assert "data-s3upload-policy" in project.manage("shell", "-c", RENDER_A_FORM)


def test_quickstart_works_on_s3(project: Project) -> None:
    [storages] = re.findall(r"``(STORAGES = .*?)``", PAGES["quickstart"])
    project.add(block("python", "local"), storages, block("python", "s3"))

    assert "no issues" in project.manage("check", "--fail-level", "WARNING")
    # From 6.1 on, Django has an error of its own for the mail settings of a new project.
    project.add('SILENCED_SYSTEM_CHECKS = ["mail.E001"]')
    assert "s3upload." not in project.manage("check", "--deploy")
    assert "data-s3upload-policy" in project.manage("shell", "-c", RENDER_A_FORM)


def test_quickstart_has_five_lines(project: Project) -> None:
    lines = [line for name in ("local", "s3") for line in block("python", name).splitlines() if line.strip(" }")]

    assert len(lines) == 5


RENDER_CONTRACTS = """
from django.forms import modelform_factory
from deals.forms import ContractsForm
from deals.models import Contract
from s3upload.policy import Policy
import re
form = modelform_factory(Contract, fields=["text", "seal"])()
for page in (str(form["text"]), str(form["seal"]), str(ContractsForm()["texts"])):
    policy = Policy.unsign(re.search('data-s3upload-policy="(.*?)"', page)[1])
    print(policy.scope, policy.max_size, policy.accept)
contract = Contract(pk=5, text="a.pdf")
contract._state.adding = False
print(contract.text.url)
"""


def test_fields_with_permissions_work_as_shown(project: Project) -> None:
    project.manage("startapp", "deals")
    for module in ("models", "forms"):
        (project.folder / "deals" / f"{module}.py").write_text(block("python", f"async-{module}"), encoding="utf-8")
    (project.folder / "mysite" / "urls.py").write_text(block("python", "async-urls"), encoding="utf-8")
    project.add(block("python", "local"), block("python", "async-settings"), 'INSTALLED_APPS += ["deals"]')
    project.manage("makemigrations", "deals")
    project.manage("migrate")

    assert "no issues" in project.manage("check", "--fail-level", "WARNING")
    said = project.manage("shell", "-c", RENDER_CONTRACTS)
    assert "async_uploads:default:deals.contract.text: 31457280 application/pdf,.docx" in said
    assert "async_uploads:default:deals.contract.seal: 5368709120 image/*" in said
    assert "/async-uploads/download-file/deals.contract.text/5" in said
    assert said.count("deals.contract.text: 31457280") == 2
    assert "Nothing is left that failed." in project.manage("s3upload_retry")
    assert "records" not in project.manage("s3upload_cleanup")  # there are none


# --- the bucket, on a real store ----------------------------------------------------------------


def adapted(name: str, bucket: str, **replaced: str) -> Any:
    """Return a JSON block, made for this bucket."""
    text = block("json", name).replace("my-bucket", bucket)
    for old, new in replaced.items():
        text = text.replace(old, new)
    return json.loads(text)


def token(size: int = 5) -> Token:
    key = f"{conf.conf.PREFIX}/{os.urandom(11).hex()}"
    return Token("default", key, "a.txt", size, "text/plain", "file", "")


def preflight(url: str, origin: str, method: str) -> bool:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    request = urllib.request.Request(url, headers=headers, method="OPTIONS")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers["Access-Control-Allow-Origin"] in (origin, "*")
    except urllib.error.HTTPError as error:
        error.close()
        return False


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_cors_rule_lets_the_site_upload_and_no_other(store: S3Store) -> None:
    store.client.put_bucket_cors(Bucket=store.bucket, CORSConfiguration=adapted("cors-json", store.bucket))
    url = backend_named("default").presign(token())["url"]

    for method in ("POST", "PUT"):
        assert preflight(url, "https://www.example.com", method)
        assert not preflight(url, "https://www.example.org", method)


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_lifecycle_rules_are_taken_by_the_store(store: S3Store) -> None:
    rules = adapted("lifecycle-json", store.bucket)
    store.client.put_bucket_lifecycle_configuration(Bucket=store.bucket, LifecycleConfiguration=rules)

    taken = {
        rule["ID"]: rule for rule in store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket)["Rules"]
    }
    assert taken["pending-uploads"]["Filter"] == {"Prefix": f"{conf.Settings.defaults['PREFIX']}/"}
    assert taken["pending-uploads"]["Expiration"]["Days"] * 86400 >= conf.TOKEN_AGE
    assert taken["unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_rule_for_tags_is_taken_by_the_store(store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lifecycle.json").write_text(block("json", "lifecycle-in-place-json"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL": store.account.endpoint_url,
        "AWS_ACCESS_KEY_ID": store.account.access_key,
        "AWS_SECRET_ACCESS_KEY": store.account.secret_key,
        "AWS_DEFAULT_REGION": store.account.region,
    }.items():
        monkeypatch.setenv(name, value)
    code = block("python", "lifecycle-boto3").replace("my-bucket", store.bucket)
    exec(compile(code, "lifecycle-boto3", "exec"), {})  # noqa: S102 (our own text)

    answer = store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket)
    taken = {rule["ID"]: rule for rule in answer["Rules"]}
    assert taken["pending-in-place"]["Filter"] == {"Tag": marks.PENDING}
    assert taken["pending-in-place"]["Expiration"]["Days"] * 86400 > conf.TOKEN_AGE
    assert taken["unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


@pytest.fixture
def limited_store(settings: Any, ceph_store: S3Store) -> S3Store:
    """A bucket of somebody else's, which the site's user may use as the documented policy says."""
    allow(ceph_store, adapted("policy-json", ceph_store.bucket))
    return use_as_other(settings, ceph_store, file_overwrite=False)


@pytest.fixture
def limited_store_in_place(settings: Any, ceph_store: S3Store) -> S3Store:
    """The same, with the policy for saving in place."""
    allow(ceph_store, policy_in_place(ceph_store))
    options = run("in-place", STORAGES={})["STORAGES"]["films"]["OPTIONS"]
    return use_as_other(settings, ceph_store, promote=options["promote"], stored_prefix=options["stored_prefix"])


def use_as_other(settings: Any, store: S3Store, **options: Any) -> S3Store:
    keys = {"access_key": store.account.other_access_key, "secret_key": store.account.other_secret_key}
    settings.STORAGES = storages_with(
        settings,
        default={
            "BACKEND": "s3upload.storage.S3UploadStorage",
            "OPTIONS": {**store.options, **keys, **options},
        },
    )
    return store


def policy_in_place(store: S3Store) -> dict[str, Any]:
    policy = adapted("policy-json", store.bucket)
    pending, _saved, *others = policy["Statement"]
    in_place = adapted("policy-in-place-json", store.bucket)
    return {**policy, "Statement": [in_place, pending, *others]}


def allow(store: S3Store, statements: dict[str, Any]) -> None:
    for statement in statements["Statement"]:
        statement["Principal"] = {"AWS": ["arn:aws:iam:::user/other"]}
        if "s3:DeleteObject" in statement["Action"]:
            # As the page says of Ceph: for DeleteObjects it wants the permission on the bucket too.
            also = {**statement, "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{store.bucket}"}
            statements = {**statements, "Statement": [*statements["Statement"], also]}
    store.client.put_bucket_policy(Bucket=store.bucket, Policy=json.dumps(statements))


def upload(store: S3Store, body: bytes) -> tuple[RequestUploads, DirectUploadedFile]:
    """Upload as a browser does; return what a view would get."""
    claim = token(len(body))
    assert send(backend_named("default").presign(claim), body) == 201
    if len(body) <= copying.COPY_LIMIT:
        # Once more by the owner of the bucket: Ceph allows everything on an object to whoever has put it there. Not
        # for a copy in parts: of somebody else's object, Ceph 16 refuses that to whoever has every permission.
        store.client.put_object(Bucket=store.bucket, Key=claim.key, Body=body, ContentType=claim.content_type)
    uploads = RequestUploads(lambda: frozenset({""}))
    return uploads, uploads.add(claim, claim.sign())


@pytest.mark.parametrize("size", [5, 6 * MIB])
def test_permissions_suffice(size: int, limited_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # A copy in parts, without the gigabytes: five megabytes are the smallest part that S3 takes.
    monkeypatch.setattr(copying, "COPY_LIMIT", MIB)
    monkeypatch.setattr(copying, "COPY_PART_SIZE", 5 * MIB)
    body = os.urandom(size)
    uploads, file = upload(limited_store, body)
    assert file.size == size
    assert file.read() == body

    name = default_storage.save("documents/a.txt", file)
    uploads.finish(delete=True)

    with default_storage.open(name) as saved:
        assert saved.read() == body
    assert limited_store.keys() == ["documents/a.txt"]
    default_storage.delete(name)
    assert limited_store.keys() == []


def test_permissions_end_at_the_prefixes(limited_store: S3Store) -> None:
    _uploads, file = upload(limited_store, b"bytes")
    file.look(lambda owner: True)
    backend = backend_named("default")
    assert isinstance(backend, s3.S3Backend)

    with pytest.raises(StoreUnavailable):
        backend.copy_from(backend, file.token.key, file.stat, "elsewhere/a.txt", {})
    assert limited_store.keys("elsewhere") == []


def test_permissions_tell_missing_from_forbidden(limited_store: S3Store) -> None:
    with pytest.raises(UploadGone):
        backend_named("default").stat(token().key)


def upload_parts(body: bytes) -> Token:
    """Send a file in parts as a browser does; return the token of the upload, which is not completed."""
    backend = backend_named("default")
    key = backend.new_key("a.txt", in_place=backend.in_place)
    chosen = replace(token(len(body)), key=key, part_size=5 * MIB, in_place=backend.in_place)
    claim = replace(chosen, upload_id=backend.begin(chosen))
    for number in range(1, claim.part_count + 1):
        presigned = {"method": "PUT", **backend.presign_part(claim, number)}
        assert send(presigned, body[(number - 1) * 5 * MIB : number * 5 * MIB]) == 200
    return claim


def unfinished(store: S3Store) -> list[str]:
    return [one["Key"] for one in store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", ())]


def test_permissions_suffice_for_parts(limited_store: S3Store) -> None:
    body = os.urandom(6 * MIB)
    claim = upload_parts(body)
    multipart.complete(claim, [(part["number"], part["etag"]) for part in multipart.list_parts(claim)])
    uploads = RequestUploads(lambda: frozenset({""}))

    name = default_storage.save("documents/a.txt", uploads.add(claim, claim.sign()))
    uploads.finish(delete=True)

    with default_storage.open(name) as saved:
        assert saved.read() == body
    assert limited_store.keys() == [name]


def test_permissions_suffice_to_cancel(limited_store: S3Store) -> None:
    claim = upload_parts(os.urandom(6 * MIB))
    assert unfinished(limited_store)

    multipart.abort(claim)

    assert unfinished(limited_store) == []


def test_without_permission_to_abort_parts_stay(limited_store: S3Store) -> None:
    claim = upload_parts(os.urandom(6 * MIB))
    without(limited_store, "s3:AbortMultipartUpload")

    with pytest.raises(StoreUnavailable):
        multipart.abort(claim)
    assert unfinished(limited_store) == [claim.key]


def test_permissions_suffice_in_place(limited_store_in_place: S3Store, call_count: CallCount) -> None:
    body = os.urandom(6 * MIB)
    claim = upload_parts(body)
    multipart.complete(claim, [(1, ""), (2, "")])
    assert backend_named("default").is_pending(claim)
    uploads = RequestUploads(lambda: frozenset({""}))
    call_count.clear()

    name = default_storage.save("documents/a.txt", uploads.add(claim, claim.sign()))
    # "Four short calls", says the page, "and its request a fifth one".
    assert call_count.total() == 4
    uploads.finish(delete=True)
    assert call_count.total() == 5
    assert name == claim.key
    assert not backend_named("default").is_pending(claim)
    with default_storage.open(name) as saved:
        assert saved.read() == body


@pytest.mark.django_db
def test_permissions_suffice_to_clean_up_in_place(limited_store_in_place: S3Store) -> None:
    upload_parts(b"bytes")
    claim = upload_parts(b"bytes")
    multipart.complete(claim, [(1, "")])
    let_pass(48)

    assert clean_up() == [Summary("default", objects=1, size=5, uploads=1)]
    assert limited_store_in_place.keys() + unfinished(limited_store_in_place) == []


def test_permissions_suffice_to_cancel_in_place(limited_store_in_place: S3Store) -> None:
    claim = upload_parts(b"bytes")
    multipart.abort(claim)
    multipart.abort(claim)

    assert limited_store_in_place.keys() == [f"{backend_named('default').record_of(claim)}.claimed"]
    assert unfinished(limited_store_in_place) == []


def test_notes_are_where_the_page_says() -> None:
    backend = s3.S3Backend(S3UploadStorage())
    shown = [name.strip("`") for name, _meaning in rows("in-place", "notes")]
    [key] = re.findall(r"as in ``(films/.*?)``", PAGES["in-place"])
    record = backend.record_of(replace(token(), key=key, in_place=True))

    assert shown == [record, f"{record}.claimed"]


def test_probe_tells_whether_a_store_knows_the_condition(ceph_store: S3Store) -> None:
    [command] = [str(one.values[0]) for one in blocks("shell") if "--if-none-match" in str(one)]
    arguments = command.split()
    key, condition = arguments[arguments.index("--key") + 1], arguments[arguments.index("--if-none-match") + 1]
    probe = {"Bucket": ceph_store.bucket, "Key": key, "IfNoneMatch": condition.strip("'")}

    ceph_store.client.put_object(**probe)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        ceph_store.client.put_object(**probe)


@pytest.mark.django_db
def test_permissions_suffice_to_clean_up(limited_store: S3Store) -> None:
    key = backend_named("default").new_key("a.txt")
    limited_store.put(key, b"bytes")
    uploads = limited_store.client.create_multipart_upload(Bucket=limited_store.bucket, Key=key)
    assert uploads["UploadId"]
    let_pass(48)

    assert clean_up() == [Summary("default", objects=1, size=5, uploads=1)]
    assert limited_store.keys() + unfinished(limited_store) == []


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:ListBucketMultipartUploads"])
def test_without_permission_to_list_nothing_is_cleaned_up(action: str, limited_store: S3Store) -> None:
    without(limited_store, action)

    assert [one.error for one in clean_up()] == ["the store can't be reached, or refuses (AccessDenied)"]


def test_every_option_of_the_clean_up_is_documented() -> None:
    parser = s3upload_cleanup.Command().create_parser("manage.py", "s3upload_cleanup")
    [own] = re.findall(r"usage: .*?\[-h\](.*?)\[--version\]", parser.format_usage(), re.DOTALL)
    options = {" ".join(option.split()) for option in re.findall(r"\[(.*?)\]", own, re.DOTALL)}

    assert {option.strip("`") for option, _meaning in rows("clean-up", "clean-up-options")} == options
    assert timedelta(hours=48) == cleanup.DEFAULT_AGE
    assert timedelta(hours=24) == cleanup.SHORTEST_AGE


@pytest.mark.parametrize("action", ["s3:GetObjectTagging", "s3:PutObjectTagging"])
def test_without_permission_for_tags_nothing_is_pending(action: str, limited_store_in_place: S3Store) -> None:
    """The object is put by the owner of the bucket: Ceph allows everything on it to whoever has put it there."""
    store = limited_store_in_place
    backend = backend_named("default")
    key = backend.new_key("a.txt", in_place=True)
    pending = replace(token(), key=key, in_place=True)
    store.client.put_object(Bucket=store.bucket, Key=key, Body=b"bytes", Tagging="s3upload=pending")
    assert backend.is_pending(pending)
    statements = policy_in_place(store)
    statements["Statement"][0]["Action"].remove(action)
    allow(store, statements)

    with pytest.raises(StoreUnavailable):
        backend.is_pending(pending) if "Get" in action else backend.keep(key, {})


def without(store: S3Store, action: str) -> None:
    statements = adapted("policy-json", store.bucket)
    for statement in statements["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        # One that is nobody's stands in its place: there is no statement without any.
        statement["Action"] = [one for one in actions if one != action] or ["s3:GetBucketLocation"]
    allow(store, statements)


def test_without_permission_to_put_nothing_is_uploaded(limited_store: S3Store) -> None:
    without(limited_store, "s3:PutObject")

    assert send(backend_named("default").presign(token()), b"bytes") == 403


def test_without_permission_to_get_no_upload_can_be_used(limited_store: S3Store) -> None:
    _uploads, file = upload(limited_store, b"bytes")
    without(limited_store, "s3:GetObject")

    with pytest.raises(StoreUnavailable):
        _ = file.size


def test_without_permission_to_delete_pending_objects_stay(limited_store: S3Store) -> None:
    uploads, file = upload(limited_store, b"bytes")
    without(limited_store, "s3:DeleteObject")

    default_storage.save("documents/a.txt", file)
    uploads.finish(delete=True)

    assert limited_store.keys(conf.conf.PREFIX) == [file.token.key]
