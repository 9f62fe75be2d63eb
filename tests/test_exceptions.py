"""What errors are to Django, what they say, and that they say nothing that is not for the user."""

from __future__ import annotations

import inspect
import pickle

import pytest
from django import forms
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.utils import translation

from s3upload import exceptions
from s3upload.exceptions import (
    Expired,
    Forged,
    InvalidRequest,
    Malformed,
    Refused,
    S3UploadError,
    StoreUnavailable,
    TooLarge,
    UnusableUpload,
    UploadChanged,
    UploadExpired,
    UploadForeign,
    UploadGone,
)

UNUSABLE = [UploadExpired, UploadForeign, UploadGone, UploadChanged, StoreUnavailable]
INVALID = [Malformed, Forged, Expired, TooLarge]


def defined() -> list[type[Exception]]:
    classes = (value for _name, value in inspect.getmembers(exceptions, inspect.isclass))
    return [cls for cls in classes if cls.__module__ == exceptions.__name__]


def test_every_error_has_the_one_base() -> None:
    assert all(issubclass(cls, S3UploadError) for cls in defined())


def test_tree_of_the_module_is_the_tree_of_the_classes() -> None:
    documented = exceptions.__doc__ or ""
    for cls in defined():
        assert f"{cls.__name__} " in documented or f"{cls.__name__}\n" in documented


@pytest.mark.parametrize(("cls", "status"), [(Malformed, 400), (Forged, 403), (Expired, 403), (TooLarge, 413)])
def test_status_of_a_request_that_is_refused_as_a_whole(cls: type[InvalidRequest], status: int) -> None:
    assert cls.status == status


@pytest.mark.parametrize("cls", [Forged, Expired])
def test_django_answers_with_403(cls: type[Exception]) -> None:
    assert issubclass(cls, PermissionDenied)


@pytest.mark.parametrize("cls", [Malformed, TooLarge, *(cls for cls in UNUSABLE if cls is not StoreUnavailable)])
def test_django_answers_with_400_outside_of_a_form(cls: type[Exception]) -> None:
    assert issubclass(cls, BadRequest)


def test_store_that_does_not_answer_is_not_the_fault_of_the_user() -> None:
    assert not issubclass(StoreUnavailable, BadRequest)


@pytest.mark.parametrize("cls", UNUSABLE)
def test_form_shows_an_unusable_upload_on_the_field(cls: type[UnusableUpload]) -> None:
    class Form(forms.Form):
        file = forms.CharField()

        def clean_file(self) -> None:
            raise cls("a detail for the log")

    errors = Form({"file": "x"}).errors.as_data()["file"]
    assert errors[0].code == cls.default_code
    assert errors[0].messages == [str(cls.default_message)]


@pytest.mark.parametrize("cls", UNUSABLE)
def test_detail_is_for_the_log_alone(cls: type[UnusableUpload]) -> None:
    error = cls("secret detail")
    assert error.detail == "secret detail"
    assert "secret" not in str(error)
    assert "secret" not in repr(error)
    assert "secret" not in str(error.message)


@pytest.mark.parametrize("cls", UNUSABLE)
def test_unusable_upload_can_be_pickled(cls: type[UnusableUpload]) -> None:
    copy = pickle.loads(pickle.dumps(cls("detail")))  # noqa: S301
    assert type(copy) is cls
    assert copy.detail == "detail"
    assert copy.messages == cls("detail").messages


def test_codes_tell_unusable_uploads_apart() -> None:
    assert len({cls.default_code for cls in UNUSABLE}) == len(UNUSABLE)


@pytest.mark.parametrize("cls", UNUSABLE + INVALID)
@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_message_is_translated_when_it_is_raised(cls: type[Exception], language: str) -> None:
    english = str(cls())
    with translation.override(language):
        translated = str(cls())
    assert translated
    assert translated != english


def test_message_of_a_request_can_be_given() -> None:
    assert str(Forged("Only for members.")) == "Only for members."


def test_refusal_of_a_file_is_a_validation_error() -> None:
    assert issubclass(Refused, ValidationError)
    assert Refused("too large", code="max_size").code == "max_size"
