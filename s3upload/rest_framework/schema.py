"""OpenAPI by drf-spectacular: a file field takes a file or a token, and answers with an address."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import Direction
from rest_framework.fields import ListField

from ..tokens import entry_name
from .async_fields import AsyncFileField, AsyncImageField
from .policies import is_file_field

TOKEN = {
    "type": "string",
    "writeOnly": True,
    "description": "The token of a file that was uploaded straight to the store; takes the place of the file.",
}


class SerializerExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Adds an entry for the token beside each file field."""

    target_class = "rest_framework.serializers.Serializer"
    match_subclasses = True
    # Behind all that a site or a package has for its serializers.
    priority = -1

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        schema: dict[str, Any] = cast("Any", auto_schema)._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        if direction == "response" and spectacular_settings.COMPONENT_SPLIT_REQUEST:
            return schema
        for name, field in self.target.fields.items():
            takes_files = is_file_field(field) and not isinstance(field, AsyncFileField)
            if name in schema.get("properties", {}) and takes_files and not field.read_only:
                _add_token(schema, name, is_list=isinstance(field, ListField))
        return schema


class AsyncFieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """What an async field takes and answers."""

    target_class = AsyncFileField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        names = ["key", "name", "url"]
        properties: dict[str, Any] = {name: {"type": "string"} for name in names}
        properties["url"]["format"] = "uri"
        if isinstance(self.target, AsyncImageField):
            for side in ("width", "height"):
                properties[side] = {"type": ["integer", "null"]} if is_3_1() else {"type": "integer", "nullable": True}
        shown = {"type": "object", "properties": properties, "required": list(properties)}
        if direction == "response":
            return shown
        token = {"type": "string", "description": "The token of an upload."}
        return {"oneOf": [token, {**shown, "description": "What was answered before: the file stays as it is."}]}


def is_3_1() -> bool:
    """Return whether schemas are of OpenAPI 3.1, which has another word for what may be missing."""
    return str(spectacular_settings.OAS_VERSION).startswith("3.1")


def _add_token(schema: dict[str, Any], name: str, *, is_list: bool) -> None:
    entry = entry_name(name)
    token = {"type": "array", "items": TOKEN | {"writeOnly": False}, "writeOnly": True} if is_list else TOKEN
    schema["properties"][entry] = token
    if name not in schema.get("required", []):
        return
    required = [other for other in schema["required"] if other != name]
    if required:
        schema["required"] = required
    else:
        del schema["required"]
    if spectacular_settings.COMPONENT_SPLIT_REQUEST:
        # Where one schema is for requests and answers, an answer has the file alone.
        schema.setdefault("allOf", []).append({"anyOf": [{"required": [name]}, {"required": [entry]}]})
