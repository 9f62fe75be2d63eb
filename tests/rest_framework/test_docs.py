"""The page of the documentation says what there is, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.test import override_settings
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from s3upload.policy import Policy
from s3upload.rest_framework import browsable, fields, policy_for, requests
from tests.conftest import FilesystemStore
from tests.rest_framework.conftest import Script
from tests.testapp.models import Document
from tests.urls import urlpatterns

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "rest-framework.rst").read_text(encoding="utf-8")
JAVASCRIPT = (DOCS / "javascript.rst").read_text(encoding="utf-8")
SCRIPT = (DOCS.parent / "js" / "src" / "upload.js").read_text(encoding="utf-8")


def test_every_hook_is_documented_and_no_other() -> None:
    hooks = {
        f"{cls.__name__}.{method}"
        for module in (requests, fields, browsable)
        for cls, methods in module.METHODS.items()
        for method in methods
    }

    assert set(re.findall(r"\* - ``(\w+\.\w+)``", PAGE)) == hooks


def test_every_option_of_upload_is_documented_and_no_other() -> None:
    [table] = re.findall(r":name: upload-options\n(.*?)\n\n\S", JAVASCRIPT, re.DOTALL)

    assert set(re.findall(r"\* - ``(\w+)``", table)) == set(re.findall(r"@property \{.*\} \[?(\w+)", SCRIPT))


@pytest.fixture
def example() -> Any:
    """The module of the example, with the models of the test site."""
    [text] = re.findall(r":name: rest-api\n\n(.*?)\n\S", PAGE, re.DOTALL)
    code = re.sub(r"^   ", "", text, flags=re.MULTILINE).replace("from .models", "from tests.testapp.models")
    module = ModuleType("example")
    exec(compile(code, "example", "exec"), vars(module))  # noqa: S102 (our own text)
    return module


@pytest.mark.django_db
def test_example_takes_uploads(example: Any, filesystem_store: FilesystemStore) -> None:
    router = SimpleRouter()
    router.register("example", example.DocumentViewSet)
    urls = ModuleType("urls")
    vars(urls)["urlpatterns"] = [path("api/", include(router.urls)), *urlpatterns]
    with override_settings(ROOT_URLCONF=urls):
        script = Script()
        options = script.client.get("/api/example/upload_options/").json()
        assert Policy.unsign(options["policy"]) == policy_for(example.DocumentSerializer().fields["file"])
        answers = script.presign(options["policy"], [{"name": name, "size": 7, "type": ""} for name in ("a", "a.pdf")])
        assert ["error" in answer for answer in answers] == [True, False]
        script.send(answers[1], b"%PDF-1.", "a.pdf")
        answer = script.send_json("example/", {"title": "t", "file-s3upload": answers[1]["token"]})
    assert answer.status_code == 201, answer.content
    assert filesystem_store.get(Document.objects.get().file.name) == b"%PDF-1."
