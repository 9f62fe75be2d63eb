"""Policy and chosen file to presigned request and token; without HTTP, and without asking a store."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from s3upload.backends.filesystem import Permit
from s3upload.exceptions import Forged, StoreUnavailable
from s3upload.policy import ChosenFile
from s3upload.presign import presign
from s3upload.tokens import Token
from tests.conftest import CallCount, FilesystemStore, S3Store
from tests.pages import GIB, a_policy, use_unreachable_s3
from tests.test_storage import with_options

PDF = ChosenFile("a.pdf", 7, "application/pdf")


def only(files: ChosenFile, **policy: Any) -> tuple[dict[str, Any], Token]:
    (upload,) = presign(a_policy(**policy), [files], "somebody")
    return upload, Token.unsign(upload["token"])[0]


def test_token_says_what_was_agreed_on(filesystem_store: FilesystemStore) -> None:
    _upload, token = only(ChosenFile("a.HTML", 3, "image/png"), field="form-#-file")
    assert token == Token("default", token.key, "a.HTML", 3, "text/html", "form-#-file", "somebody")


def test_keys_are_under_the_prefix_and_cannot_be_guessed(filesystem_store: FilesystemStore, settings: Any) -> None:
    settings.S3UPLOAD_PREFIX = "/incoming/files/"
    keys = {Token.unsign(upload["token"])[0].key for upload in presign(a_policy(), [PDF] * 50, "")}
    assert len(keys) == 50
    for key in keys:
        folder, _slash, id_ = key.rpartition("/")
        assert folder == "incoming/files"
        assert len(id_) == 22
        assert "a.pdf" not in key


def test_refused_file_stands_in_its_place(filesystem_store: FilesystemStore) -> None:
    answers = presign(a_policy(max_size=7), [PDF, ChosenFile("b", 8, ""), PDF], "")
    assert ["error" in answer for answer in answers] == [False, True, False]
    assert list(answers[1]) == ["error"]


@pytest.mark.parametrize("storage", ["gone", "archive", "staticfiles", "no.Model.field", "x.y", "", "."])
def test_policy_of_a_storage_that_takes_no_uploads_is_refused(storage: str) -> None:
    with pytest.raises(Forged):
        presign(a_policy(storage=storage), [PDF], "")


# --- what S3 is told -----------------------------------------------------------------------------


def conditions(upload: dict[str, Any]) -> tuple[list[Any], datetime]:
    policy = json.loads(base64.b64decode(upload["fields"]["policy"]))
    return policy["conditions"], datetime.fromisoformat(policy["expiration"])


@pytest.fixture(params=[None, "s3", "s3v4"])
def s3(settings: Any, request: pytest.FixtureRequest, call_count: CallCount) -> CallCount:
    """Whatever version of signatures the site has chosen for itself."""
    options = {} if request.param is None else {"signature_version": request.param}
    use_unreachable_s3(settings, location="media", **options)
    return call_count


def test_presigned_post_is_for_one_key_size_and_type(s3: CallCount) -> None:
    upload, token = only(PDF)
    found, _expires = conditions(upload)
    assert {"key": f"media/{token.key}"} in found
    assert {"bucket": "bucket"} in found
    assert {"Content-Type": "application/pdf"} in found
    assert ["content-length-range", 7, 7] in found
    assert not [condition for condition in found if "starts-with" in condition]
    assert upload["fields"]["key"] == f"media/{token.key}"
    assert not s3


def test_presigned_post_is_signed_with_version_4(s3: CallCount) -> None:
    upload, _token = only(PDF)
    assert upload["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert "AWSAccessKeyId" not in upload["fields"]


def test_presigned_post_can_be_used_for_an_hour(s3: CallCount) -> None:
    _conditions, expires = conditions(only(PDF)[0])
    left = expires.replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(hours=1)


def test_every_field_that_is_sent_is_signed(s3: CallCount) -> None:
    upload, _token = only(PDF)
    found, _expires = conditions(upload)
    exact = {name for condition in found if isinstance(condition, dict) for name in condition}
    assert upload["fields"].keys() - {"policy", "x-amz-signature"} <= exact


def test_presigned_put_is_for_one_key_size_and_type(s3: CallCount, settings: Any) -> None:
    settings.S3UPLOAD_METHOD = "PUT"
    upload, token = only(PDF)
    url = urlsplit(upload["url"])
    query = parse_qs(url.query)
    assert url.path == f"/bucket/media/{token.key}"
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert {"content-length", "content-type", "host"} <= set(query["X-Amz-SignedHeaders"][0].split(";"))
    assert int(query["X-Amz-Expires"][0]) <= 3600
    assert upload["headers"] == {"Content-Type": "application/pdf"}
    assert not s3


def test_method_of_one_storage_comes_first(settings: Any) -> None:
    use_unreachable_s3(settings, upload_method="PUT")
    assert only(PDF)[0]["method"] == "PUT"
    use_unreachable_s3(settings, upload_method="POST")
    settings.S3UPLOAD_METHOD = "PUT"
    assert only(PDF)[0]["method"] == "POST"


@pytest.mark.parametrize("size", [0, 1, 16 * 1024**2])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_any_size_is_signed_exactly(settings: Any, size: int, method: str) -> None:
    use_unreachable_s3(settings, upload_method=method)
    upload, token = only(ChosenFile("a", size, ""), max_size=size)
    assert token.size == size
    if method == "POST":
        assert ["content-length-range", size, size] in conditions(upload)[0]
    else:
        assert "content-length" in parse_qs(urlsplit(upload["url"]).query)["X-Amz-SignedHeaders"][0].split(";")


def test_storage_of_a_model_field_is_presigned_for(settings: Any) -> None:
    use_unreachable_s3(settings)
    use_unreachable_s3(settings, "archive", bucket_name="archive-bucket", location="old")
    upload, token = only(PDF, storage="testapp.Record.file")
    assert urlsplit(upload["url"]).path == "/archive-bucket"
    assert upload["fields"]["key"] == f"old/{token.key}"
    assert token.storage == "testapp.Record.file"


# --- checksums and parts -------------------------------------------------------------------------

ONE_REQUEST = 16 * 1024**2
SHA256 = base64.b64encode(bytes(32)).decode()


def file_of(size: int, sha256: str | None = None) -> ChosenFile:
    return ChosenFile("a.bin", size, "", sha256)


@pytest.mark.parametrize("sha256", [None, "", SHA256])
def test_file_up_to_16_mib_is_sent_in_one_request(filesystem_store: FilesystemStore, sha256: str | None) -> None:
    upload, token = only(file_of(ONE_REQUEST, sha256))
    assert upload["method"] == "POST"
    assert (token.part_size, token.part_count, token.upload_id, token.has_checksums) == (0, 0, "", False)
    assert Permit.unsign(upload["fields"]["permit"]).sha256 == (sha256 or None)


@pytest.mark.parametrize("sha256", [None, "", SHA256])
def test_file_of_one_byte_more_is_sent_in_parts(filesystem_store: FilesystemStore, sha256: str | None) -> None:
    upload, token = only(file_of(ONE_REQUEST + 1, sha256))
    checksum = {} if sha256 is None else {"checksum": "SHA-256"}
    assert upload == {
        "token": upload["token"],
        "method": "MULTIPART",
        "part_size": token.part_size,
        **checksum,
    }
    assert (token.part_size, token.part_count, token.has_checksums) == (5 * 1024**2, 4, sha256 is not None)
    assert token.upload_id
    assert not token.in_place


@pytest.mark.parametrize(
    ("size", "checked"), [(100 * GIB, True), (640_000 * 1024**2, True), (700_000 * 1024**2, False)]
)
def test_browser_is_not_asked_for_the_checksum_of_a_part_that_it_can_hardly_hold(
    filesystem_store: FilesystemStore, size: int, checked: bool
) -> None:
    upload, token = only(file_of(size, ""), max_size=size)
    assert (token.part_size <= 64 * 1024**2) == checked
    assert ("checksum" in upload) == token.has_checksums == checked


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_checksum_of_a_whole_file_is_signed(settings: Any, method: str, call_count: CallCount) -> None:
    use_unreachable_s3(settings, upload_method=method)
    upload, _token = only(ChosenFile("a.pdf", 7, "application/pdf", SHA256))
    if method == "POST":
        found, _expires = conditions(upload)
        assert {"x-amz-checksum-sha256": SHA256} in found
        assert {"x-amz-checksum-algorithm": "SHA256"} in found
        assert upload["fields"]["x-amz-checksum-sha256"] == SHA256
    else:
        assert upload["headers"] == {"Content-Type": "application/pdf", "x-amz-checksum-sha256": SHA256}
        query = parse_qs(urlsplit(upload["url"]).query)
        assert "x-amz-checksum-sha256" in query["X-Amz-SignedHeaders"][0].split(";")
        assert "X-Amz-Checksum-Sha256" not in {name.title() for name in query}
    assert not call_count


@pytest.mark.parametrize(
    "options",
    [
        {"client_config": Config(request_checksum_calculation="when_required")},
        {"provider": {"checksums": False}},
        {"endpoint_url": "https://account.r2.cloudflarestorage.com"},
    ],
    ids=["boto3", "option", "host"],
)
def test_store_that_knows_no_checksums_is_sent_none(settings: Any, options: dict[str, Any]) -> None:
    use_unreachable_s3(settings, **options)
    upload, _token = only(ChosenFile("a.pdf", 7, "application/pdf", SHA256))
    assert "checksum" not in json.dumps({**upload, "token": ""}).lower()


@pytest.mark.parametrize("known", [True, False])
def test_checksums_of_parts_are_asked_for_where_the_store_knows_them(
    localstack_store: S3Store, settings: Any, known: bool
) -> None:
    with_options(settings, localstack_store, provider={"checksums": known})
    upload, token = only(file_of(ONE_REQUEST + 1, ""))
    assert token.has_checksums == ("checksum" in upload) == known


def test_site_may_allow_more_than_one_request_takes(filesystem_store: FilesystemStore) -> None:
    upload, token = only(file_of(6 * GIB), max_size=10 * GIB)
    assert upload["part_size"] == token.part_size == 16 * 1024**2
    assert token.part_count == 384


@pytest.mark.parametrize(
    ("provider", "largest", "said"),
    [({}, 50_000 * GIB, "48.8"), ({"max_count": 3, "max_size": 20 * 1024**2}, 60 * 1024**2, "60.0")],
)
def test_file_that_is_larger_than_the_store_takes_is_refused_in_words(
    settings: Any, provider: dict[str, int], largest: int, said: str, call_count: CallCount
) -> None:
    use_unreachable_s3(settings, provider=provider)
    (answer,) = presign(a_policy(max_size=2**62), [file_of(largest + 1)], "")
    assert list(answer) == ["error"]
    assert said in answer["error"].replace("\xa0", " ")
    # One that it takes begins.
    with pytest.raises(StoreUnavailable):
        presign(a_policy(max_size=2**62), [file_of(largest)], "")
    assert call_count == {"CreateMultipartUpload": 1}


def test_limit_of_the_policy_comes_first(settings: Any, call_count: CallCount) -> None:
    use_unreachable_s3(settings)
    (answer,) = presign(a_policy(max_size=20 * 1024**2), [file_of(20 * 1024**2 + 1)], "")
    assert "20.0" in answer["error"]
    assert not call_count


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_files_in_parts_begin_at_the_same_time_and_keep_their_places(
    store: S3Store, call_count: CallCount, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four at a time, or nobody gets on.
    four = threading.Barrier(4, timeout=20)
    make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def together(client: BaseClient, operation: str, parameters: Any) -> Any:
        if operation == "CreateMultipartUpload":
            four.wait()
        return make_api_call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", together)
    large, refused = [ONE_REQUEST + number for number in range(1, 9)], 2 * GIB
    sizes = [1, *large[:3], refused, 2, 3, *large[3:], 0, refused]
    answers = presign(a_policy(max_size=GIB), [ChosenFile(f"{size}", size, "") for size in sizes], "somebody")
    assert call_count == {"CreateMultipartUpload": 8}
    assert ["error" if size == refused else "MULTIPART" if size in large else "POST" for size in sizes] == [
        answer.get("method", "error") for answer in answers
    ]
    tokens = {size: Token.unsign(a["token"])[0] for size, a in zip(sizes, answers, strict=True) if "token" in a}
    assert all(
        (token.size, token.name, token.owner) == (size, str(size), "somebody") for size, token in tokens.items()
    )
    begun = {
        (upload["Key"], upload["UploadId"])
        for upload in store.client.list_multipart_uploads(Bucket=store.bucket)["Uploads"]
    }
    assert begun == {(tokens[size].key, tokens[size].upload_id) for size in large}


@pytest.mark.parametrize("store", ["ceph", "localstack"], indirect=True)
def test_when_one_upload_can_not_begin_none_stays_open(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]
    begun: list[str] = []

    def third_fails(client: BaseClient, operation: str, parameters: Any) -> Any:
        if operation == "CreateMultipartUpload":
            begun.append(operation)
            if len(begun) == 3:
                raise EndpointConnectionError(endpoint_url="https://s3.example.org")
        return make_api_call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", third_fails)
    files = [ChosenFile("a.bin", ONE_REQUEST + 1, "")] * 5
    with pytest.raises(StoreUnavailable):
        presign(a_policy(max_size=GIB), files, "somebody")
    assert len(begun) == 5
    assert store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []) == []


def test_nothing_begins_for_files_that_are_refused_or_small(settings: Any, call_count: CallCount) -> None:
    use_unreachable_s3(settings)
    policy = a_policy(max_size=20 * 1024**2, accept=".pdf")
    too_large = ChosenFile("a.pdf", 21 * 1024**2, "application/pdf")
    wrong_type = ChosenFile("a.txt", 18 * 1024**2, "text/plain")
    answers = presign(policy, [too_large, PDF, wrong_type], "")
    assert ["error" in answer for answer in answers] == [True, False, True]
    assert not call_count
