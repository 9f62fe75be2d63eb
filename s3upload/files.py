"""
The lazy uploaded file, and what the files of one request share.

Nothing is asked of the store before somebody looks at a file; then it is asked about all files of the request at once.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from typing import IO, Any, Self, cast

from django.core.files.base import File
from django.core.files.uploadedfile import UploadedFile
from django.db import connections, transaction

from .backends import backend_named
from .backends.base import Backend, Stat
from .backends.filesystem import FileSystemBackend
from .exceptions import Forged, StoreUnavailable, UnusableUpload, UploadChanged, UploadForeign, UploadGone
from .owners import outside_event_loop
from .policy import ChosenFile
from .reader import FIRST_READ, ObjectReader
from .scopes import keeper_of
from .tokens import Token

logger = logging.getLogger(__name__)

PARALLEL_STATS = 16


class DirectUploadedFile(UploadedFile):  # type: ignore[type-arg]
    """
    A file that the browser sent straight to the store: a full ``UploadedFile``, whose bytes are fetched when read.

    Looking at :attr:`size`, or reading, raises an :class:`~s3upload.exceptions.UnusableUpload`, which forms show on
    the field, when the object is gone, was changed, has expired or belongs to somebody else.

    :param token: the verified token.
    :param signed: the token as posted, to be rendered again when the form has an error.
    :param uploads: the other files of the request.
    :param error: why it can't be used, when that is known already.
    """

    charset = None
    image: Any
    """Pillow's image, when a form's ``ImageField`` has looked at the file."""

    saved_as: str | None = None
    """The name that it was saved under already, when a form is sent twice and its keeper knows; else ``None``."""

    goes_anywhere = False
    """Whether it may be saved to another storage than the one that it was uploaded to."""

    is_wanted = False
    """Whether something else refers to the pending object: it stays when the file is saved."""

    def __init__(
        self,
        token: Token,
        signed: str,
        uploads: RequestUploads,
        error: UnusableUpload | None = None,
    ) -> None:
        self._stream: IO[Any] | None = None
        # Not UploadedFile's, which sets the size.
        super(UploadedFile, self).__init__(None, token.name)
        self.token = token
        self.signed_token = signed
        self.content_type = token.content_type
        self.content_type_extra = {}
        self.rejected = False
        self._released = False
        self._uploads = uploads
        self._stat: Stat | None = None
        self._error = error

    def __getstate__(self) -> dict[str, Any]:
        # A copy reads for itself: forms are copied with their files.
        return {**vars(self), "_stream": None}

    @property
    def backend(self) -> Backend:
        """The backend of the store that has the object."""
        try:
            return backend_named(self.token.storage)
        except LookupError as error:
            raise UploadGone(str(error)) from error

    @property
    def stat(self) -> Stat:
        """What the store knew of the object when it was first asked; pinned from then on."""
        if self._stat is None and self._error is None:
            self._uploads.ask_store(self)
        if self._stat is None:
            raise self._error or UploadGone("the store was not asked")
        return self._stat

    def check(self) -> None:
        """
        Ask the store about the object, unless that has been done.

        :raises UnusableUpload: when it can't be used.
        """
        _ = self.stat

    @property
    def key(self) -> str:
        """The name of the object below the storage's location."""
        return self.saved_as or self.token.key

    @property
    def size(self) -> int:
        """Bytes. The first look at it asks the store."""
        return self.stat.size

    @property
    def chosen(self) -> ChosenFile:
        """What its token says of it and, as soon as the store was asked, its first bytes."""
        head = self._stat.head if self._stat else None
        return ChosenFile(self.token.name, self.token.size, self.token.content_type, head=head)

    @cached_property
    def checksum(self) -> str | None:
        """
        The checksum that the store has verified, ``None`` where it has verified none.

        ``"sha256:"`` and the SHA-256 in base64; of a file that was sent in parts, that of the parts' own checksums,
        then ``-`` and their number.
        """
        stat = self.stat
        if stat.head is not None and stat.checksum is None:
            # Stores tell it of the whole object only, when that is asked for.
            stat = self.backend.stat(self.key)
            if stat.etag != self.stat.etag:
                raise UploadChanged("another ETag than was validated")
        return stat.checksum

    @property
    def is_kept(self) -> bool:
        """Whether a form that comes back with an error still has this upload."""
        # A store that does not answer may answer when the form is posted again.
        is_usable = self._error is None or isinstance(self._error, StoreUnavailable)
        return is_usable and not (self.rejected or self.is_stored or self.stays)

    @property
    def is_stored(self) -> bool:
        """Whether a storage has saved it, and the transaction has committed."""
        return self._released

    @property
    def file(self) -> IO[Any]:
        """The stream; made when first read."""
        if self._stream is None:
            stat = self.stat
            reader = ObjectReader(partial(self.backend.read, self.key, stat.etag), stat.size, stat.head or b"")
            self._stream = cast("IO[Any]", io.BufferedReader(reader))
        return self._stream

    @file.setter
    def file(self, value: IO[Any] | None) -> None:
        self._stream = value

    @property
    def closed(self) -> bool:
        return self._stream is not None and self._stream.closed

    def open(self, mode: str | None = None) -> Self:  # type: ignore[override]
        """
        Go to the beginning of the file, reopening it when it was closed.

        :param mode: only reading is possible; ``"rb"`` when left out.
        :raises ValueError: for any other mode.
        """
        if mode not in (None, "r", "rb"):
            raise ValueError(f"an uploaded file can only be read; mode {mode!r} was asked for, use 'rb'")
        if self.closed:
            self._stream = None
        elif self._stream is not None:
            self._stream.seek(0)
        return self

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def release(self) -> None:
        """Have the pending object deleted once the transaction commits; for storages that have saved the file."""
        after_commit(self._release)

    def _release(self) -> None:
        self._released = True
        # Another form may save in place what this one has copied: the lifecycle rule takes it unless that happens.
        if not (self.token.in_place or self.saved_as or self.is_wanted):
            self._uploads.discard(self)

    def keep_in_place(self, keep: Callable[[], object]) -> None:
        """
        Save the object where it is; for storages.

        It stays when the transaction rolls back, as what is saved does everywhere in Django: were its mark given back
        then, a second form with the same upload could lose the first one's file.

        :param keep: takes the mark away.
        """
        keep()
        self._uploads.note_in_place(self.token)
        after_commit(self._commit)

    def _commit(self) -> None:
        self._released = True
        self._uploads.discard(self)

    def forget(self) -> None:
        """Called when the pending object has been deleted: what else is known of the upload can go."""
        return

    @property
    def pending_key(self) -> str:
        """The key of what is to be deleted when it is saved."""
        return self.backend.pending_key_of(self.token)

    @property
    def stays(self) -> bool:
        """Whether it was saved where it is, by this or by a copy: the pending object must not be deleted."""
        return self._uploads.has_in_place(self.token)

    def look(self, is_owner: Callable[[str], bool]) -> None:
        """Ask the store about the object, and remember the answer."""
        try:
            if not is_owner(self.token.owner):
                raise UploadForeign("another owner")
            stat = self._ask(self.token.key)
            # What is sent in parts has the type that the server began with.
            is_signed = self.token.upload_id and self.backend.signs_types
            expected = (None, stat.content_type if is_signed else self.token.content_type)
            if stat.size != self.token.size or stat.content_type not in expected:
                raise UploadChanged("another size or type than agreed")
            if self.token.in_place and not self.backend.is_pending(self.token):
                raise UploadGone("saved already")
        except UnusableUpload as error:
            logger.warning("an upload to %r can't be used: %s (%s)", self.token.field, error.code, error.detail)
            self._error = error
        else:
            self._settle(stat)

    def look_where_saved(self) -> None:
        """Look at what it was saved as, when it is gone and a keeper knows: somebody has sent a form twice."""
        if not (self.token.scope and isinstance(self._error, UploadGone)):
            return
        with suppress(UnusableUpload, Forged):
            keeper = keeper_of(self.token.scope)
            place = outside_event_loop(lambda: keeper.place_of(self.token)) if keeper is not None else None
            if place is None:
                return
            stat = self._ask(place)
            if stat.size == self.token.size:
                self.saved_as, self._error = place, None
                self._settle(stat)

    def look_again(self) -> bool:
        """Look at what it was saved as, when it has gone since it was looked at; return whether there is such."""
        self._stat, self._stream, self._error = None, None, UploadGone("saved meanwhile")
        self.look_where_saved()
        return self.saved_as is not None

    def _ask(self, key: str) -> Stat:
        has_head = self.chosen.has_signature and self.token.size
        return self.backend.stat(key, FIRST_READ if has_head else 0)

    def _settle(self, stat: Stat) -> None:
        self._stat = stat
        self.content_type = self.chosen.content_type

    @property
    def is_open_question(self) -> bool:
        """Whether the store has not been asked about it yet."""
        return self._stat is None and self._error is None


class LocalUploadedFile(DirectUploadedFile):
    """A file that the browser sent to the dummy: ``FileSystemStorage`` moves it into place instead of reading it."""

    _link: str | None = None

    @property
    def backend(self) -> FileSystemBackend:
        return cast("FileSystemBackend", super().backend)

    def temporary_file_path(self) -> str:
        """
        Return a path that may be moved away; the pending object stays until the transaction commits.

        Nobody says whether it was moved, so that is looked at when the request ends. After a request, the pending
        object stays.
        """
        self._link = self.backend.link(self.key, self.stat.etag)
        self.release()
        return self._link

    @property
    def is_stored(self) -> bool:
        # Who asks for the path need not move it: Pillow does not.
        return super().is_stored and not (self._link and os.path.exists(self._link))


class RequestUploads:
    """
    What the uploaded files of one request share: one look at the store, one batch of deletions.

    :param identities: returns the identities of who sent the request; called when a file is first looked at.
    """

    def __init__(self, identities: Callable[[], frozenset[str]]) -> None:
        self._identities = identities
        self._files: list[DirectUploadedFile] = []
        self._in_place: set[str] = set()
        self._discarded: list[DirectUploadedFile] | None = []

    def add(self, token: Token, signed: str, error: UnusableUpload | None = None) -> DirectUploadedFile:
        """
        Add a verified token of the request.

        :param signed: the token as posted.
        :param error: why it can't be used, when that is known already.
        """
        file_class = LocalUploadedFile if _is_local(token) else DirectUploadedFile
        file = file_class(token, signed, self, error)
        self.take(file)
        return file

    def take(self, file: DirectUploadedFile) -> None:
        """Add a file of the request that somebody else has made."""
        self._files.append(file)

    def has(self, token: Token) -> bool:
        """Return whether a token for the same object is there already."""
        return any(file.token.key == token.key for file in self._files)

    def ask_store(self, asking: DirectUploadedFile) -> None:
        """
        Ask about all files that nothing is known of yet, in parallel.

        :param asking: the one that somebody looks at; may be a copy.
        """
        open_questions = [asking, *(file for file in self._files if file.is_open_question and file is not asking)]
        owns = self._owners.__contains__
        if len(open_questions) == 1:
            open_questions[0].look(owns)
        else:
            with ThreadPoolExecutor(max_workers=min(len(open_questions), PARALLEL_STATS)) as pool:
                list(pool.map(lambda file: file.look(owns), open_questions))
        # Here, where the connections to the database are.
        for file in open_questions:
            file.look_where_saved()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Forms are copied with their files; the request that both belong to is the same.
        return self

    @cached_property
    def _owners(self) -> frozenset[str]:
        return self._identities()

    def discard(self, file: DirectUploadedFile) -> None:
        """Have a pending object deleted at the end of the request, or now when that is over."""
        if self._discarded is not None:
            self._discarded.append(file)
        elif file.is_stored:
            _delete([file])

    def note_in_place(self, token: Token) -> None:
        """Remember that the object of a token was saved where it is."""
        self._in_place.add(token.key)

    def has_in_place(self, token: Token) -> bool:
        """Return whether the object of a token was saved where it is."""
        return token.key in self._in_place

    def finish(self, *, delete: bool) -> None:
        """
        End the request: delete the pending objects that were saved.

        :param delete: ``False`` leaves them to the store's lifecycle rule, as after a request that failed.
        """
        discarded, self._discarded = self._discarded or [], None
        if delete:
            _delete([file for file in discarded if file.is_stored and not file.is_wanted])


def upload_of(content: object) -> DirectUploadedFile | None:
    """Return the uploaded file that a storage is given, which Django may have wrapped; ``None`` for any other."""
    upload = content.file if type(content) is File else content
    return upload if isinstance(upload, DirectUploadedFile) else None


def after_commit(callback: Callable[[], object]) -> None:
    """Call back when every transaction that is open now has committed; at once when there is none."""
    waiting = {connection.alias for connection in connections.all(initialized_only=True) if connection.in_atomic_block}

    def committed(alias: str) -> None:
        waiting.discard(alias)
        if not waiting:
            callback()

    if not waiting:
        callback()
    # Which database the file's row goes to is not known here. One that rolls back never calls.
    for alias in list(waiting):
        transaction.on_commit(partial(committed, alias), using=alias)


def _is_local(token: Token) -> bool:
    try:
        return isinstance(backend_named(token.storage), FileSystemBackend)
    except LookupError:
        return False


def _delete(files: list[DirectUploadedFile]) -> None:
    by_backend: dict[Backend, list[DirectUploadedFile]] = {}
    for file in files:
        by_backend.setdefault(file.backend, []).append(file)
    for backend, deleted in by_backend.items():
        try:
            backend.delete([file.pending_key for file in deleted])
        except UnusableUpload as error:
            # The file is saved; what is left over is expired by the store's lifecycle rule.
            logger.warning("%d pending objects were not deleted: %s", len(deleted), error.detail)
        else:
            for file in deleted:
                file.forget()
