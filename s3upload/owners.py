"""
Who a token belongs to: the user, else the session, else the browser that holds the CSRF cookie.

An identity is a keyed digest, so that a token tells nobody a session key or a user's id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieSession
from django.db import connections
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from .conf import conf

SALT = "s3upload.owner"

ANYONE = ""
"""The owner where the site has neither sessions nor CSRF protection; a system check warns of it."""

_T = TypeVar("_T")


def owner_of(request: HttpRequest) -> str:
    """Return the identity that a new token is bound to; sets the CSRF cookie where there is nothing else."""
    candidates = _candidates(request)
    if not candidates:
        if not _has_csrf_protection(conf.middleware):
            return ANYONE
        get_token(request)
        candidates = _candidates(request)
    return _digest(*candidates[0])


def identities_of(request: HttpRequest) -> frozenset[str]:
    """
    Return every identity that the sender of a request has.

    All of them count, since somebody may have got a session between choosing a file and posting the form, and under
    all keys of the site, since the token may be signed with an earlier one.
    """
    candidates = outside_event_loop(lambda: _candidates(request))
    # Only now: while the database was asked, an error page would have shown the key as well.
    known = frozenset(_digest(kind, value, key) for key in conf.secret_keys for kind, value in candidates)
    return known if _has_csrf_protection(conf.middleware) else known | {ANYONE}


def _candidates(request: HttpRequest) -> list[tuple[str, str]]:
    user = getattr(request, "user", None)
    candidates = [
        (_kind_of(user), user.pk if user is not None and user.is_authenticated else None),
        ("session", _session_key(getattr(request, "session", None))),
        ("csrf", request.META.get("CSRF_COOKIE")),
    ]
    return [(kind, str(value)) for kind, value in candidates if value is not None]


def _kind_of(user: Any) -> str:
    # Authentication of an API may know others than users, who have their own numbers.
    meta = getattr(user, "_meta", None)
    label = conf.user_model if meta is None else meta.concrete_model._meta.label
    return "user" if label == conf.user_model else str(label)


def _session_key(session: SessionBase | None) -> str | None:
    # The key of a session in a cookie is all that it holds, and changes with that.
    if session is None or isinstance(session, SignedCookieSession):
        return None
    session.keys()  # loaded, a session that has ended has no key
    return session.session_key


def _digest(kind: str, value: str, key: str | bytes | None = None) -> str:
    return salted_hmac(SALT, f"{kind}:{value}", key, algorithm="sha256").hexdigest()[:32]


@cache
def _has_csrf_protection(middleware: tuple[str, ...]) -> bool:
    classes = (import_string(path) for path in middleware)
    return any(isinstance(cls, type) and issubclass(cls, CsrfViewMiddleware) for cls in classes)


def outside_event_loop(call: Callable[[], _T]) -> _T:
    """Return what a function returns, which may ask the database."""
    # An async view may look at a file in the event loop, where Django lets nobody read a session from the database.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return call()

    def call_and_disconnect() -> _T:
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(call_and_disconnect).result()
