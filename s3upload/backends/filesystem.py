"""
The dummy: Django's ``FileSystemStorage`` as a store that browsers upload to, for development.

It speaks the same wire as S3 and enforces the same things; the signature of its presigned requests is Django's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.core.files.move import file_move_safe
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.utils.crypto import get_random_string

from ..conf import PRESIGNED_AGE, conf
from ..exceptions import Forged, StoreUnavailable, UploadChanged, UploadGone
from ..tokens import Token
from .base import Backend, Stat

PATH = "dummy/"
"""Where the dummy takes uploads, below the presign endpoint."""

PERMIT_SALT = "s3upload.dummy"

LINK_SUFFIX = ".save"


class FileSystemBackend(Backend):
    """A folder of the server as a store."""

    storage: FileSystemStorage

    @classmethod
    def serves(cls) -> bool:
        return conf.serves_dummy

    def presign(self, token: Token) -> dict[str, Any]:
        return {
            "method": "POST",
            "url": conf.endpoint_url + PATH,
            "fields": {
                "key": token.key,
                "Content-Type": token.content_type,
                "permit": token.sign(PERMIT_SALT),
            },
        }

    def stat(self, key: str) -> Stat:
        with translated_errors():
            status = os.stat(self.storage.path(key))
        return Stat(status.st_size, _etag(status), None)

    def read(self, key: str, etag: str, start: int, size: int) -> bytes:
        with translated_errors(), open(self.storage.path(key), "rb") as file:
            if _etag(os.fstat(file.fileno())) != etag:
                raise UploadChanged("read another file than was validated")
            file.seek(start)
            return file.read(size)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            for path in (self.storage.path(key), self.storage.path(key) + LINK_SUFFIX):
                with translated_errors(), suppress(FileNotFoundError):
                    os.remove(path)

    def write(self, key: str, file: UploadedFile[Any]) -> None:
        """Put an object there, whole or not at all; an older one of the key is replaced, as S3 does it."""
        path = self.storage.path(key)
        with translated_errors():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            part = f"{path}.{get_random_string(8)}.part"
            if isinstance(file, TemporaryUploadedFile):
                file_move_safe(file.temporary_file_path(), part)
            else:
                with open(part, "wb") as target:
                    target.writelines(file.chunks())
            # Never into a file that is there: a saved one may be linked to it.
            os.replace(part, path)

    def link(self, key: str, etag: str) -> str:
        """
        Return the path of a second name of a pending object, which a storage may move away.

        The object keeps its first name until the transaction commits, so that nothing is lost when it rolls back.

        :param etag: of the object that was validated.
        :raises UploadGone: when it is not there.
        :raises UploadChanged: when another object is there.
        """
        path = self.storage.path(key)
        link = path + LINK_SUFFIX
        with translated_errors():
            with suppress(FileNotFoundError):
                os.remove(link)
            try:
                os.link(path, link)
            except FileNotFoundError:
                raise
            except OSError:
                # A file system without hard links.
                shutil.copyfile(path, link)
            if _etag(os.stat(path)) != etag:
                os.remove(link)
                raise UploadChanged("saved another file than was validated")
        return link


def check_permit(permit: str, key: str, content_type: str, size: int) -> Token:
    """
    Return the token that an upload to the dummy was presigned for.

    :param permit: what was signed.
    :param key: the key that the browser sent.
    :param content_type: the media type that it sent.
    :param size: bytes that it sent.
    :raises Forged: when the permit was not signed here, or more than an hour ago, or for something else.
    """
    token, expired = Token.unsign(permit, PERMIT_SALT, PRESIGNED_AGE)
    if expired or (token.key, token.content_type, token.size) != (key, content_type, size):
        raise Forged
    return token


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise the operating system's errors as ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise UploadGone from error
    except OSError as error:
        raise StoreUnavailable(error.strerror or "") from error


def _etag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
