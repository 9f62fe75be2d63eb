"""What becomes of the uploads that are on record: stored, failed, tried again, removed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousFileOperation
from django.db import models, router, transaction
from django.utils.translation import gettext as _

from ..exceptions import S3UploadError, StoreUnavailable, UnusableUpload, UploadChanged
from ..files import DirectUploadedFile, RequestUploads
from ..multipart import abort
from ..tokens import SignedText, Token
from .models import UploadRecord
from .registry import registry_named

if TYPE_CHECKING:
    from .fields import AsyncFileMixin

logger = logging.getLogger(__name__)

State = UploadRecord.State


class CannotRetry(S3UploadError):
    """Raised when a failed promote can't be tried again; the message says why, for the person at the admin."""


def note_granted(tokens: Sequence[Token], user: Any) -> None:
    """Record uploads that may begin now."""
    owner = user if user is not None and user.is_authenticated else None
    UploadRecord.objects.bulk_create(UploadRecord.of(token, owner) for token in tokens)


def note_stored(upload: DirectUploadedFile, name: str, row: Any = None) -> None:
    """
    Record that an upload was saved.

    Where that failed at first, other rows may still have the pending object. Then it stays, and so does the record.

    :param name: below the storage's location.
    :param row: the primary key of the row that it is saved for, where that is known.
    """
    if upload.saved_as:
        return
    stored = {"state": State.STORED, "stored_as": name, "error": ""}
    if _record_of(upload.token).exclude(state=State.FAILED).update(**stored):
        return
    for record in _record_of(upload.token):
        upload.is_wanted = holders_of(record).exclude(pk=row).exists()
    if not upload.is_wanted:
        _record_of(upload.token).update(**stored)


def note_failed(upload: DirectUploadedFile, target: str, error: Exception) -> str:
    """
    Record that an upload could not be saved, and return why.

    :param target: the name that it was to have.
    """
    reason = _reason(error)
    failed = {"state": State.FAILED, "stored_as": target, "error": reason, "etag": upload.stat.etag}
    if not _record_of(upload.token).update(**failed):
        # Somebody has removed it meanwhile; without one, the clean-up would take the object.
        note_granted([upload.token], None)
        _record_of(upload.token).update(**failed)
    return reason


def all_records() -> models.QuerySet[UploadRecord]:
    """Return the records where they are written: a copy of that database may not have the last ones yet."""
    return UploadRecord.objects.using(router.db_for_write(UploadRecord))


def _record_of(token: Token) -> models.QuerySet[UploadRecord]:
    return all_records().filter(storage=token.storage, key=token.key)


def _reason(error: Exception) -> str:
    # No address and no key: what a store says of itself may have both.
    detail = error.detail if isinstance(error, UnusableUpload) else getattr(error, "strerror", None)
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def field_of(record: UploadRecord) -> AsyncFileMixin:
    """
    Return the field that a record is of.

    :raises LookupError: when the site has it no more.
    """
    return registry_named(record.registry).field(record.field)


def holders_of(record: UploadRecord) -> models.QuerySet[Any]:
    """
    Return the rows whose field has what a record is of.

    :raises LookupError: when the site has the field no more.
    """
    field = field_of(record)
    name = record.key if record.state == State.FAILED else record.stored_as
    manager = field.model._base_manager.using(router.db_for_write(field.model))
    return manager.filter(**{field.name: name}) if name else manager.none()


def retry(record: UploadRecord) -> str:
    """
    Try a failed promote again, and return the name that the file has now.

    :raises CannotRetry: when it did not fail, or nobody needs it any more; the record stays as it is.
    :raises UnusableUpload: when the store does not do it, or has lost or changed the object; the record says so.
    """
    uploads = RequestUploads(lambda: frozenset({record.owner_identity}))
    with transaction.atomic(using=router.db_for_write(UploadRecord)):
        # Two who try it at the same time try it one after the other.
        try:
            record = all_records().select_for_update().get(pk=record.pk)
        except UploadRecord.DoesNotExist as error:
            raise CannotRetry(_("somebody has removed the record")) from error
        if record.state != State.FAILED:
            raise CannotRetry(
                _("the upload is %(state)s, and only what has failed is tried again")
                % {"state": record.get_state_display().lower()}
            )
        try:
            field = field_of(record)
            holders = holders_of(record)
        except LookupError as error:
            raise CannotRetry(
                _(
                    "the site has no field %(field)s in a registry %(registry)s any more: remove the record, or bring "
                    "the field back"
                )
                % {"field": record.field, "registry": record.registry}
            ) from error
        if not holders.exists():
            raise CannotRetry(_("no row refers to the file any more: remove the record"))
        # As posted, it is not known any more, and no form will come back with it.
        upload = uploads.add(record.token, SignedText())
        try:
            name = _promote(field, upload, record)
        except (UnusableUpload, OSError, SuspiciousFileOperation) as error:
            failed: Exception | None = error
            _record_of(upload.token).update(error=_reason(error))
        else:
            failed = None
            holders.update(**{field.attname: name})
            note_stored(upload, name)
    uploads.finish(delete=failed is None)
    if failed is None:
        return name
    logger.warning("an upload could not be promoted again: %s", _reason(failed))
    raise failed if isinstance(failed, UnusableUpload) else StoreUnavailable(_reason(failed)) from failed


def _promote(field: AsyncFileMixin, upload: DirectUploadedFile, record: UploadRecord) -> str:
    if upload.stat.etag != record.etag:
        raise UploadChanged("another ETag than was validated")
    return field.storage.save(record.stored_as, upload, max_length=field.max_length)


def remove(record: UploadRecord) -> None:
    """
    Remove a record, and what it is of unless that was saved.

    :raises StoreUnavailable: when the store does not do it; the record stays.
    """
    if record.state != State.STORED:
        try:
            abort(record.token)
        except (S3UploadError, LookupError) as error:
            if isinstance(error, StoreUnavailable):
                raise
            # Its storage is none of the site's any more.
            logger.warning("what a record is of could not be removed: %s", type(error).__name__)
    record.delete()
