"""Fixtures of the tests of APIs: whoever uses them has a policy from the server, and posts tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3upload.rest_framework import signed_policy
from tests.conftest import FilesystemStore, S3Store
from tests.wire import Browser


class Script(Browser):
    """A script of a page that has no form."""

    def __init__(self, user: Any = None) -> None:
        super().__init__(user)
        # Whoever has seen a page has the cookie that uploads belong to.
        self.client.get("/forms/plain/")

    def upload_for(
        self,
        serializer: Any,
        name: str,
        body: bytes = b"content",
        *,
        field: str = "file",
        type: str = "application/octet-stream",  # noqa: A002
    ) -> str:
        """Upload a file for a field of a serializer; return its token."""
        policy = signed_policy(serializer, field)["policy"]
        assert policy
        [upload] = self.presign(policy, [{"name": name, "size": len(body), "type": type}])
        assert "error" not in upload, upload["error"]
        assert 200 <= self.send(upload, body, name) < 300
        return str(upload["token"])

    def send_json(self, path: str, body: Any, method: str = "POST", **extra: Any) -> Any:
        """Return Django's response to a JSON body."""
        return self.client.generic(
            method, f"/api/{path}", json_text(body), content_type="application/json", **{**self.csrf, **extra}
        )

    def send_form(self, path: str, body: bytes | str, content_type: str, method: str = "POST", **extra: Any) -> Any:
        """Return Django's response to a form."""
        return self.client.generic(method, f"/api/{path}", body, content_type=content_type, **{**self.csrf, **extra})

    @property
    def csrf(self) -> dict[str, str]:
        return {"HTTP_X_CSRFTOKEN": self.client.cookies["csrftoken"].value}


def json_text(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)


@pytest.fixture
def script(request: pytest.FixtureRequest) -> Script:
    """A script, on the folder unless the test chooses another store."""
    if not {"store", "ceph_store"} & set(request.fixturenames):
        request.getfixturevalue("filesystem_store")
    return Script()


@pytest.fixture(params=["filesystem", "ceph"])
def store(request: pytest.FixtureRequest) -> FilesystemStore | S3Store:
    """The dummy, then Ceph."""
    chosen: FilesystemStore | S3Store = request.getfixturevalue(f"{request.param}_store")
    return chosen
