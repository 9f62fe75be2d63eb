"""Copies inside the store: of the object that was validated, and of nothing that the browser could have set on it."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import botocore.exceptions

from ...exceptions import UploadChanged
from ..base import Stat
from .clients import CONNECTIONS
from .errors import etag_of, translated_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef

    from .backend import S3Backend

logger = logging.getLogger(__name__)

COPY_LIMIT = 5 * 1024**3
"""Bytes that one CopyObject takes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

COPY_PART_SIZE = 512 * 1024**2
"""Bytes of a part when a larger object is copied in parts; 10,000 of them make 5 TB."""

MD5 = re.compile("[0-9a-f]{32}")


def copy(backend: S3Backend, source: S3Backend, key: str, stat: Stat, name: str, parameters: dict[str, Any]) -> None:
    """
    Copy an object, at once or in parts, as :meth:`.S3Backend.copy_from` says.

    :param parameters: those of boto3 for the copy.
    """
    pinned: CopySourceTypeDef = source.target(key)
    target = backend.target(name)
    with translated_errors("CopyObject"):
        if stat.size > COPY_LIMIT:
            _copy_in_parts(backend, pinned, stat, target, parameters)
        else:
            _copy_at_once(backend, source, key, pinned, stat, target, parameters)


def _copy_at_once(
    backend: S3Backend,
    source: S3Backend,
    key: str,
    pinned: CopySourceTypeDef,
    stat: Stat,
    target: Any,
    parameters: dict[str, Any],
) -> None:
    if "Tagging" in parameters:
        # Only then: some stores know no tags, and a presigned POST allows none on the pending object.
        parameters = {"TaggingDirective": "REPLACE", **parameters}
    answer = backend.copier.copy_object(
        **target,
        CopySource=pinned,
        CopySourceIfMatch=stat.etag,
        MetadataDirective="REPLACE",
        **parameters,
    )
    copied = answer["CopyObjectResult"].get("ETag", "").strip('"')
    # No browser can exchange an object that was made of parts: the site's own key has made it.
    if copied == stat.etag or "-" in stat.etag:
        return
    # Some stores ignore the condition. S3, which does not, gives a copy an ETag of its own where that is no checksum:
    # encrypted with a key of KMS, or sent in parts.
    is_kms = "kms" in answer.get("ServerSideEncryption", "")
    are_checksums = MD5.fullmatch(copied) and MD5.fullmatch(stat.etag) and not is_kms
    if are_checksums or source.stat(key).etag != stat.etag:
        backend.client.delete_object(**target)
        raise UploadChanged("copied another ETag than was validated")


def _copy_in_parts(
    backend: S3Backend, pinned: CopySourceTypeDef, stat: Stat, target: Any, parameters: dict[str, Any]
) -> None:
    copier = backend.copier
    size = max(COPY_PART_SIZE, -(-stat.size // backend.provider.max_count))
    upload: Any = {**target, "UploadId": copier.create_multipart_upload(**target, **parameters)["UploadId"]}

    def copy_part(number: int) -> CompletedPartTypeDef:
        start = (number - 1) * size
        answer = copier.upload_part_copy(
            **upload,
            PartNumber=number,
            CopySource=pinned,
            CopySourceIfMatch=stat.etag,
            CopySourceRange=f"bytes={start}-{min(start + size, stat.size) - 1}",
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    try:
        with ThreadPoolExecutor(max_workers=CONNECTIONS // 2) as pool:
            parts = list(pool.map(copy_part, range(1, -(-stat.size // size) + 1)))
        # Every part was copied under the condition; for stores that ignore it, the source is compared once.
        head = backend.client.head_object(**cast("dict[str, Any]", pinned))
        if etag_of(head, "HeadObject") != stat.etag:
            raise UploadChanged("the source of a copy in parts changed")
        copier.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    except BaseException:
        try:
            copier.abort_multipart_upload(**upload)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            logger.warning("an unfinished copy in parts was left behind: %s", type(error).__name__)
        raise
