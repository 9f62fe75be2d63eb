"""OpenAPI: what a file field takes and answers, as drf-spectacular tells it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema

from s3upload.rest_framework.schema import TOKEN

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[False, True], ids=["together", "split"])
def split(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether requests and answers have schemas of their own."""
    from drf_spectacular.settings import spectacular_settings

    monkeypatch.setattr(spectacular_settings, "COMPONENT_SPLIT_REQUEST", request.param)
    return bool(request.param)


@pytest.fixture
def schemas(split: bool) -> dict[str, Any]:
    schema = Client().get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    validate_schema(schema)
    components: dict[str, Any] = schema["components"]["schemas"]
    return components


def test_request_takes_a_file_or_a_token(schemas: dict[str, Any], split: bool) -> None:
    schema = schemas["DocumentRequest" if split else "Document"]
    assert schema["properties"]["file-s3upload"] == TOKEN
    assert schema["properties"]["file"]["format"] == ("binary" if split else "uri")
    assert schema["required"] == (["title"] if split else ["id", "title"])
    either = [{"anyOf": [{"required": ["file"]}, {"required": ["file-s3upload"]}]}]
    assert schema.get("allOf") == (either if split else None)


def test_answer_has_the_address_alone(schemas: dict[str, Any], split: bool) -> None:
    if split:
        schema = schemas["Document"]
        assert "file-s3upload" not in schema["properties"]
        assert schema["required"] == ["file", "id", "title"]
    assert schemas["Document"]["properties"]["file"] == {"type": "string", "format": "uri"}


def test_list_of_files_is_a_list_of_tokens(schemas: dict[str, Any], split: bool) -> None:
    schema = schemas["SeveralRequest" if split else "Several"]
    entry = schema["properties"]["files-s3upload"]
    assert (entry["type"], entry["items"]["type"], entry["writeOnly"]) == ("array", "string", True)
    assert "required" not in schema


def test_nested_serializer_has_the_entry(schemas: dict[str, Any], split: bool) -> None:
    assert "photo-s3upload" in schemas["PersonRequest" if split else "Person"]["properties"]


def test_change_of_a_part_requires_nothing(schemas: dict[str, Any], split: bool) -> None:
    schema = schemas["PatchedDocumentRequest" if split else "PatchedDocument"]
    assert "file-s3upload" in schema["properties"]
    assert not schema.keys() & {"required", "allOf"}


def test_serializers_without_files_are_left_alone(schemas: dict[str, Any], split: bool) -> None:
    entries = {name: schema for name, schema in schemas.items() if "s3upload" in str(schema)}
    assert "Gallery" not in {name.removesuffix("Request") for name in entries}
