"""The forms of the browsable API upload as Django's forms do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from s3upload.policy import Policy
from tests.conftest import FilesystemStore
from tests.pages import a_policy, file_input, kept, policy_in
from tests.rest_framework.conftest import Script
from tests.rest_framework.test_fields import uploaded
from tests.rest_framework.test_requests import PNG, multipart
from tests.testapp.api import DocumentSerializer, PictureSerializer
from tests.testapp.models import Document

pytestmark = pytest.mark.django_db

HTML = {"HTTP_ACCEPT": "text/html"}


def page(script: Script, path: str) -> str:
    answer = script.client.get(f"/api/{path}", **HTML)
    return str(answer.content.decode())


def post(script: Script, path: str, data: dict[str, Any]) -> Any:
    return script.send_form(path, *multipart(data), **HTML)


def test_input_has_a_policy_and_brings_the_script(script: Script) -> None:
    html = page(script, "documents/")
    assert policy_in(html, "file") == Policy("file", "default", 5 * 1024**3)
    attributes = file_input(html, "file")
    assert (attributes["data-s3upload-endpoint"], attributes["data-s3upload-on"]) == ("/__s3upload__/", "select")
    assert html.count("s3upload/s3upload.js") == 1


def test_other_inputs_are_left_alone(script: Script) -> None:
    html = page(script, "documents/")
    assert html.count("data-s3upload-policy") == 1


def test_form_to_change_an_object_has_a_policy(script: Script) -> None:
    token = script.upload_for(DocumentSerializer, "a")
    created = script.send_json("documents/", {"title": "t", "file-s3upload": token}).json()
    assert policy_in(page(script, f"documents/{created['id']}/"), "file").field == "file"


def test_file_of_a_nested_serializer_can_be_uploaded(script: Script) -> None:
    answer = script.send_form("profiles/", *multipart({"author.photo": "text"}), **HTML)
    html = answer.content.decode()
    policy = file_input(html, "author.photo")["data-s3upload-policy"]
    [upload] = script.presign(str(policy), [{"name": "a", "size": 7, "type": ""}])
    script.send(upload, b"content", "a")
    answer = script.send_form("profiles/", *multipart({"author.photo-s3upload": upload["token"]}))
    assert len(answer.json()["saved"]) == 1


@pytest.mark.parametrize(("setting", "value"), [("S3UPLOAD_REPLACE_WIDGETS", False), ("S3UPLOAD_DUMMY", False)])
def test_input_that_does_not_upload_is_an_ordinary_one(
    script: Script, filesystem_store: FilesystemStore, settings: Any, setting: str, value: bool
) -> None:
    setattr(settings, setting, value)
    html = page(script, "documents/")
    assert "s3upload" not in html
    assert file_input(html, "file")["type"] == "file"


def test_token_of_the_page_is_saved(script: Script, filesystem_store: FilesystemStore) -> None:
    policy = file_input(page(script, "documents/"), "file")["data-s3upload-policy"]
    [upload] = script.presign(str(policy), [{"name": "a", "size": 7, "type": ""}])
    script.send(upload, b"content", "a")
    answer = post(script, "documents/", {"title": "t", "file-s3upload": upload["token"]})
    assert answer.status_code == 201
    assert filesystem_store.get(Document.objects.get().file.name) == b"content"
    assert upload["token"] not in answer.content.decode()


def test_form_that_comes_back_still_has_its_upload(script: Script) -> None:
    token = script.upload_for(DocumentSerializer, "<a>.txt")
    answer = post(script, "documents/", {"title": "", "file-s3upload": token})
    assert answer.status_code == 400
    [hidden] = kept(answer, "file")
    assert (hidden["value"], hidden["data-s3upload-name"], hidden["data-s3upload-size"]) == (token, "<a>.txt", "7")
    assert "<a>.txt" not in answer.content.decode()


def test_upload_that_was_refused_is_not_kept(script: Script) -> None:
    text = uploaded(script, a_policy(field="image"), "a.png", b"text", "image/png")
    answer = post(script, "pictures/", {"title": "", "image-s3upload": text})
    assert answer.status_code == 400
    assert kept(answer, "image") == []
    picture = script.upload_for(PictureSerializer, "a.png", PNG, field="image", type="image/png")
    assert len(kept(post(script, "pictures/", {"title": "", "image-s3upload": picture}), "image")) == 1


def test_script_stands_behind_the_input(script: Script) -> None:
    assert re.search(r'type="file" data-s3upload-endpoint=.*?>.*?</div>\s*<script', page(script, "documents/"), re.S)
