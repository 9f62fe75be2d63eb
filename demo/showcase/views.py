import ast
import inspect

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import InMemoryUploadedFile, TemporaryUploadedFile
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import filesizeformat
from django.views.decorators.http import require_POST
from django.views.generic import CreateView, FormView

from showcase import forms, models

KINDS = {
    "document": models.Document,
    "picture": models.Picture,
    "albumpicture": models.AlbumPicture,
}

PAGES = {"one", "several", "image", "album"}


class Page:
    """What the pages share: the code of their form, what was saved, how the bytes travelled."""

    code: tuple[str, ...] = ()

    def get_form_kwargs(self):
        return {**super().get_form_kwargs(), "label_suffix": ""}

    def get_context_data(self, **kwargs):
        return super().get_context_data(
            code=source(*self.code),
            saved=all_saved(),
            store=settings.S3_ENDPOINT_URL,
            **kwargs,
        )

    def done(self):
        messages.success(self.request, travelled(self.request))
        return redirect(self.request.path)


class OneFile(Page, CreateView):
    form_class = forms.DocumentForm
    template_name = "showcase/one.html"
    code = ("DocumentForm",)

    def form_valid(self, form):
        form.save()
        return self.done()


class SeveralFiles(Page, FormView):
    form_class = forms.SeveralFilesForm
    template_name = "showcase/several.html"
    code = ("SeveralFilesInput", "SeveralFilesField", "SeveralFilesForm")

    def form_valid(self, form):
        for file in form.cleaned_data["files"]:
            models.Document.objects.create(file=file)
        return self.done()


class Image(Page, CreateView):
    form_class = forms.PictureForm
    template_name = "showcase/image.html"
    code = ("PictureForm",)

    def form_valid(self, form):
        form.save()
        return self.done()

    def get_context_data(self, **kwargs):
        return super().get_context_data(latest=models.Picture.objects.last(), **kwargs)


class Album(Page, CreateView):
    form_class = forms.AlbumForm
    template_name = "showcase/album.html"
    code = ("AlbumForm", "AlbumPictures")

    def get_context_data(self, **kwargs):
        kwargs.setdefault("pictures", self.pictures())
        return super().get_context_data(**kwargs)

    def pictures(self, *data):
        return forms.AlbumPictures(*data, form_kwargs={"label_suffix": ""})

    def form_valid(self, form):
        pictures = self.pictures(self.request.POST, self.request.FILES)
        if not pictures.is_valid():
            return self.render_to_response(self.get_context_data(form=form, pictures=pictures))
        pictures.instance = form.save()
        pictures.save()
        return self.done()

    def form_invalid(self, form):
        pictures = self.pictures(self.request.POST, self.request.FILES)
        return self.render_to_response(self.get_context_data(form=form, pictures=pictures))


@require_POST
def delete(request, kind, pk):
    if kind not in KINDS:
        raise Http404
    item = get_object_or_404(KINDS[kind], pk=pk)
    messages.info(request, f"Deleted {item}.")
    item.file.delete(save=False)
    item.delete()
    page = request.POST.get("page")
    return redirect(page if page in PAGES else "home")


def source(*names):
    """Return the code that defines these names in forms.py."""
    text = inspect.getsource(forms)
    found = {
        getattr(node, "name", None) or node.targets[0].id: ast.get_source_segment(text, node)
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.Assign)
    }
    return "\n\n".join(found[name] for name in names)


def all_saved():
    """Return the files of every kind, the newest first."""
    items = []
    for kind, model in KINDS.items():
        for item in model.objects.order_by("-pk")[:50]:
            item.kind = kind
            items.append(item)
    return sorted(items, key=lambda item: item.saved_at, reverse=True)


def travelled(request):
    """Say how the bytes of a saved form came here."""
    posted = int(request.META.get("CONTENT_LENGTH") or 0)
    files = [file for _, several in request.FILES.lists() for file in several]
    size = sum(file.size for file in files)
    what = "file" if len(files) == 1 else f"{len(files)} files"
    if not files:
        return f"Saved. Form post: {filesizeformat(posted)}."
    if any(isinstance(file, InMemoryUploadedFile | TemporaryUploadedFile) for file in files):
        return f"Saved. Form post: {filesizeformat(posted)}, with the {what} in it."
    return f"Saved. Form post: {filesizeformat(posted)}; {what}: {filesizeformat(size)} went straight to the store."
