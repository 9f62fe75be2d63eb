"""S3, and the stores that speak it, through the options of a django-storages ``S3Storage``."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeGuard, cast
from urllib.parse import urlsplit

import botocore.exceptions
from botocore.config import Config
from django.core.exceptions import ImproperlyConfigured
from storages.backends.s3 import S3Storage

from ..conf import PRESIGNED_AGE, conf
from ..exceptions import StoreUnavailable, UploadChanged, UploadGone
from ..tokens import Token
from .base import Backend, Stat

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef

logger = logging.getLogger(__name__)

COPY_LIMIT = 5 * 1024**3
"""Bytes that one CopyObject takes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

COPY_PART_SIZE = 512 * 1024**2
"""Bytes of a part when a larger object is copied in parts; 10,000 of them make 5 TB."""

MAX_PARTS = 10_000
DELETE_LIMIT = 1000
CONNECTIONS = 16

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

MD5 = re.compile("[0-9a-f]{32}")

GONE = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
CHANGED = frozenset({"412", "PreconditionFailed", "416", "InvalidRange"})


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

    def full_key(self, name: str) -> str:
        """Return the key in the bucket of a name below the storage's location."""
        return str(self.storage._normalize_name(name))

    # Uploading

    def presign(self, token: Token) -> dict[str, Any]:
        method = getattr(self.storage, "upload_method", None) or conf.METHOD
        parameters = self.storage.get_object_parameters(self.full_key(token.key))
        encryption = {name: parameters[name] for name in ENCRYPTION if name in parameters}
        sign = self._presign_put if method == "PUT" else self._presign_post
        with translated_errors("signing"):
            return sign(token, encryption)

    def _presign_post(self, token: Token, encryption: dict[str, str]) -> dict[str, Any]:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
        fields = {
            "Content-Type": token.content_type,
            "success_action_status": "201",
            **{ENCRYPTION[name]: value for name, value in encryption.items()},
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

    def _presign_put(self, token: Token, encryption: dict[str, str]) -> dict[str, Any]:
        # The length is a signed header, which the browser sends of itself and no script can set.
        url = self.presigner.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self.bucket,
                "Key": self.full_key(token.key),
                "ContentLength": token.size,
                "ContentType": token.content_type,
                **encryption,
            },
            ExpiresIn=PRESIGNED_AGE,
        )
        headers = {
            "Content-Type": token.content_type,
            **{ENCRYPTION[name]: value for name, value in encryption.items()},
        }
        return {"method": "PUT", "url": url, "headers": headers}

    # Reading

    def stat(self, key: str) -> Stat:
        with translated_errors("HeadObject"):
            head = self.client.head_object(Bucket=self.bucket, Key=self.full_key(key))
        return Stat(head["ContentLength"], head["ETag"].strip('"'), head.get("ContentType"))

    def read(self, key: str, etag: str, start: int, size: int) -> bytes:
        with translated_errors("GetObject"):
            answer = self.client.get_object(
                Bucket=self.bucket,
                Key=self.full_key(key),
                Range=f"bytes={start}-{start + size - 1}",
            )
            # Compared instead of sent as a condition: stores differ in how they understand If-Match.
            if answer["ETag"].strip('"') != etag:
                answer["Body"].close()
                raise UploadChanged("read another ETag than was validated")
            return answer["Body"].read()

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

    def copy_from(self, source: S3Backend, key: str, stat: Stat, name: str, parameters: dict[str, Any]) -> None:
        """
        Copy a pending object to its final name, inside the store.

        :param source: the backend that has the pending object.
        :param stat: of the object that was validated; another one is not copied.
        :param name: the final name, below this storage's location.
        :param parameters: the storage's write parameters for it (content type, ACL, …). Nothing that the browser
            could have set on the pending object is kept.
        :raises UploadGone: when the pending object is not there.
        :raises UploadChanged: when another one is there.
        """
        pinned: CopySourceTypeDef = {"Bucket": source.bucket, "Key": source.full_key(key)}
        target: Any = {"Bucket": self.bucket, "Key": self.full_key(name)}
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
            # Only then: some stores know no tags. A presigned POST allows none on the pending object.
            parameters = {"TaggingDirective": "REPLACE", **parameters}
        answer = self.copier.copy_object(
            **target,
            CopySource=pinned,
            CopySourceIfMatch=stat.etag,
            MetadataDirective="REPLACE",
            **parameters,
        )
        copied = answer["CopyObjectResult"].get("ETag", "").strip('"')
        if copied == stat.etag:
            return
        # Some stores ignore the condition. S3, which does not, gives a copy an ETag of its own where that is no
        # checksum: encrypted with a key of KMS, or sent in parts.
        is_kms = "kms" in answer.get("ServerSideEncryption", "")
        are_checksums = MD5.fullmatch(copied) and MD5.fullmatch(stat.etag) and not is_kms
        if are_checksums or source.stat(key).etag != stat.etag:
            self.client.delete_object(**target)
            raise UploadChanged("copied another ETag than was validated")

    def _copy_in_parts(self, pinned: CopySourceTypeDef, stat: Stat, target: Any, parameters: dict[str, Any]) -> None:
        size = max(COPY_PART_SIZE, -(-stat.size // MAX_PARTS))
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
            if head["ETag"].strip('"') != stat.etag:
                raise UploadChanged("the source of a copy in parts changed")
            self.copier.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            try:
                self.copier.abort_multipart_upload(**upload)
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
                logger.warning("an unfinished copy in parts was left behind: %s", type(error).__name__)
            raise

    def delete(self, keys: Iterable[str]) -> None:
        objects = [{"Key": self.full_key(key)} for key in keys]
        for start in range(0, len(objects), DELETE_LIMIT):
            with translated_errors("DeleteObjects"):
                answer = self.client.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": objects[start : start + DELETE_LIMIT], "Quiet": True},  # type: ignore[typeddict-item]
                )
            for error in answer.get("Errors", []):
                logger.warning("a pending object could not be deleted: %s", error.get("Code"))


@contextmanager
def translated_errors(operation: str) -> Iterator[None]:
    """
    Raise boto3's errors as ours.

    :param operation: for the log, where the error does not name one. The log gets it and the store's error code, and
        no address, key or signature.
    """
    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in GONE:
            raise UploadGone(code) from error
        if code in CHANGED:
            raise UploadChanged(code) from error
        logger.error("the store refused %s: %s", error.operation_name, code)
        raise StoreUnavailable(code) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.ParamValidationError) as error:
        raise ImproperlyConfigured(f"{operation} can't be sent: {error}") from error
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.HTTPClientError) as error:
        logger.error("the store did not answer %s: %s", operation, type(error).__name__)
        raise StoreUnavailable(type(error).__name__) from error
