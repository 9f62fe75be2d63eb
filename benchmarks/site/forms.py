"""A form with one input for several files, as Django's documentation has it, and one with many inputs."""

from __future__ import annotations

from typing import Any

from django import forms


class SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    widget = SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        clean = super().clean
        return [clean(file, initial) for file in data]


class UploadForm(forms.Form):
    file = FilesField()


def form_of(inputs: int) -> type[forms.Form]:
    """Return a form with so many file inputs."""
    return type("WideForm", (forms.Form,), {f"file{number}": forms.FileField() for number in range(inputs)})
