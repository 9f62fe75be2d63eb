"""Where stores differ: known from their addresses, and from what the site says."""

from __future__ import annotations

from typing import Any

import pytest

from s3upload.backends import backend_named
from s3upload.backends.providers import BY_HOST, OPTIONS, Provider, provider_at
from s3upload.parts import S3_LIMITS
from s3upload.policy import ChosenFile
from s3upload.presign import presign
from tests.pages import a_policy, use_unreachable_s3

GIB = 1024**3
A_FILE = ChosenFile("a.pdf", 7, "application/pdf", "x" * 43 + "=")

R2 = "https://account.r2.cloudflarestorage.com"
R2_EU = "https://account.eu.r2.cloudflarestorage.com"
B2 = "https://s3.eu-central-003.backblazeb2.com"


@pytest.mark.parametrize("address", [R2, R2_EU, R2.upper(), R2 + ":443", B2])
def test_store_without_post_is_sent_put_without_any_setting(settings: Any, address: str) -> None:
    use_unreachable_s3(settings, endpoint_url=address)
    (upload,) = presign(a_policy(), [A_FILE], "")
    assert upload["method"] == "PUT"
    # Nor does it know checksums.
    assert upload["headers"] == {"Content-Type": "application/pdf"}


@pytest.mark.parametrize("address", [R2, B2])
def test_address_for_browsers_counts(settings: Any, address: str) -> None:
    use_unreachable_s3(settings, public_endpoint_url=address)
    (upload,) = presign(a_policy(), [A_FILE], "")
    assert upload["method"] == "PUT"
    assert upload["url"].startswith(address)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
def test_address_from_the_environment_counts(settings: Any, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, B2)
    use_unreachable_s3(settings, endpoint_url=None)
    (upload,) = presign(a_policy(), [A_FILE], "")
    assert upload["method"] == "PUT"


@pytest.mark.parametrize(
    "address",
    [
        None,
        "http://127.0.0.1:9000",
        "https://s3.example.org",
        "https://account.r2.cloudflarestorage.com.example.org",
        "https://mybackblazeb2.com",
    ],
)
def test_other_stores_are_sent_post_with_checksums(settings: Any, address: str | None) -> None:
    use_unreachable_s3(settings, endpoint_url=address)
    (upload,) = presign(a_policy(), [A_FILE], "")
    assert upload["method"] == "POST"
    assert "x-amz-checksum-sha256" in upload["fields"]


def test_site_knows_its_store_better(settings: Any) -> None:
    use_unreachable_s3(settings, endpoint_url=R2, provider={"post": True, "checksums": True})
    (upload,) = presign(a_policy(), [A_FILE], "")
    assert upload["method"] == "POST"
    assert "x-amz-checksum-sha256" in upload["fields"]
    use_unreachable_s3(settings, provider={"post": False, "checksums": False})
    (upload,) = presign(a_policy(), [A_FILE], "")
    assert (upload["method"], upload["headers"]) == ("PUT", {"Content-Type": "application/pdf"})


def test_method_that_the_site_sets_comes_first(settings: Any) -> None:
    use_unreachable_s3(settings, endpoint_url=R2)
    settings.S3UPLOAD_METHOD = "POST"
    (upload,) = presign(a_policy(), [A_FILE], "")
    assert upload["method"] == "POST"


def test_limits_of_the_site_are_those_of_the_plan(settings: Any) -> None:
    use_unreachable_s3(settings, provider={"min_size": 8 * 1024**2, "max_count": 100})
    backend = backend_named("default")
    assert backend.part_size_for(17 * 1024**2) == 8 * 1024**2
    assert backend.part_size_for(10 * GIB) == 103 * 1024**2
    assert backend.limits.largest_file == 500 * GIB


def test_what_the_site_says_changes_nothing_else() -> None:
    known = BY_HOST[".amazonaws.com"]
    assert known.tags_uploads
    hosts = ["uploads.example.org", "b.s3.eu-central-1.amazonaws.com"]
    assert provider_at(hosts, {"max_count": 5}) == Provider(max_count=5, tags_uploads=True)
    assert provider_at(hosts) == known


def test_aws_is_known_by_its_host_alone(settings: Any) -> None:
    use_unreachable_s3(settings, endpoint_url=None, addressing_style=None)
    assert backend_named("default").provider.tags_uploads  # type: ignore[attr-defined]
    use_unreachable_s3(settings)
    assert not backend_named("default").provider.tags_uploads  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", BY_HOST)
def test_no_store_is_planned_for_beyond_the_limits_of_s3(host: str) -> None:
    provider = BY_HOST[host]
    assert provider.largest_file <= S3_LIMITS.largest_file
    assert S3_LIMITS.min_size <= provider.min_size <= provider.max_size <= S3_LIMITS.max_size
    assert 1 < provider.max_count <= S3_LIMITS.max_count


def test_every_difference_can_be_said_by_the_site() -> None:
    limits = {"min_size": int, "max_size": int, "max_count": int}
    assert {**limits, "post": bool, "checksums": bool, "tagging": bool, "tags_uploads": bool} == OPTIONS
