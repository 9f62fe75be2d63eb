"""
Signatures and policies, by a store that enforces them.

Ceph, which checks every signature. What is signed, and for how long, is looked at in tests/test_presign.py; size,
type, key and age of every kind of presigned request in tests/backends/test_contract.py and test_multipart.py.
"""

from __future__ import annotations

import base64
import json
import secrets
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.core.files.storage import default_storage

from s3upload.backends import backend_named
from s3upload.backends.base import Backend
from s3upload.backends.s3 import copying, marks
from s3upload.files import RequestUploads
from s3upload.storage import S3UploadStorage
from s3upload.tokens import Token
from tests.conftest import S3Store
from tests.wire import put_part, send

MIB = 1024**2
BODY = b"twelve bytes"

Fields = list[tuple[str, str]]


@pytest.fixture
def store(ceph_store: S3Store) -> S3Store:
    return ceph_store


@pytest.fixture
def backend(store: S3Store) -> Backend:
    return backend_named("default")


@pytest.fixture
def token(backend: Backend) -> Token:
    return a_new_token(backend)


def a_new_token(backend: Backend, size: int = len(BODY), **changes: Any) -> Token:
    return Token(
        **{
            "storage": "default",
            "key": backend.new_key("a.txt"),
            "name": "a.txt",
            "size": size,
            "content_type": "text/plain",
            "field": "file",
            "owner": "",
            **changes,
        }
    )


def ask(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
    """Return the status that the store answers with."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        answer.close()
        return int(answer.code)


def post(url: str, fields: Fields, body: bytes = BODY) -> int:
    """Post a form with the fields in this order, also twice of one name, and the file last."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    form = "".join([*parts, file]).encode() + body + f"\r\n--{boundary}--\r\n".encode()
    return ask("POST", url, form, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def is_refusal(status: int) -> bool:
    return 400 <= status < 500


# --- presigned POST ------------------------------------------------------------------------------


def test_form_of_these_tests_is_what_the_store_takes(store: S3Store, backend: Backend, token: Token) -> None:
    """Or it would refuse all of them for that."""
    upload = backend.presign(token)
    assert post(upload["url"], list(upload["fields"].items())) == 201
    assert store.get(token.key) == BODY


CHANGES = ["another", "longer", "empty", "missing", "NUL"]


@pytest.mark.parametrize("change", CHANGES)
def test_every_field_is_signed(change: str, store: S3Store, backend: Backend, token: Token) -> None:
    upload = backend.presign(token)
    fields = upload["fields"]
    assert len(fields) >= 8
    for name, value in fields.items():
        other = {
            "another": "x" + value[1:],
            "longer": value + "x",
            "empty": "",
            "missing": None,
            "NUL": value + "\0x",
        }[change]
        tampered = [(key, old if key != name else other) for key, old in fields.items()]
        status = post(upload["url"], [(key, text) for key, text in tampered if text is not None])
        assert is_refusal(status), f"{name}: {status}"
    assert store.keys() == []


UNSIGNED = {
    "acl": "public-read",
    "x-amz-acl": "public-read",
    "x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"',
    "x-amz-meta-by": "the browser",
    "x-amz-tagging": "by=browser",
    "tagging": "<Tagging><TagSet><Tag><Key>by</Key><Value>browser</Value></Tag></TagSet></Tagging>",
    "x-amz-copy-source": "/bucket/secret",
    "x-amz-website-redirect-location": "https://evil.example/",
    "x-amz-storage-class": "STANDARD",
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "Cache-Control": "public, max-age=31536000",
    "Content-Disposition": "inline",
    "Content-Encoding": "gzip",
    "Content-Language": "tlh",
    "Expires": "Thu, 01 Jan 2099 00:00:00 GMT",
    "success_action_redirect": "https://evil.example/",
    "redirect": "https://evil.example/",
    "anything": "else",
}


def test_field_that_was_not_signed(store: S3Store, backend: Backend, token: Token) -> None:
    upload = backend.presign(token)
    fields: Fields = list(upload["fields"].items())
    for field in UNSIGNED.items():
        for form in ([field, *fields], [*fields, field]):
            assert is_refusal(post(upload["url"], form)), field
    assert store.keys() == []


def test_field_twice_is_that_of_the_signature_or_nothing(store: S3Store, backend: Backend, token: Token) -> None:
    upload = backend.presign(token)
    fields: Fields = list(upload["fields"].items())
    for name, other in (("key", "tmp/s3upload/another"), ("Content-Type", "text/html"), ("policy", "e30=")):
        for twice in ([(name, other), *fields], [*fields, (name, other)]):
            post(upload["url"], twice)
            for key in store.keys():  # noqa: SIM118
                assert key == token.key
                assert store.head(key)["ContentType"] == "text/plain"


def test_policy_with_more_rights_and_the_old_signature(store: S3Store, backend: Backend, token: Token) -> None:
    upload = backend.presign(token)
    policy = json.loads(base64.b64decode(upload["fields"]["policy"]))
    wider: list[Any] = [
        {**policy, "expiration": "2099-01-01T00:00:00Z"},
        {**policy, "conditions": [["starts-with", "$key", ""], *policy["conditions"]]},
        {**policy, "conditions": []},
        {
            **policy,
            "conditions": [
                ["content-length-range", 0, 10**9] if isinstance(one, list) else one for one in policy["conditions"]
            ],
        },
    ]
    for one in wider:
        fields = {**upload["fields"], "policy": base64.b64encode(json.dumps(one).encode()).decode()}
        assert is_refusal(post(upload["url"], list(fields.items())))
    assert store.keys() == []


def test_policy_of_another_upload(store: S3Store, backend: Backend, token: Token) -> None:
    mine, other = (backend.presign(one)["fields"] for one in (token, a_new_token(backend)))
    url = backend.presign(token)["url"]
    signed = ("policy", "x-amz-signature", "x-amz-date", "x-amz-credential")
    assert is_refusal(post(url, list({**other, **{name: mine[name] for name in signed}}.items())))
    assert store.keys() == []


def test_signed_form_is_for_no_other_operation(store: S3Store, backend: Backend, token: Token) -> None:
    """At most it is what it is without."""
    store.put("documents/saved.txt", b"saved")
    upload = backend.presign(token)
    for query in ("acl", "delete", "tagging", "policy", "uploads", "cors", "versioning", "lifecycle"):
        status = post(f"{upload['url']}?{query}", list(upload["fields"].items()))
        assert is_refusal(status) or (status == 201 and store.get(token.key) == BODY), query
    assert set(store.keys()) <= {"documents/saved.txt", token.key}
    assert store.get("documents/saved.txt") == b"saved"


@pytest.mark.parametrize("change", [-1, 1])
def test_one_byte_more_or_less(change: int, store: S3Store, backend: Backend) -> None:
    token = a_new_token(backend, len(BODY) + change)
    upload = backend.presign(token)
    assert is_refusal(post(upload["url"], list(upload["fields"].items())))
    assert store.keys() == []


# --- presigned PUT, of a file and of a part ------------------------------------------------------

METHODS = ["GET", "HEAD", "DELETE", "POST"]
QUERIES = [
    "acl",
    "tagging",
    "retention",
    "versionId=x",
    "response-content-type=text/html",
    "torrent",
    "append&position=0",
]


@pytest.fixture(params=["file", "part"])
def put_url(request: pytest.FixtureRequest, backend: Backend, token: Token, settings: Any) -> str:
    """The address of a presigned PUT; its object has been there before where it is that of a file."""
    if request.param == "part":
        begun = replace(token, part_size=5 * MIB)
        url: str = backend.presign_part(replace(begun, upload_id=backend.begin(begun)), 1)["url"]
        return url
    settings.S3UPLOAD_METHOD = "PUT"
    return str(backend.presign(token)["url"])


def test_presigned_put_is_for_no_other_method(put_url: str, store: S3Store, token: Token) -> None:
    store.put(token.key, b"as before")
    for method in METHODS:
        assert is_refusal(ask(method, put_url, BODY if method == "POST" else None)), method
    assert store.get(token.key) == b"as before"


def test_presigned_put_is_for_no_other_operation(put_url: str, store: S3Store) -> None:
    headers = {"Content-Type": "text/plain", "Content-Length": str(len(BODY))}
    for query in QUERIES:
        assert is_refusal(ask("PUT", f"{put_url}&{query}", BODY, headers)), query
        assert is_refusal(ask("PUT", put_url.replace("?", f"?{query}&"), BODY, headers)), query
    assert store.keys() == []


def test_presigned_put_signed_for_something_else(put_url: str, store: S3Store) -> None:
    headers = {"Content-Type": "text/plain", "Content-Length": str(len(BODY))}
    address, _mark, query = put_url.partition("?")
    for name, value in parse_qsl(query):
        for other in ("", "x", value[:-1], value + "x", value + ";host", None):
            changed = {**dict(parse_qsl(query)), name: other}
            tampered = urlencode({key: text for key, text in changed.items() if text is not None})
            assert is_refusal(ask("PUT", f"{address}?{tampered}", BODY, headers)), (name, other)
    assert store.keys() == []


def test_presigned_put_is_for_one_bucket_and_one_store(put_url: str, make_bucket: Any, store: S3Store) -> None:
    other = make_bucket("ceph")
    headers = {"Content-Type": "text/plain", "Content-Length": str(len(BODY))}
    assert is_refusal(ask("PUT", put_url.replace(store.bucket, other.bucket), BODY, headers))
    elsewhere = put_url.replace(urlsplit(put_url).netloc, urlsplit(put_url).netloc.replace("127.0.0.1", "localhost"))
    assert elsewhere != put_url
    assert is_refusal(ask("PUT", elsewhere, BODY, headers))
    assert store.keys() == other.keys() == []


# --- what the browser can set on a pending object does not survive --------------------------------

# Ceph takes headers of a PUT that were not signed: the worst store that there is.
HEADERS = {
    "x-amz-meta-by": "the browser",
    "x-amz-acl": "public-read",
    "x-amz-tagging": "by=browser",
    "x-amz-website-redirect-location": "https://evil.example/",
    "Cache-Control": "public, max-age=31536000",
    "Content-Disposition": "inline",
    "Content-Encoding": "gzip",
    "Content-Language": "tlh",
    "Expires": "Thu, 01 Jan 2099 00:00:00 GMT",
}


def assert_nothing_of_the_browser(client: Any, bucket: str, key: str) -> None:
    head = client.head_object(Bucket=bucket, Key=key)
    assert head["Metadata"] == {}
    assert not head.keys() & {
        "CacheControl",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "Expires",
        "ExpiresString",
        "WebsiteRedirectLocation",
    }
    assert head["ContentType"] == "text/plain"
    tags = client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    assert [tag for tag in tags if tag != marks.STORED] == []
    grants = client.get_object_acl(Bucket=bucket, Key=key)["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]
    assert "URI" not in grants[0]["Grantee"]


def pending_with_headers(backend: Backend, settings: Any, store: S3Store, size: int) -> Any:
    """Return an upload whose browser has sent more headers than were signed."""
    settings.S3UPLOAD_METHOD = "PUT"
    token = a_new_token(backend, size)
    upload = backend.presign(token)
    assert send({**upload, "headers": {**upload["headers"], **HEADERS}}, bytes(size)) == 200
    # Or the tests would have nothing to show.
    head = store.head(token.key)
    assert head["Metadata"] == {"by": "the browser"}
    assert head.keys() >= {"CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage"}
    grants = store.client.get_object_acl(Bucket=store.bucket, Key=token.key)["Grants"]
    assert len(grants) == 2
    return RequestUploads(lambda: frozenset({""})).add(token, token.sign())


@pytest.mark.parametrize("size", [12, 6 * MIB], ids=["at once", "in parts"])
def test_nothing_of_the_browser_survives_a_copy(
    size: int, store: S3Store, backend: Backend, settings: Any, monkeypatch: pytest.MonkeyPatch, call_count: Any
) -> None:
    monkeypatch.setattr(copying, "COPY_LIMIT", 5 * MIB)
    monkeypatch.setattr(copying, "COPY_PART_SIZE", 5 * MIB)
    upload = pending_with_headers(backend, settings, store, size)
    default_storage.save("a.txt", upload)
    assert call_count["UploadPartCopy"] == (2 if size > 12 else 0)
    assert_nothing_of_the_browser(store.client, store.bucket, "a.txt")
    assert store.get("a.txt") == bytes(size)


def test_nothing_of_the_browser_survives_on_another_account(store: S3Store, backend: Backend, settings: Any) -> None:
    theirs = store.account.client(other=True)
    bucket = f"{store.bucket}-other"
    theirs.create_bucket(Bucket=bucket)
    account = {"access_key": store.account.other_access_key, "secret_key": store.account.other_secret_key}
    try:
        upload = pending_with_headers(backend, settings, store, 12)
        S3UploadStorage(**{**store.options, **account, "bucket_name": bucket}).save("a.txt", upload)
        assert_nothing_of_the_browser(theirs, bucket, "a.txt")
    finally:
        theirs.delete_object(Bucket=bucket, Key="a.txt")
        theirs.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("in_place", [False, True])
def test_nothing_comes_with_a_part(
    in_place: bool, store: S3Store, backend: Backend, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an object of parts is like was decided on when the server began it."""
    if in_place:
        settings.STORAGES["default"]["OPTIONS"] |= {"promote": "in-place"}
        settings.STORAGES = dict(settings.STORAGES)
        backend = backend_named("default")
    token = a_new_token(backend, part_size=5 * MIB, in_place=in_place)
    token = replace(token, upload_id=backend.begin(token))
    part = backend.presign_part(token, 1)
    assert put_part({**part, "headers": {**part["headers"], **HEADERS, "Content-Type": "text/html"}}, BODY).is_success
    backend.complete(token, backend.list_parts(token))
    if in_place:
        # The mark is the server's.
        tags = store.client.get_object_tagging(Bucket=store.bucket, Key=token.key)["TagSet"]
        assert tags == [marks.PENDING]
    saved = default_storage.save("a.txt", RequestUploads(lambda: frozenset({""})).add(token, token.sign()))
    assert (saved == token.key) is in_place
    assert_nothing_of_the_browser(store.client, store.bucket, saved)
