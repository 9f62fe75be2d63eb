"""What a download is like: its headers."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import PurePath
from typing import cast

from django.utils.http import content_disposition_header

from ..policy import DEFAULT_TYPE, is_scriptable
from .fields import AsyncFileMixin


def download_headers(field: AsyncFileMixin, name: str) -> dict[str, str]:
    """
    Return the headers that a download is to have: those of the field's ``download_params``; to be saved, unless they
    say otherwise, and always when a browser could run it as a page of the site.

    :param name: of the stored file.
    """
    headers = {"content_disposition": "attachment", **field.download_params.get("parameters", {})}
    type_ = headers.get("content_type") or guess_type("./" + name)[0] or DEFAULT_TYPE
    kind = "attachment" if is_scriptable(type_) else headers["content_disposition"]
    if not kind.lower().startswith("attachment"):
        # The type that was looked at is the one that counts: the store may know another one, of a name before this.
        headers["content_type"] = type_
    if kind in ("attachment", "inline"):
        kind = cast("str", content_disposition_header(kind == "attachment", PurePath(name).name)) or kind
    return {**headers, "content_disposition": kind}
