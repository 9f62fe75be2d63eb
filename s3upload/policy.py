"""What may be uploaded through one field. Pure: knows no request and no store."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import PurePath
from typing import Any, cast

from django.core import signing
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.validators import FileExtensionValidator
from django.http.multipartparser import MultiPartParser
from django.template.defaultfilters import filesizeformat
from django.utils.text import get_valid_filename
from django.utils.translation import gettext as _

from .conf import POLICY_AGE, conf
from .exceptions import Expired, Forged, Refused
from .sniffing import agrees, has_signature, sniffed_type

SALT = "s3upload.policy"

DEFAULT_TYPE = "application/octet-stream"

FALLBACK_NAME = "file"

MAX_LENGTH = 32 * 1024
"""Characters of a signed policy; what a field accepts is a line or two."""

MAX_NAME_LENGTH = 255
"""Bytes that most file systems allow a name."""

SCRIPTABLE_TYPES = frozenset({"application/xml", "text/css", "text/html", "text/xml", "text/xsl"})
"""
Types that a browser may run as a page, script or style of the site: for them the declared type counts for nothing.

So are all that end in ``+xml`` (https://mimesniff.spec.whatwg.org/#scriptable-mime-type), all kinds of JavaScript,
and those in several parts.
"""

UNKNOWN_TYPES = frozenset({"", DEFAULT_TYPE, "application/unknown", "unknown/unknown"})
"""
Types that say nothing. For all but the second, a browser looks for itself what a file is, and finds pages
(https://mimesniff.spec.whatwg.org/#mime-type-sniffing-algorithm).
"""

# RFC 9110, section 8.3.1: type "/" subtype, each a token. Parameters are dropped before.
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")

_FORM_INDEX = re.compile(r"-(?:\d+|__prefix__)(?=-)")


@dataclass(frozen=True, slots=True)
class ChosenFile:
    """
    A file that somebody chose, as the browser describes it.

    :param name: its name, cleaned.
    :param size: bytes.
    :param type: the declared media type; may be empty.
    :param sha256: its SHA-256 in base64; empty when the browser can tell that of each part, ``None`` when it can't.
    :param head: its first bytes, from the store; ``None`` as long as they are not known.
    """

    name: str
    size: int
    type: str
    sha256: str | None = None
    head: bytes | None = None

    @property
    def content_type(self) -> str:
        """
        The media type that the server decides on.

        It is the declared one, unless that could make the file a script, or the file does not begin as files of that
        type do: then it is what the first bytes stand for.
        """
        agreed = self._agreed_type
        return agreed if self._can_be(agreed) else sniffed_type(self.head or b"") or DEFAULT_TYPE

    @property
    def possible_types(self) -> set[str]:
        """The media types under which a policy may accept the file: systems name one kind of file differently."""
        decided = self.content_type
        if is_scriptable(decided):
            return {decided}
        return {type_ for type_ in self._claimed_types if self._can_be(type_)} or {decided}

    @property
    def has_signature(self) -> bool:
        """Whether the first bytes can belie what its name and its declaration say."""
        return any(map(has_signature, self._claimed_types))

    @property
    def _claimed_types(self) -> set[str]:
        return {self._agreed_type, self._guessed_type or self._agreed_type}

    def _can_be(self, type_: str) -> bool:
        return self.head is None or agrees(type_, self.head)

    @property
    def _agreed_type(self) -> str:
        guessed = self._guessed_type
        declared = self._declared_type
        if declared in UNKNOWN_TYPES or is_scriptable(declared) or (guessed and is_scriptable(guessed)):
            return guessed or DEFAULT_TYPE
        return declared

    @property
    def _guessed_type(self) -> str | None:
        # With a folder before it, or a name that begins like a URL is read as one.
        type_, encoding = mimetypes.guess_type("./" + self.name)
        return None if encoding else type_  # of "a.tar.gz" it guesses what is inside

    @property
    def _declared_type(self) -> str:
        return media_type(self.type)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What may be uploaded through one field.

    :param field: the name of the input, without the numbers of a formset (see :func:`field_identity`).
    :param storage: the name of the storage that the files are for (see :mod:`s3upload.backends`).
    :param max_size: the largest file, in bytes.
    :param accept: the input's ``accept`` attribute: media types, ``type/*`` and extensions, by comma; empty for any.
    :param extensions: extensions without dot, lower case, one of which is required; ``None`` for any.
    :param scope: what else the upload is bound to, where somebody keeps an eye on it (see :mod:`s3upload.scopes`).
    """

    field: str
    storage: str
    max_size: int
    accept: str = ""
    extensions: tuple[str, ...] | None = None
    scope: str = ""

    def sign(self) -> str:
        """
        Return the policy as the signed text that goes into the page.

        :raises ImproperlyConfigured: when the endpoint would refuse it for its length.
        """
        signed = signing.dumps(_values_of(self), salt=SALT)
        if len(signed) > MAX_LENGTH:
            raise ImproperlyConfigured(
                f"the policy of the field {self.field[:100]!r} has {len(signed)} characters, more than {MAX_LENGTH}: "
                "give it a shorter accept attribute or fewer extensions"
            )
        return signed

    @classmethod
    def unsign(cls, signed: str) -> Policy:
        """
        Return the policy of a page.

        :raises Forged: when the text was not signed by this site.
        :raises Expired: when it was, more than ``POLICY_AGE`` seconds ago.
        """
        if len(signed) > MAX_LENGTH:
            raise Forged
        try:
            field, storage, max_size, accept, extensions, scope = signing.loads(signed, salt=SALT, max_age=POLICY_AGE)
        except signing.SignatureExpired as error:
            raise Expired from error
        except (signing.BadSignature, ValueError, TypeError):
            # Not "from" it: its message has the signature, and would stand in the log.
            raise Forged from None
        return cls(field, storage, max_size, accept, None if extensions is None else tuple(extensions), scope)

    def check(self, file: ChosenFile) -> None:
        """
        Check a chosen file against the policy.

        :raises Refused: when it is too large or of another type; the message says what is allowed.
        """
        if file.size > self.max_size:
            raise too_large(file.size, self.max_size)
        if not (self._accepts(file) and self._has_extension(file)):
            raise Refused(
                _("Files of this type are not accepted here. Accepted: %(accepted)s.")
                % {"accepted": ", ".join(self._accepted())},
                code="type",
            )

    def _accepts(self, file: ChosenFile) -> bool:
        specifiers = self._specifiers()
        name = file.name.lower()
        return not specifiers or any(
            name.endswith(specifier) if specifier.startswith(".") else _type_matches(specifier, file.possible_types)
            for specifier in specifiers
        )

    def _has_extension(self, file: ChosenFile) -> bool:
        # The extension is what Django's validator takes it for: that of ".pdf" is empty.
        return self.extensions is None or PurePath(file.name).suffix[1:].lower() in self.extensions

    def _specifiers(self) -> list[str]:
        # https://html.spec.whatwg.org/multipage/input.html#attr-input-accept; what is no specifier is ignored
        # there as well.
        specifiers = (specifier.strip().lower() for specifier in self.accept.split(","))
        return [specifier for specifier in specifiers if specifier.startswith(".") or "/" in specifier]

    def _accepted(self) -> list[str]:
        if self.extensions is None:
            return self._specifiers()
        return [f".{extension}" for extension in self.extensions]


def policy_of(
    name: str,
    storage: str,
    validators: Iterable[Any],
    *,
    accept: str = "",
    max_size: int | None = None,
    scope: str = "",
) -> Policy:
    """
    Return the policy of a field.

    :param name: of its input.
    :param storage: the name of the storage that its files are for.
    :param validators: of the field; those that limit sizes or extensions count, and those that have an ``accept``.
    :param accept: the input's ``accept`` attribute; else that of the first validator that has one.
    :param max_size: a further limit, in bytes.
    :param scope: what else its uploads are bound to.
    """
    validators = list(validators)
    sizes = [getattr(validator, "max_size", None) for validator in validators]
    accepted = [getattr(validator, "accept", None) for validator in validators]
    extensions = [
        validator.allowed_extensions
        for validator in validators
        if isinstance(validator, FileExtensionValidator) and validator.allowed_extensions is not None
    ]
    return Policy(
        field=field_identity(name),
        storage=storage,
        max_size=min(size for size in (*sizes, conf.MAX_SIZE, max_size) if isinstance(size, int)),
        accept=accept or next((one for one in accepted if isinstance(one, str)), ""),
        extensions=tuple(sorted(set.intersection(*map(set, extensions)))) if extensions else None,
        scope=scope,
    )


# What astuple() gives, which copies each value.
_values_of = attrgetter(*(field.name for field in fields(Policy)))


def too_large(size: int, max_size: int) -> Refused:
    """Return the refusal of a file that has more bytes than are allowed."""
    return Refused(
        _("The file is too large (%(size)s). At most %(max_size)s are allowed.")
        % {"size": filesizeformat(size), "max_size": filesizeformat(max_size)},
        code="max_size",
    )


def clean_file_name(name: str) -> str:
    """
    Return a file's name as Django cleans it when the file comes with the form.

    A name that Django would make nothing of, and drop the file, becomes ``"file"``. One that is longer than file
    systems allow is shortened before its extension.
    """
    try:
        cleaned = _shortened(MultiPartParser.sanitize_file_name(cast("MultiPartParser", None), name) or FALLBACK_NAME)
        get_valid_filename(cleaned)
    except (SuspiciousFileOperation, ValueError):  # ValueError: of a character reference with thousands of digits
        return FALLBACK_NAME
    return cleaned


def field_identity(name: str) -> str:
    """
    Return the name of a field without the numbers of its formset.

    Formsets renumber their rows when one is added or removed, after the policy was rendered.

    >>> field_identity("images-3-file") == field_identity("images-__prefix__-file")
    True
    """
    return _FORM_INDEX.sub("-#", name)


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_LENGTH:
        return name
    extension = PurePath(name).suffix.encode()
    if len(extension) > MAX_NAME_LENGTH // 2:
        extension = b""
    # There is room for what a storage adds to a name that it has already.
    return (name.encode()[: MAX_NAME_LENGTH - 8 - len(extension)] + extension).decode(errors="ignore")


def media_type(declared: str) -> str:
    """Return a declared media type without its parameters; empty for what is none."""
    type_ = declared.partition(";")[0].strip().lower()
    return type_ if _MEDIA_TYPE.fullmatch(type_) else ""


def is_scriptable(type_: str) -> bool:
    """Return whether a browser may run files of a media type as a page, script or style of the site."""
    return (
        type_ in SCRIPTABLE_TYPES
        or type_.endswith("+xml")
        or type_.startswith("multipart/")
        or ("script" in type_.partition("/")[2] and type_ != "application/postscript")
    )


def _type_matches(specifier: str, types: set[str]) -> bool:
    if specifier == "*/*":
        return True
    if specifier.endswith("/*"):
        return any(type_.startswith(specifier[:-1]) for type_ in types)
    return specifier in types
