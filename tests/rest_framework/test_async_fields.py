"""Async fields in APIs: a token in, where the file is out."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import RequestFactory
from drf_spectacular.validation import validate_schema

from s3upload.async_uploads.models import UploadRecord
from s3upload.rest_framework import AsyncFileField, AsyncImageField, signed_policy
from tests.async_uploads.conftest import BODY, an_image, make_user, only_record
from tests.rest_framework.conftest import Script
from tests.testapp.api import ContractSerializer, FolderSerializer
from tests.testapp.models import Contract

pytestmark = pytest.mark.django_db(transaction=True)

CONTRACTS = "contracts/"


@pytest.fixture
def editor(db: None) -> User:
    return make_user("editor", "add_contract", "change_contract", "view_contract")


@pytest.fixture
def script(request: pytest.FixtureRequest, editor: User) -> Script:
    """The editor's script, on the folder unless the test chooses another store."""
    if "store" not in request.fixturenames:
        request.getfixturevalue("filesystem_store")
    return Script(editor)


@pytest.fixture
def contract(db: None) -> Contract:
    return Contract.objects.create(title="A contract")


def text_for(script: Script, serializer: Any = ContractSerializer, field: str = "text", name: str = "a.txt") -> str:
    return script.upload_for(serializer, name, BODY, field=field, type="text/plain")


def seal_for(script: Script, width: int = 40, height: int = 30) -> str:
    return script.upload_for(ContractSerializer, "a.png", an_image(width, height), field="seal", type="image/png")


def errors(answer: Any, field: str = "text") -> str:
    assert answer.status_code == 400, answer.content
    [error] = answer.json()[field]
    return str(error)


# --- a token in, an object out --------------------------------------------------------------


def test_token_becomes_a_file(store: Any, script: Script) -> None:
    answer = script.send_json(CONTRACTS, {"title": "x", "text": text_for(script), "seal": seal_for(script)})
    assert answer.status_code == 201, answer.content

    contract = Contract.objects.get()
    shown = answer.json()
    url = f"http://testserver{contract.text.url}"
    assert shown["text"] == {"key": "contracts/a.txt", "name": "a.txt", "url": url}
    assert (shown["seal"]["width"], shown["seal"]["height"]) == (40, 30)
    assert store.get("contracts/a.txt") == BODY
    assert set(UploadRecord.objects.values_list("state", flat=True)) == {"stored"}
    assert not store.keys("tmp/")
    assert script.client.get(contract.text.url).status_code == 302


def test_fields_are_mapped() -> None:
    fields = ContractSerializer().fields

    assert type(fields["text"]) is AsyncFileField
    assert type(fields["seal"]) is AsyncImageField
    assert not fields["text"].required


def test_form_with_tokens(store: Any, script: Script) -> None:
    body = f"title=x&text-s3upload={text_for(script)}"
    answer = script.send_form(CONTRACTS, body, "application/x-www-form-urlencoded")

    assert answer.status_code == 201, answer.content
    assert answer.json()["text"]["key"] == "contracts/a.txt"


def test_json_with_the_entry_of_a_form(script: Script) -> None:
    answer = script.send_json(CONTRACTS, {"title": "x", "text-s3upload": text_for(script)})

    assert answer.json()["text"]["key"] == "contracts/a.txt"


def test_ordinary_file(script: Script) -> None:
    answer = script.client.post(
        "/api/contracts/", {"title": "x", "text": ContentFile(BODY, name="a.txt")}, **script.csrf
    )

    assert answer.json()["text"]["key"] == "contracts/a.txt"
    assert not UploadRecord.objects.exists()


def test_no_file(script: Script) -> None:
    answer = script.send_json(CONTRACTS, {"title": "x"})

    assert (answer.json()["text"], answer.json()["seal"]) == (None, None)


def test_nested_serializers(store: Any, script: Script) -> None:
    contracts = [
        {"title": str(n), "text": text_for(script, FolderSerializer, "contracts.text", f"{n}.txt")} for n in range(2)
    ]
    answer = script.send_json("folders/", {"contracts": contracts})

    assert answer.status_code == 201, answer.content
    assert [one["text"]["key"] for one in answer.json()["contracts"]] == ["contracts/0.txt", "contracts/1.txt"]
    assert not store.keys("tmp/")


def test_serializer_without_a_model(script: Script) -> None:
    from tests.testapp.api import AttachSerializer

    answer = script.send_json("attach/", {"text": text_for(script, AttachSerializer)})

    assert answer.json()["text"]["key"] == "contracts/a.txt"
    assert only_record().field == "testapp.contract.text"


# --- changed, kept, taken away --------------------------------------------------------------


def url_of(contract: Contract) -> str:
    return f"contracts/{contract.pk}/"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_file_is_replaced(store: Any, script: Script, contract: Contract, method: str) -> None:
    contract.text.save("old.txt", ContentFile(BODY))
    token = text_for(script, ContractSerializer(contract))
    answer = script.send_json(url_of(contract), {"title": "x", "text": token}, method)

    assert answer.json()["text"]["key"] == "contracts/a.txt"
    assert only_record().instance_id == str(contract.pk)


def test_what_was_answered_can_be_sent_back(script: Script, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    contract.seal.save("a.png", ContentFile(an_image()))
    shown = script.client.get(f"/api/{url_of(contract)}").json()
    answer = script.send_json(url_of(contract), {**shown, "title": "changed"}, "PUT")

    assert answer.status_code == 200, answer.content
    assert answer.json() == {**shown, "title": "changed"}


@pytest.mark.parametrize("nothing", [None, ""])
def test_file_is_taken_away(script: Script, contract: Contract, nothing: Any) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    answer = script.send_json(url_of(contract), {"text": nothing}, "PATCH")

    assert answer.json()["text"] is None
    contract.refresh_from_db()
    assert not contract.text


def test_file_that_is_needed_is_not_taken_away() -> None:
    from tests.testapp.api import NoteSerializer

    for nothing in (None, ""):
        serializer = NoteSerializer(data={"file": nothing}, context={"request": RequestFactory().get("/")})
        assert not serializer.is_valid()
        assert "file" in serializer.errors


def test_token_that_is_sent_twice_finds_its_file(store: Any, script: Script, contract: Contract) -> None:
    token = text_for(script, ContractSerializer(contract))
    for _ in range(2):
        answer = script.send_json(url_of(contract), {"text": token}, "PATCH")
        assert answer.json()["text"]["key"] == "contracts/a.txt", answer.content
    assert store.keys() == ["contracts/a.txt"]


# --- refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["x", "contracts/other.txt", "../settings.py"])
def test_text_that_is_no_token(script: Script, contract: Contract, key: str) -> None:
    assert script.send_json(url_of(contract), {"text": key}, "PATCH").status_code == 403
    contract.refresh_from_db()
    assert not contract.text


@pytest.mark.parametrize("value", [5, True, [], ["x"], {}, {"token": 5}, {"key": 5}, {"name": "x"}, [{"key": "x"}]])
def test_what_is_neither_token_nor_file(script: Script, contract: Contract, value: Any) -> None:
    answer = script.send_json(url_of(contract), {"text": value}, "PATCH")

    assert errors(answer) == "Send the token of an upload, or what was sent for this file before."


@pytest.mark.parametrize("key", ["contracts/b.txt", "tmp/s3upload/abc", ""])
def test_key_of_another_file(script: Script, contract: Contract, key: str) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    answer = script.send_json(url_of(contract), {"text": {"key": key, "name": "a", "url": "b"}}, "PATCH")

    assert errors(answer) == "This is not the file that is there. Send the token of an upload."
    contract.refresh_from_db()
    assert contract.text.name == "contracts/a.txt"


def test_key_where_there_is_no_instance(script: Script, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    answer = script.send_json(CONTRACTS, {"title": "x", "text": {"key": "contracts/a.txt"}})

    assert errors(answer) == "This is not the file that is there. Send the token of an upload."


def test_token_for_another_instance_or_none(script: Script, contract: Contract) -> None:
    other = Contract.objects.create(title="other")

    for token in (text_for(script), text_for(script, ContractSerializer(other))):
        answer = script.send_json(url_of(contract), {"text": token}, "PATCH")
        assert "does not belong" in errors(answer)
    answer = script.send_json(CONTRACTS, {"title": "x", "text": text_for(script, ContractSerializer(contract))})
    assert "does not belong" in errors(answer)
    assert set(UploadRecord.objects.values_list("state", flat=True)) == {"pending"}


def test_token_of_another_field_or_person(script: Script, contract: Contract) -> None:
    answer = script.send_json(CONTRACTS, {"title": "x", "text": seal_for(script)})
    assert "does not belong" in errors(answer)

    other = Script(make_user("other", "add_contract"))
    answer = script.send_json(CONTRACTS, {"title": "x", "text": text_for(other)})
    assert "does not belong" in errors(answer)


def test_one_token_for_two_fields(script: Script) -> None:
    token = text_for(script)
    answer = script.send_json(CONTRACTS, {"title": "x", "text": token, "seal": token})

    assert answer.status_code == 400
    assert not Contract.objects.exists()


@pytest.mark.usefixtures("filesystem_store")
def test_permission_to_upload_is_asked_for() -> None:
    reader = Script(make_user("reader", "view_contract"))
    policy = signed_policy(ContractSerializer, "text")["policy"]
    body = {"policy": policy, "files": [{"name": "a.txt", "size": 5, "type": "text/plain"}]}

    assert reader.call("presign/", body).status_code == 403


def test_field_of_another_type_or_size(script: Script) -> None:
    policy = signed_policy(ContractSerializer, "text")["policy"] or ""
    files = [{"name": "a.exe", "size": 5, "type": ""}, {"name": "a.txt", "size": 31 * 1024**2, "type": "text/plain"}]

    assert all("error" in answer for answer in script.presign(policy, files))


def test_serializer_needs_the_request(filesystem_store: Any) -> None:
    with pytest.raises(RuntimeError, match=r"needs the request, .* context=\{\"request\": request\}"):
        ContractSerializer(data={"title": "x", "text": "token"}).is_valid()


# --- width and height -----------------------------------------------------------------------


@pytest.mark.parametrize("claimed", [{}, {"width": 40, "height": 30}, {"width": 40}, {"width": None}])
def test_dimensions_that_are_right(store: Any, script: Script, claimed: dict[str, Any]) -> None:
    answer = script.send_json(CONTRACTS, {"title": "x", "seal": {"token": seal_for(script), **claimed}})

    assert answer.status_code == 201, answer.content
    assert (answer.json()["seal"]["width"], answer.json()["seal"]["height"]) == (40, 30)


@pytest.mark.parametrize("claimed", [{"width": 41}, {"height": 0}, {"width": "40"}, {"width": 40, "height": 10**9}])
def test_dimensions_that_are_wrong(script: Script, claimed: dict[str, Any]) -> None:
    answer = script.send_json(CONTRACTS, {"title": "x", "seal": {"token": seal_for(script), **claimed}})

    assert errors(answer, "seal") == "The image is 40 by 30 pixels, and not as large as you say."
    assert only_record().state == "pending"


def test_what_is_no_image(store: Any, script: Script) -> None:
    body = b"\x89PNG\r\n\x1a\n" + bytes(100)
    token = script.upload_for(ContractSerializer, "a.png", body, field="seal", type="image/png")

    assert "image" in errors(script.send_json(CONTRACTS, {"title": "x", "seal": token}), "seal")


# --- seen -----------------------------------------------------------------------------------


def test_browsable_api_uploads(script: Script, contract: Contract) -> None:
    contract.text.save("a.txt", ContentFile(BODY))
    page = script.client.get(f"/api/{url_of(contract)}", headers={"accept": "text/html"}).content.decode()

    assert script.policy(page, "text")
    assert 'accept="text/plain,.pdf"' in page
    assert contract.text.url in page


def test_schema_says_what_goes_in_and_out(script: Script) -> None:
    schema = script.client.get("/api/schema/?format=json").json()
    validate_schema(schema)
    contract = schema["components"]["schemas"]["Contract"]["properties"]

    assert "text-s3upload" not in contract
    [token, shown] = contract["text"].get("oneOf") or [None, contract["text"]]
    assert shown["properties"].keys() == {"key", "name", "url"}
    assert token is None or token["type"] == "string"


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_schema_of_requests(script: Script, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    from drf_spectacular.settings import spectacular_settings

    monkeypatch.setattr(spectacular_settings, "COMPONENT_SPLIT_REQUEST", True)
    monkeypatch.setattr(spectacular_settings, "OAS_VERSION", version)
    schema = script.client.get("/api/schema/?format=json").json()
    validate_schema(schema)
    schemas = schema["components"]["schemas"]

    assert schemas["Contract"]["properties"]["seal"]["properties"].keys() == {"key", "name", "url", "width", "height"}
    assert [one["type"] for one in schemas["ContractRequest"]["properties"]["text"]["oneOf"]] == ["string", "object"]
