"""Other sites: no page of theirs has the visitor's cookies used at the endpoint, and none reads an answer."""

from __future__ import annotations

import json

import pytest

from tests.attacks.hostile import JSON_PATHS, ask, attacker, good
from tests.conftest import CallCount
from tests.test_views import refused
from tests.wire import ENDPOINT

ORIGINS = {
    "another site": "https://evil.example",
    "a sandbox or a file": "null",
    "a subdomain": "http://evil.testserver",
    "the domain above": "http://server",
    "the name as a beginning": "http://testserver.evil.example",
    "the name as an end": "http://eviltestserver",
    "the name as a user": "http://testserver@evil.example",
    "the name as a path": "http://evil.example/testserver",
    "the name as a query": "http://evil.example?testserver",
    "the name as a fragment": "http://evil.example#testserver",
    "another port": "http://testserver:8000",
    "a port that is none": "http://testserver:x",
    "an empty port": "http://testserver:",
    "a dot at the end": "http://testserver.",
    "capitals": "http://TESTSERVER",
    "letters of another script": "http://tеstserver",
    "a space": "http://testserver ",
    "a list": "http://testserver http://evil.example",
    "two headers": "http://testserver,http://evil.example",
    "two headers, ours last": "http://evil.example, http://testserver",
    "no scheme": "testserver",
    "no host": "http://",
    "broken brackets": "http://[",
    "an address": "http://[::1]",
    "an extension": "chrome-extension://abcdefghijklmnop",
    "nothing": "",
    "very long": "http://" + "a" * 10_000,
    "NUL": "http://testserver\0",
}

SITES = ["cross-site", "same-site", "none", "", "Same-Origin", "same-origin, cross-site", "same-origin;x", "x" * 1000]

OURS = {
    "by Sec-Fetch-Site": {"Sec-Fetch-Site": "same-origin"},
    "by Origin": {"Origin": "http://testserver"},
    "by Origin, TLS ends before": {"Origin": "https://testserver"},
    "no browser": {},
}


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("origin", ORIGINS)
def test_origin_of_another_site(path: str, origin: str, asked: CallCount) -> None:
    answer = ask(path, good(path), HTTP_ORIGIN=ORIGINS[origin])
    assert "only be started from this site" in refused(answer, 403)
    assert not asked


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("site", SITES)
def test_browser_that_says_it_is_another_site(path: str, site: str, asked: CallCount) -> None:
    # An Origin of ours makes it no better.
    answer = ask(path, good(path), HTTP_SEC_FETCH_SITE=site, HTTP_ORIGIN="http://testserver")
    assert "only be started from this site" in refused(answer, 403)
    assert not asked


@pytest.mark.parametrize("whose", OURS)
def test_page_of_the_site_is_answered(whose: str, asked: CallCount) -> None:
    """Or the others would be refused for another reason."""
    assert ask("presign/", good("presign/"), headers=OURS[whose]).status_code == 200
    assert not asked


# What a form of another site can send without asking first: https://fetch.spec.whatwg.org/#cors-safelisted-request-header
SIMPLE = ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data", ""]


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("content_type", SIMPLE)
def test_json_in_what_a_form_can_send(path: str, content_type: str, asked: CallCount) -> None:
    """Even where a browser tells nothing of where it comes from."""
    text = json.dumps(good(path))
    # An input's name and value, with "=" between them.
    as_form = text[:-1] + ', "x": "="}'
    for body in (text, as_form):
        refused(ask(path, body, content_type), 400)
    assert not asked


@pytest.mark.parametrize("path", [*JSON_PATHS, "dummy/", ""])
def test_browser_that_asks_whether_it_may_is_not_told_so(path: str, asked: CallCount) -> None:
    headers = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = attacker().options(ENDPOINT + path, headers=headers)
    assert answer.status_code in (404, 405)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert not asked
