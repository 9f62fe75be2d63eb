"""The documentation names what there is, nothing else, and its examples run."""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
import textwrap
import types
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.management import get_commands
from django.test import RequestFactory
from django.utils.module_loading import import_string
from storages.backends.s3 import S3Storage

from s3upload import conf, policy, widgets
from s3upload.backends import backend_named, s3
from s3upload.exceptions import StoreUnavailable, UploadGone
from s3upload.files import DirectUploadedFile, RequestUploads
from s3upload.storage import S3UploadStorage
from s3upload.tokens import Token
from tests.conftest import S3Store, program, storages_with
from tests.test_locales import messages, source
from tests.wire import send

ROOT = Path(__file__).parent.parent
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


def test_every_check_is_documented_and_no_other() -> None:
    pattern = r"s3upload\.[EW]\d{3}"
    code = (ROOT / "s3upload" / "checks.py").read_text(encoding="utf-8")

    ids = set(re.findall(pattern, code))
    assert set(re.findall(rf"^``({pattern})``: ", PAGES["troubleshooting"], re.MULTILINE)) == ids
    assert set(re.findall(pattern, ALL + OTHERS)) == ids


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
}


def complaint(settings: Any, id_: str) -> CheckMessage:
    for name, value in BROKEN[id_].items():
        setattr(settings, name, storages_with(settings, **value) if name == "STORAGES" else value)
    return next(message for message in run_checks(include_deployment_checks=True) if message.id == id_)


@pytest.mark.parametrize("id_", BROKEN)
def test_checks_say_what_is_documented(id_: str, settings: Any) -> None:
    message = complaint(settings, id_)
    [(term, cure)] = described("troubleshooting", rf"``{re.escape(id_)}``:.*").items()

    [quoted] = re.findall(r"\*(.*)\*", term)
    assert re.fullmatch(".+".join(map(re.escape, quoted.split("…"))), message.msg)
    names = set(re.findall(r"\w+(?:\.\w+)+|\b[A-Z][A-Z0-9_]{5,}\b", message.hint or ""))
    assert {name for name in names if name not in f"{term} {cure}"} == set()


def test_every_check_has_been_broken() -> None:
    code = (ROOT / "s3upload" / "checks.py").read_text(encoding="utf-8")

    assert BROKEN.keys() == set(re.findall(r"s3upload\.[EW]\d{3}", code))


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
    commands = {path.stem for path in (ROOT / "s3upload").glob("management/commands/[!_]*.py")}
    named = set(re.findall(r"(?:manage\.py|django-admin) (\w+)", ALL + OTHERS))

    assert commands <= named
    assert named <= get_commands().keys() | {"check"}


def test_every_message_is_documented_and_no_other() -> None:
    texts = messages(source("de", "django").with_suffix(".mo")).keys() - {"Direct uploads"}
    texts |= {text for code in JS.values() for text in re.findall(r'gettext_noop\(\s*"(.*?)"', code)}
    [section] = re.findall(r"^What people may read\n-+\n(.*)", PAGES["troubleshooting"], re.MULTILINE | re.DOTALL)
    terms = re.findall(r"^(\S.*)\n    ", section, re.MULTILINE)

    assert sorted(terms) == sorted(re.sub(r"%\(\w+\)s|\{\w+\}", "…", text) for text in texts)


def test_every_attribute_of_the_input_is_documented() -> None:
    code = (ROOT / "s3upload" / "widgets.py").read_text(encoding="utf-8")

    assert set(re.findall(r'rendered\["(data-s3upload-\w+)"\]', code)) == set(
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
        "24 hours",
    ]


def test_browsers_are_those_that_the_script_is_built_for() -> None:
    [built_for] = re.findall(r"BROWSERS = \[(.*?)\]", (ROOT / "js" / "build.js").read_text(encoding="utf-8"))
    [documented] = re.findall(r"^Browsers\n-+\n\n(.*?)\n\n?", PAGES["javascript"], re.MULTILINE | re.DOTALL)

    assert set(re.findall(r"[\d.]+\d", documented)) == set(re.findall(r"[a-z](\d[\d.]*)", built_for))


def test_languages_are_those_that_are_shipped() -> None:
    names = {"de": "German", "fr": "French", "es": "Spanish"}
    shipped = {path.name for path in (ROOT / "s3upload" / "locale").iterdir()}

    assert shipped == names.keys()
    assert all(name in PAGES["javascript"] for name in names.values())


def test_every_call_to_the_store_is_documented() -> None:
    code = Path(s3.__file__).read_text(encoding="utf-8")
    calls = {name.title().replace("_", "") for name in re.findall(r"(?:client|copier)\.([a-z]+_[a-z_]+)\(", code)}

    [table] = re.findall(r"^Where they come from:\n(.*?)\n\n``", PAGES["bucket"], re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"``([A-Z]\w+)``", table)) == calls


def test_every_permission_comes_from_a_call() -> None:
    [table] = re.findall(r"^Where they come from:\n(.*?)\n\n``", PAGES["bucket"], re.MULTILINE | re.DOTALL)
    statements = json.loads(block("json", "policy-json"))["Statement"]
    allowed = {action for statement in statements[:2] for action in statement["Action"]}

    assert set(re.findall(r"``(s3:\w+)``", table)) == allowed


def test_every_class_that_is_named_exists() -> None:
    named = set(re.findall(r"\bs3upload(?:\.\w+)*\.[A-Z]\w{4,}", ALL + OTHERS))

    assert named
    assert all(import_string(path) for path in named)


# --- examples ---------------------------------------------------------------------------------


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
    for name in ("ceph", "r2", "two-addresses", "attachment"):
        options = eval(block("python", name))  # noqa: S307 (our own text)
        assert S3UploadStorage(**options)


def test_stores_without_post_are_sent_a_put() -> None:
    options = eval(block("python", "r2"))  # noqa: S307 (our own text)
    storage = S3UploadStorage(**options, access_key="key", secret_key="secret")

    assert s3.S3Backend(storage).presign(token())["method"] == "PUT"


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

    assert preflight(url, "https://www.example.com", "POST")
    assert not preflight(url, "https://www.example.org", "POST")


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_lifecycle_rules_are_taken_by_the_store(store: S3Store) -> None:
    rules = adapted("lifecycle-json", store.bucket)
    store.client.put_bucket_lifecycle_configuration(Bucket=store.bucket, LifecycleConfiguration=rules)

    taken = {
        rule["ID"]: rule for rule in store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket)["Rules"]
    }
    assert taken["pending-uploads"]["Filter"] == {"Prefix": f"{conf.Settings.defaults['PREFIX']}/"}
    assert taken["pending-uploads"]["Expiration"]["Days"] * 86400 >= conf.TOKEN_AGE
    assert taken["unfinished-copies"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


@pytest.fixture
def limited_store(settings: Any, ceph_store: S3Store) -> Iterator[S3Store]:
    """A bucket of somebody else's, which the site's user may use as the documented policy says."""
    statements = adapted("policy-json", ceph_store.bucket)
    allow(ceph_store, statements)
    settings.STORAGES = storages_with(
        settings,
        default={
            "BACKEND": "s3upload.storage.S3UploadStorage",
            "OPTIONS": {
                **ceph_store.options,
                "access_key": ceph_store.account.other_access_key,
                "secret_key": ceph_store.account.other_secret_key,
                "file_overwrite": False,
            },
        },
    )
    return ceph_store


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
    if len(body) <= s3.COPY_LIMIT:
        # Once more by the owner of the bucket: Ceph allows everything on an object to whoever has put it there. Not
        # for a copy in parts: of somebody else's object, Ceph 16 refuses that to whoever has every permission.
        store.client.put_object(Bucket=store.bucket, Key=claim.key, Body=body, ContentType=claim.content_type)
    uploads = RequestUploads(lambda: frozenset({""}))
    return uploads, uploads.add(claim, claim.sign())


@pytest.mark.parametrize("size", [5, 6 * 1024**2])
def test_permissions_suffice(size: int, limited_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # A copy in parts, without the gigabytes: five megabytes are the smallest part that S3 takes.
    monkeypatch.setattr(s3, "COPY_LIMIT", 1024**2)
    monkeypatch.setattr(s3, "COPY_PART_SIZE", 5 * 1024**2)
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
    storage = backend_named("default")

    with pytest.raises(StoreUnavailable):
        storage.copy_from(storage, file.token.key, file.stat, "elsewhere/a.txt", {})
    assert limited_store.keys("elsewhere") == []


def test_permissions_tell_missing_from_forbidden(limited_store: S3Store) -> None:
    with pytest.raises(UploadGone):
        backend_named("default").stat(token().key)


def without(store: S3Store, action: str) -> None:
    statements = adapted("policy-json", store.bucket)
    for statement in statements["Statement"]:
        if isinstance(statement["Action"], list):
            statement["Action"].remove(action)
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
