"""Names of files and of entries: no path, no header, no markup, no line of a log is made of them."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.http import content_disposition_header

from s3upload.backends import backend_named
from s3upload.backends.base import Backend
from s3upload.policy import MAX_NAME_LENGTH, clean_file_name
from s3upload.tokens import MAX_LENGTH, Token
from tests.attacks.hostile import COOKIE, WHOLE, ask, attacker, changed, errors, post
from tests.conftest import CallCount, FilesystemStore
from tests.pages import a_policy, use_unreachable_s3
from tests.wire import Browser, Page

NAMES = {
    "dots": "..",
    "dots and slashes": "../../../../etc/passwd",
    "backslashes": "..\\..\\windows\\win.ini",
    "mixed slashes": "..\\../..\\x",
    "absolute": "/etc/passwd",
    "drive": "C:\\autoexec.bat",
    "share": "\\\\server\\share\\x",
    "stream": "a.txt::$DATA",
    "encoded slashes": "..%2f..%2fetc%2fpasswd",
    "encoded twice": "..%252f..%252fx",
    "overlong encoding": "..%c0%afx",
    "slashes of another script": "..／..∕x",
    "entity of a slash": "..&#47;..&#x2f;x",
    "entities of dots": "&period;&period;&sol;x",
    "only dots": "." * 300,
    "dots and spaces": " . . ",
    "spaces": "   ",
    "a tilde": "~root/x",
    "a dash": "-rf",
    "NUL": "a.txt\0.exe",
    "only NUL": "\0",
    "line break": "a\r\nSet-Cookie: x=y\r\n\r\n<html>",
    "line feed": "a\nb",
    "line separator": "a\u2028b\u2029c",
    "escape": "\x1b]0;title\x07\x1b[2J",
    "DEL": "a\x7f\x80\x9f",
    "right to left": "photo\u202egpj.exe",
    "isolates": "\u2066a\u2069\u200b\u200d.txt",
    "byte order mark": "\ufeffa.txt",
    "quotes": "\"';\\",
    "quote of a header": 'a"; filename="b.exe',
    "extended header": "UTF-8''%0d%0aX: y",
    "percent": "100%",
    "format": "%s%n%(name)s{0}{name}${x}",
    "script": "<script>alert(1)</script>.png",
    "attribute": '" onmouseover="alert(1)" x="',
    "template": "{{ settings.SECRET_KEY }}{% debug %}",
    "SQL": "'; DROP TABLE testapp_document; --",
    "shell": "$(touch x)`touch y`|&;",
    "formula": "=cmd|' /C calc'!A0",
    "URL": "javascript:alert(1)",
    "data URL": "data:text/html,<b>",
    "query": "a?X-Amz-Signature=x&versionId=y#z",
    "device": "CON",
    "device with extension": "nul.txt",
    "port": "COM1.log",
    "server's file": ".htaccess",
    "configuration": "web.config",
    "surrogate": "\ud800",
    "surrogates": "a\udcff\udc80.txt",
    "half a pair": "😀"[:1] + "\ud83d.png",
    "combining": "a" + "\u0301" * 1000,
    "noncharacter": "\uffff\U0010ffff",
    "long": "a" * 10_000 + ".txt",
    "long in bytes": "字" * 10_000,
    "long extension": "a." + "x" * 10_000,
    "long, of quotes": '"' * 10_000,
    "many dots": "." * 5000 + "a" + "." * 5000,
    "many entities": "&amp;" * 5000,
    "entity without end": "&#" + "9" * 10_000,
    "half entities": "&" * 50_000,
}


@pytest.fixture
def in_place(settings: Any) -> Backend:
    use_unreachable_s3(settings, promote="in-place", stored_prefix="films")
    return backend_named("default")


def token_for(name: str) -> str:
    answer = ask("presign/", {"policy": a_policy().sign(), "files": [{"name": name, "size": 7, "type": ""}]})
    assert answer.status_code == 200
    return json.loads(answer.content)["uploads"][0]["token"]


@pytest.mark.parametrize("what", NAMES)
def test_name_is_no_path_no_header_and_no_line(what: str, filesystem_store: FilesystemStore) -> None:
    signed = token_for(NAMES[what])
    assert len(signed) < MAX_LENGTH
    token, _expired = Token.unsign(signed)
    name = token.name
    assert name not in ("", ".", "..")
    assert not set(name) & set("/\\")
    assert not [char for char in name if unicodedata.category(char) in ("Cc", "Cs")]
    assert len(name.encode()) <= MAX_NAME_LENGTH
    header = content_disposition_header(True, name)
    assert header is not None
    assert header.isascii()
    assert header.isprintable()
    # The key has nothing of it.
    prefix, _slash, rest = token.key.rpartition("/")
    assert prefix == "tmp/s3upload"
    assert len(rest) == 22
    assert rest.isalnum()


@pytest.mark.parametrize("what", NAMES)
def test_key_of_an_object_that_stays_has_one_folder_and_a_valid_name(what: str, in_place: Backend) -> None:
    folder, unguessable, name = in_place.new_key(clean_file_name(NAMES[what]), in_place=True).split("/")
    assert folder == "films"
    assert len(unguessable) == 22
    assert name not in ("", ".", "..")
    # What Django leaves of a name: none of it has a meaning in an address.
    assert re.fullmatch(r"[-\w.]+", name)
    assert name.isprintable()
    assert len(name) <= 100 - len("films/") - 23


@pytest.mark.parametrize("what", NAMES)
def test_page_that_shows_a_name_has_no_markup_of_it(what: str, filesystem_store: FilesystemStore) -> None:
    browser = Browser()
    upload = browser.choose("/forms/plain/", "file", NAMES[what], 7)
    assert browser.send(upload, b"content") == 201
    # Without a title the form comes back, and names the file that it keeps.
    html = browser.post("/forms/plain/", {"file-s3upload": upload["token"]}).content.decode()
    name = Token.unsign(upload["token"])[0].name
    (kept,) = Page(html).kept("file")
    assert kept["data-s3upload-name"] == name
    assert kept.keys() == {"type", "name", "value", "data-s3upload-name", "data-s3upload-size"}
    assert "<script>alert" not in html


# --- entries of forms ----------------------------------------------------------------------------

ENTRIES = {
    "suffix alone": "-s3upload",
    "suffix twice": "file-s3upload-s3upload",
    "NUL before": "\0file-s3upload",
    "NUL after the name": "file\0-s3upload",
    "prefix": "form-0-file-s3upload",
    "prefix to come": "form-__prefix__-file-s3upload",
    "brackets": "file[]-s3upload",
    "prototype": "__proto__-s3upload",
    "dunder": "__class__-s3upload",
    "CSRF": "csrfmiddlewaretoken-s3upload",
    "clear": "file-clear-s3upload",
    "line break": "a\r\nb-s3upload",
    "right to left": "\u202efile-s3upload",
    "quotes": "\"'<>-s3upload",
    "no text": "\udcff\udcfe-s3upload",
    "space": "file -s3upload",
    "capitals": "FILE-s3upload",
    "other script": "ﬁle-s3upload",
    "empty index": "form--file-s3upload",
    "negative index": "form--1-file-s3upload",
    "large index": f"form-{'9' * 100_000}-file-s3upload",
    "many dashes": "-" * 100_000 + "-s3upload",
    "many indexes": "-1" * 50_000 + "-s3upload",
    "long": "x" * 1_000_000 + "-s3upload",
}

URLENCODED = "application/x-www-form-urlencoded"


def urlencoded(**entries: str) -> bytes:
    return "&".join(f"{name}={quote_plus(value)}" for name, value in entries.items()).encode()


@pytest.mark.parametrize("what", ENTRIES)
def test_entry_that_is_for_no_field(what: str, asked: CallCount) -> None:
    """A good token there is for nothing; a forged one is refused as everywhere."""
    name = quote_plus(ENTRIES[what], errors="surrogateescape")
    for signed, status in ((WHOLE.sign(), 200), ("x:y:z", 403)):
        body = urlencoded(csrfmiddlewaretoken=COOKIE, title="t", **{name: signed})
        answer = attacker().post("/forms/plain/", body, content_type=URLENCODED)
        assert answer.status_code == status
        if status == 200:
            assert errors(answer) == ["required"]
    assert not asked


@pytest.mark.parametrize("what", ["capitals", "underscore", "no dash", "space after", "in the middle", "NUL after"])
def test_entry_that_is_only_like_one_of_ours_is_text(what: str, asked: CallCount) -> None:
    name = {
        "capitals": "file-S3UPLOAD",
        "underscore": "file_s3upload",
        "no dash": "files3upload",
        "space after": "file-s3upload ",
        "in the middle": "file-s3upload-x",
        "NUL after": "file-s3upload\0",
    }[what]
    body = urlencoded(csrfmiddlewaretoken=COOKIE, title="t", **{quote_plus(name): "x:y:z"})
    answer = attacker().post("/forms/plain/", body, content_type=URLENCODED)
    assert errors(answer) == ["required"]
    assert not asked


def test_name_of_ten_megabytes_is_refused_by_django_first(asked: CallCount) -> None:
    body = urlencoded(csrfmiddlewaretoken=COOKIE, **{"x" * 10_000_000 + "-s3upload": "x:y:z"})
    assert attacker().post("/forms/plain/", body, content_type=URLENCODED).status_code == 400
    assert not asked


def test_name_of_ten_megabytes_where_the_site_has_no_limit(settings: Any, asked: CallCount) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    body = urlencoded(csrfmiddlewaretoken=COOKIE, **{"-1" * 5_000_000 + "-s3upload": WHOLE.sign()})
    assert errors(attacker().post("/forms/plain/", body, content_type=URLENCODED)) == ["required"]
    assert not asked


@pytest.mark.parametrize("way", ["text field", "file", "query", "header", "cookie"])
def test_token_that_comes_another_way_is_none(way: str, asked: CallCount) -> None:
    token = changed().sign()
    client = attacker()
    data: dict[str, Any] = {"csrfmiddlewaretoken": COOKIE, "title": "t"}
    url, extra = "/forms/plain/", {}
    if way == "text field":
        data["file"] = token
    elif way == "file":
        data["file-s3upload"] = SimpleUploadedFile("token.txt", token.encode())
    elif way == "query":
        url += f"?file-s3upload={token}"
    elif way == "header":
        extra = {"HTTP_FILE_S3UPLOAD": token}
    else:
        client.cookies["file-s3upload"] = token
    assert errors(client.post(url, data, **extra)) == ["required"]
    assert not asked


@pytest.mark.parametrize("name", ["a.pdf", "b.txt"])
def test_name_in_a_form_post_is_that_of_the_token(name: str, asked: CallCount) -> None:
    """Whatever else is posted under the field's name."""
    answer = post({"file-s3upload": changed(name="a.pdf", owner="x").sign(), "file": name})
    assert errors(answer) == ["upload_foreign"]
    assert not asked
