"""The views: one form, saved the ordinary way; what has no upload; and what reads an upload."""

from __future__ import annotations

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_exempt

from .forms import UploadForm, form_of

PAGE = """<!doctype html><title>Upload</title>{}
<form method="post" enctype="multipart/form-data">
<input type="hidden" name="csrfmiddlewaretoken" value="{}">{}<button>Save</button></form>"""


def page_of(request: HttpRequest, form: UploadForm) -> HttpResponse:
    return HttpResponse(format_html(PAGE, form.media, get_token(request), form))


def upload(request: HttpRequest) -> HttpResponse:
    """Show the form; save what it brings."""
    if request.method != "POST":
        return page_of(request, UploadForm())
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return HttpResponse(str(form.errors), status=400)
    names = [default_storage.save(f"uploads/{file.name}", file) for file in form.cleaned_data["file"]]
    return HttpResponse("\n".join(names), content_type="text/plain")


def read(request: HttpRequest) -> HttpResponse:
    """Show the form; read what it brings, chunk by chunk, and keep nothing."""
    if request.method != "POST":
        return page_of(request, UploadForm())
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return HttpResponse(str(form.errors), status=400)
    total = sum(len(chunk) for file in form.cleaned_data["file"] for chunk in file.chunks())
    return HttpResponse(str(total), content_type="text/plain")


def wide(request: HttpRequest, inputs: int) -> HttpResponse:
    """Show a form with many inputs."""
    return page_of(request, form_of(inputs)())


@csrf_exempt
def body(request: HttpRequest) -> HttpResponse:
    """Read the body as a stream, as an API does."""
    total = 0
    while chunk := request.read(64 * 1024):
        total += len(chunk)
    return HttpResponse(str(total), content_type="text/plain")


@csrf_exempt
def form_data(request: HttpRequest) -> HttpResponse:
    """Look at the form."""
    return HttpResponse(str(len(request.POST)), content_type="text/plain")
