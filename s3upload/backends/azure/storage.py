"""A django-storages ``AzureStorage`` whose save of an uploaded file is a copy inside the account."""

from __future__ import annotations

from typing import Any, cast
from weakref import finalize

from django.core.files.base import File
from storages.backends.azure_storage import AzureStorage
from storages.utils import clean_name

from ...files import DirectUploadedFile, upload_of
from .. import backend_for
from .backend import AzureBackend
from .errors import NameTaken, translated_errors


class AzureUploadStorage(AzureStorage):
    """
    The ``AzureStorage`` of django-storages, with all of its options and one more.

    :param public_endpoint_url: the address of the account for browsers, when it is not the server's own; defaults to
        the setting ``S3UPLOAD_PUBLIC_ENDPOINT_URL``.
    """

    public_endpoint_url: str | None

    def get_default_settings(self) -> dict[str, Any]:
        return {**super().get_default_settings(), "public_endpoint_url": None}

    def _get_service_client(self) -> Any:
        client = super()._get_service_client()
        # Its connections end with the storage.
        finalize(self, client.close)
        return client

    def __getstate__(self) -> dict[str, Any]:
        # Clients hold locks and connections; a copy makes its own.
        return {**vars(self), "_service_client": None, "_client": None}

    def save(self, name: str | None, content: File[Any], max_length: int | None = None) -> str:
        upload = upload_of(content)
        if upload is None:
            return cast("str", super().save(name, content, max_length=max_length))
        # What type it is saved as is known when the store was asked.
        upload.check()
        # django-storages asks whether the name is taken, and sends what can't be copied: as the SDK raises it, an
        # error would be no answer to a visitor.
        with translated_errors("saving"):
            return cast("str", super().save(name, content, max_length=max_length))

    def _save(self, name: str, content: File[Any]) -> str:
        upload = upload_of(content)
        if upload is None:
            return cast("str", super()._save(name, content))
        source, target = upload.backend, cast("AzureBackend", backend_for(self))
        while True:
            name = clean_name(name)
            try:
                if target.can_copy_from(source):
                    self._copy(source, target, name, upload)
                else:
                    with translated_errors("saving"):
                        super()._save(name, upload)
            except NameTaken:
                if self.overwrite_files:
                    raise
                # Somebody has saved another file under the name meanwhile; as FileSystemStorage does it.
                name = self.get_available_name(name)
            else:
                upload.release()
                return name

    def _copy(self, source: AzureBackend, target: AzureBackend, name: str, upload: DirectUploadedFile) -> None:
        settings = self._get_content_settings_parameters(self._get_valid_path(name), upload)
        target.copy_from(source, upload.key, upload.stat, name, settings, overwrite=bool(self.overwrite_files))
