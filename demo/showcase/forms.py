"""Plain Django forms. That is the point of the demo: nothing in here is s3upload's."""

from django import forms

from showcase import models


class DocumentForm(forms.ModelForm):
    class Meta:
        model = models.Document
        fields = ["file"]


class SeveralFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class SeveralFilesField(forms.FileField):
    widget = SeveralFilesInput

    def clean(self, data, initial=None):
        clean = super().clean
        files = data or [None]
        return [clean(file, initial) for file in files]


class SeveralFilesForm(forms.Form):
    files = SeveralFilesField()


class PictureForm(forms.ModelForm):
    class Meta:
        model = models.Picture
        fields = ["file", "caption"]


class AlbumForm(forms.ModelForm):
    class Meta:
        model = models.Album
        fields = ["title"]


AlbumPictures = forms.inlineformset_factory(
    models.Album,
    models.AlbumPicture,
    fields=["file", "caption"],
    extra=2,
    can_delete=False,
)
