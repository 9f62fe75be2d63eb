"""
The dummy: Django's ``FileSystemStorage`` as a store that browsers upload to, for development.

It speaks the same wire as S3 and enforces the same things; the signature of its presigned requests is Django's.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import stat as modes
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from typing import IO, Any, Protocol
from urllib.parse import urlencode

from django.core import signing
from django.core.files.move import file_move_safe
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.utils.crypto import get_random_string

from ..conf import PRESIGNED_AGE, conf
from ..exceptions import Forged, StoreUnavailable, UploadChanged, UploadGone
from ..tokens import Token
from .base import UUID, UUIDS, Backend, Page, Part, Pending, Stat, pending_prefix

logger = logging.getLogger(__name__)

PATH = "dummy/"
"""Where the dummy takes uploads, below the presign endpoint."""

PERMIT_SALT = "s3upload.dummy"

LINK_SUFFIX = ".save"

CHECKSUM_SUFFIX = ".sha256"
"""Ends the name of the file that holds an object's checksum."""

PART_SUFFIX = ".part"

CLOSED_SUFFIX = ".closed"

CHUNK = 1024**2

PAGE = 1000
"""Names of a folder that are looked at together."""

# What stands beside an object, or is left of one; and the folders of uploads.
BESIDE = re.compile(rf"({UUID.pattern})(?:\{CHECKSUM_SUFFIX}|\{LINK_SUFFIX}|\.[A-Za-z0-9]{{8}}\{PART_SUFFIX})?")
FOLDER = re.compile(rf"({UUID.pattern})\.({UUID.pattern})(?:\{CLOSED_SUFFIX})?")


class BadDigest(Exception):
    """Raised when the content is not what its checksum says."""


class Incomplete(Exception):
    """Raised when fewer bytes arrived than were announced."""


class Readable(Protocol):
    """What a part is read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Permit:
    """
    What a presigned request to the dummy allows.

    :param storage: the name of the storage.
    :param key: of the object.
    :param size: bytes of the body.
    :param content_type: of a whole object.
    :param sha256: of the body, in base64; ``None`` when it is not checked.
    :param upload_id: of the multipart upload; empty for a whole object.
    :param number: of the part; 0 for a whole object.
    """

    storage: str
    key: str
    size: int
    content_type: str = ""
    sha256: str | None = None
    upload_id: str = ""
    number: int = 0

    def sign(self) -> str:
        """Return the permit as signed text."""
        return signing.dumps(astuple(self), salt=PERMIT_SALT)

    @classmethod
    def unsign(cls, signed: str) -> Permit:
        """
        Return a permit.

        :raises Forged: when the text was not signed here, or more than an hour ago.
        """
        try:
            return cls(*signing.loads(signed, salt=PERMIT_SALT, max_age=PRESIGNED_AGE))
        except (signing.BadSignature, ValueError, TypeError):
            # Not "from" it: its message has the signature, and would stand in the log.
            raise Forged from None


class FileSystemBackend(Backend):
    """A folder of the server as a store."""

    storage: FileSystemStorage

    @classmethod
    def serves(cls) -> bool:
        return conf.serves_dummy

    # Uploading in one request

    def presign(self, token: Token, sha256: str | None = None) -> dict[str, Any]:
        permit = Permit(token.storage, token.key, token.size, token.content_type, sha256 or None)
        return {
            "method": "POST",
            "url": conf.endpoint_url + PATH,
            "fields": {"key": token.key, "Content-Type": token.content_type, "permit": permit.sign()},
        }

    def write(self, permit: Permit, file: UploadedFile[Any]) -> None:
        """
        Put an object there, whole or not at all; an older one of the key is replaced, as S3 does it.

        :raises BadDigest: when it is not what its checksum says.
        """
        path = self.storage.path(permit.key)
        with translated_errors():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with _temporary(path) as part:
                if isinstance(file, TemporaryUploadedFile):
                    file_move_safe(file.temporary_file_path(), part)
                else:
                    with open(part, "wb") as target:
                        target.writelines(file.chunks())
                if permit.sha256:
                    with open(part, "rb") as written:
                        _compare(hashlib.file_digest(written, "sha256").digest(), permit.sha256)
                # Never into a file that is there: a saved one may be linked to it.
                os.replace(part, path)
            self._write_checksum(path, permit.sha256)

    # Uploading in parts: a folder beside the object, in which each part is a file named by number and checksum

    def _folder(self, token: Token | Permit) -> str:
        return f"{self.storage.path(token.key)}.{token.upload_id}"

    def begin(self, token: Token) -> str:
        upload_id = UUIDS.uuid()
        with translated_errors():
            os.makedirs(self._folder(replace(token, upload_id=upload_id)))
        return upload_id

    def presign_part(self, token: Token, number: int, checksum: str | None = None) -> dict[str, Any]:
        permit = Permit(
            token.storage,
            token.key,
            token.part_length(number),
            sha256=checksum,
            upload_id=token.upload_id,
            number=number,
        )
        query = urlencode({"X-Amz-Expires": PRESIGNED_AGE, "permit": permit.sign()})
        return {"url": f"{conf.endpoint_url}{PATH}?{query}", "headers": {}}

    def write_part(self, permit: Permit, body: Readable) -> str:
        """
        Put a part there, whole or not at all, and return its ETag.

        :raises UploadGone: when the upload is over.
        :raises BadDigest: when it is not what its checksum says.
        :raises Incomplete: when the body ends early.
        """
        folder = self._folder(permit)
        digest = hashlib.sha256()
        left = permit.size
        with translated_errors(), _temporary(f"{folder}/{permit.number}") as part:
            with open(part, "wb") as target:
                while left and (data := body.read(min(CHUNK, left))):
                    digest.update(data)
                    target.write(data)
                    left -= len(data)
            if left:
                raise Incomplete
            if permit.sha256:
                _compare(digest.digest(), permit.sha256)
            os.replace(part, f"{folder}/{permit.number}-{digest.hexdigest()}")
            for name in os.listdir(folder):
                if name.startswith(f"{permit.number}-") and not name.endswith(digest.hexdigest()):
                    os.remove(f"{folder}/{name}")
        return digest.hexdigest()

    def put_part(self, token: Token, number: int, body: IO[bytes], size: int) -> Part:
        permit = Permit(token.storage, token.key, size, upload_id=token.upload_id, number=number)
        try:
            etag = self.write_part(permit, body)
        except Incomplete:
            raise UploadChanged("the part ends early") from None
        return Part(number, size, etag, b64encode(bytes.fromhex(etag)).decode())

    def list_parts(self, token: Token) -> list[Part]:
        with translated_errors(), os.scandir(self._folder(token)) as entries:
            parts = [
                Part(int(number), entry.stat().st_size, etag, b64encode(bytes.fromhex(etag)).decode())
                for entry in entries
                for number, dash, etag in [entry.name.partition("-")]
                if dash
            ]
        return sorted(parts, key=lambda part: part.number)

    def complete(self, token: Token, parts: list[Part]) -> None:
        if not set(parts) <= set(self.list_parts(token)):
            raise UploadChanged("the folder has other parts")
        path = self.storage.path(token.key)
        folder = self._folder(token)
        digests = hashlib.sha256()
        with translated_errors():
            with _temporary(path) as whole:
                with open(whole, "wb") as target:
                    for part in parts:
                        digests.update(bytes.fromhex(part.etag))
                        with open(f"{folder}/{part.number}-{part.etag}", "rb") as source:
                            shutil.copyfileobj(source, target, CHUNK)
                closed = _closed(folder)
                os.replace(whole, path)
            composite = f"{b64encode(digests.digest()).decode()}-{len(parts)}"
            self._write_checksum(path, composite if token.has_checksums else None)
        shutil.rmtree(closed, ignore_errors=True)

    def abort(self, token: Token) -> None:
        if token.upload_id:
            with suppress(UploadGone), translated_errors():
                shutil.rmtree(_closed(self._folder(token)), ignore_errors=True)
        self.delete([token.key])

    # A pending object

    def stat(self, key: str, head: int = 0) -> Stat:
        path = self.storage.path(key)
        with translated_errors():
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                first = file.read(head) if head else None
            checksum = None
            with suppress(FileNotFoundError), open(path + CHECKSUM_SUFFIX) as file:
                checksum = f"sha256:{file.read()}"
        return Stat(status.st_size, _etag(status), None, checksum, first)

    def read(self, key: str, etag: str, start: int, size: int) -> bytes:
        with translated_errors(), open(self.storage.path(key), "rb") as file:
            if _etag(os.fstat(file.fileno())) != etag:
                raise UploadChanged("read another file than was validated")
            file.seek(start)
            return file.read(size)

    def download_url(self, name: str, *, age: int, method: str = "GET", **headers: str) -> str | None:
        return None

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            for suffix in ("", LINK_SUFFIX, CHECKSUM_SUFFIX):
                with translated_errors(), suppress(FileNotFoundError):
                    os.remove(self.storage.path(key) + suffix)

    # All pending objects

    @property
    def place(self) -> tuple[str, ...] | None:
        # Static files that were never collected have no folder.
        if getattr(self.storage, "location", None) is None:
            return None
        return ("folder", os.path.realpath(self.storage.path(pending_prefix())))

    def list_pending(self) -> Iterator[Page]:
        return self._list(self._found_beside)

    def list_unfinished(self) -> Iterator[Page]:
        return self._list(self._found_folder)

    def _list(self, found: Callable[[os.DirEntry[str]], Pending | None]) -> Iterator[Page]:
        try:
            with translated_errors():
                entries = os.scandir(self.storage.path(pending_prefix()))
        except UploadGone:
            return
        with entries:
            page: list[Pending] = []
            for entry in entries:
                with suppress(FileNotFoundError):
                    one = found(entry)
                    if one is not None:
                        page.append(one)
                if len(page) == PAGE:
                    # A folder has no order, and says nothing of how much is left.
                    yield Page(_now(), page, 0)
                    page = []
            yield Page(_now(), page, 1)

    def _found_beside(self, entry: os.DirEntry[str]) -> Pending | None:
        match = BESIDE.fullmatch(entry.name)
        if match is None or not modes.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            return None
        is_beside_its_object = entry.name != match[1] and not entry.name.endswith(PART_SUFFIX)
        if is_beside_its_object and os.path.lexists(os.path.join(os.path.dirname(entry.path), match[1])):
            return None  # goes with it
        return _pending(entry)

    @staticmethod
    def _found_folder(entry: os.DirEntry[str]) -> Pending | None:
        match = FOLDER.fullmatch(entry.name)
        return _pending(entry, match[2]) if match and entry.is_dir(follow_symlinks=False) else None

    def remove(self, pending: Iterable[Pending]) -> tuple[list[Pending], int]:
        removed: list[Pending] = []
        failed = 0
        for one in pending:
            path = self.storage.path(one.key)
            try:
                if one.upload_id:
                    shutil.rmtree(path if path.endswith(CLOSED_SUFFIX) else _closed(path))
                else:
                    os.remove(path)
                    for suffix in (LINK_SUFFIX, CHECKSUM_SUFFIX):
                        with suppress(FileNotFoundError):
                            os.remove(path + suffix)
                removed.append(one)
            except FileNotFoundError:
                pass
            except OSError as error:
                logger.warning("something pending could not be removed: %s", error.strerror)
                failed += 1
        return removed, failed

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

    def _write_checksum(self, path: str, checksum: str | None) -> None:
        with suppress(FileNotFoundError):
            os.remove(path + CHECKSUM_SUFFIX)
        if checksum:
            with open(path + CHECKSUM_SUFFIX, "x") as file:
                file.write(checksum)


@contextmanager
def _temporary(path: str) -> Iterator[str]:
    """Give a name beside a path; what is left there is removed."""
    name = f"{path}.{get_random_string(8)}{PART_SUFFIX}"
    try:
        yield name
    finally:
        with suppress(FileNotFoundError):
            os.remove(name)


def _closed(folder: str) -> str:
    # By another name, no part that is under way arrives any more, and nobody else ends the same upload.
    closed = f"{folder}{CLOSED_SUFFIX}"
    os.rename(folder, closed)
    return closed


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise the operating system's errors as ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise UploadGone from error
    except OSError as error:
        raise StoreUnavailable(error.strerror or "") from error


def _compare(digest: bytes, sha256: str) -> None:
    if digest != b64decode(sha256):
        raise BadDigest


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _pending(entry: os.DirEntry[str], upload_id: str = "") -> Pending:
    status = entry.stat(follow_symlinks=False)
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return Pending(pending_prefix() + entry.name, 0 if upload_id else status.st_size, modified, upload_id)


def _etag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
