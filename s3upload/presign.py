"""Policy + chosen file -> presigned request + token."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .backends import backend_named
from .backends.base import Backend
from .exceptions import Forged, Refused, StoreUnavailable
from .policy import ChosenFile, Policy
from .tokens import Token

LARGEST_CHECKSUMMED_PART = 64 * 1024**2
"""Bytes; to tell the checksum of a part, a browser holds it."""

PARALLEL_BEGINS = 16


def presign(
    policy: Policy,
    files: Iterable[ChosenFile],
    owner: str,
    granted: Callable[[list[Token]], object] = lambda tokens: None,
) -> list[dict[str, Any]]:
    """
    Return, for each chosen file in order, a presigned request and its token, or why it is refused.

    Asks nothing of the store, but for the files that are sent in parts: their uploads begin here.

    :param policy: the verified policy of the field.
    :param files: what the browser says of the files.
    :param owner: the identity that the tokens are for (see :mod:`s3upload.owners`).
    :param granted: called with the tokens before anybody has them; what it raises ends the uploads.
    :returns: dicts as the wire has them: ``{"token", "method", "url", "fields"}``, ``{"token", "method", "url",
        "headers"}``, ``{"token", "method", "part_size"}`` or ``{"error"}``.
    :raises Forged: when the policy's storage takes no uploads (any more).
    """
    try:
        backend = backend_named(policy.storage)
    except LookupError as error:
        raise Forged from error
    policy = replace(policy, max_size=min(policy.max_size, backend.limits.largest_file))
    chosen = list(files)
    refusals = [_refusal(policy, file) for file in chosen]
    accepted = [file for file, refusal in zip(chosen, refusals, strict=True) if refusal is None]
    tokens = _begun(backend, [_token_for(backend, policy, file, owner) for file in accepted])
    if tokens:
        try:
            granted(tokens)
        except BaseException:
            _abort(backend, tokens)
            raise
    begun = iter(tokens)
    # No variable holds what is signed: when one of them fails, error reports show variables.
    return [
        _answer(backend, next(begun), file) if refusal is None else refusal
        for file, refusal in zip(chosen, refusals, strict=True)
    ]


def _refusal(policy: Policy, file: ChosenFile) -> dict[str, Any] | None:
    try:
        policy.check(file)
    except Refused as refused:
        return {"error": refused.message}
    return None


def _token_for(backend: Backend, policy: Policy, file: ChosenFile, owner: str) -> Token:
    part_size = backend.part_size_for(file.size)
    in_place = backend.in_place and part_size > 0
    can_check = file.sha256 is not None and backend.takes_checksums
    return Token(
        storage=policy.storage,
        key=backend.new_key(file.name, in_place=in_place),
        name=file.name,
        size=file.size,
        content_type=file.content_type,
        field=policy.field,
        owner=owner,
        part_size=part_size,
        has_checksums=0 < part_size <= LARGEST_CHECKSUMMED_PART and can_check,
        in_place=in_place,
        scope=policy.scope,
    )


def _begun(backend: Backend, tokens: list[Token]) -> list[Token]:
    in_parts = [token for token in tokens if token.part_size]
    if not in_parts:
        return tokens
    with ThreadPoolExecutor(max_workers=min(len(in_parts), PARALLEL_BEGINS)) as pool:
        begins = [pool.submit(backend.begin, token) for token in in_parts]
    failed = next((error for begin in begins if (error := begin.exception()) is not None), None)
    begun = [
        replace(token, upload_id=begin.result())
        for token, begin in zip(in_parts, begins, strict=True)
        if begin.exception() is None
    ]
    if failed is not None:
        _abort(backend, begun)
        raise failed
    rest = iter(begun)
    return [next(rest) if token.part_size else token for token in tokens]


def _abort(backend: Backend, tokens: list[Token]) -> None:
    # Nobody will have these tokens.
    for token in tokens:
        if token.part_size:
            with suppress(StoreUnavailable):
                backend.abort(token)


def _answer(backend: Backend, token: Token, file: ChosenFile) -> dict[str, Any]:
    if not token.part_size:
        return {**backend.presign(token, file.sha256), "token": token.sign()}
    checksum = {"checksum": "SHA-256"} if token.has_checksums else {}
    return {"token": token.sign(), "method": "MULTIPART", "part_size": token.part_size, **checksum}
