"""The places where temporary uploads are, and a client that speaks as FilePond does."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from s3upload.filepond.models import TemporaryUpload
from tests.conftest import AzureStore, S3Store, storages_with

BODY = b"twelve bytes"

CHUNK = 5_000_000
"""Bytes of FilePond's chunks, unless it is told otherwise."""

OPEN = {
    name: ["rest_framework.permissions.AllowAny"]
    for name in ("POST_PROCESS", "PATCH_PATCH", "DELETE_REVERT", "GET_LOAD", "GET_RESTORE", "GET_FETCH")
}


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


class Place:
    """
    Where temporary uploads are, as the store shows it.

    :param name: of the kind.
    :param names: returns the names of all that is there.
    :param open_uploads: returns how many uploads in parts are neither completed nor aborted.
    """

    def __init__(self, name: str, names: Callable[[], list[str]], open_uploads: Callable[[], int] = lambda: 0) -> None:
        self.name = name
        self.names = names
        self.open_uploads = open_uploads

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of any upload."""
        return not self.names() and not self.open_uploads()


@pytest.fixture
def in_folder(settings: Any, tmp_path: Path) -> Place:
    """Temporary uploads are in a folder of the server."""
    settings.BASE_DIR = tmp_path
    folder = tmp_path / "filepond_uploads"
    return Place("folder", lambda: [str(path.relative_to(folder)) for path in folder.rglob("*")])


@pytest.fixture
def in_memory(settings: Any) -> Place:
    """Temporary uploads are in a storage of which nothing is known but Django's storage API."""
    settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = "archive"
    settings.STORAGES = storages_with(settings, archive={"BACKEND": "django.core.files.storage.InMemoryStorage"})

    def names(below: str = "") -> list[str]:
        try:
            folders, files = storages["archive"].listdir(below)
        except FileNotFoundError:
            return []
        return [below + one for one in files] + [name for one in folders for name in names(f"{below}{one}/")]

    return Place("memory", names)


@pytest.fixture
def in_ceph(settings: Any, ceph_store: S3Store) -> Place:
    """Temporary uploads are in a bucket on Ceph."""
    settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = "default"

    def open_uploads() -> int:
        client = ceph_store.account.client()
        return len(client.list_multipart_uploads(Bucket=ceph_store.bucket).get("Uploads", ()))

    return Place("ceph", ceph_store.keys, open_uploads)


@pytest.fixture
def in_azure(settings: Any, azurite_store: AzureStore) -> Place:
    """Temporary uploads are in a container on Azurite."""
    settings.S3UPLOAD_FILEPOND_UPLOAD_STORAGE = "default"
    return Place("azure", azurite_store.keys)


EVERYWHERE = pytest.mark.parametrize("place", ["in_folder", "in_memory", "in_ceph", "in_azure"], indirect=True)


@pytest.fixture(params=["in_folder", "in_memory", "in_ceph"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of the kinds of places in turn; `EVERYWHERE` has all stores."""
    chosen: Place = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def is_open(settings: Any) -> None:
    """Everybody may do everything, with their own uploads."""
    settings.S3UPLOAD_FILEPOND_PERMISSION_CLASSES = OPEN


class FilePond:
    """
    What the client sends, word for word.

    :param client: the visitor's browser.
    :param field: the name of the input.
    """

    def __init__(self, client: Client, field: str = "filepond") -> None:
        self.client = client
        self.field = field

    def process(self, body: bytes = BODY, name: str = "a.txt", **entries: Any) -> Any:
        """Send a file in one request, its metadata before it."""
        file = SimpleUploadedFile(name, body, "text/plain")
        return self.client.post("/fp/process/", {self.field: ["{}", file], **entries})

    def begin(self, size: Any, metadata: Any = None) -> Any:
        """Announce a file in chunks."""
        return self.client.post(
            "/fp/process/", {self.field: json.dumps(metadata or {})}, headers={"Upload-Length": str(size)}
        )

    def patch(self, upload_id: str, offset: Any, chunk: bytes, size: Any = None, **headers: str) -> Any:
        """Send a chunk."""
        sent = {"Upload-Offset": str(offset), "Upload-Name": "a.txt", **headers}
        if size is not None:
            sent["Upload-Length"] = str(size)
        return self.client.patch(
            f"/fp/patch/{upload_id}", chunk, content_type="application/offset+octet-stream", headers=sent
        )

    def offset(self, upload_id: str) -> int:
        """Ask how many bytes have arrived."""
        response = self.client.head(f"/fp/patch/{upload_id}")
        assert response.status_code == 200, response.content
        return int(response["Upload-Offset"])

    def send(self, body: bytes, chunk: int = CHUNK) -> str:
        """Send a file in chunks, and return its id."""
        upload_id = said(self.begin(len(body)))
        # As the client counts them: behind a file that ends with a chunk comes an empty one.
        for offset in range(0, len(body) // chunk * chunk + 1, chunk):
            response = self.patch(upload_id, offset, body[offset : offset + chunk], len(body))
            assert response.status_code == 204, response.content
        return upload_id

    def revert(self, upload_id: str) -> Any:
        return self.client.delete("/fp/revert/", upload_id, content_type="text/plain")

    def restore(self, upload_id: str) -> Any:
        return self.client.get(f"/fp/restore/{upload_id}")


def said(response: Any) -> str:
    """Return what a request was answered with."""
    assert response.status_code == 200, response.content
    return str(response.content.decode())


def content_of(upload_id: str) -> bytes:
    """Return the file of a temporary upload."""
    upload = TemporaryUpload.objects.get(pk=upload_id)
    assert upload.is_complete
    with upload.place.open(upload.key) as file:
        return bytes(file.read())


@pytest.fixture
def pond(is_open: None) -> FilePond:
    """The FilePond of a visitor who has signed in."""
    client = Client()
    client.force_login(User.objects.create_user("anna"))
    return FilePond(client)


@pytest.fixture
def other(is_open: None) -> FilePond:
    """The FilePond of somebody else."""
    client = Client()
    client.force_login(User.objects.create_user("otto"))
    return FilePond(client)


def refusal(response: Any, status: int = 400) -> str:
    """Return the text of a refusal, which FilePond can show."""
    assert response.status_code == status, (response.status_code, response.content)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    shown = str(response.content.decode())
    assert shown.strip()
    assert "<" not in shown
    return shown


def body_of(response: Any) -> bytes:
    """Return the body of a response, streamed or not."""
    assert response.status_code == 200, response.status_code
    parts: Iterable[bytes] = response.streaming_content if response.streaming else [response.content]
    return b"".join(parts)
