"""A django-storages ``S3Storage`` whose save of an uploaded file is a copy inside the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.core.files.base import File
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from .backends import backend_for
from .files import DirectUploadedFile

if TYPE_CHECKING:
    from .backends.s3 import S3Backend


class S3UploadStorage(S3Storage):
    """
    The ``S3Storage`` of django-storages, with all of its options and two more.

    :param public_endpoint_url: the address of the store for browsers, when it is not the server's own
        (``endpoint_url``); defaults to the setting ``S3UPLOAD_PUBLIC_ENDPOINT_URL``.
    :param upload_method: ``"PUT"`` for a store that has no presigned POST; defaults to the setting
        ``S3UPLOAD_METHOD``.
    """

    public_endpoint_url: str | None
    upload_method: str | None

    def get_default_settings(self) -> dict[str, Any]:
        settings = super().get_default_settings()
        return {
            **settings,
            # boto3's own choice signs addresses with version 2, which many stores have given up.
            "signature_version": settings["signature_version"] or "s3v4",
            "public_endpoint_url": None,
            "upload_method": None,
        }

    def _save(self, name: str, content: File[Any]) -> str:
        upload = content.file if type(content) is File else content
        if not isinstance(upload, DirectUploadedFile):
            return cast("str", super()._save(name, content))
        cleaned_name: str = clean_name(name)
        parameters = self._get_write_parameters(self._normalize_name(cleaned_name), upload)
        source, target = upload.backend, cast("S3Backend", backend_for(self))
        if target.can_copy_from(source) and not self._compresses(parameters):
            target.copy_from(source, upload.token.key, upload.stat, cleaned_name, parameters)
        else:
            cleaned_name = super()._save(name, upload)
        upload.release()
        return cleaned_name

    def _compresses(self, parameters: dict[str, Any]) -> bool:
        return bool(
            self.gzip and parameters["ContentType"] in self.gzip_content_types and "ContentEncoding" not in parameters
        )
