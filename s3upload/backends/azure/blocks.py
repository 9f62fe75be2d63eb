"""
Uploading in parts, which are blocks.

Azure has no upload that could be begun, ended or asked for: there are a blob's blocks that are not committed yet. So
an upload begins with an empty blob that says that it is unfinished, and the ETag of that blob names the upload. Blocks
change no ETag. To commit them on the condition of the ETag ends the upload, once and atomically; so does to delete
the blob. https://learn.microsoft.com/rest/api/storageservices/put-block-list
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, ContentSettings

from ...exceptions import UploadChanged
from ...parts import MIB, Limits
from ...tokens import Token
from ..base import Part
from .errors import CONDITION, GONE, quoted, translated_errors, unquoted

if TYPE_CHECKING:
    from .backend import AzureBackend

# https://learn.microsoft.com/azure/storage/blobs/scalability-targets: 50,000 blocks, which make 190.7 TiB. What the
# browser sends to have a file completed names each of them, and has room for so many: 49.6 TiB.
LIMITS = Limits(min_size=1, max_size=4000 * MIB, max_count=13_000)

UNFINISHED = {"s3upload": "unfinished"}
"""The metadata of the empty blob that an upload begins with."""

OVER = GONE | CONDITION

DIGITS = 5


def block_id(token: Token, number: int) -> str:
    """Return the id of the block of a part; those of one blob are of one length, and no longer than 64 bytes."""
    return f"{token.upload_id}-{number:0{DIGITS}}"


def begin(backend: AzureBackend, token: Token) -> str:
    """Begin an upload, and return its id."""
    with translated_errors("PutBlob"):
        answer = backend.blob(token.key).upload_blob(
            b"",
            overwrite=True,
            metadata=UNFINISHED,
            content_settings=ContentSettings(content_type=token.content_type),
        )
        return unquoted(answer, "PutBlob")


def put_part(backend: AzureBackend, token: Token, number: int, body: IO[bytes], size: int) -> Part:
    """Put a block there; the upload may be over, which is said when it is completed."""
    name = block_id(token, number)
    with translated_errors("PutBlock", OVER):
        backend.blob(token.key).stage_block(name, body, length=size)
    return Part(number, size, name)


def list_parts(backend: AzureBackend, token: Token) -> list[Part]:
    """Return the parts that have arrived; the id of its block stands for a part's ETag."""
    blob = backend.blob(token.key)
    with translated_errors("GetBlockList", OVER):
        _committed, blocks = blob.get_block_list("uncommitted")
        # Asked for afterwards: then no other request has ended the upload before the list.
        blob.get_blob_properties(etag=quoted(token.upload_id), match_condition=MatchConditions.IfNotModified)
    start = f"{token.upload_id}-"
    parts = [
        Part(int(number), block.size, block.id)
        for block in blocks
        for number in [block.id.removeprefix(start)]
        if block.id.startswith(start) and len(number) == DIGITS and number.isdecimal()
    ]
    return sorted(parts, key=lambda part: part.number)


def complete(backend: AzureBackend, token: Token, parts: list[Part]) -> None:
    """Make the blob of its blocks, with the type that was agreed."""
    if any(part.etag != block_id(token, part.number) for part in parts):
        raise UploadChanged("other blocks than those of the parts")
    with translated_errors("PutBlockList", OVER):
        backend.blob(token.key).commit_block_list(
            [BlobBlock(part.etag) for part in parts],
            content_settings=ContentSettings(content_type=token.content_type),
            etag=quoted(token.upload_id),
            match_condition=MatchConditions.IfNotModified,
            **backend.patience,
        )
