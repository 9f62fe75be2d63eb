"""S3, and the stores that speak it, through the options of a django-storages ``S3Storage``."""

from __future__ import annotations

import hashlib
import logging
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import PurePath, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeGuard, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import botocore.exceptions
from botocore.config import Config
from django.core.exceptions import ImproperlyConfigured
from storages.backends.s3 import S3Storage

from ..claims import REMOVE, SAVE, Claim, sign_record, unsign_record
from ..conf import PRESIGNED_AGE, conf
from ..exceptions import Forged, StoreUnavailable, UnusableUpload, UploadChanged, UploadGone
from ..parts import part_size_for
from ..tokens import MAX_LENGTH, Token
from .base import (
    CLAIM_SUFFIX,
    IN_PLACE,
    UUID,
    UUIDS,
    Backend,
    Page,
    Part,
    Pending,
    Stat,
    is_ours,
    pending_prefix,
    position,
)
from .providers import Provider, provider_at

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef, TagTypeDef

logger = logging.getLogger(__name__)

COPY_LIMIT = 5 * 1024**3
"""Bytes that one CopyObject takes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

COPY_PART_SIZE = 512 * 1024**2
"""Bytes of a part when a larger object is copied in parts; 10,000 of them make 5 TB."""

DELETE_LIMIT = 1000
LIST_LIMIT = 1000
CONNECTIONS = 16

PENDING: TagTypeDef = {"Key": "s3upload", "Value": "pending"}
"""The mark of an object that nobody has claimed yet, where it is promoted in place."""

STORED: TagTypeDef = {"Key": "s3upload", "Value": "stored"}
"""Takes its place where no mark at all means that it is still missing."""

NAME_LENGTH = 100
"""Characters of the names of objects that stay where they are: what a ``FileField`` holds unless it is told more."""

ABORTED_TOGETHER = 8

CLAIMS = 3
"""Attempts at a claim: another one may be taken back at the same moment."""

ABORTS = 3
"""A part that arrives while its upload is aborted may need another one, says the documentation of the API."""

# A store that hangs must not hold a worker for minutes, as botocore's five attempts of 60 s each do. What the site
# says in the storage's ``client_config`` wins.
DEFAULT_CONFIG = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=CONNECTIONS,
)

# A store may be silent for as long as it copies.
COPY_CONFIG = DEFAULT_CONFIG.merge(Config(read_timeout=120))

# Whoever presigns a request for SigV2, boto3's choice on a custom endpoint, signs neither size nor type.
SIGNATURE_V4 = Config(signature_version="s3v4")

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")

# The object parameters that decide how an object is written; without them a bucket that demands encryption refuses it.
ENCRYPTION = {
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
}

# The parameters of boto3 that go into signatures, and the headers that browsers send for them.
HEADERS = {
    **ENCRYPTION,
    "ChecksumAlgorithm": "x-amz-checksum-algorithm",
    "ChecksumSHA256": "x-amz-checksum-sha256",
}

MD5 = re.compile("[0-9a-f]{32}")

GONE = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
OVER = GONE | {"NoSuchUpload"}
CHANGED = frozenset(
    {
        "412",
        "PreconditionFailed",
        "ConditionalRequestConflict",
        "416",
        "InvalidRange",
        "BadDigest",
        "EntityTooSmall",
        "InvalidPart",
        "InvalidPartOrder",
    }
)


class S3Backend(Backend):
    """
    S3 and the stores that speak it.

    Has a client of its own: boto3's clients are safe to share between threads, the resources that django-storages
    makes for every thread are not.
    """

    storage: S3Storage

    def __init__(self, storage: S3Storage) -> None:
        super().__init__(storage)
        self._lock = Lock()

    @property
    def bucket(self) -> str:
        return str(self.storage.bucket_name)

    @property
    def client(self) -> S3Client:
        """The client for the server's own requests; made when first needed."""
        with self._lock:
            return self._client

    @property
    def copier(self) -> S3Client:
        """The client that has objects copied, which takes longer."""
        with self._lock:
            return self._copier

    @property
    def presigner(self) -> S3Client:
        """The client that signs what browsers send: for the address that they see."""
        with self._lock:
            return self._presigner

    @cached_property
    def _client(self) -> S3Client:
        return self._make_client(self.storage.endpoint_url)

    @cached_property
    def _copier(self) -> S3Client:
        return self._make_client(self.storage.endpoint_url, COPY_CONFIG)

    @cached_property
    def _presigner(self) -> S3Client:
        public = getattr(self.storage, "public_endpoint_url", None) or conf.PUBLIC_ENDPOINT_URL
        return self._make_client(public) if public else self._client

    def _make_client(self, endpoint_url: str | None, defaults: Config = DEFAULT_CONFIG) -> S3Client:
        storage = self.storage
        session = storage._create_session()
        # Signing a POST without them fails with an AttributeError that helps nobody.
        if session.get_credentials() is None:
            raise ImproperlyConfigured(f"boto3 finds no credentials for {type(storage).__name__}")

        def make(config: Config) -> S3Client:
            client = session.client(
                "s3",
                region_name=storage.region_name,
                use_ssl=storage.use_ssl,
                endpoint_url=endpoint_url,
                verify=storage.verify,
                config=config,
            )
            return cast("S3Client", client)

        config = defaults.merge(storage.client_config).merge(SIGNATURE_V4)
        options: Any = getattr(config, "s3", None) or {}
        try:
            client = make(config)
        except ValueError as error:
            raise ImproperlyConfigured(f"boto3 makes no client for {type(storage).__name__}: {error}") from error
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        if host.endswith(AWS_HOSTS) and "." not in self.bucket and not options.get("addressing_style"):
            # boto3's own choice presigns for an address without region, which may answer with a redirect; a browser
            # follows none in a preflight. (A bucket with dots fits no certificate below S3's own name.)
            return make(config.merge(Config(s3=options | {"addressing_style": "virtual"})))
        return client

    @cached_property
    def provider(self) -> Provider:
        """What the store can do; found from its addresses, the server's before the browser's, and the options."""
        hosts = [urlsplit(client.meta.endpoint_url).hostname or "" for client in (self.client, self.presigner)]
        try:
            return provider_at(hosts, getattr(self.storage, "provider", None))
        except TypeError as error:
            raise ImproperlyConfigured(f"the option provider of {type(self.storage).__name__}: {error}") from error

    @property
    def in_place(self) -> bool:
        return getattr(self.storage, "promote", None) == "in-place"

    @property
    def takes_checksums(self) -> bool:
        # Whoever has a store that knows none has told boto3 so: it sends them by itself.
        calculation = getattr(self.client.meta.config, "request_checksum_calculation", None)
        return self.provider.checksums and calculation != "when_required"

    @property
    def limits(self) -> Provider:
        return self.provider

    def part_size_for(self, size: int) -> int:
        # What stays where it is is always sent in parts: they end with the upload, while whoever has a presigned
        # request for a whole object could exchange it afterwards. An empty file is copied, which costs nothing.
        return part_size_for(size, self.limits) if self.in_place and size else super().part_size_for(size)

    def new_key(self, name: str, *, in_place: bool = False) -> str:
        if not in_place:
            return super().new_key(name)
        folder = f"{self.storage.stored_prefix.strip('/')}/{UUIDS.uuid()}/"
        path = PurePath(self.storage.get_valid_name(name))
        suffix = path.suffix[:16]
        return folder + path.stem[: max(NAME_LENGTH - len(folder) - len(suffix), 1)] + suffix

    def full_key(self, name: str) -> str:
        """Return the key in the bucket of a name below the storage's location."""
        return str(self.storage._normalize_name(name))

    # Uploading in one request

    def presign(self, token: Token, sha256: str | None = None) -> dict[str, Any]:
        method = (
            getattr(self.storage, "upload_method", None) or conf.METHOD or ("POST" if self.provider.post else "PUT")
        )
        headers = self._encryption(token.key)
        if sha256 and self.takes_checksums:
            headers |= {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": sha256}
        sign = self._presign_put if method == "PUT" else self._presign_post
        with translated_errors("signing"):
            return sign(token, headers)

    def _encryption(self, key: str) -> dict[str, str]:
        parameters = self.storage.get_object_parameters(self.full_key(key))
        return {name: parameters[name] for name in ENCRYPTION if name in parameters}

    def _presign_post(self, token: Token, headers: dict[str, str]) -> dict[str, Any]:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
        fields = {
            "Content-Type": token.content_type,
            "success_action_status": "201",
            **{HEADERS[name]: value for name, value in headers.items()},
        }
        exact = [{name: value} for name, value in fields.items()]
        presigned = self.presigner.generate_presigned_post(
            self.bucket,
            self.full_key(token.key),
            Fields=dict(fields),
            Conditions=[*exact, ["content-length-range", token.size, token.size]],
            ExpiresIn=PRESIGNED_AGE,
        )
        return {"method": "POST", "url": presigned["url"], "fields": presigned["fields"]}

    def _presign_put(self, token: Token, headers: dict[str, str]) -> dict[str, Any]:
        headers.pop("ChecksumAlgorithm", None)
        # The length is a signed header, which the browser sends of itself and no script can set.
        url = self.presigner.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self.bucket,
                "Key": self.full_key(token.key),
                "ContentLength": token.size,
                "ContentType": token.content_type,
                **headers,
            },
            ExpiresIn=PRESIGNED_AGE,
        )
        sent = {"Content-Type": token.content_type, **{HEADERS[name]: value for name, value in headers.items()}}
        return {"method": "PUT", "url": url, "headers": sent}

    # Uploading in parts

    def _target(self, key: str) -> Any:
        return {"Bucket": self.bucket, "Key": self.full_key(key)}

    def _upload(self, token: Token) -> Any:
        return {**self._target(token.key), "UploadId": token.upload_id}

    def begin(self, token: Token) -> str:
        parameters: dict[str, Any] = {"ContentType": token.content_type, **self._encryption(token.key)}
        if token.in_place:
            parameters = {
                **self._parameters(token),
                "Tagging": urlencode({PENDING["Key"]: PENDING["Value"]}),
            }
            # Nobody has validated it yet: it is not to be public before it is saved.
            parameters.pop("ACL", None)
        if token.has_checksums:
            parameters["ChecksumAlgorithm"] = "SHA256"
        with translated_errors("CreateMultipartUpload"):
            upload_id = self.client.create_multipart_upload(**self._target(token.key), **parameters)["UploadId"]
        if token.in_place:
            self._record(replace(token, upload_id=upload_id))
        return upload_id

    def presign_part(self, token: Token, number: int, checksum: str | None = None) -> dict[str, Any]:
        headers = {"ChecksumSHA256": checksum} if checksum else {}
        parameters = {"PartNumber": number, "ContentLength": token.part_length(number), **headers}
        with translated_errors("signing"):
            url = self.presigner.generate_presigned_url(
                "upload_part", Params={**self._upload(token), **parameters}, ExpiresIn=PRESIGNED_AGE
            )
        return {"url": url, "headers": {HEADERS[name]: value for name, value in headers.items()}}

    def list_parts(self, token: Token) -> list[Part]:
        with translated_errors("ListParts", OVER):
            pages = self.client.get_paginator("list_parts").paginate(**self._upload(token))
            return [
                Part(part["PartNumber"], part["Size"], part["ETag"].strip('"'), part.get("ChecksumSHA256"))
                for page in pages
                for part in page.get("Parts", ())
            ]

    def complete(self, token: Token, parts: list[Part]) -> None:
        completed: list[CompletedPartTypeDef] = []
        for part in parts:
            completed.append({"PartNumber": part.number, "ETag": part.etag})
            if part.checksum:
                completed[-1]["ChecksumSHA256"] = part.checksum
        with translated_errors("CompleteMultipartUpload", OVER):
            answer = self.copier.complete_multipart_upload(**self._upload(token), MultipartUpload={"Parts": completed})
        if token.in_place:
            self.mark_new(token)
        checksum = answer.get("ChecksumSHA256", "")
        if checksum and checksum != _composite(parts):
            self.delete([token.key])
            raise UploadChanged("the checksum of the whole is not that of the parts")

    def abort(self, token: Token) -> None:
        # One that has been saved where it is, or is being saved, stays.
        if token.in_place and not self.claim(token, REMOVE):
            return
        if token.upload_id:
            self._abort_upload(token)
        if not token.in_place:
            self.delete([token.key])
            return
        with suppress(UploadGone):
            # The claim of an older save may have been cleaned up.
            if self.is_pending(token):
                self._delete_alone(token.key)
        self.delete([self.record_of(token)])

    def _abort_upload(self, token: Token) -> bool:
        """Abort an upload; return whether it was still open."""
        was_open = False
        with suppress(UploadGone):
            for _attempt in range(ABORTS):
                with translated_errors("AbortMultipartUpload", OVER):
                    self.client.abort_multipart_upload(**self._upload(token))
                was_open = True
                if not self.list_parts(token):
                    break
        return was_open

    def _delete_alone(self, key: str) -> None:
        # What names it goes afterwards: it must still be found when this one fails.
        if self._delete([key]):
            raise StoreUnavailable("DeleteObjects")

    # Promoting in place

    def record_of(self, token: Token) -> str:
        return f"{pending_prefix()}{IN_PLACE}{PurePosixPath(token.key).parent.name}"

    def _record(self, token: Token) -> None:
        try:
            self._put_text(self.record_of(token), sign_record(token))
        except StoreUnavailable:
            # Without it, nobody would find the upload.
            with suppress(StoreUnavailable):
                self._abort_upload(token)
            raise

    def _put_text(self, key: str, text: str, **conditions: Any) -> None:
        parameters: Any = {**self._target(key), **self._encryption(key), **conditions}
        with translated_errors("PutObject"):
            self.client.put_object(**parameters, Body=text.encode(), ContentType="text/plain")

    def _get_text(self, key: str) -> tuple[str, timedelta]:
        """Return what one of our own notes says, and its age."""
        with translated_errors("GetObject"):
            try:
                answer, text = self._fetch(key)
            except botocore.exceptions.IncompleteReadError:
                # Removed while it was read, it seems: then this says so.
                answer, text = self._fetch(key)
        return text.decode(errors="replace"), _clock_of(answer) - answer["LastModified"]

    def _fetch(self, key: str) -> tuple[Any, bytes]:
        answer = self.client.get_object(**self._target(key))
        with closing(answer["Body"]) as body:
            return answer, body.read(MAX_LENGTH + 1)

    def claim(self, token: Token, purpose: str) -> bool:
        claim = Claim(token.key, purpose)
        for _attempt in range(CLAIMS):
            try:
                # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
                self._put_text(self._claim_key(token), claim.sign(), IfNoneMatch="*")
            except UploadChanged:
                with suppress(UploadGone):
                    held, _age = self._claim_on(token)
                    return held is not None and claim.is_met_by(held)
            except StoreUnavailable:
                # It may have been made, and the answer lost: then nobody else could make one.
                with suppress(UnusableUpload):
                    held, _age = self._claim_on(token)
                    if held == claim:
                        return True
                raise
            else:
                return True
        raise StoreUnavailable("a claim was neither there nor could be made")

    def unclaim(self, token: Token) -> None:
        self.delete([self._claim_key(token)])

    def _claim_key(self, token: Token) -> str:
        return self.record_of(token) + CLAIM_SUFFIX

    def _claim_on(self, token: Token) -> tuple[Claim | None, timedelta]:
        """
        Return the claim on an upload, and its age; no claim where it was not made by this site.

        :raises UploadGone: when there is none.
        """
        text, age = self._get_text(self._claim_key(token))
        try:
            return Claim.unsign(text), age
        except Forged:
            return None, age

    def _mark_of(self, key: str) -> str | None:
        with translated_errors("GetObjectTagging"):
            tags = self.client.get_object_tagging(**self._target(key)).get("TagSet", [])
        return next((tag["Value"] for tag in tags if tag["Key"] == PENDING["Key"]), None)

    def is_pending(self, token: Token) -> bool:
        mark = self._mark_of(token.key)
        return mark == PENDING["Value"] or (mark is None and self._lacks_mark(token))

    def mark_new(self, token: Token) -> None:
        # Asked before: an answer that comes late must not mark what has been saved meanwhile.
        if self._mark_of(token.key) is None and self._lacks_mark(token):
            self._put_tags(token.key, [PENDING])
            self._unmark_saved(token)

    def _unmark_saved(self, token: Token) -> None:
        # Between question and answer it may have been marked by another request, and saved: who saves claims first, so
        # that either the claim is seen here, or the mark is set before it is taken away.
        with suppress(UploadGone):
            held, _age = self._claim_on(token)
            if held is None or held.purpose == SAVE:
                self._put_tags(token.key, self._tags_of_stored(self._parameters(token)))

    def _parameters(self, token: Token) -> dict[str, Any]:
        parameters: dict[str, Any] = self.storage._get_write_parameters(self.full_key(token.key), token)
        return parameters

    def _lacks_mark(self, token: Token) -> bool:
        # Where an object can't have it from the beginning, one without a mark is just complete; or it was saved, and
        # the site has written it anew since, which made another ETag.
        if self.provider.tags_uploads:
            return False
        stat = self.stat(token.key)
        return stat.size == token.size and stat.etag.endswith(f"-{token.part_count}")

    def keep(self, key: str, parameters: dict[str, Any]) -> None:
        """
        Take the mark from an object: it is saved.

        :param parameters: the storage's write parameters for it, whose ACL and tags it gets.
        :raises UploadGone: when it is not there.
        """
        tags = self._tags_of_stored(parameters)
        if "ACL" in parameters:
            with translated_errors("PutObjectAcl"):
                self.client.put_object_acl(**self._target(key), ACL=parameters["ACL"])
        if tags:
            self._put_tags(key, tags)
            return
        with translated_errors("DeleteObjectTagging"):
            self.client.delete_object_tagging(**self._target(key))

    def _tags_of_stored(self, parameters: dict[str, Any]) -> list[TagTypeDef]:
        tags: list[TagTypeDef] = [{"Key": k, "Value": v} for k, v in parse_qsl(parameters.get("Tagging", ""), True)]
        return tags if self.provider.tags_uploads else [*tags, STORED]

    def _put_tags(self, key: str, tags: list[TagTypeDef]) -> None:
        with translated_errors("PutObjectTagging"):
            self.client.put_object_tagging(**self._target(key), Tagging={"TagSet": tags})

    # Reading

    def stat(self, key: str, head: int = 0) -> Stat:
        return self._stat_with(key, head) if head else self._stat(key)

    def _stat(self, key: str) -> Stat:
        options: Any = {"ChecksumMode": "ENABLED"} if self.takes_checksums else {}
        with translated_errors("HeadObject"):
            answer = self.client.head_object(**self._target(key), **options)
            etag = _etag_of(answer, "HeadObject")
        checksum = answer.get("ChecksumSHA256")
        return Stat(
            answer["ContentLength"],
            etag,
            answer.get("ContentType"),
            f"sha256:{checksum}" if checksum else None,
        )

    def _stat_with(self, key: str, head: int) -> Stat:
        with translated_errors("GetObject"):
            answer = self.client.get_object(**self._target(key), Range=f"bytes=0-{head - 1}")
            with closing(answer["Body"]) as body:
                etag = _etag_of(answer, "GetObject")
                # Who answers with the whole object instead names no range.
                size = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
                return Stat(int(size), etag, answer.get("ContentType"), head=body.read(head))

    def read(self, key: str, etag: str, start: int, size: int) -> bytes:
        with translated_errors("GetObject"):
            answer = self.client.get_object(
                Bucket=self.bucket,
                Key=self.full_key(key),
                Range=f"bytes={start}-{start + size - 1}",
            )
            with closing(answer["Body"]) as body:
                # Compared instead of sent as a condition: stores differ in how they understand If-Match.
                if _etag_of(answer, "GetObject") != etag:
                    raise UploadChanged("read another ETag than was validated")
                return body.read()

    # Saving

    def can_copy_from(self, source: Backend) -> TypeGuard[S3Backend]:
        """Return whether the store can copy from another backend's: same address, same credentials."""
        return isinstance(source, S3Backend) and self._account == source._account

    @property
    def _account(self) -> tuple[str | None, ...]:
        storage = self.storage
        return (
            storage.endpoint_url,
            storage.access_key,
            storage.secret_key,
            storage.security_token,
            storage.session_profile,
        )

    def copy_from(
        self,
        source: S3Backend,
        key: str,
        stat: Stat,
        name: str,
        parameters: dict[str, Any],
        *,
        is_marked: bool = False,
    ) -> None:
        """
        Copy a pending object to its final name, inside the store.

        :param source: the backend that has the pending object.
        :param stat: of the object that was validated; another one is not copied.
        :param name: the final name, below this storage's location.
        :param parameters: the storage's write parameters for it (content type, ACL, …). Nothing that the browser
            could have set on the pending object is kept.
        :param is_marked: whether the pending object has a mark, which its copy must not have.
        :raises UploadGone: when the pending object is not there.
        :raises UploadChanged: when another one is there.
        """
        if is_marked:
            parameters = {"Tagging": "", **parameters}
        pinned: CopySourceTypeDef = source._target(key)
        target = self._target(name)
        with translated_errors("CopyObject"):
            if stat.size > COPY_LIMIT:
                self._copy_in_parts(pinned, stat, target, parameters)
            else:
                self._copy_at_once(source, key, pinned, stat, target, parameters)

    def _copy_at_once(
        self,
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
        answer = self.copier.copy_object(
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
        # Some stores ignore the condition. S3, which does not, gives a copy an ETag of its own where that is no
        # checksum: encrypted with a key of KMS, or sent in parts.
        is_kms = "kms" in answer.get("ServerSideEncryption", "")
        are_checksums = MD5.fullmatch(copied) and MD5.fullmatch(stat.etag) and not is_kms
        if are_checksums or source.stat(key).etag != stat.etag:
            self.client.delete_object(**target)
            raise UploadChanged("copied another ETag than was validated")

    def _copy_in_parts(self, pinned: CopySourceTypeDef, stat: Stat, target: Any, parameters: dict[str, Any]) -> None:
        size = max(COPY_PART_SIZE, -(-stat.size // self.provider.max_count))
        upload: Any = {**target, "UploadId": self.copier.create_multipart_upload(**target, **parameters)["UploadId"]}

        def copy_part(number: int) -> CompletedPartTypeDef:
            start = (number - 1) * size
            answer = self.copier.upload_part_copy(
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
            head = self.client.head_object(**cast("dict[str, Any]", pinned))
            if _etag_of(head, "HeadObject") != stat.etag:
                raise UploadChanged("the source of a copy in parts changed")
            self.copier.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            try:
                self.copier.abort_multipart_upload(**upload)
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
                logger.warning("an unfinished copy in parts was left behind: %s", type(error).__name__)
            raise

    def delete(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        for start in range(0, len(keys), DELETE_LIMIT):
            self._delete(keys[start : start + DELETE_LIMIT])

    def _delete(self, keys: list[str]) -> set[str]:
        """Delete as many objects as one request takes; return the full keys of those that can't be deleted."""
        with translated_errors("DeleteObjects"):
            answer = self.client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": self.full_key(key)} for key in keys], "Quiet": True}
            )
        errors = answer.get("Errors", [])
        for error in errors:
            logger.warning("a pending object could not be deleted: %s", error.get("Code"))
        return {error.get("Key", "") for error in errors}

    # All pending objects

    @property
    def place(self) -> tuple[str, ...] | None:
        return (self.client.meta.endpoint_url, self.bucket, self.full_key(pending_prefix()))

    def list_pending(self) -> Iterator[Page]:
        prefix = pending_prefix()
        for now, contents, done in self._list("list_objects_v2", "Contents", prefix):
            found = [Pending(key, one["Size"], one["LastModified"]) for key, one in contents if is_ours(key)]
            yield Page(now, found, done)

    def list_unfinished(self) -> Iterator[Page]:
        prefix = pending_prefix()
        for now, uploads, done in self._list("list_multipart_uploads", "Uploads", prefix):
            found = [Pending(key, 0, one["Initiated"], one["UploadId"]) for key, one in uploads if is_ours(key)]
            yield Page(now, found, done)

    def _list(
        self, operation: Any, what: str, prefix: str
    ) -> Iterator[tuple[datetime, list[tuple[str, dict[str, Any]]], float]]:
        """
        Give the store's clock, what is directly below a prefix, and which part of the list has been seen.

        :param operation: the name of boto3's method.
        :param what: where its answer has the list.
        :param prefix: below the storage's location.
        """
        start = self.full_key(prefix).rstrip("/") + "/"
        pages = self.client.get_paginator(operation).paginate(
            Bucket=self.bucket, Prefix=start, Delimiter="/", PaginationConfig={"PageSize": LIST_LIMIT}
        )
        answers = iter(pages)

        def next_answer() -> dict[str, Any] | None:
            with translated_errors(operation):
                return next(answers, None)

        following = next_answer()
        while (answer := following) is not None:
            # Asked for before this one is given: not every store goes on after an upload that is there no more.
            following = next_answer()
            # Below the storage's location, as everywhere.
            found = [(prefix + one["Key"].removeprefix(start), one) for one in answer.get(what, ())]
            done = 1.0
            if answer.get("IsTruncated"):
                uuids = [match[0] for key, _one in found[-1:] if (match := UUID.match(key, len(prefix)))]
                done = position(uuids[0]) if uuids else 0.0
            yield _clock_of(answer), found, done

    def list_in_place(self) -> Iterator[Page]:
        prefix = pending_prefix() + IN_PLACE
        for now, contents, done in self._list("list_objects_v2", "Contents", prefix):
            found = [
                Pending(key, one["Size"], one["LastModified"])
                for key, one in contents
                if is_ours(key.removesuffix(CLAIM_SUFFIX), IN_PLACE)
            ]
            yield Page(now, found, done)

    def read_record(self, key: str) -> Token:
        text, _age = self._get_text(key)
        token = unsign_record(text)
        if not token.in_place or self.record_of(token) != key:
            raise Forged
        return token

    def expire(self, token: Token, age: timedelta, *, dry_run: bool = False) -> list[tuple[int, bool]] | None:
        was_claimed = False
        if dry_run or not self.claim(token, REMOVE):
            try:
                held, held_for = self._claim_on(token)
            except UploadGone:
                # In a dry run nobody has claimed it; else whoever had is back at it.
                if not dry_run:
                    return None
            else:
                was_claimed = held is None or held.key != token.key or held.purpose != REMOVE
                if was_claimed and held_for < age:
                    return None
        was_open = self._is_open(token) if dry_run else self._abort_upload(token)
        with suppress(UploadGone):
            # Who claimed it to save it, and died before its mark was gone, refers to it nowhere. Without a mark it may
            # be somebody's.
            if self._mark_of(token.key) == PENDING["Value"] if was_claimed else self.is_pending(token):
                if not dry_run:
                    self._delete_alone(token.key)
                return [(token.size, False)]
        return [(0, True)] if was_open else []

    def _is_open(self, token: Token) -> bool:
        try:
            self.list_parts(token)
        except UploadGone:
            return False
        return True

    def remove(self, pending: Iterable[Pending]) -> tuple[list[Pending], int]:
        removed: list[Pending] = []
        objects: list[Pending] = []
        uploads: list[Pending] = []
        for one in pending:
            (uploads if one.upload_id else objects).append(one)
        for start in range(0, len(objects), DELETE_LIMIT):
            batch = objects[start : start + DELETE_LIMIT]
            refused = self._delete([one.key for one in batch])
            removed += [one for one in batch if self.full_key(one.key) not in refused]
        failed = len(objects) - len(removed)
        if uploads:
            with ThreadPoolExecutor(max_workers=ABORTED_TOGETHER) as pool:
                outcomes = list(pool.map(self._end, uploads))
            removed += [one for one, outcome in zip(uploads, outcomes, strict=True) if outcome]
            failed += outcomes.count(None)
        return removed, failed

    def _end(self, upload: Pending) -> bool | None:
        """Abort an unfinished upload; return whether that was done here, and ``None`` when it can't be done."""
        target: Any = {**self._target(upload.key), "UploadId": upload.upload_id}
        try:
            with translated_errors("AbortMultipartUpload", OVER):
                self.client.abort_multipart_upload(**target)
        except UploadGone:
            return False
        except StoreUnavailable as error:
            if not error.answered:
                raise
            return None
        return True


def _clock_of(answer: Any) -> datetime:
    # Ages are told by one clock alone: the one that the store writes its times by, whatever the server's shows.
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError) as error:
        raise StoreUnavailable("the answer has no date") from error


def _composite(parts: list[Part]) -> str | None:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html, "composite"
    if not all(part.checksum for part in parts):
        return None
    digests = b"".join(b64decode(part.checksum or "") for part in parts)
    return f"{b64encode(hashlib.sha256(digests).digest()).decode()}-{len(parts)}"


def _etag_of(answer: Any, operation: str) -> str:
    # Something on the way may answer with 200 in the store's place: a network that wants a login, a balancer.
    if "ETag" not in answer:
        logger.error("what answered %s is no store: there is no ETag", operation)
        raise StoreUnavailable("no ETag")
    return str(answer["ETag"].strip('"'))


@contextmanager
def translated_errors(operation: str, gone: frozenset[str] = GONE) -> Iterator[None]:
    """
    Raise boto3's errors as ours.

    :param operation: for the log, where the error does not name one. The log gets it and the store's error code, and
        no address, key or signature.
    :param gone: the store's codes for what is not there.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in gone:
            raise UploadGone(code) from error
        if code in CHANGED:
            raise UploadChanged(code) from error
        logger.error("the store refused %s: %s", error.operation_name, code)
        raise StoreUnavailable(code) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.ParamValidationError) as error:
        raise ImproperlyConfigured(f"{operation} can't be sent: {error}") from error
    except (
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.HTTPClientError,
        # botocore follows a redirect to where HeadBucket says, and HeadBucket too.
        RecursionError,
    ) as error:
        logger.error("the store did not answer %s: %s", operation, type(error).__name__)
        raise StoreUnavailable(type(error).__name__, answered=False) from error
