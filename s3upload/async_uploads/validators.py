"""The rules of an async field, for files that came the ordinary way, and for the widget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.files.base import File

from ..files import upload_of
from ..policy import ChosenFile, Policy, clean_file_name
from ..reader import FIRST_READ


class FileRules:
    """
    Refuses files that are too large or of another type; as a validator, the core's widget knows it by its attributes.

    :param max_size: bytes; ``None`` for as much as the site allows.
    :param file_restrictions: media types, ``type/*`` and extensions, one of which a file must be of; none for any.
    """

    def __init__(self, max_size: int | None = None, file_restrictions: Sequence[str] = ()) -> None:
        self.max_size = max_size
        self.accept = ",".join(map(_specifier, file_restrictions))

    def __call__(self, value: Any) -> None:
        """
        :raises Refused: when the file is not allowed; a ``ValidationError``.
        """
        if getattr(value, "_committed", False):
            return  # saved before, maybe under other rules
        file = value.file if upload_of(value) is None and hasattr(value, "_committed") else value
        upload = upload_of(file)
        chosen = upload.chosen if upload is not None else _chosen(file)
        Policy("", "", chosen.size if self.max_size is None else self.max_size, self.accept).check(chosen)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileRules) and (self.max_size, self.accept) == (other.max_size, other.accept)

    def __hash__(self) -> int:
        return hash((self.max_size, self.accept))


def _specifier(restriction: str) -> str:
    # "docx" is an extension without its dot.
    return restriction if "/" in restriction or restriction.startswith(".") else f".{restriction}"


def _chosen(file: File[Any]) -> ChosenFile:
    position = file.tell()
    file.seek(0)
    head = file.read(FIRST_READ)
    file.seek(position)
    if isinstance(head, str):
        head = head.encode()
    return ChosenFile(
        clean_file_name(file.name or ""), file.size, getattr(file, "content_type", None) or "", head=head
    )
