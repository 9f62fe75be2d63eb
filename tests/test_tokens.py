"""The claim check: what it says, for how long, and who else can make one."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest
from django.core import signing
from hypothesis import given
from hypothesis import strategies as st

from s3upload.backends.filesystem import Permit
from s3upload.conf import PRESIGNED_AGE, TOKEN_AGE
from s3upload.exceptions import Forged
from s3upload.policy import Policy, clean_file_name
from s3upload.tokens import MAX_LENGTH, SALT, Token, entry_name
from tests.pages import a_policy, a_token, set_clock

NOW = 1_800_000_000


def a_permit() -> Permit:
    return Permit("default", "tmp/s3upload/abc", 7, "application/pdf")


@given(
    st.builds(
        Token,
        storage=st.text(max_size=50),
        key=st.text(max_size=50),
        name=st.text(max_size=255).map(clean_file_name),
        size=st.integers(0, 2**63 - 1),
        content_type=st.text(max_size=50),
        field=st.text(max_size=50),
        owner=st.text(max_size=50),
        upload_id=st.text(max_size=200),
        part_size=st.integers(0, 2**40),
        has_checksums=st.booleans(),
        in_place=st.booleans(),
    )
)
def test_token_comes_back_as_it_was_signed(token: Token) -> None:
    signed = token.sign()
    assert signed.isascii()
    assert Token.unsign(signed) == (token, False)


def test_token_of_a_file_in_one_request_has_no_parts() -> None:
    token = a_token()
    assert (token.part_size, token.part_count, token.upload_id, token.has_checksums) == (0, 0, "", False)


def test_token_knows_the_parts_of_its_file() -> None:
    token = a_token(size=11, part_size=5)
    assert token.part_count == 3
    assert [token.part_length(number) for number in (1, 2, 3)] == [5, 5, 1]


def test_entry_is_named_after_the_field() -> None:
    assert entry_name("form-0-file") == "form-0-file-s3upload"


SIGNED = a_token().sign()


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ":",
        "::",
        "x:y:z",
        "\0",
        "\ud800:\ud800:\ud800",
        "ü:ü:ü",
        SIGNED[:-1],
        SIGNED[1:],
        SIGNED + "x",
        SIGNED + "\n",
        " " + SIGNED,
        SIGNED.partition(":")[0],
        SIGNED.rpartition(":")[0],
        SIGNED.swapcase(),
        f"{SIGNED}:{SIGNED}",
    ],
)
def test_forged_token_is_refused(forged: str) -> None:
    with pytest.raises(Forged):
        Token.unsign(forged)


def test_every_changed_character_of_a_token_is_noticed() -> None:
    for position, character in enumerate(SIGNED):
        changed = SIGNED[:position] + ("A" if character != "A" else "B") + SIGNED[position + 1 :]
        with pytest.raises(Forged):
            Token.unsign(changed)


def test_time_of_a_token_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOW)
    old = a_token().sign()
    set_clock(monkeypatch, NOW + TOKEN_AGE)
    new = a_token().sign()
    value, _old_time, old_signature = old.split(":")
    _value, new_time, _signature = new.split(":")
    with pytest.raises(Forged):
        Token.unsign(f"{value}:{new_time}:{old_signature}")


def test_policy_is_no_token_and_token_no_policy() -> None:
    with pytest.raises(Forged):
        Token.unsign(a_policy().sign())
    with pytest.raises(Forged):
        Policy.unsign(SIGNED)


def test_token_is_no_permit_and_permit_no_token() -> None:
    with pytest.raises(Forged):
        Permit.unsign(SIGNED)
    with pytest.raises(Forged):
        Token.unsign(a_permit().sign())


def test_text_signed_elsewhere_in_the_site_is_no_token() -> None:
    for salt in ("django.core.signing", "", "s3upload.policy"):
        with pytest.raises(Forged):
            Token.unsign(signing.dumps(astuple(a_token()), salt=salt))


@pytest.mark.parametrize("value", [[], ["a"], ["a"] * 6, ["a"] * 13, None, 1, {"a": 1}])
def test_token_of_another_shape_is_forged(value: Any) -> None:
    """As after an update, when a page from before it is still open."""
    with pytest.raises(Forged):
        Token.unsign(signing.dumps(value, salt=SALT))


def test_token_lives_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    assert TOKEN_AGE == 24 * 3600
    set_clock(monkeypatch, NOW)
    signed = a_token().sign()
    set_clock(monkeypatch, NOW + TOKEN_AGE)
    assert Token.unsign(signed) == (a_token(), False)
    set_clock(monkeypatch, NOW + TOKEN_AGE + 1)
    assert Token.unsign(signed) == (a_token(), True)


def test_permit_lives_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PRESIGNED_AGE == 3600
    set_clock(monkeypatch, NOW)
    permit = a_permit()
    signed = permit.sign()
    set_clock(monkeypatch, NOW + PRESIGNED_AGE)
    assert Permit.unsign(signed) == permit
    set_clock(monkeypatch, NOW + PRESIGNED_AGE + 1)
    with pytest.raises(Forged):
        Permit.unsign(signed)


def test_forged_token_is_forged_however_old_it_says_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 0)
    value, time, signature = a_token().sign().split(":")
    set_clock(monkeypatch, NOW)
    with pytest.raises(Forged):
        Token.unsign(f"{value}:{time}:{signature[:-2]}xx")


def test_token_signed_with_the_previous_key_is_honoured(settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key of the site, long enough for the system check as well"
    assert Token.unsign(SIGNED) == (a_token(), False)
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Forged):
        Token.unsign(SIGNED)


@pytest.mark.parametrize("name", ["a" * 255, "é" * 255, "報" * 255, "𠜎" * 255, '"' * 254 + "a", "a" * 100_000])
def test_token_of_the_longest_name_fits(name: str) -> None:
    token = a_token(
        storage="an_application_of_some_length.AModelWithALongName.a_field_with_a_long_name",
        key="tmp/s3upload/" + "x" * 22,
        name=clean_file_name(name),
        size=2**63 - 1,
        content_type=f"{'x' * 127}/{'y' * 127}",
        field="a_prefix_of_some_length-#-" * 5 + "a_field_with_a_long_name",
        owner="0" * 32,
        upload_id="x" * 200,
        part_size=5 * 1024**3,
        has_checksums=True,
        in_place=True,
    )
    signed = token.sign()
    assert len(signed) < MAX_LENGTH / 2
    assert Token.unsign(signed) == (token, False)


def test_longer_text_is_refused_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = replace(a_token(), key="x" * MAX_LENGTH).sign()
    monkeypatch.setattr(signing, "loads", lambda *args, **kwargs: pytest.fail("looked at"))
    with pytest.raises(Forged):
        Token.unsign(signed)


def test_token_does_not_show_who_uploaded() -> None:
    """The owner is a keyed digest; this is what the browser can read of it."""
    assert signing.b64_decode(SIGNED.partition(":")[0].encode()).decode().count("file") == 1
