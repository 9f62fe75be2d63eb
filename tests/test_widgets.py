"""What file inputs render, what their policies say, and what a form that comes back still has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib.admin.widgets import AdminFileWidget
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.validators import FileExtensionValidator
from django.db import models
from django.test.utils import isolate_apps
from django.utils.datastructures import MultiValueDict

from s3upload.policy import Policy
from s3upload.validators import FileSizeValidator
from tests.conftest import FilesystemStore, storages_with
from tests.pages import GIB, a_policy, file_input, kept, policy_in, use_unreachable_s3
from tests.testapp.forms import (
    FORMS,
    AcceptForm,
    DocumentFormSet,
    ExplicitInputsForm,
    OptedInForm,
    OptedOutForm,
    OutsideForm,
    PlainForm,
    RecordForm,
    SeveralForm,
    ThirdPartyForm,
)
from tests.testapp.models import Document, OptionalDocument
from tests.wire import Browser

SCRIPT = '<script src="/static/s3upload/s3upload.js" type="module"></script>'
OURS = {"data-s3upload-policy", "data-s3upload-endpoint", "data-s3upload-on"}


@pytest.fixture(autouse=True)
def _filesystem(filesystem_store: FilesystemStore) -> None:
    """The store is a folder unless a test chooses another one."""


def file_fields(form: forms.BaseForm) -> list[str]:
    return [field.html_name for field in form if isinstance(field.field, forms.FileField)]


def is_direct(html: Any, name: str) -> bool:
    """Return whether an input uploads to the store; it has all of our attributes or none of them."""
    found = file_input(html, name).keys() & OURS
    assert found in (set(), OURS)
    return bool(found)


# --- attributes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FORMS.keys() - {"record"}))  # whose storage is in memory
def test_every_file_input_uploads_unless_it_opts_out(name: str) -> None:
    form = FORMS[name]()
    for field in file_fields(form):
        assert is_direct(form, field) is (name != "opted-out")


def test_attributes_can_be_changed_one_by_one_before_they_are_rendered(settings: Any) -> None:
    class Careful(forms.ClearableFileInput):
        def get_context(self, *arguments: Any) -> dict[str, Any]:
            context = super().get_context(*arguments)
            attributes = context["widget"]["attrs"]
            assert attributes.keys() > OURS
            attributes["data-s3upload-on"] = 'sub"mit'
            attributes["data-other"] = "<kept>"
            return context

    settings.S3UPLOAD_ENDPOINT = '/a&b"/'
    attributes = file_input(Careful().render("file", None, {"id": "here"}), "file")
    assert attributes["data-s3upload-on"] == 'sub"mit'
    assert attributes["data-s3upload-endpoint"] == '/a&b"/'
    assert attributes["data-other"] == "<kept>"
    assert attributes["id"] == "here"
    assert Policy.unsign(attributes["data-s3upload-policy"]).field == "file"


def test_attributes_that_are_taken_away_are_not_rendered() -> None:
    class Handmade(forms.ClearableFileInput):
        def get_context(self, *arguments: Any) -> dict[str, Any]:
            context = super().get_context(*arguments)
            del context["widget"]["attrs"]["data-s3upload-on"]
            return context

    assert file_input(Handmade().render("file", None), "file").keys() & OURS == OURS - {"data-s3upload-on"}


def test_script_follows_the_site_s_static_files(settings: Any) -> None:
    form = PlainForm()
    assert SCRIPT in str(form)
    settings.STATIC_URL = "https://static.example/"
    assert '<script src="https://static.example/s3upload/s3upload.js" type="module">' in str(PlainForm())


@pytest.mark.parametrize("name", FORMS)
def test_only_file_inputs_change(name: str, settings: Any) -> None:
    with_us = str(FORMS[name]()).replace(SCRIPT, "")
    settings.S3UPLOAD_REPLACE_WIDGETS = False
    without_us = str(FORMS[name]())
    for field in file_fields(FORMS[name]()):
        attributes = file_input(with_us, field)
        if name != "opted-in":
            assert file_input(without_us, field) == {
                key: value for key, value in attributes.items() if not key.startswith("data-s3upload")
            }
    if name == "opted-out":
        assert with_us == without_us


@pytest.mark.parametrize("name", FORMS)
def test_form_goes_without_javascript_as_well(name: str) -> None:
    form = FORMS[name]()
    assert form.is_multipart()
    assert all(form.fields[field].widget.needs_multipart_form for field in file_fields(form))


def test_attributes_say_where_and_when(settings: Any) -> None:
    settings.S3UPLOAD_ENDPOINT = "/up/"
    settings.S3UPLOAD_UPLOAD_ON = "submit"
    attributes = file_input(PlainForm(), "file")
    assert attributes["data-s3upload-endpoint"] == "/up/"
    assert attributes["data-s3upload-on"] == "submit"
    assert policy_in(PlainForm(), "file") == a_policy()


def test_attributes_of_the_site_stay() -> None:
    form = ExplicitInputsForm()
    assert file_input(form, "clearable")["class"] == "one"
    assert file_input(form, "simple")["class"] == "two"
    assert "multiple" in file_input(SeveralForm(), "files")
    assert file_input(AcceptForm(), "picture")["accept"] == "image/*,.pdf"
    assert "required" in file_input(PlainForm(), "file")


def test_one_input_costs_at_most_400_bytes(settings: Any) -> None:
    name = "a_prefix_of_some_length-12-a_field_with_a_long_name"
    widget = forms.ClearableFileInput(attrs={"accept": "image/*,.pdf"})
    with_us = widget.render(name, None)
    settings.S3UPLOAD_REPLACE_WIDGETS = False
    assert 0 < len(with_us.encode()) - len(widget.render(name, None).encode()) <= 400


def test_widget_can_be_opted_out_by_instance() -> None:
    widget = forms.FileInput()
    widget.s3upload = False
    assert "s3upload" not in widget.render("file", None)
    assert "s3upload" not in str(widget.media)
    assert "s3upload" in forms.FileInput().render("file", None)


def test_opted_out_form_has_nothing_of_ours() -> None:
    assert "s3upload" not in str(OptedOutForm()) + str(OptedOutForm().media)


def test_site_can_opt_in_widget_by_widget(settings: Any) -> None:
    settings.S3UPLOAD_REPLACE_WIDGETS = False
    assert not is_direct(PlainForm(), "file")
    assert SCRIPT not in str(PlainForm().media)
    assert is_direct(OptedInForm(), "file")
    assert SCRIPT in str(OptedInForm().media)


def test_script_stands_once_in_the_media_of_a_form_and_beside_every_input() -> None:
    assert str(ExplicitInputsForm().media).count(SCRIPT) == 1
    assert str(DocumentFormSet(queryset=Document.objects.none()).media).count(SCRIPT) == 1
    assert str(PlainForm()["file"]).count(SCRIPT) == 1


def test_form_without_file_input_loads_no_script() -> None:
    class TextForm(forms.Form):
        title = forms.CharField()

    assert "s3upload" not in str(TextForm()) + str(TextForm().media)


def test_widget_of_another_package_keeps_its_template_and_its_media() -> None:
    form = ThirdPartyForm()
    assert '<span class="fancy"><input type="file"' in str(form)
    assert "testapp/fancy.css" in str(form.media)
    assert str(form.media).count(SCRIPT) == 1


def test_widget_of_the_admin() -> None:
    html = AdminFileWidget().render("file", None)
    assert is_direct(html, "file")
    assert str(AdminFileWidget().media).count(SCRIPT) == 1


def test_widget_that_has_no_form() -> None:
    html = forms.FileInput().render("upload", None, {"id": "x"})
    assert policy_in(html, "upload") == a_policy(field="upload")
    assert file_input(html, "upload")["id"] == "x"


class TwoWidget(forms.MultiWidget):
    def __init__(self) -> None:
        super().__init__([forms.FileInput(), forms.TextInput()])

    def decompress(self, value: Any) -> list[Any]:
        return [None, None]


class TwoField(forms.MultiValueField):
    widget = TwoWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__([forms.FileField(), forms.CharField()], **kwargs)

    def compress(self, values: list[Any]) -> list[Any]:
        return values


class TwoForm(forms.Form):
    both = TwoField()


def test_file_input_in_a_multi_widget() -> None:
    form = TwoForm()
    assert policy_in(form, "both_0").field == "both_0"
    assert form.is_multipart()
    assert str(form.media).count(SCRIPT) == 1


@pytest.mark.django_db
def test_upload_through_a_multi_widget(filesystem_store: FilesystemStore) -> None:
    browser = Browser()
    (upload,) = browser.presign(
        file_input(TwoForm(), "both_0")["data-s3upload-policy"], [{"name": "a.txt", "size": 1, "type": ""}]
    )
    assert browser.send(upload, b"x") == 201
    response = browser.post("/echo/csrf-exempt/", {"both_0-s3upload": upload["token"], "both_1": "t"})
    form = TwoForm(response.wsgi_request.POST, response.wsgi_request.FILES)
    assert form.is_valid()
    assert [form.cleaned_data["both"][0].name, form.cleaned_data["both"][1]] == ["a.txt", "t"]


@pytest.mark.django_db
def test_disabled_field_takes_no_uploads() -> None:
    class Form(forms.Form):
        file = forms.FileField(disabled=True, required=False)

    request = posted(Browser(), a_policy())
    form = Form(request.POST, request.FILES)
    assert "disabled" in file_input(form, "file")
    assert form.is_valid()
    assert form.cleaned_data["file"] is None


# --- storages that take no uploads ---------------------------------------------------------------


def test_storage_in_memory_is_left_alone(settings: Any) -> None:
    settings.STORAGES = storages_with(settings, default={"BACKEND": "django.core.files.storage.InMemoryStorage"})
    assert not is_direct(PlainForm(), "file")
    assert SCRIPT not in str(PlainForm())


@pytest.mark.parametrize("debug", [True, False])
def test_dummy_is_used_where_it_may_serve(settings: Any, debug: bool) -> None:
    settings.S3UPLOAD_DUMMY = None
    settings.DEBUG = debug
    assert is_direct(PlainForm(), "file") is debug


def test_storage_that_cannot_be_imported_is_left_alone(settings: Any) -> None:
    settings.STORAGES = storages_with(settings, default={"BACKEND": "no.such.Storage"})
    assert not is_direct(PlainForm(), "file")


def test_storage_on_s3_takes_uploads_whatever_the_dummy_may(settings: Any) -> None:
    settings.S3UPLOAD_DUMMY = False
    use_unreachable_s3(settings)
    assert is_direct(PlainForm(), "file")


def test_storage_of_a_model_field_is_in_its_policy(settings: Any, tmp_path: Path) -> None:
    assert not is_direct(RecordForm(), "file")  # in memory
    settings.STORAGES = storages_with(
        settings,
        archive={"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}},
    )
    assert policy_in(RecordForm(), "file").storage == "testapp.Record.file"
    assert policy_in(PlainForm(), "file").storage == "default"


SITE = """
import sys
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=["django.contrib.staticfiles", "s3upload"],
    STATIC_URL="/static/",
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "s3upload.middleware.S3UploadMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    STORAGES={
        "default": {"BACKEND": sys.argv[1]},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    },
)
django.setup()
from django import forms
from django.core.handlers.wsgi import WSGIHandler

class Form(forms.Form):
    file = forms.FileField()
    image = forms.ImageField()

WSGIHandler()
html = str(Form()) + str(Form().media)
assert html.count("data-s3upload-policy") == 2, html
print(sorted({name.partition(".")[0] for name in sys.modules} & {"azure", "boto3", "storages", "PIL"}))
"""


@pytest.mark.parametrize(
    "storage",
    [
        "s3upload.storage.S3UploadStorage",
        "storages.backends.s3.S3Storage",
        "s3upload.backends.azure.AzureUploadStorage",
        "storages.backends.azure_storage.AzureStorage",
    ],
)
def test_rendering_imports_neither_boto3_nor_azures_sdk_nor_pillow(storage: str) -> None:
    done = subprocess.run([sys.executable, "-c", SITE, storage], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


# --- policies ------------------------------------------------------------------------------------


def form_with(*validators: Any, **attrs: Any) -> forms.Form:
    class Form(forms.Form):
        file = forms.FileField(validators=validators, widget=forms.FileInput(attrs=attrs))

    return Form()


@isolate_apps("tests.testapp")
def model_form_with(model_validators: list[Any], form_validators: list[Any]) -> forms.ModelForm:
    class Thing(models.Model):
        file = models.FileField(validators=model_validators)

        class Meta:
            app_label = "testapp"

    class Form(forms.ModelForm):
        file = forms.FileField(validators=form_validators)

        class Meta:
            model = Thing
            fields = ["file"]

    return Form()


class OtherSizeValidator:
    """As other packages have one."""

    max_size = 30

    def __call__(self, value: Any) -> None: ...


class OddValidator:
    """Its attribute is something else by the same name."""

    max_size = "10 MB"

    def __call__(self, value: Any) -> None: ...


def test_largest_size_is_that_of_the_site(settings: Any) -> None:
    assert policy_in(form_with(), "file").max_size == 5 * GIB
    settings.S3UPLOAD_MAX_SIZE = 100
    assert policy_in(form_with(), "file").max_size == 100


@pytest.mark.parametrize(
    ("validators", "expected"),
    [
        ([FileSizeValidator(50)], 50),
        ([FileSizeValidator(50), FileSizeValidator(20)], 20),
        ([FileSizeValidator(200)], 100),
        ([OtherSizeValidator()], 30),
        ([OtherSizeValidator(), FileSizeValidator(50)], 30),
        ([OddValidator()], 100),
        ([lambda value: None], 100),
        ([FileSizeValidator(0)], 0),
    ],
)
def test_validator_can_say_less(settings: Any, validators: list[Any], expected: int) -> None:
    settings.S3UPLOAD_MAX_SIZE = 100
    assert policy_in(form_with(*validators), "file").max_size == expected


@pytest.mark.parametrize(
    ("of_model", "of_form", "expected"),
    [
        ([FileSizeValidator(50)], [], 50),
        ([FileSizeValidator(50)], [FileSizeValidator(20)], 20),
        ([FileSizeValidator(20)], [FileSizeValidator(50)], 20),
    ],
)
def test_validators_of_the_model_field_count_as_well(of_model: list[Any], of_form: list[Any], expected: int) -> None:
    assert policy_in(model_form_with(of_model, of_form), "file").max_size == expected


@pytest.mark.parametrize(("size", "expected"), [(10, 10), (10**12, 5 * GIB), (None, 5 * GIB)])
def test_widget_can_say_less(size: int | None, expected: int) -> None:
    class SmallInput(forms.FileInput):
        s3upload_max_size = size

    class Form(forms.Form):
        file = forms.FileField(widget=SmallInput)

    assert policy_in(Form(), "file").max_size == expected


@pytest.mark.parametrize(
    ("validators", "expected"),
    [
        ([], None),
        ([FileExtensionValidator(["PDF", "zip"])], ("pdf", "zip")),
        ([FileExtensionValidator(["pdf", "zip"]), FileExtensionValidator(["zip", "txt"])], ("zip",)),
        ([FileExtensionValidator(["pdf"]), FileExtensionValidator(["zip"])], ()),
        ([FileExtensionValidator()], None),
        ([FileExtensionValidator(), FileExtensionValidator(["pdf"])], ("pdf",)),
    ],
)
def test_extensions_are_those_that_every_validator_allows(
    validators: list[Any], expected: tuple[str, ...] | None
) -> None:
    assert policy_in(form_with(*validators), "file").extensions == expected


def test_extensions_of_model_field_and_form_field_are_intersected() -> None:
    form = model_form_with([FileExtensionValidator(["pdf", "zip"])], [FileExtensionValidator(["zip", "txt"])])
    assert policy_in(form, "file").extensions == ("zip",)


def test_accept_of_the_widget_is_in_the_policy() -> None:
    assert policy_in(form_with(accept="image/*, .pdf"), "file").accept == "image/*, .pdf"
    assert policy_in(FORMS["image"](), "image").accept == "image/*"


@pytest.mark.parametrize("no_accept", [False, ""])
def test_image_field_that_has_no_accept_takes_any_name(no_accept: Any) -> None:
    """``False`` is how a site has an attribute left out; Django's own for images is left out as well then."""

    class Form(forms.Form):
        image = forms.ImageField(widget=forms.FileInput(attrs={"accept": no_accept}))

    assert not file_input(Form(), "image").get("accept")
    assert policy_in(Form(), "image").accept == ""
    (upload,) = Browser().presign(
        file_input(Form(), "image")["data-s3upload-policy"] or "", [{"name": "a", "size": 1, "type": ""}]
    )
    assert "token" in upload


@pytest.mark.parametrize("of_widget", [{}, {"accept": "image/*"}])
def test_accept_that_is_given_where_the_input_is_rendered_is_in_the_policy(of_widget: dict[str, str]) -> None:
    html = form_with(**of_widget)["file"].as_widget(attrs={"accept": ".pdf"})
    assert file_input(html, "file")["accept"] == ".pdf"
    assert policy_in(html, "file").accept == ".pdf"


def test_accept_that_a_form_sets_for_itself_stays_its_own() -> None:
    class Form(forms.Form):
        file = forms.FileField()

        def __init__(self, accept: str) -> None:
            super().__init__()
            self.fields["file"].widget.attrs["accept"] = accept
            self.fields["file"].validators.append(FileSizeValidator(len(accept)))

    first, second = Form(".pdf"), Form(".jpeg")
    assert (policy_in(first, "file").accept, policy_in(first, "file").max_size) == (".pdf", 4)
    assert (policy_in(second, "file").accept, policy_in(second, "file").max_size) == (".jpeg", 5)


def test_prefix_of_a_form_is_in_the_name_of_the_field() -> None:
    assert policy_in(PlainForm(prefix="left"), "left-file").field == "left-file"


def test_rows_of_a_formset_have_one_policy_and_so_has_the_row_to_come() -> None:
    formset = DocumentFormSet(queryset=Document.objects.none())
    names = ["form-0-file", "form-1-file", "form-__prefix__-file"]
    policies = [policy_in(html, name) for html, name in zip([*formset, formset.empty_form], names, strict=True)]
    assert {policy.field for policy in policies} == {"form-#-file"}
    assert len(set(policies)) == 1


# --- the upload is kept when the form comes back -------------------------------------------------


@pytest.fixture
def browser() -> Browser:
    return Browser()


def names(html: Any, field: str) -> list[str | None]:
    return [attributes["data-s3upload-name"] for attributes in kept(html, field)]


@pytest.mark.django_db
def test_upload_is_kept_when_another_field_has_an_error(browser: Browser) -> None:
    token = browser.upload("/forms/document/", "file", 'a "quoted" <b>.txt', b"content")
    page = browser.post("/forms/document/", {"title": "", "file-s3upload": token})
    (attributes,) = kept(page, "file")
    assert attributes == {
        "type": "hidden",
        "name": "file-s3upload",
        "value": token,
        "data-s3upload-name": 'a "quoted" <b>.txt',
        "data-s3upload-size": "7",
    }
    assert browser.submit("/forms/document/", {"title": "t", "file-s3upload": attributes["value"]}).result["saved"]


@pytest.mark.django_db
def test_kept_upload_can_stand_for_a_required_file(browser: Browser) -> None:
    token = browser.upload("/forms/document/", "file", "a.txt", b"x")
    page = browser.post("/forms/document/", {"title": "", "file-s3upload": token})
    assert "required" not in file_input(page, "file")
    assert "data-s3upload-required" in file_input(page, "file")


@pytest.mark.django_db
def test_required_file_that_is_not_there_is_still_required(browser: Browser) -> None:
    page = browser.post("/forms/document/", {"title": "t"})
    assert "required" in file_input(page, "file")
    assert "data-s3upload-required" not in file_input(page, "file")
    assert not kept(page, "file")


@pytest.mark.django_db
def test_optional_file_stays_optional(browser: Browser) -> None:
    token = browser.upload("/forms/optional/", "file", "a.txt", b"x")
    page = browser.post("/forms/optional/", {"title": "", "file-s3upload": token})
    assert names(page, "file") == ["a.txt"]
    assert not {"required", "data-s3upload-required"} & file_input(page, "file").keys()


@pytest.mark.django_db
def test_removed_upload_is_gone(browser: Browser) -> None:
    token = browser.upload("/forms/document/", "file", "a.txt", b"x")
    browser.post("/forms/document/", {"title": "", "file-s3upload": token})
    page = browser.post("/forms/document/", {"title": "t"})
    assert page.context["form"].errors.as_data()["file"][0].code == "required"
    assert not kept(page, "file")


@pytest.mark.django_db
def test_several_uploads_are_kept_in_order(browser: Browser) -> None:
    tokens = [browser.upload("/forms/several/", "files", name, b"x") for name in ("b", "a", "b")]
    page = browser.post("/forms/several/", {"title": "", "files-s3upload": tokens})
    assert [attributes["value"] for attributes in kept(page, "files")] == tokens
    assert names(page, "files") == ["b", "a", "b"]


@pytest.mark.django_db
def test_uploads_of_two_fields_are_kept_at_their_fields(browser: Browser) -> None:
    second = browser.upload("/forms/two/", "second", "second.txt", b"x")
    page = browser.post("/forms/two/", {"second-s3upload": second})
    assert not kept(page, "first")
    assert names(page, "second") == ["second.txt"]


@pytest.mark.django_db
def test_uploads_of_rows_are_kept_at_their_rows(browser: Browser) -> None:
    url = "/documents/formset/"
    tokens = [browser.upload(url, f"form-{row}-file", f"{row}.txt", b"x") for row in (0, 1)]
    form = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0", "form-0-title": "a", "form-1-title": ""}
    page = browser.post(url, {**form, "form-0-file-s3upload": tokens[0], "form-1-file-s3upload": tokens[1]})
    assert names(page, "form-0-file") == ["0.txt"]
    assert names(page, "form-1-file") == ["1.txt"]


@pytest.mark.django_db
def test_upload_is_kept_under_the_prefix(browser: Browser) -> None:
    url = "/forms/plain/?prefix=left"
    token = browser.upload(url, "left-file", "a.txt", b"x")
    page = browser.post(url, {"left-file-s3upload": token})
    assert names(page, "left-file") == ["a.txt"]


@pytest.mark.django_db
def test_kept_upload_belongs_to_the_form_that_its_input_names(browser: Browser) -> None:
    class Form(OutsideForm):
        title = forms.CharField()

    token = browser.upload("/forms/outside/outside/", "file", "a.txt", b"x")
    request = browser.post("/echo/", {"file-s3upload": token}).wsgi_request
    (attributes,) = kept(Form(request.POST, request.FILES), "file")
    assert attributes["form"] == "the-form"


@pytest.mark.django_db
def test_upload_is_kept_by_a_widget_of_another_package(browser: Browser) -> None:
    class Form(ThirdPartyForm):
        title = forms.CharField()

    token = browser.upload("/forms/third-party/", "file", "a.txt", b"x")
    request = browser.post("/echo/", {"file-s3upload": token}).wsgi_request
    assert names(Form(request.POST, request.FILES), "file") == ["a.txt"]


@pytest.mark.django_db
def test_file_that_the_field_rejects_is_not_kept(browser: Browser) -> None:
    token = browser.upload("/forms/image/", "image", "a.png", b"no image")
    page = browser.post("/forms/image/", {"image-s3upload": token})
    assert page.context["form"].errors.as_data()["image"][0].code == "invalid_image"
    assert not kept(page, "image")
    assert "required" in file_input(page, "image")


@pytest.mark.django_db
def test_form_that_was_rendered_before_it_was_validated_keeps_no_rejected_file(browser: Browser) -> None:
    token = browser.upload("/forms/image/", "image", "a.png", b"no image")
    request = browser.post("/echo/", {"image-s3upload": token}).wsgi_request
    assert not kept(FORMS["image"](request.POST, request.FILES), "image")


@pytest.mark.django_db
def test_new_upload_beside_a_stored_file_is_kept(browser: Browser, filesystem_store: FilesystemStore) -> None:
    filesystem_store.put("optional/old.txt", b"old")
    document = OptionalDocument(title="t", file="optional/old.txt")
    token = browser.upload("/forms/optional-document/", "file", "new.txt", b"x")
    request = browser.post("/echo/", {"title": "", "file-s3upload": token}).wsgi_request
    form = FORMS["optional-document"](request.POST, request.FILES, instance=document)
    assert not form.is_valid()
    assert names(form, "file") == ["new.txt"]
    assert "optional/old.txt" in str(form)


@pytest.mark.django_db
def test_file_that_came_with_the_form_is_not_kept(browser: Browser) -> None:
    """It is not in the store: the browser has to send it again, as ever."""
    page = browser.post("/forms/document/", {"title": "", "file": SimpleUploadedFile("a.txt", b"x")})
    assert not kept(page, "file")
    assert "required" in file_input(page, "file")


# --- the policy is checked again when the form is validated --------------------------------------


def posted(browser: Browser, policy: Policy, name: str = "a.txt", body: bytes = b"content") -> Any:
    """Upload under the policy of some page; return the parsed request that posts the token as "file"."""
    (upload,) = browser.presign(policy.sign(), [{"name": name, "size": len(body), "type": ""}])
    assert browser.send(upload, body) == 201
    return browser.post("/echo/csrf-exempt/", {"file-s3upload": upload["token"]}).wsgi_request


def codes(form: forms.BaseForm) -> list[str | None]:
    return [error.code for error in form.errors.as_data().get("file", [])]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("validators", "attrs", "expected"),
    [
        ([FileSizeValidator(6)], {}, ["max_size"]),
        ([OtherSizeValidator()], {}, []),
        ([FileExtensionValidator(["pdf"])], {}, ["type"]),
        ([], {"accept": "image/*"}, ["type"]),
        ([], {"accept": ".pdf"}, ["type"]),
        ([FileSizeValidator(7)], {"accept": "text/*"}, []),
    ],
)
def test_token_of_a_looser_form_is_refused_by_a_stricter_one(
    browser: Browser, validators: list[Any], attrs: dict[str, str], expected: list[str]
) -> None:
    request = posted(browser, a_policy())
    form = type(form_with(*validators, **attrs))(request.POST, request.FILES)
    assert codes(form) == expected
    assert bool(kept(form, "file")) is not bool(expected)


@pytest.mark.django_db
def test_token_of_a_larger_limit_is_refused_when_the_site_lowers_it(browser: Browser, settings: Any) -> None:
    request = posted(browser, a_policy())
    settings.S3UPLOAD_MAX_SIZE = 6
    assert codes(type(form_with())(request.POST, request.FILES)) == ["max_size"]


@pytest.mark.django_db
def test_token_of_another_storage_is_refused(browser: Browser, settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = storages_with(
        settings,
        archive={"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}},
    )
    to_default, to_archive = posted(browser, a_policy()), posted(browser, a_policy(storage="testapp.Record.file"))
    assert codes(RecordForm(to_default.POST, to_default.FILES)) == ["upload_foreign"]
    assert codes(PlainForm(to_archive.POST, to_archive.FILES)) == ["upload_foreign"]
    assert codes(RecordForm(to_archive.POST, to_archive.FILES)) == []


@pytest.mark.django_db
def test_refused_file_of_several_names_the_others_as_kept(browser: Browser) -> None:
    class Form(SeveralForm):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.fields["files"].validators.append(FileSizeValidator(3))

    tokens = [browser.upload("/forms/several/", "files", name, body) for name, body in (("a", b"1"), ("b", b"12345"))]
    request = browser.post("/echo/csrf-exempt/", {"files-s3upload": tokens}).wsgi_request
    form = Form(MultiValueDict({"title": ["t"]}), request.FILES)
    assert form.errors.as_data()["files"][0].code == "max_size"
    assert names(form, "files") == ["a"]


@pytest.mark.django_db
def test_error_of_the_form_as_a_whole_keeps_the_upload(browser: Browser) -> None:
    class Form(forms.Form):
        file = forms.FileField()

        def clean(self) -> None:
            raise ValidationError("something else")

    request = posted(browser, a_policy())
    form = Form(request.POST, request.FILES)
    assert not form.is_valid()
    assert names(form, "file") == ["a.txt"]


class RefusingForm(forms.Form):
    """Its own method has the last word on the file."""

    file = forms.FileField()

    def clean_file(self) -> Any:
        raise ValidationError("not this one")


class RefusingSeveralForm(SeveralForm):
    def clean_files(self) -> Any:
        raise ValidationError("too many of them")


def refuse(value: Any) -> None:
    raise ValidationError("not this one")


@pytest.mark.django_db
@pytest.mark.parametrize("refusing", ["method of the form", "validator of the model"])
def test_file_that_is_refused_after_its_field_took_it_is_not_kept(browser: Browser, refusing: str) -> None:
    form_class = RefusingForm if refusing == "method of the form" else type(model_form_with([refuse], []))
    request = posted(browser, a_policy())
    form = form_class(request.POST, request.FILES)
    assert form.errors.get_json_data()["file"][0]["message"] == "not this one"
    assert not kept(form, "file")
    assert "required" in file_input(form, "file")


@pytest.mark.django_db
def test_error_that_a_form_adds_to_another_field_keeps_the_upload(browser: Browser) -> None:
    class Form(PlainForm):
        def clean(self) -> None:
            self.add_error("title", "taken")

    request = posted(browser, a_policy())
    form = Form({"title": "t"}, request.FILES)
    assert form.errors.keys() == {"title"}
    assert names(form, "file") == ["a.txt"]


@pytest.mark.django_db
def test_several_files_are_kept_when_they_are_refused_together(browser: Browser) -> None:
    """Which one is to go is for the person to say."""
    tokens = [browser.upload("/forms/several/", "files", name, b"x") for name in ("a", "b")]
    request = browser.post("/echo/csrf-exempt/", {"files-s3upload": tokens}).wsgi_request
    form = RefusingSeveralForm({"title": "t"}, request.FILES)
    assert form.errors.keys() == {"files"}
    assert names(form, "files") == ["a", "b"]


@pytest.mark.django_db
def test_upload_is_kept_when_the_stored_file_was_to_be_cleared_too(
    browser: Browser, filesystem_store: FilesystemStore
) -> None:
    filesystem_store.put("optional/old.txt", b"old")
    document = OptionalDocument(title="t", file="optional/old.txt")
    token = browser.upload("/forms/optional-document/", "file", "new.txt", b"x")
    data = {"title": "t", "file-clear": "on", "file-s3upload": token}
    request = browser.post("/echo/csrf-exempt/", data).wsgi_request
    form = FORMS["optional-document"](request.POST, request.FILES, instance=document)
    assert codes(form) == ["contradiction"]
    assert names(form, "file") == ["new.txt"]


@pytest.mark.django_db
def test_form_that_nobody_has_validated_is_not_by_being_rendered(browser: Browser) -> None:
    request = posted(browser, a_policy())
    form = RefusingForm(request.POST, request.FILES)
    # The widget alone; a bound field asks for its errors.
    assert names(form["file"].field.widget.render("file", None), "file") == ["a.txt"]
    assert form._errors is None


# --- installed once ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_app_that_is_made_ready_twice_changes_nothing(browser: Browser) -> None:
    before = {name: vars(forms.FileInput)[name] for name in ("get_context", "render")}
    rendered = str(PlainForm()).count(SCRIPT), len(str(PlainForm()))
    apps.get_app_config("s3upload").ready()
    apps.get_app_config("s3upload").ready()
    assert {name: vars(forms.FileInput)[name] for name in before} == before
    assert (str(PlainForm()).count(SCRIPT), len(str(PlainForm()))) == rendered
    request = posted(browser, a_policy())
    assert codes(PlainForm(request.POST, request.FILES)) == []
