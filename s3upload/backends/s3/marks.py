"""The mark of an upload in place: a tag of the object, which says that nobody has saved it yet."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from ...claims import SAVE
from ...exceptions import UploadGone
from ...tokens import Token
from .errors import translated_errors
from .notes import claim_on

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import TagTypeDef

    from .backend import S3Backend

PENDING: TagTypeDef = {"Key": "s3upload", "Value": "pending"}
"""The mark of an object that nobody has claimed yet, where it is promoted in place."""

TAGGING = urlencode({PENDING["Key"]: PENDING["Value"]})
"""The mark as a parameter of the request that an object begins with."""

STORED: TagTypeDef = {"Key": "s3upload", "Value": "stored"}
"""Takes its place where no mark at all means that it is still missing."""


def has_mark(backend: S3Backend, key: str) -> bool:
    """
    Return whether an object has its mark.

    :raises UploadGone: when it is not there.
    """
    return _mark_of(backend, key) == PENDING["Value"]


def is_pending(backend: S3Backend, token: Token) -> bool:
    """Return whether an object has its mark, or would have it if the store had set it."""
    mark = _mark_of(backend, token.key)
    return mark == PENDING["Value"] or (mark is None and _lacks_mark(backend, token))


def mark_new(backend: S3Backend, token: Token) -> None:
    """Mark an object that has just been completed, where the store has not."""
    # Asked before: an answer that comes late must not mark what has been saved meanwhile.
    if _mark_of(backend, token.key) is None and _lacks_mark(backend, token):
        _put_tags(backend, token.key, [PENDING])
        _unmark_saved(backend, token)


def _unmark_saved(backend: S3Backend, token: Token) -> None:
    # Between question and answer it may have been marked by another request, and saved: who saves claims first, so
    # that either the claim is seen here, or the mark is set before it is taken away.
    with suppress(UploadGone):
        held, _age = claim_on(backend, token)
        if held is None or held.purpose == SAVE:
            _put_tags(backend, token.key, _tags_of_stored(backend, backend.write_parameters(token)))


def _lacks_mark(backend: S3Backend, token: Token) -> bool:
    # Where an object can't have it from the beginning, one without a mark is just complete; or it was saved, and the
    # site has written it anew since, which made another ETag.
    if backend.provider.tags_uploads:
        return False
    stat = backend.stat(token.key)
    return stat.size == token.size and stat.etag.endswith(f"-{token.part_count}")


def keep(backend: S3Backend, key: str, parameters: dict[str, Any]) -> None:
    """Take the mark from an object, and give it the ACL and the tags of what is saved."""
    tags = _tags_of_stored(backend, parameters)
    if "ACL" in parameters:
        with translated_errors("PutObjectAcl"):
            backend.client.put_object_acl(**backend.target(key), ACL=parameters["ACL"])
    if tags:
        _put_tags(backend, key, tags)
        return
    with translated_errors("DeleteObjectTagging"):
        backend.client.delete_object_tagging(**backend.target(key))


def _tags_of_stored(backend: S3Backend, parameters: dict[str, Any]) -> list[TagTypeDef]:
    tags: list[TagTypeDef] = [{"Key": k, "Value": v} for k, v in parse_qsl(parameters.get("Tagging", ""), True)]
    return tags if backend.provider.tags_uploads else [*tags, STORED]


def _mark_of(backend: S3Backend, key: str) -> str | None:
    with translated_errors("GetObjectTagging"):
        tags = backend.client.get_object_tagging(**backend.target(key)).get("TagSet", [])
    return next((tag["Value"] for tag in tags if tag["Key"] == PENDING["Key"]), None)


def _put_tags(backend: S3Backend, key: str, tags: list[TagTypeDef]) -> None:
    with translated_errors("PutObjectTagging"):
        backend.client.put_object_tagging(**backend.target(key), Tagging={"TagSet": tags})
