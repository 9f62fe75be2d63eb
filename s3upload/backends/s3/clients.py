"""How a client of boto3 is made from the options of a storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from botocore.config import Config
from django.core.exceptions import ImproperlyConfigured
from storages.backends.s3 import S3Storage

if TYPE_CHECKING:
    from boto3 import Session
    from mypy_boto3_s3 import S3Client

CONNECTIONS = 16

# A store that hangs must not hold a worker for minutes, as botocore's five attempts of 60 s each do. What the site
# says in the storage's ``client_config`` wins.
DEFAULT_CONFIG = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=CONNECTIONS,
    # Its own name boto3 puts together twice for each request, which is a twentieth of what an upload costs.
    user_agent="django-s3upload-direct",
)

# A store may be silent for as long as it copies.
COPY_CONFIG = DEFAULT_CONFIG.merge(Config(read_timeout=120))

# Whoever presigns a request for SigV2, boto3's choice on a custom endpoint, signs neither size nor type.
SIGNATURE_V4 = Config(signature_version="s3v4")

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")


def make_session(storage: S3Storage) -> Session:
    """
    Return a new session of boto3 with the credentials of a storage.

    :raises ImproperlyConfigured: when there are none.
    """
    session = cast("Session", storage._create_session())
    # Signing without them fails with an AttributeError that helps nobody.
    if session.get_credentials() is None:
        raise ImproperlyConfigured(f"boto3 finds no credentials for {type(storage).__name__}")
    return session


def make_client(
    storage: S3Storage, session: Session, endpoint_url: str | None, defaults: Config = DEFAULT_CONFIG
) -> S3Client:
    """
    Return a new client with the options of a storage.

    :param session: with the credentials.
    :param endpoint_url: the address of the store; ``None`` for that of S3 itself.
    :param defaults: hold where the storage's ``client_config`` says nothing else.
    :raises ImproperlyConfigured: when the options make no sense.
    """

    def make(config: Config) -> S3Client:
        return session.client(
            "s3",
            region_name=storage.region_name,
            use_ssl=storage.use_ssl,
            endpoint_url=endpoint_url,
            verify=storage.verify,
            config=config,
        )

    config = defaults.merge(storage.client_config).merge(SIGNATURE_V4)
    options: Any = getattr(config, "s3", None) or {}
    try:
        client = make(config)
    except ValueError as error:
        raise ImproperlyConfigured(f"boto3 makes no client for {type(storage).__name__}: {error}") from error
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    if host.endswith(AWS_HOSTS) and "." not in str(storage.bucket_name) and not options.get("addressing_style"):
        # boto3's own choice presigns for an address without region, which may answer with a redirect; a browser
        # follows none in a preflight. (A bucket with dots fits no certificate below S3's own name.)
        return make(config.merge(Config(s3=options | {"addressing_style": "virtual"})))
    return client


def account_of(storage: S3Storage) -> tuple[str | None, ...]:
    """Return whom the clients of a storage speak to, and as whom."""
    return (
        storage.endpoint_url,
        storage.access_key,
        storage.secret_key,
        storage.security_token,
        storage.session_profile,
    )
