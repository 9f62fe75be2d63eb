"""
The tokens of a request that Django REST framework parses.

It parses bodies itself, of all kinds and for all methods, unless Django has done so before. It has no hook there: so
its ``Request`` and its ``APIView`` get the methods below, which call what they replace.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from django.core.exceptions import TooManyFilesSent
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from rest_framework.exceptions import ParseError
from rest_framework.request import Request, is_form_media_type
from rest_framework.response import Response
from rest_framework.views import APIView

from ..exceptions import TooLarge
from ..middleware import claim, claim_tokens, uploads_of
from ..policy import field_identity
from ..tokens import SUFFIX, SignedText
from .exceptions import view_error

_LAST_INDEXES = re.compile(r"(?:\[\d+\])+$")

# Its private methods are in no stubs.
_Request: Any = Request
_parse = _Request._parse
_handle_exception = APIView.handle_exception


class Parsed:
    """What a parser has made of a body. Its representation shows no tokens."""

    def __init__(self, data: Any, files: Any) -> None:
        self.POST = data
        self.FILES = files

    def _mark_post_parse_error(self) -> None:
        self.POST, self.FILES = QueryDict(), MultiValueDict()


class Posted(NamedTuple):
    """What a JSON body has in place of the files of one field."""

    owner: dict[str, Any]
    name: str
    tokens: list[SignedText]
    is_list: bool


def parse(self: Any) -> tuple[Any, Any]:
    known = _parsed_before(self)
    if known is not None:
        return known.POST, known.FILES
    parsed = Parsed(*_parse(self))
    request = self._request
    try:
        if isinstance(parsed.POST, QueryDict):
            claim(request, parsed, lambda name: field_identity(own_name(name)))
        else:
            claim_json(request, parsed.POST)
    except BaseException as error:
        # As Django REST framework does with a body that it can't parse: to render the error looks at it again.
        parsed._mark_post_parse_error()
        self._data = self._full_data = parsed.POST
        self._files = parsed.FILES
        request._mark_post_parse_error()
        if isinstance(error, TooManyFilesSent):
            raise ParseError(TooLarge.default_message) from None
        raise
    if uploads_of(request) is not None:
        request.s3upload_parsed = parsed
    return parsed.POST, parsed.FILES


def _parsed_before(request: Any) -> Parsed | None:
    # By another view, which has handed the request on, or by Django, for middleware that wanted the form.
    http_request = request._request
    parsed: Parsed | None = getattr(http_request, "s3upload_parsed", None)
    if parsed is not None or uploads_of(http_request) is None:
        return parsed
    is_form = is_form_media_type(request.content_type) and request._supports_form_parsing()
    return Parsed(http_request.POST, http_request.FILES) if is_form else None


def handle_exception(self: APIView, exc: Exception) -> Response:
    return _handle_exception(self, view_error(exc))


def own_name(name: str) -> str:
    """
    Return the field's own name of an input, as Django REST framework names those of nested serializers and lists.

    >>> own_name("documents[0]file"), own_name("author.photo"), own_name("files[3]")
    ('file', 'photo', 'files')
    """
    return re.split(r"[\].]", _LAST_INDEXES.sub("", name))[-1]


def claim_json(request: HttpRequest, data: Any) -> None:
    """
    Turn the tokens of a JSON body into uploaded files, in place, wherever objects have them.

    ``{"file-s3upload": token}`` becomes ``{"file": <uploaded file>}``, and a list of tokens a list of files. What is
    neither becomes the value of the field, which says what is wrong with it.

    :raises Forged: when a token was not signed by this site.
    :raises TooManyFilesSent: when there are more than Django allows in a form.
    """
    posted = _posted(data)
    if not posted:
        return
    claimed = claim_tokens(request, [(field_identity(one.name), one.tokens) for one in posted])
    for (owner, name, _tokens, is_list), files in zip(posted, claimed, strict=True):
        if is_list:
            owner[name] = files
        elif files:
            [owner[name]] = files


def _posted(data: Any) -> list[Posted]:
    found: list[Posted] = []
    # Not by recursion: a body may be nested as deep as it likes.
    unseen = [data]
    while unseen:
        value = unseen.pop()
        if isinstance(value, list):
            unseen += reversed(value)
        elif isinstance(value, dict):
            for entry in [key for key in value if isinstance(key, str) and key.endswith(SUFFIX)]:
                name = entry.removesuffix(SUFFIX)
                tokens = value.pop(entry)
                if isinstance(tokens, str):
                    found.append(Posted(value, name, [SignedText(tokens)], is_list=False))
                elif isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
                    found.append(Posted(value, name, [SignedText(token) for token in tokens], is_list=True))
                elif tokens is not None:
                    value[name] = tokens
            unseen += reversed(value.values())
    return found


METHODS: dict[type, dict[str, Any]] = {
    Request: {"_parse": parse},
    APIView: {"handle_exception": handle_exception},
}
