"""What holds for every policy, token, request and name that can be thought of."""

from __future__ import annotations

import json
import mimetypes
import unicodedata
from pathlib import PurePath
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.test import RequestFactory
from django.utils.http import content_disposition_header
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from s3upload.exceptions import Expired, Forged, Malformed, Refused
from s3upload.policy import MAX_NAME_LENGTH, ChosenFile, Policy, clean_file_name, field_identity
from s3upload.tokens import Token
from s3upload.views import _json, _object, chosen_file

bounded = hypothesis_settings(max_examples=150, deadline=None)

# Surrogates as well: JSON can say them.
anything = st.text(max_size=60)
names = st.text(
    st.one_of(st.characters(), st.sampled_from("/\\.:;&#%\"'<>~ \0\r\n\u202e\ud800")), min_size=1, max_size=300
)
types = st.sampled_from(["", "image/png", "IMAGE/PNG", "text/html", "application/pdf", "x", "image/*", "a/b;c=d"])
extensions = st.sampled_from(["png", "pdf", "html", "tar.gz", "svg", "", "PNG"])
specifiers = st.one_of(
    types, extensions.map(lambda extension: "." + extension), st.sampled_from(["*/*", "text/*", "*"])
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(anything, children, max_size=4),
    max_leaves=12,
)

policies = st.builds(
    Policy,
    field=anything,
    storage=anything,
    max_size=st.integers(0, 2**63),
    accept=st.lists(specifiers, max_size=4).map(",".join) | anything,
    extensions=st.none() | st.lists(extensions, max_size=3).map(tuple),
)
tokens = st.builds(
    Token,
    storage=anything,
    key=anything,
    name=names.map(clean_file_name),
    size=st.integers(0, 2**63 - 1),
    content_type=types,
    field=anything,
    owner=anything,
    upload_id=anything,
    part_size=st.integers(0, 2**40),
    has_checksums=st.booleans(),
    in_place=st.booleans(),
)
files = st.builds(
    ChosenFile,
    name=st.tuples(names, extensions).map(lambda parts: clean_file_name(".".join(parts))),
    size=st.integers(0, 2**63 - 1) | st.integers(0, 20),
    type=types | anything,
)


# --- signed --------------------------------------------------------------------------------------


@bounded
@given(policies)
def test_policy_comes_back_as_it_was_signed(policy: Policy) -> None:
    signed = policy.sign()
    assert signed.isascii()
    assert Policy.unsign(signed) == policy


@bounded
@given(tokens)
def test_token_comes_back_as_it_was_signed(token: Token) -> None:
    assert Token.unsign(token.sign()) == (token, False)


@st.composite
def edited(draw: st.DrawFn, signed: st.SearchStrategy[str]) -> str:
    """Draw signed text with one place changed."""
    text = draw(signed)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 3)))
    other = draw(st.text(st.sampled_from("AaZz09-_:.=\n\0é"), max_size=3))
    changed = text[:start] + other + text[end:]
    return changed if changed != text else text + "x"


@bounded
@given(edited(tokens.map(Token.sign)))
def test_any_change_of_a_token_is_noticed(signed: str) -> None:
    with pytest.raises(Forged):
        Token.unsign(signed)


@bounded
@given(edited(policies.map(Policy.sign)))
def test_any_change_of_a_policy_is_noticed(signed: str) -> None:
    with pytest.raises(Forged):
        Policy.unsign(signed)


@bounded
@given(st.text(max_size=300))
def test_no_text_is_signed_by_chance(text: str) -> None:
    for unsign in (Token.unsign, Policy.unsign):
        with pytest.raises((Forged, Expired)):
            unsign(text)


# --- what a policy allows ------------------------------------------------------------------------


@bounded
@given(policies, files)
def test_file_that_is_accepted_is_within_the_policy(policy: Policy, file: ChosenFile) -> None:
    try:
        policy.check(file)
    except Refused:
        return
    assert file.size <= policy.max_size
    if policy.extensions is not None:
        assert PurePath(file.name).suffix[1:].lower() in policy.extensions
    wanted = [one for text in policy.accept.split(",") if "/" in (one := text.strip().lower()) or one.startswith(".")]
    known_as = {file.content_type, mimetypes.guess_type("./" + file.name)[0] or ""}
    assert not wanted or any(fits(one, file.name.lower(), known_as) for one in wanted)


def fits(specifier: str, name: str, types: set[str]) -> bool:
    if specifier.startswith("."):
        return name.endswith(specifier)
    if specifier.endswith("/*"):
        return specifier == "*/*" or any(type_.startswith(specifier[:-1]) for type_ in types)
    return specifier in types


@bounded
@given(files)
def test_content_type_is_one_that_a_header_can_have(file: ChosenFile) -> None:
    kind, slash, rest = file.content_type.partition("/")
    assert kind
    assert slash
    assert rest
    assert file.content_type.isascii()
    assert file.content_type.isprintable()
    assert not set(file.content_type) & set(' ,;"<>\\')


# --- the wire ------------------------------------------------------------------------------------

KEYS: dict[str, type] = {"token": str, "parts": list, "size": int}


@bounded
@given(json_values | st.fixed_dictionaries(dict.fromkeys(KEYS, json_values), optional={"checksums": json_values}))
def test_json_is_exactly_what_was_asked_for_or_malformed(value: Any) -> None:
    try:
        taken = _object(value, KEYS, {"checksums": list})
    except Malformed:
        return
    assert taken is value
    assert KEYS.keys() <= taken.keys() <= KEYS.keys() | {"checksums"}
    assert all(type(taken[key]) is type_ for key, type_ in KEYS.items())
    assert type(taken.get("checksums", [])) is list


@bounded
@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_body_of_any_bytes_is_an_object_or_malformed(body: bytes) -> None:
    request = RequestFactory().generic("POST", "/", body or b" ", content_type="application/json")
    try:
        taken = _json(request, {"token": str})
    except Malformed:
        return
    assert taken.keys() == {"token"}
    assert isinstance(taken["token"], str)


@bounded
@given(
    json_values
    | st.fixed_dictionaries(
        {"name": names | json_values, "size": st.integers() | json_values, "type": types | json_values},
        optional={"sha256": st.binary(max_size=40).map(bytes.hex) | json_values},
    )
)
def testchosen_file_is_whole_and_clean_or_malformed(value: Any) -> None:
    try:
        file = chosen_file(value)
    except Malformed:
        return
    assert file.name == clean_file_name(value["name"])
    assert type(file.size) is int
    assert 0 <= file.size < 2**63
    assert file.sha256 is None or file.sha256 == "" or len(file.sha256) == 44


# --- names ---------------------------------------------------------------------------------------


@bounded
@given(names)
def test_cleaned_name_is_a_name_and_nothing_else(name: str) -> None:
    cleaned = clean_file_name(name)
    assert cleaned not in ("", ".", "..")
    assert not set(cleaned) & set("/\\\0\r\n")
    assert not [char for char in cleaned if unicodedata.category(char) in ("Cc", "Cs", "Cf", "Zl", "Zp")]
    assert len(cleaned.encode()) <= MAX_NAME_LENGTH
    if "&" not in cleaned:  # an entity of an entity
        assert clean_file_name(cleaned) == cleaned
    header = content_disposition_header(True, cleaned)
    assert header
    assert header.isascii()
    assert header.isprintable()
    valid = FileSystemStorage("/nowhere").get_valid_name(cleaned)
    assert valid not in ("", ".", "..")
    assert not set(valid) & set("/\\\0")


@bounded
@given(st.lists(st.sampled_from(["-", "1", "__prefix__", "#", "a", "file", "-2-"])).map("".join) | anything)
def test_identity_of_a_field_is_its_own(name: str) -> None:
    identity = field_identity(name)
    assert field_identity(identity) == identity
