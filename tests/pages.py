"""What a rendered page has in it, and the small things that tests of the edge share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.core import signing

from s3upload.policy import Policy
from s3upload.tokens import Token
from tests.conftest import storages_with
from tests.wire import Page

PRESIGN = "/__s3upload__/presign/"
DUMMY = "/__s3upload__/dummy/"

GIB = 1024**3


def file_input(html: Any, name: str) -> dict[str, str | None]:
    """Return the attributes of the one file input of that name."""
    return _page(html).file_input(name)


def policy_in(html: Any, name: str) -> Policy:
    """Return the policy that a page has for a field."""
    return Policy.unsign(file_input(html, name)["data-s3upload-policy"] or "")


def kept(html: Any, name: str) -> list[dict[str, str | None]]:
    """Return the attributes of the hidden inputs that keep uploads of a field."""
    return _page(html).kept(name)


def _page(html: Any) -> Page:
    return Page(html.content.decode() if hasattr(html, "content") else str(html))


def set_clock(monkeypatch: Any, seconds: float) -> None:
    """Let signatures be made and looked at when it is that time."""
    monkeypatch.setattr(signing, "time", SimpleNamespace(time=lambda: seconds))


def a_policy(**changes: Any) -> Policy:
    return Policy(**{"field": "file", "storage": "default", "max_size": 5 * GIB, **changes})


def a_token(**changes: Any) -> Token:
    values = {
        "storage": "default",
        "key": "tmp/s3upload/abc",
        "name": "report.pdf",
        "size": 7,
        "content_type": "application/pdf",
        "field": "file",
        "owner": "",
        **changes,
    }
    return Token(**values)


def use_unreachable_s3(settings: Any, alias: str = "default", **options: Any) -> None:
    """STORAGES[alias] is a bucket where nobody answers: presigning needs none."""
    settings.STORAGES = storages_with(
        settings,
        **{
            alias: {
                "BACKEND": "s3upload.storage.S3UploadStorage",
                "OPTIONS": {
                    "bucket_name": "bucket",
                    "endpoint_url": "http://127.0.0.1:9",
                    "access_key": "AKIAEXAMPLE",
                    "secret_key": "secret",
                    "region_name": "eu-central-1",
                    "addressing_style": "path",
                    **options,
                },
            }
        },
    )
