"""Who a token belongs to: user, else session, else CSRF cookie."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieSession
from django.http import HttpRequest

from s3upload.owners import ANYONE, identities_of, owner_of
from tests.testapp.models import Document

pytestmark = pytest.mark.django_db

SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
OURS = "s3upload.middleware.S3UploadMiddleware"


def request_of(user: User | None = None, session: str | None = None, csrf: str | None = None) -> HttpRequest:
    request = HttpRequest()
    request.user = user or AnonymousUser()
    request.session = SessionStore(session)
    if session is not None and not request.session.exists(session):
        request.session.save(must_create=True)
    if csrf is not None:
        request.META["CSRF_COOKIE"] = csrf
    return request


ALICE = User(pk=1, username="alice")
BOB = User(pk=2, username="bob")

ALL = {"user": ALICE, "session": "s" * 32, "csrf": "c" * 32}


def test_user_comes_first_then_session_then_cookie() -> None:
    assert owner_of(request_of(**ALL)) == owner_of(request_of(user=ALICE))
    assert owner_of(request_of(session="s" * 32, csrf="c" * 32)) == owner_of(request_of(session="s" * 32))
    assert owner_of(request_of(csrf="c" * 32)) not in (ANYONE, owner_of(request_of(session="s" * 32)))


def test_device_is_no_user_of_its_number() -> None:
    """An API may know others than users, which have numbers of their own."""
    device: Any = Document(pk=1)
    device.is_authenticated = True

    assert owner_of(request_of(user=device)) not in identities_of(request_of(user=ALICE))
    assert owner_of(request_of(user=device)) in identities_of(request_of(user=device))


@pytest.mark.parametrize("kind", ["user", "session", "csrf"])
def test_everything_that_the_sender_is_counts(kind: str) -> None:
    """Somebody may have got a session between choosing a file and posting the form."""
    assert owner_of(request_of(**{kind: ALL[kind]})) in identities_of(request_of(**ALL))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"user": ALICE}, {"user": BOB}),
        ({"session": "a" * 32}, {"session": "b" * 32}),
        ({"csrf": "a" * 32}, {"csrf": "b" * 32}),
        ({"session": "a" * 32}, {"csrf": "a" * 32}),
        ({"user": ALICE}, {"session": "1"}),
        ({"user": ALICE}, {}),
        ({"session": "a" * 32}, {}),
    ],
)
def test_somebody_else_is_somebody_else(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert owner_of(request_of(**one)) not in identities_of(request_of(**other))


def test_browser_that_has_nothing_gets_the_csrf_cookie() -> None:
    request = request_of()
    owner = owner_of(request)
    assert owner != ANYONE
    assert request.META["CSRF_COOKIE_NEEDS_UPDATE"]
    assert owner in identities_of(request_of(csrf=request.META["CSRF_COOKIE"]))
    assert owner_of(request) == owner


def test_session_that_has_ended_is_nobody() -> None:
    request = request_of(csrf="c" * 32)
    request.session = SessionStore("e" * 32)  # of a cookie that is still there
    assert owner_of(request) == owner_of(request_of(csrf="c" * 32))
    assert identities_of(request) == identities_of(request_of(csrf="c" * 32))


def test_session_in_a_cookie_is_nobody() -> None:
    """Its key is what it holds, and another one after every change."""
    request = request_of(csrf="c" * 32)
    request.session = SignedCookieSession()
    request.session["visits"] = 1
    request.session.save()
    assert request.session.session_key
    assert owner_of(request) == owner_of(request_of(csrf="c" * 32))


def test_two_browsers_that_have_nothing_are_two() -> None:
    assert owner_of(request_of()) != owner_of(request_of())


def test_sender_without_anything_owns_nothing_where_there_is_csrf_protection() -> None:
    assert identities_of(request_of()) == frozenset()
    assert ANYONE not in identities_of(request_of(**ALL))


def test_without_sessions_and_csrf_protection_tokens_are_for_anyone(settings: Any) -> None:
    settings.MIDDLEWARE = [OURS]
    request = HttpRequest()
    assert owner_of(request) == ANYONE
    assert ANYONE in identities_of(HttpRequest())
    assert "CSRF_COOKIE" not in request.META


def test_user_is_preferred_to_anyone(settings: Any) -> None:
    settings.MIDDLEWARE = [SESSION, OURS]
    owner = owner_of(request_of(user=ALICE))
    assert owner != ANYONE
    assert owner not in identities_of(request_of(user=BOB))


def test_identity_is_a_digest_that_shows_nothing() -> None:
    for identity in identities_of(request_of(**ALL)):
        assert len(identity) == 32
        assert set(identity) <= set("0123456789abcdef")
        assert identity not in ("s" * 32, "c" * 32)


def test_identity_is_keyed(settings: Any) -> None:
    before = owner_of(request_of(user=ALICE))
    settings.SECRET_KEY = "another key of the site, long enough for the system check as well"
    assert owner_of(request_of(user=ALICE)) != before


def test_upload_stays_its_owners_when_the_key_of_the_site_is_rotated(settings: Any) -> None:
    before = owner_of(request_of(user=ALICE))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of the site, long enough for the system check as well"
    assert before in identities_of(request_of(user=ALICE))
    assert before not in identities_of(request_of(user=BOB))


def test_user_is_not_looked_up_before_a_file_is_looked_at() -> None:
    class Untouchable(HttpRequest):
        @property
        def user(self) -> Any:
            pytest.fail("the user was looked up")

    from s3upload.files import RequestUploads
    from tests.pages import a_token

    RequestUploads(lambda: identities_of(Untouchable())).add(a_token(), "signed")
