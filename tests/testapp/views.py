"""
Views as sites have them.

What a form view did is told in a JSON block of the page that it answers with (`#result`): the
names under which files were saved, what the form posted, and how long the request was.
"""

import hashlib
import json
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django import forms as django_forms
from django.core.files.storage import default_storage
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.generic import CreateView, UpdateView

from s3upload.async_uploads.forms import AsyncFileField
from s3upload.rest_framework import signed_policy
from tests.testapp import models
from tests.testapp.api import DocumentSerializer
from tests.testapp.forms import FORMS, DocumentForm, DocumentFormSet, GalleryForm, GalleryFormSet

# The ways a form stands in a page: the template's name.
PAGES = {
    "boost",
    "buttons",
    "clobbered",
    "csp",
    "fetch",
    "filepond",
    "htmx",
    "import-map",
    "inserted",
    "media",
    "no-media",
    "outside",
    "pond",
    "turbo",
    "uppy",
}
STRICT = {"csp", "filepond", "pond", "uppy"}


def index(request):
    return render(request, "testapp/index.html", {"forms": FORMS})


def favicon(request):
    return HttpResponse(status=204)


def form_page(request, form, page="media"):
    """Show and take any of the forms; save its files."""
    if form not in FORMS or page not in PAGES:
        raise Http404
    form_class = FORMS[form]
    prefix = request.GET.get("prefix")
    if request.method == "POST":
        bound = form_class(request.POST, request.FILES, prefix=prefix)
        if bound.is_valid():
            response = saved(request, save(bound), elsewhere=page == "turbo")
        else:
            # Turbo shows a form that came back only when the status says that it has an error.
            status = 422 if page == "turbo" else 200
            response = render(request, template(page, request), {"form": bound}, status=status)
    else:
        response = render(request, template(page, request), {"form": form_class(prefix=prefix)})
    if page in STRICT:
        response["Content-Security-Policy"] = strict_csp()
    return response


def template(page, request):
    # An inserted form and htmx ask for the form alone.
    return f"testapp/{'fragment' if 'fragment' in request.GET else page}.html"


def strict_csp():
    store = getattr(default_storage, "endpoint_url", None) or ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"connect-src 'self' {store}; img-src 'self'; form-action 'self'"
    )


def save(form):
    """Save the form's files, in order, and return their names in the store."""
    if isinstance(form, django_forms.ModelForm):
        instance = form.save()
        files = [getattr(instance, f.name) for f in instance._meta.fields if is_file_field(f)]
        return [file.name for file in files if file]
    names = []
    for value in form.cleaned_data.values():
        for file in value if isinstance(value, list) else [value]:
            if hasattr(file, "chunks"):
                names.append(default_storage.save(f"plain/{file.name}", file))
    return names


def is_file_field(field):
    return isinstance(field, models.models.FileField)


def saved(request, names, *, elsewhere=False):
    result = {"saved": names, **received(request)}
    if elsewhere:
        return redirect(f"/saved/?{urlencode({'result': json.dumps(result)})}")
    return render(request, "testapp/saved.html", {"result": result})


def saved_before(request):
    """The page after a form that redirects, which Turbo demands."""
    return render(request, "testapp/saved.html", {"result": json.loads(request.GET["result"])})


def received(request):
    """Describe the request: fields, files with their digests, and its length in bytes."""
    return {
        "content_length": int(request.META.get("CONTENT_LENGTH") or 0),
        "post": {key: request.POST.getlist(key) for key in request.POST},
        "files": {
            key: [
                {
                    "class": type(file).__name__,
                    "name": file.name,
                    "size": file.size,
                    "content_type": file.content_type,
                }
                for file in request.FILES.getlist(key)
            ]
            for key in request.FILES
        },
    }


def script_page(request):
    """A page without a form, whose script uploads a file and posts JSON."""
    return render(request, "testapp/script.html", {"upload": signed_policy(DocumentSerializer, "file")})


class DocumentCreate(CreateView):
    model = models.Document
    fields = ["title", "file"]
    template_name = "testapp/media.html"

    def form_valid(self, form):
        self.object = form.save()
        return saved(self.request, [self.object.file.name])


class DocumentUpdate(UpdateView):
    model = models.Document
    fields = ["title", "file"]
    template_name = "testapp/media.html"

    def form_valid(self, form):
        self.object = form.save()
        return saved(self.request, [self.object.file.name])


class ContractMixin:
    """Files are saved with the form; what was saved is told."""

    model = models.Contract
    fields = ["title", "text", "seal"]
    template_name = "testapp/media.html"

    def form_valid(self, form):
        self.object = form.save()
        return saved(self.request, [file.name for file in (self.object.text, self.object.seal) if file])


class ContractCreate(ContractMixin, CreateView):
    pass


class ContractUpdate(ContractMixin, UpdateView):
    pass


class NoteMixin(ContractMixin):
    model = models.Note
    fields = ["file"]

    def form_valid(self, form):
        if form.instance.owner_id is None and self.request.user.is_authenticated:
            form.instance.owner = self.request.user
        self.object = form.save()
        return saved(self.request, [self.object.file.name])


class NoteCreate(NoteMixin, CreateView):
    pass


class NoteUpdate(NoteMixin, UpdateView):
    pass


class ParcelMixin(ContractMixin):
    model = models.Parcel
    fields = ["code", "label"]

    def form_valid(self, form):
        self.object = form.save()
        return saved(self.request, [self.object.label.name])


class ParcelCreate(ParcelMixin, CreateView):
    pass


class ParcelUpdate(ParcelMixin, UpdateView):
    def get_object(self):
        return get_object_or_404(models.Parcel, pk=self.request.GET["code"])


class TicketMixin(ContractMixin):
    model = models.Ticket
    fields = ["file"]

    def form_valid(self, form):
        self.object = form.save()
        return saved(self.request, [self.object.file.name])


class TicketCreate(TicketMixin, CreateView):
    pass


class TicketUpdate(TicketMixin, UpdateView):
    pass


class Attaching(django_forms.Form):
    """Several files in one field, for rows that are made of them."""

    files = AsyncFileField(async_field_id="testapp.contract.text", multiple=True)


def attach(request):
    form = Attaching(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        contracts = models.Contract.objects.bulk_create(
            models.Contract(title=file.name, text=file) for file in form.cleaned_data["files"]
        )
        return saved(request, [contract.text.name for contract in contracts])
    return render(request, "testapp/media.html", {"form": form})


async def async_contract(request):
    form_class = django_forms.modelform_factory(models.Contract, fields=["title", "text"])
    form = form_class(request.POST or None, request.FILES or None)
    if request.method == "POST" and await sync_to_async(form.is_valid)():
        contract = await sync_to_async(form.save)()
        return await sync_to_async(saved)(request, [contract.text.name])
    return await sync_to_async(render)(request, "testapp/media.html", {"form": form})


async def async_document(request):
    form = DocumentForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and await sync_to_async(form.is_valid)():
        document = await sync_to_async(form.save)()
        return await sync_to_async(saved)(request, [document.file.name])
    return await sync_to_async(render)(request, "testapp/media.html", {"form": form})


def document_formset(request):
    formset = DocumentFormSet(request.POST or None, request.FILES or None, queryset=models.Document.objects.none())
    if request.method == "POST" and formset.is_valid():
        return saved(request, [document.file.name for document in formset.save()])
    return render(request, "testapp/formset.html", {"formset": formset})


def gallery(request):
    form = GalleryForm(request.POST or None)
    formset = GalleryFormSet(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and formset.is_valid():
        formset.instance = form.save()
        return saved(request, [image.image.name for image in formset.save()])
    return render(request, "testapp/formset.html", {"form": form, "formset": formset})


def echo(request):
    return JsonResponse(received(request))


csrf_exempt_echo = csrf_exempt(echo)


@csrf_exempt
def upload_handlers_echo(request):
    """Set upload handlers, which Django allows only before the body is read."""
    request.upload_handlers = [MemoryFileUploadHandler(request)]
    return csrf_protect(echo)(request)


@csrf_exempt
def json_echo(request):
    return JsonResponse({"json": json.loads(request.body), "files": len(request.FILES)})


@csrf_exempt
def body_echo(request):
    return JsonResponse({"sha256": hashlib.sha256(request.body).hexdigest()})


@csrf_exempt
def stream_echo(request):
    """Read the raw stream, which Django allows only before anything else read it."""
    digest = hashlib.sha256()
    while chunk := request.read(65536):
        digest.update(chunk)
    return JsonResponse({"sha256": digest.hexdigest()})


async def async_echo(request):
    return JsonResponse(await sync_to_async(received)(request))
