"""What is measured side by side: one minimal site, in five variants that differ in a few settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Variant:
    """
    One way for a Django site to take uploads.

    :param title: its name in tables and plots.
    :param storage: the backend of its ``STORAGES["default"]``.
    :param app: the app that is added to ``INSTALLED_APPS``, if any.
    :param middleware: the middleware that is added last, if any.
    """

    title: str
    storage: str
    app: str = ""
    middleware: str = ""

    @property
    def is_on_disk(self) -> bool:
        return self.storage == FILESYSTEM

    @property
    def is_direct(self) -> bool:
        """Whether browsers send the files to the store by themselves."""
        return bool(self.app)

    def storages(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the ``STORAGES`` of the site; ``options`` are those of the S3 storage."""
        return {
            "default": {"BACKEND": self.storage, "OPTIONS": {} if self.is_on_disk else options},
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        }


FILESYSTEM = "django.core.files.storage.FileSystemStorage"
S3 = "storages.backends.s3.S3Storage"
S3FILE = {"app": "s3file", "middleware": "s3file.middleware.S3FileMiddleware"}

VARIANTS = {
    "disk": Variant(title="Django, on disk", storage=FILESYSTEM),
    "s3storage": Variant(title="Django, S3Storage", storage=S3),
    "s3file": Variant(title="s3file", storage=S3, **S3FILE),
    "s3file-copy": Variant(
        title="s3file, copy storage", storage="s3file.storages_optimized.S3OptimizedUploadStorage", **S3FILE
    ),
    "s3upload": Variant(
        title="s3upload",
        storage="s3upload.storage.S3UploadStorage",
        app="s3upload",
        middleware="s3upload.middleware.S3UploadMiddleware",
    ),
}
