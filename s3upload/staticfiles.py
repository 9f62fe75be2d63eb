"""Static files that keep their names. Nothing of the package imports this module, and it imports nothing of it."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import File


class ExcludingManifestStaticFilesStorage(ManifestStaticFilesStorage):
    """
    Django's ``ManifestStaticFilesStorage``, except for files that match a pattern: they keep their names.

    They are collected, neither renamed nor rewritten, and not in the manifest: the pattern alone says what their
    address is.

    :param exclude_patterns: a list of patterns, such as ``"frontend/build/*"``, as Python's ``fnmatchcase()``
        reads them. They are for the whole path, as ``{% static %}`` has it.
    :raises ImproperlyConfigured: when it is no list of patterns, or one can't match.
    """

    def __init__(self, *args: Any, exclude_patterns: Collection[str] = (), **kwargs: Any) -> None:
        self.exclude_patterns = _checked(exclude_patterns)
        super().__init__(*args, **kwargs)

    def is_excluded(self, name: str) -> bool:
        """Return whether a file keeps its name; a query and a fragment do not count."""
        # Without the steps of a reference such as "../build/a.css", which are no part of the path.
        path = posixpath.normpath(self.clean_name(unquote(urlsplit(name).path).strip()))
        return self._matches(path)

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        """Hash and rewrite all files but those that keep their names."""
        # These are names of files, in which nothing is quoted.
        others = {path: paths[path] for path in paths if not self._matches(self.clean_name(path))}
        yield from super().post_process(others, dry_run=dry_run, **options)

    def hashed_name(self, name: str, content: File[Any] | None = None, filename: str | None = None) -> str:
        """Return the name with its hash, for references in other files too; or the name that is kept."""
        return name if self.is_excluded(name) else super().hashed_name(name, content, filename)

    def stored_name(self, name: str) -> str:
        """Return what stands in the manifest, or the name that is kept, which stands in none."""
        return name if self.is_excluded(name) else super().stored_name(name)

    def _matches(self, path: str) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.exclude_patterns)


def _checked(patterns: object) -> tuple[str, ...]:
    if not isinstance(patterns, list | tuple | set | frozenset):
        raise ImproperlyConfigured(
            f"exclude_patterns of the static files is {patterns!r}. "
            'It should be a list of patterns, such as ["*.pdf"].'
        )
    for pattern in patterns:
        if reason := _why_never(pattern):
            raise ImproperlyConfigured(f"{pattern!r} in exclude_patterns of the static files {reason}.")
    return tuple(patterns)


def _why_never(pattern: object) -> str | None:
    """Return why a pattern would never match a path, or None."""
    if not isinstance(pattern, str):
        return 'is no pattern. It should be a text, such as "*.pdf"'
    if not pattern.strip():
        return 'is empty. It should be a pattern, such as "*.pdf"'
    if pattern != pattern.strip():
        return "has white space around it, which would have to be in the path. Take it away"
    if "\\" in pattern:
        return 'has a "\\". Paths have "/" between their parts, on Windows too'
    if pattern.endswith("/"):
        return f'matches no file. For all files below that folder it should be "{pattern}*"'
    if pattern.startswith("/"):
        return f'matches no file. Paths begin without "/", as in {{% static %}}: "{pattern.lstrip("/")}"'
    if {"", ".", ".."} & set(pattern.split("/")):
        return 'matches no file. Paths have no "//", and no part of them is "." or ".."'
    return None
