"""Temporary uploads as the server has made them, in every kind of place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage

from s3upload.filepond.models import TemporaryUpload
from s3upload.files import RequestUploads
from tests.conftest import storages_with

MIB = 1024**2
BODY = bytes(range(256)) * 1000
OWNER = "0123456789abcdef0123456789abcdef"

PLACES = ("folder", "memory", "shelf", "ceph")


class Shelf(Storage):
    """A storage that can do the least of what Django's API has: no lists, no times, one way through a file."""

    def __init__(self, location: str) -> None:
        self.location = Path(location)

    def _path(self, name: str) -> Path:
        # Nothing but files lie on a shelf.
        return self.location / name.replace("/", "%2F")

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        return File(open(self._path(name), mode))

    def _save(self, name: str, content: File[bytes]) -> str:
        self.location.mkdir(exist_ok=True)
        with open(self._path(name), "wb") as target:
            for chunk in content.chunks():
                target.write(chunk)
        return name

    def delete(self, name: str) -> None:
        os.remove(self._path(name))

    def exists(self, name: str) -> bool:
        return self._path(name).exists()

    def size(self, name: str) -> int:
        return self._path(name).stat().st_size


def use_place(request: pytest.FixtureRequest, kind: str) -> str:
    """
    Set up the kind of place; return what a temporary upload there has as its storage.

    :param kind: one of :data:`PLACES`, or "azurite".
    """
    settings: Any = request.getfixturevalue("settings")
    folder: Path = request.getfixturevalue("tmp_path")
    settings.BASE_DIR = folder
    if kind == "folder":
        settings.S3UPLOAD_FILEPOND_UPLOAD_TMP = folder / "temporary"
        return ""
    if kind == "memory":
        settings.STORAGES = storages_with(settings, archive={"BACKEND": "django.core.files.storage.InMemoryStorage"})
        return "archive"
    if kind == "shelf":
        shelf = {"BACKEND": "tests.filepond.uploads.Shelf", "OPTIONS": {"location": str(folder / "shelf")}}
        settings.STORAGES = storages_with(settings, shelf=shelf)
        return "shelf"
    request.getfixturevalue(f"{kind}_store")
    return "default"


def use_target(request: pytest.FixtureRequest, kind: str) -> Storage:
    """Have uploads stored in that kind of place, and return the storage."""
    from s3upload.filepond.places import stored_storage

    settings: Any = request.getfixturevalue("settings")
    if kind == "folder":
        settings.S3UPLOAD_FILEPOND_FILE_STORE_PATH = request.getfixturevalue("tmp_path") / "stored"
    else:
        settings.S3UPLOAD_FILEPOND_STORAGE = use_place(request, kind)
    return stored_storage()


def make_upload(body: bytes = BODY, *, storage: str = "", **fields: Any) -> TemporaryUpload:
    """Return a temporary upload that has arrived; ``fields`` are those of its record that differ."""
    values = {
        "upload_name": "report.txt",
        "content_type": "text/plain",
        "size": len(body),
        "offset": len(body),
        "is_complete": True,
        "owner_identity": OWNER,
        **fields,
    }
    upload = TemporaryUpload.objects.create(storage=storage, **values)
    assert upload.place.save(upload.key, ContentFile(body)) == upload.key
    return upload


def put_beside(upload: TemporaryUpload, name: str, body: bytes = b"a piece") -> str:
    """Put something into the folder of an upload, and return its name."""
    saved: str = upload.place.save(f"{upload.folder}/{name}", ContentFile(body))
    return saved


def request_uploads(owner: str = OWNER) -> RequestUploads:
    """The uploads of a request that somebody has sent."""
    return RequestUploads(lambda: frozenset({owner}))


def content_at(storage: Storage, name: str) -> bytes:
    with storage.open(name) as file:
        return bytes(file.read())
