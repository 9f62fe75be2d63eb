"""Policy + chosen file -> presigned request + token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .backends import backend_named
from .exceptions import Forged, Refused
from .policy import ChosenFile, Policy
from .tokens import Token


def presign(policy: Policy, files: Iterable[ChosenFile], owner: str) -> list[dict[str, Any]]:
    """
    Return, for each chosen file in order, a presigned request and its token, or why it is refused.

    :param policy: the verified policy of the field.
    :param files: what the browser says of the files.
    :param owner: the identity that the tokens are for (see :mod:`s3upload.owners`).
    :returns: dicts as the wire has them: ``{"token", "method", "url", "fields"}``, ``{"token", "method", "url",
        "headers"}`` or ``{"error"}``.
    :raises Forged: when the policy's storage takes no uploads (any more).
    """
    try:
        backend = backend_named(policy.storage)
    except LookupError as error:
        raise Forged from error
    uploads: list[dict[str, Any]] = []
    for file in files:
        try:
            policy.check(file)
        except Refused as refused:
            uploads.append({"error": refused.message})
            continue
        token = Token(
            storage=policy.storage,
            key=backend.new_key(),
            name=file.name,
            size=file.size,
            content_type=file.content_type,
            field=policy.field,
            owner=owner,
        )
        uploads.append({"token": token.sign(), **backend.presign(token)})
    return uploads
