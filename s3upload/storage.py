"""A django-storages ``S3Storage`` whose save of an uploaded file is a copy inside the store."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, cast

from django.core.files.base import File
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from .backends import backend_for
from .backends.s3 import S3Backend
from .backends.s3.errors import translated_errors
from .claims import SAVE
from .exceptions import UnusableUpload, UploadGone
from .files import DirectUploadedFile, upload_of


class S3UploadStorage(S3Storage):
    """
    The ``S3Storage`` of django-storages, with all of its options and a few more.

    :param public_endpoint_url: the address of the store for browsers, when it is not the server's own
        (``endpoint_url``); defaults to the setting ``S3UPLOAD_PUBLIC_ENDPOINT_URL``.
    :param upload_method: ``"PUT"`` for a store that has no presigned POST; defaults to the setting
        ``S3UPLOAD_METHOD``.
    :param promote: ``"copy"`` saves an upload by a copy inside the store; ``"in-place"`` leaves it where it was
        uploaded to, and takes the tag away that marks it as pending. Its name is then the store's, whatever the
        field's ``upload_to`` says.
    :param stored_prefix: the key prefix of objects that are promoted in place.
    :param provider: a ``dict`` of what the store can or can't do, where its address does not tell; the keys are the
        parameters of :class:`s3upload.backends.providers.Provider`.
    """

    public_endpoint_url: str | None
    upload_method: str | None
    promote: str
    stored_prefix: str
    provider: dict[str, Any] | None

    def get_default_settings(self) -> dict[str, Any]:
        settings = super().get_default_settings()
        return {
            **settings,
            # boto3's own choice signs addresses with version 2, which many stores have given up.
            "signature_version": settings["signature_version"] or "s3v4",
            "public_endpoint_url": None,
            "upload_method": None,
            "promote": "copy",
            "stored_prefix": "uploads",
            "provider": None,
        }

    def save(self, name: str | None, content: File[Any], max_length: int | None = None) -> str:
        upload = upload_of(content)
        if upload is None:
            return cast("str", super().save(name, content, max_length=max_length))
        # What type it is saved as is known when the store was asked.
        upload.check()
        if not self._has_in_place(upload, max_length):
            # django-storages asks whether the name is taken, and sends what can't be copied: as boto3 raises it, an
            # error would be no answer to a visitor.
            with translated_errors("saving"):
                return cast("str", super().save(name, content, max_length=max_length))
        key = upload.token.key
        backend = cast("S3Backend", upload.backend)
        parameters = self._get_write_parameters(self._normalize_name(key), upload)
        # Two forms with the same upload may both have been found valid, and it may be cancelled at this moment.
        if not backend.claim(upload.token, SAVE):
            raise UploadGone("saved already")
        try:
            upload.keep_in_place(partial(backend.keep, key, parameters))
        except BaseException:
            # Nothing will refer to it: the form can be sent again.
            with suppress(UnusableUpload):
                backend.unclaim(upload.token)
            raise
        return key

    def _has_in_place(self, upload: DirectUploadedFile, max_length: int | None) -> bool:
        key = upload.token.key
        if not upload.token.in_place or upload.stays or (max_length is not None and len(key) > max_length):
            return False
        source, target = cast("S3Backend", upload.backend), cast("S3Backend", backend_for(self))
        is_same_object = (source.bucket, source.full_key(key)) == (target.bucket, target.full_key(key))
        return is_same_object and target.can_copy_from(source) and self._writes_alike(source.storage, upload)

    def _writes_alike(self, source: S3Storage, upload: DirectUploadedFile) -> bool:
        name = self._normalize_name(upload.token.key)
        began = source._get_write_parameters(name, upload.token)
        saved = self._get_write_parameters(name, upload)
        # Of one storage, the type alone may differ: a form's ImageField has found out what the file is.
        compared = {"ContentType"} if source is self else (began.keys() | saved.keys()) - {"ACL", "Tagging"}
        return all(began.get(parameter) == saved.get(parameter) for parameter in compared)

    def _save(self, name: str, content: File[Any]) -> str:
        upload = upload_of(content)
        if upload is None:
            return cast("str", super()._save(name, content))
        cleaned_name: str = clean_name(name)
        parameters = self._get_write_parameters(self._normalize_name(cleaned_name), upload)
        source, target = upload.backend, cast("S3Backend", backend_for(self))
        if target.can_copy_from(source) and not self._compresses(parameters):
            is_marked = upload.token.in_place
            target.copy_from(source, upload.token.key, upload.stat, cleaned_name, parameters, is_marked=is_marked)
        else:
            cleaned_name = super()._save(name, upload)
        upload.release()
        return cleaned_name

    def _compresses(self, parameters: dict[str, Any]) -> bool:
        return bool(
            self.gzip and parameters["ContentType"] in self.gzip_content_types and "ContentEncoding" not in parameters
        )
