"""What may be uploaded for a field of a serializer."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.validators import FileExtensionValidator
from rest_framework import serializers

from s3upload.policy import Policy
from s3upload.rest_framework import policy_for, signed_policy
from s3upload.validators import FileSizeValidator
from tests.conftest import FilesystemStore
from tests.testapp.api import (
    AcceptSerializer,
    DocumentSerializer,
    GallerySerializer,
    LimitedSerializer,
    PictureSerializer,
    RecordSerializer,
    SeveralSerializer,
)

GIB = 1024**3


def policy(serializer: Any, name: str) -> Policy:
    return policy_for(serializer().fields[name])


def test_plain_field(settings: Any) -> None:
    settings.S3UPLOAD_MAX_SIZE = 7 * GIB
    assert policy(DocumentSerializer, "file") == Policy("file", "default", 7 * GIB)


def test_validators_are_limits() -> None:
    assert policy(LimitedSerializer, "file") == Policy("file", "default", 1000, extensions=("pdf", "txt"))


def test_style_says_what_an_input_accepts() -> None:
    assert policy(AcceptSerializer, "file").accept == "application/pdf"


def test_image() -> None:
    assert policy(PictureSerializer, "image") == Policy("image", "default", 5 * GIB, "image/*")


def test_storage_of_the_model_field() -> None:
    assert policy(RecordSerializer, "file").storage == "testapp.Record.file"


def test_validators_of_the_model_field_count_for_a_field_that_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Written(serializers.ModelSerializer[Any]):
        upload = serializers.FileField(source="file", validators=[FileSizeValidator(500)])

        class Meta:
            model = RecordSerializer.Meta.model
            fields = ["upload"]

    model_field = RecordSerializer.Meta.model._meta.get_field("file")
    validators = [FileSizeValidator(900), FileExtensionValidator(["zip"])]
    monkeypatch.setitem(vars(model_field), "validators", validators)
    assert policy(Written, "upload") == Policy("upload", "testapp.Record.file", 500, extensions=("zip",))


def test_child_of_a_list_has_the_name_of_the_list() -> None:
    field = SeveralSerializer().fields["files"].child
    assert policy_for(field).field == "files"


def test_nested_field_has_its_own_name(filesystem_store: FilesystemStore) -> None:
    signed = signed_policy(GallerySerializer, "images.image")["policy"]
    assert Policy.unsign(str(signed)).field == "image"


@pytest.mark.parametrize(
    "serializer",
    [DocumentSerializer, DocumentSerializer(), DocumentSerializer(many=True)],
    ids=["class", "one", "many"],
)
def test_signed_policy_of_a_class_and_of_an_instance(serializer: Any, filesystem_store: FilesystemStore) -> None:
    signed = signed_policy(serializer, "file")
    assert signed["endpoint"] == "/__s3upload__/"
    assert Policy.unsign(str(signed["policy"])) == policy(DocumentSerializer, "file")


def test_storage_that_takes_no_uploads_has_no_policy(filesystem_store: FilesystemStore, settings: Any) -> None:
    settings.S3UPLOAD_DUMMY = False
    assert signed_policy(DocumentSerializer, "file") == {"policy": None, "endpoint": "/__s3upload__/"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fil", "DocumentSerializer has no field 'fil'"),
        ("title", "'title' is a CharField, and no file field"),
        ("title.file", "CharField has no field 'file'"),
        ("", "DocumentSerializer has no field ''"),
    ],
)
def test_name_that_is_no_file_field(name: str, message: str) -> None:
    with pytest.raises(LookupError, match=f"^{message}$"):
        signed_policy(DocumentSerializer, name)
