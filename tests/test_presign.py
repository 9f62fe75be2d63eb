"""Policy and chosen file to presigned request and token; without HTTP, and without asking a store."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from s3upload.exceptions import Forged
from s3upload.policy import ChosenFile
from s3upload.presign import presign
from s3upload.tokens import Token
from tests.conftest import CallCount, FilesystemStore
from tests.pages import a_policy, use_unreachable_s3

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
