"""Other people's files, and keys that nobody was given: whatever is not signed for exactly this is refused."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from s3upload.backends.filesystem import PERMIT_SALT, Permit
from s3upload.conf import PRESIGNED_AGE, TOKEN_AGE
from s3upload.owners import identities_of
from s3upload.policy import SALT as POLICY_SALT
from s3upload.tokens import SALT as TOKEN_SALT
from s3upload.tokens import Token
from tests.attacks.hostile import (
    A_FILE,
    COOKIE,
    JSON_PATHS,
    MINE,
    OTHER_PURPOSES,
    OWNER,
    THREE,
    WHOLE,
    ask,
    attacker,
    changed,
    errors,
    forgeries,
    good,
    post,
)
from tests.conftest import CallCount, FilesystemStore
from tests.pages import a_policy, set_clock, use_unreachable_s3
from tests.test_views import refused
from tests.wire import ENDPOINT, multipart

TOKEN_PATHS = JSON_PATHS[1:]
FORGED_TOKENS = forgeries(MINE.sign(), TOKEN_SALT)
FORGED_POLICIES = forgeries(a_policy().sign(), POLICY_SALT)
FORGED_PERMITS = forgeries(WHOLE.sign(salt=PERMIT_SALT), PERMIT_SALT)

SURROGATES = {"surrogate": "\ud800", "surrogates": "\udcff:\udcff:\udcff"}
"""What JSON can say and a form can't."""


# --- forged --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", TOKEN_PATHS)
@pytest.mark.parametrize("forged", [*FORGED_TOKENS, *SURROGATES])
def test_forged_token_for_the_endpoint(path: str, forged: str, asked: CallCount) -> None:
    refused(ask(path, {**good(path), "token": (FORGED_TOKENS | SURROGATES)[forged]}), 403)
    assert not asked


@pytest.mark.parametrize("forged", [*FORGED_POLICIES, *SURROGATES])
def test_forged_policy(forged: str, asked: CallCount) -> None:
    refused(ask("presign/", {**good("presign/"), "policy": (FORGED_POLICIES | SURROGATES)[forged]}), 403)
    assert not asked


@pytest.mark.parametrize("forged", FORGED_TOKENS)
def test_forged_token_in_a_form(forged: str, asked: CallCount) -> None:
    assert post({"file-s3upload": FORGED_TOKENS[forged]}).status_code == 403
    # Nor does it take another one along.
    assert post({"file-s3upload": [WHOLE.sign(), FORGED_TOKENS[forged]]}).status_code == 403
    assert not asked


@pytest.mark.parametrize("forged", FORGED_PERMITS)
def test_forged_permit(forged: str, filesystem_store: FilesystemStore) -> None:
    fields = {"key": WHOLE.key, "Content-Type": WHOLE.content_type, "permit": FORGED_PERMITS[forged]}
    form, content_type = multipart(fields, b"content", "blob")
    assert attacker().generic("POST", ENDPOINT + "dummy/", form, content_type=content_type).status_code == 403
    assert filesystem_store.keys() == []


# --- signed for something else -------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["policy", "permit"])
def test_what_is_signed_for_something_else_is_no_token(purpose: str, asked: CallCount) -> None:
    for path in TOKEN_PATHS:
        refused(ask(path, {**good(path), "token": OTHER_PURPOSES[purpose]}), 403)
    assert post({"file-s3upload": OTHER_PURPOSES[purpose]}).status_code == 403
    assert not asked


@pytest.mark.parametrize("purpose", ["token", "permit"])
def test_what_is_signed_for_something_else_is_no_policy(purpose: str, asked: CallCount) -> None:
    refused(ask("presign/", {**good("presign/"), "policy": OTHER_PURPOSES[purpose]}), 403)
    assert not asked


@pytest.mark.parametrize("purpose", ["policy", "token"])
def test_what_is_signed_for_something_else_is_no_permit(purpose: str, filesystem_store: FilesystemStore) -> None:
    fields = {"key": WHOLE.key, "Content-Type": WHOLE.content_type, "permit": OTHER_PURPOSES[purpose]}
    form, content_type = multipart(fields, b"content", "blob")
    assert attacker().generic("POST", ENDPOINT + "dummy/", form, content_type=content_type).status_code == 403
    assert filesystem_store.keys() == []


SALTS = {"policy": POLICY_SALT, "token": TOKEN_SALT, "permit": PERMIT_SALT}


@pytest.mark.parametrize("purpose", SALTS)
def test_purpose_counts_and_not_the_shape(
    purpose: str, filesystem_store: FilesystemStore, settings: Any, call_count: CallCount
) -> None:
    """What has every value that it should have, and was signed for something else."""
    salt = SALTS[purpose]
    permit = signing.dumps(astuple(Permit("default", WHOLE.key, 7, WHOLE.content_type)), salt=salt)
    fields = {"key": WHOLE.key, "Content-Type": WHOLE.content_type, "permit": permit}
    form, content_type = multipart(fields, b"content", "blob")
    sent = attacker().generic("POST", ENDPOINT + "dummy/", form, content_type=content_type)
    policy = signing.dumps(astuple(a_policy()), salt=salt)
    use_unreachable_s3(settings)
    assert (sent.status_code == 201) is (purpose == "permit")
    assert (ask("presign/", {**good("presign/"), "policy": policy}).status_code == 200) is (purpose == "policy")
    token = changed(owner="").sign(salt=salt)
    # The good one is somebody else's.
    assert (errors_or_status(post({"file-s3upload": token})) == ["upload_foreign"]) is (purpose == "token")
    assert not call_count


def errors_or_status(response: Any) -> Any:
    return errors(response) if response.status_code == 200 else response.status_code


SHAPES: dict[str, Any] = {
    "null": None,
    "number": 1,
    "text": "tmp/s3upload/abc",
    "object": {"key": "tmp/s3upload/abc"},
    "nothing": [],
    "six values": ["x"] * 6,
    "thirteen values": ["x"] * 13,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_token_of_a_version_that_had_other_fields(shape: str, asked: CallCount) -> None:
    signed = signing.dumps(SHAPES[shape], salt=TOKEN_SALT)
    refused(ask("list/", {"token": signed}), 403)
    assert post({"file-s3upload": signed}).status_code == 403
    assert not asked


# --- keys ----------------------------------------------------------------------------------------

KEYS = {
    "of another upload": "tmp/s3upload/another",
    "of a saved file": "documents/secret.pdf",
    "outside of the prefix": "../secret",
    "of the root": "/etc/passwd",
    "with NUL": "tmp/s3upload/abc\0",
    "empty": "",
}


@pytest.mark.parametrize("what", KEYS)
@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("name", ["key", "storage", "bucket", "upload_id", "owner", "field"])
def test_browser_cannot_name_a_key(path: str, what: str, name: str, asked: CallCount) -> None:
    """CVE-2022-24840 and CVE-2026-42196 were keys that came from the browser."""
    refused(ask(path, {**good(path), name: KEYS[what]}), 400)
    if path == "presign/":
        refused(ask(path, {**good(path), "files": [{**A_FILE, name: KEYS[what]}]}), 400)
    assert not asked


@pytest.mark.parametrize("what", KEYS)
def test_key_in_a_form_is_text(what: str, asked: CallCount) -> None:
    entries = {"s3file": "file", "file": KEYS[what], "file-key": KEYS[what], "key": KEYS[what]}
    assert errors(post(entries)) == ["required"]
    # In the place of a token it is forged; an empty one is none.
    answer = post({"file-s3upload": KEYS[what]})
    if KEYS[what]:
        assert answer.status_code == 403
    else:
        assert errors(answer) == ["required"]
    assert not asked


# --- other people's, other fields', too old ------------------------------------------------------

OTHER_OWNERS = {
    "nobody": "",
    "text": "alice",
    "half of mine": OWNER[:16],
    "mine in capitals": OWNER.upper(),
    "somebody else": "0" * 32,
    "longer": OWNER + "0",
}


@pytest.mark.parametrize("owner", OTHER_OWNERS)
@pytest.mark.parametrize("path", TOKEN_PATHS)
def test_upload_of_somebody_else_at_the_endpoint(path: str, owner: str, asked: CallCount) -> None:
    token = changed(owner=OTHER_OWNERS[owner]).sign()
    assert "does not belong" in refused(ask(path, {**good(path), "token": token}), 403)
    assert not asked


@pytest.mark.parametrize("owner", OTHER_OWNERS)
def test_upload_of_somebody_else_in_a_form(owner: str, asked: CallCount) -> None:
    assert errors(post({"file-s3upload": changed(owner=OTHER_OWNERS[owner]).sign()})) == ["upload_foreign"]
    assert not asked


@pytest.mark.parametrize("path", TOKEN_PATHS)
def test_upload_belongs_to_nobody_who_has_no_cookie(path: str, asked: CallCount) -> None:
    answer = Client().post(ENDPOINT + path, good(path), content_type="application/json")
    assert "does not belong" in refused(answer, 403)
    assert not asked


def test_tokens_of_this_module_are_the_attackers_own(rf: Any, asked: CallCount) -> None:
    """Or nothing would be refused for what the tests say it is refused for."""
    assert OWNER in identities_of(rf.get("/", CSRF_COOKIE=COOKIE))
    refused(ask("list/", good("list/")), 503)
    assert asked == {"ListParts": 1}


FIELDS = ["", "other", "FILE", "file-s3upload", "form-0-file", "file-0", "file ", "ﬁle", "title"]


@pytest.mark.parametrize("field", FIELDS)
def test_upload_of_another_field(field: str, asked: CallCount) -> None:
    assert errors(post({"file-s3upload": changed(field=field).sign()})) == ["upload_foreign"]
    assert not asked


def test_upload_in_two_fields(asked: CallCount) -> None:
    one, other = changed(field="first").sign(), changed(field="second").sign()
    answer = post({"first-s3upload": one, "second-s3upload": other}, "/forms/two/")
    assert errors(answer, "second") == ["upload_foreign"]
    assert asked.total() == 1


STORAGES = [
    "gone",
    "archive",
    "staticfiles",
    "",
    ".",
    "no.Model.field",
    "auth.User.password",
    "testapp.Document.title",
]


@pytest.mark.parametrize("storage", STORAGES)
def test_storage_that_takes_no_uploads(storage: str, asked: CallCount) -> None:
    for path in TOKEN_PATHS:
        refused(ask(path, {**good(path), "token": changed(storage=storage).sign()}), 403)
    refused(ask("presign/", {**good("presign/"), "policy": a_policy(storage=storage).sign()}), 403)
    assert len(errors(post({"file-s3upload": changed(storage=storage).sign()}))) == 1
    assert not asked


AGES = [TOKEN_AGE + 1, 7 * 24 * 3600, 10 * 365 * 24 * 3600]


@pytest.mark.parametrize("age", AGES)
def test_token_that_is_too_old(age: int, asked: CallCount, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 1_800_000_000)
    token = MINE.sign()
    set_clock(monkeypatch, 1_800_000_000 + age)
    for path in ("parts/", "list/", "complete/"):
        assert "open for too long" in refused(ask(path, {**good(path), "token": token}), 403)
    assert errors(post({"file-s3upload": token})) == ["upload_expired"]
    assert not asked


@pytest.mark.parametrize("age", [PRESIGNED_AGE + 1, TOKEN_AGE])
def test_permit_that_is_too_old(age: int, filesystem_store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 1_800_000_000)
    policy = a_policy().sign()
    fields = ask("presign/", {"policy": policy, "files": [A_FILE]}).json()["uploads"][0]["fields"]  # type: ignore[attr-defined]
    set_clock(monkeypatch, 1_800_000_000 + age)
    form, content_type = multipart(fields, b"content", "blob")
    assert attacker().generic("POST", ENDPOINT + "dummy/", form, content_type=content_type).status_code == 403
    assert filesystem_store.keys() == []


# --- more, or something else, than was agreed ----------------------------------------------------

PARTS: dict[str, Any] = {
    "none": [],
    "the first alone": THREE[:1],
    "one missing": [THREE[0], THREE[2]],
    "one more": [*THREE, {"number": 4, "etag": ""}],
    "part zero": [{"number": 0, "etag": ""}, *THREE],
    "twice": [*THREE, THREE[2]],
    "backwards": THREE[::-1],
    "ten thousand and one": [{"number": number, "etag": ""} for number in range(1, 10_002)],
}


@pytest.mark.parametrize("what", PARTS)
def test_other_parts_than_the_file_has(what: str, asked: CallCount) -> None:
    refused(ask("complete/", {"token": MINE.sign(), "parts": PARTS[what]}), 400)
    assert not asked


@pytest.mark.parametrize("numbers", [[0], [4], [1, 4], [1, 1], [-1], [2**63], [10_001]])
def test_part_that_the_file_does_not_have(numbers: list[int], asked: CallCount) -> None:
    refused(ask("parts/", {"token": MINE.sign(), "parts": numbers}), 400)
    assert not asked


@pytest.mark.parametrize("path", ["parts/", "list/", "complete/"])
def test_whole_file_has_no_parts(path: str, asked: CallCount) -> None:
    refused(ask(path, {**good(path), "token": WHOLE.sign()}), 400)
    assert not asked


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (changed(field="archive", name="a.exe"), "type"),
        (changed(field="archive", name="a.zip.exe"), "type"),
        (changed(field="archive", name="zip"), "type"),
        (changed(field="picture", name="a.html", content_type="text/html"), "type"),
        (changed(field="picture", name="a.svg.html", content_type="text/html"), "type"),
        (changed(field="picture", name="a.png", size=6 * 1024**3), "max_size"),
    ],
    ids=["extension", "second extension", "no extension", "page", "page that looks like an image", "size"],
)
def test_token_of_a_field_with_looser_rules(token: Token, code: str, asked: CallCount) -> None:
    answer = post({f"{token.field}-s3upload": token.sign()}, "/forms/accept/")
    assert errors(answer, token.field) == [code]
    assert not asked
