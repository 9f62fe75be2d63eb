"""Forms as sites have them. Nothing in here knows of s3upload but the opt-outs."""

from django import forms
from django.core.validators import FileExtensionValidator

from tests.testapp import models


class PlainForm(forms.Form):
    title = forms.CharField()
    file = forms.FileField()


class OptionalForm(forms.Form):
    title = forms.CharField()
    file = forms.FileField(required=False)


class ImageForm(forms.Form):
    image = forms.ImageField()


class TwoFilesForm(forms.Form):
    first = forms.FileField()
    second = forms.FileField(required=False)


class DocumentForm(forms.ModelForm):
    class Meta:
        model = models.Document
        fields = ["title", "file"]


class OptionalDocumentForm(forms.ModelForm):
    class Meta:
        model = models.OptionalDocument
        fields = ["title", "file"]


class PictureForm(forms.ModelForm):
    class Meta:
        model = models.Picture
        fields = ["title", "image"]


class RecordForm(forms.ModelForm):
    class Meta:
        model = models.Record
        fields = ["file"]


class ExplicitInputsForm(forms.Form):
    """Django's two widgets, named."""

    clearable = forms.FileField(widget=forms.ClearableFileInput(attrs={"class": "one"}))
    simple = forms.FileField(widget=forms.FileInput(attrs={"class": "two"}))


class FancyFileInput(forms.ClearableFileInput):
    """A widget as another package would write it: a subclass with a template of its own."""

    template_name = "testapp/fancy_file_input.html"

    class Media:
        css = {"all": ["testapp/fancy.css"]}


class ThirdPartyForm(forms.Form):
    file = forms.FileField(widget=FancyFileInput)


class SeveralFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class SeveralFilesField(forms.FileField):
    """Several files in one field, the way Django's documentation shows it."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("widget", SeveralFilesInput())
        super().__init__(*args, **kwargs)

    def clean(self, data, initial=None):
        clean_one = super().clean
        if isinstance(data, (list, tuple)):
            return [clean_one(one, initial) for one in data]
        return [clean_one(data, initial)]


class SeveralForm(forms.Form):
    title = forms.CharField()
    files = SeveralFilesField()


class AcceptForm(forms.Form):
    picture = forms.FileField(required=False, widget=forms.FileInput(attrs={"accept": "image/*,.pdf"}))
    archive = forms.FileField(required=False, validators=[FileExtensionValidator(["zip", "tar.gz"])])


class OptedOutInput(forms.ClearableFileInput):
    s3upload = False


class OptedOutForm(forms.Form):
    file = forms.FileField(widget=OptedOutInput)


class OptedInInput(forms.ClearableFileInput):
    """Of interest where S3UPLOAD_REPLACE_WIDGETS is off."""

    s3upload = True


class OptedInForm(forms.Form):
    file = forms.FileField(widget=OptedInInput)


class OutsideForm(forms.Form):
    """Its inputs stand outside the form element and name it with the form attribute."""

    title = forms.CharField(required=False, max_length=20, widget=forms.TextInput(attrs={"form": "the-form"}))
    file = forms.FileField(widget=forms.ClearableFileInput(attrs={"form": "the-form"}))


FORMS = {
    "plain": PlainForm,
    "optional": OptionalForm,
    "image": ImageForm,
    "two": TwoFilesForm,
    "document": DocumentForm,
    "optional-document": OptionalDocumentForm,
    "picture": PictureForm,
    "record": RecordForm,
    "explicit": ExplicitInputsForm,
    "third-party": ThirdPartyForm,
    "several": SeveralForm,
    "accept": AcceptForm,
    "opted-out": OptedOutForm,
    "opted-in": OptedInForm,
    "outside": OutsideForm,
}

DocumentFormSet = forms.modelformset_factory(models.Document, fields=["title", "file"], extra=2)
GalleryFormSet = forms.inlineformset_factory(models.Gallery, models.GalleryImage, fields=["image", "caption"], extra=2)


class GalleryForm(forms.ModelForm):
    class Meta:
        model = models.Gallery
        fields = ["title"]
