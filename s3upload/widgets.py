"""
What file inputs render, and how their fields come back with the upload when the form has an error.

Django has no hook for any of this, and forms are made before apps are ready: so the methods below are given to
Django's own ``FileInput``, ``FileField`` and ``ImageField``, once, when the app is ready. Each calls what it replaces,
and does nothing more for a widget that is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.forms import BaseForm, BoundField, FileField, FileInput, ImageField
from django.forms.widgets import Media, Script
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

from .backends import DEFAULT, storage_name, takes_uploads
from .conf import conf
from .exceptions import StoreUnavailable, UploadForeign
from .files import DirectUploadedFile
from .images import image_to_python
from .policy import Policy, policy_of
from .tokens import entry_name

CURABLE = frozenset({"contradiction", StoreUnavailable.default_code})
"""Codes of errors on a field whose file may be posted again."""

SCRIPT = Script("s3upload/s3upload.js", type="module")

ENDPOINT = "data-s3upload-endpoint"
ON = "data-s3upload-on"
POLICY = "data-s3upload-policy"
ATTRIBUTES = {ENDPOINT, ON, POLICY}


def install(methods: Mapping[type, Mapping[str, Any]] | None = None) -> None:
    """
    Give classes methods of ours; again makes no difference.

    :param methods: by class and name; those of this module for Django's classes when left out.
    """
    for cls, named in (METHODS if methods is None else methods).items():
        for name, method in named.items():
            setattr(cls, name, method)


def replaces(widget: FileInput) -> bool:
    """
    Return whether files chosen in a widget are to go straight to the store.

    Its attribute ``s3upload`` (``True`` or ``False``) says so; else the setting ``S3UPLOAD_REPLACE_WIDGETS``.
    """
    choice = getattr(widget, "s3upload", None)
    return bool(conf.REPLACE_WIDGETS if choice is None else choice)


def policy_for(widget: FileInput, name: str, accept: object = None) -> Policy:
    """
    Return what may be uploaded through a widget.

    :param name: of the input.
    :param accept: the input's ``accept`` attribute where it is rendered; else that of the widget.
    """
    bound_field: BoundField | None = getattr(widget, "s3upload_bound_field", None)
    model_field = model_field_of(bound_field) if bound_field is not None else None
    instance = getattr(bound_field.form, "instance", None) if bound_field is not None else None
    return make_policy(
        name,
        model_field,
        instance,
        validators=bound_field.field.validators if bound_field is not None else (),
        accept=str(accept or widget.attrs.get("accept") or ""),
        max_size=getattr(widget, "s3upload_max_size", None),
    )


def make_policy(
    name: str,
    model_field: models.FileField | None = None,
    instance: models.Model | None = None,
    *,
    validators: Iterable[Any] = (),
    accept: str = "",
    max_size: int | None = None,
) -> Policy:
    """
    Return what may be uploaded under a name.

    :param model_field: that the files are for, whose storage, scope and validators count.
    :param instance: whose field that is.
    :param validators: further ones.
    :param accept: as in the attribute of an input.
    :param max_size: a further limit, in bytes.
    """
    if model_field is None:
        return policy_of(name, DEFAULT, validators, accept=accept, max_size=max_size)
    return policy_of(
        name,
        storage_name(model_field),
        [*validators, *model_field.validators],
        accept=accept,
        max_size=max_size,
        scope=scope_of(model_field, instance),
    )


def scope_of(field: models.FileField, instance: models.Model | None) -> str:
    """Return the scope of a model field's uploads, where it says one (see :mod:`s3upload.scopes`)."""
    say: Callable[[models.Model | None], str] | None = getattr(field, "s3upload_scope", None)
    return say(instance) if say is not None else ""


def kept_uploads(widget: FileInput) -> list[DirectUploadedFile]:
    """Return the uploads that a form which comes back with an error still has."""
    bound_field: BoundField | None = getattr(widget, "s3upload_bound_field", None)
    if bound_field is None or not bound_field.form.is_bound or _is_refused(bound_field):
        return []
    return [upload for upload in posted_uploads(bound_field) if upload.is_kept]


def _is_refused(bound_field: BoundField) -> bool:
    if bound_field.field.widget.allow_multiple_selected:
        return False  # each of the files knows it itself
    # To look at errors must not validate a form that nobody has asked to be valid.
    was_validated = getattr(bound_field.form, "_errors", None) is not None
    return was_validated and any(error.code not in CURABLE for error in bound_field.errors.as_data())


def script_of(widget: FileInput) -> SafeString:
    """Return the element of the script, for pages that leave out the form's media; made once for all of a form."""
    bound_field: BoundField | None = getattr(widget, "s3upload_bound_field", None)
    known = {} if bound_field is None else vars(bound_field.form)
    if "_s3upload_script" not in known:
        known["_s3upload_script"] = script()
    return cast("SafeString", known["_s3upload_script"])


def script() -> SafeString:
    """Return the element of the script."""
    return _script_at(SCRIPT.path)


@lru_cache(maxsize=16)
def _script_at(path: str) -> SafeString:
    return SCRIPT.__html__()


def posted_uploads(bound_field: BoundField) -> list[DirectUploadedFile]:
    """Return the uploads that were posted for a field."""
    files = bound_field.form.files
    name = bound_field.html_name
    posted = files.getlist(name) if hasattr(files, "getlist") else [files.get(name)]
    return [file for file in posted if isinstance(file, DirectUploadedFile)]


def attributes_of(policy: Policy) -> dict[str, str]:
    """Return the attributes by which the script knows an input."""
    accept = {"accept": policy.accept} if policy.accept else {}
    return {**accept, ENDPOINT: conf.endpoint_url, ON: conf.UPLOAD_ON, POLICY: policy.sign()}


def kept_inputs(name: str, uploads: Iterable[DirectUploadedFile], form: str | None = None) -> SafeString:
    """
    Return the hidden inputs that post uploads once more.

    :param name: of the file input.
    :param form: the id of the form that they post with, where they stand outside.
    """
    return format_html_join(
        "",
        '<input type="hidden" name="{}" value="{}" data-s3upload-name="{}" data-s3upload-size="{}"{}>',
        (
            (
                entry_name(name),
                upload.signed_token,
                upload.name,
                upload.token.size,
                format_html(' form="{}"', form) if form else "",
            )
            for upload in uploads
        ),
    )


# Methods of FileInput. Its own ones do nothing but what they inherit.


def get_context(self: FileInput, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
    context: dict[str, Any] = super(FileInput, self).get_context(name, value, attrs)
    if not replaces(self):
        return context
    rendered = context["widget"]["attrs"]
    policy = policy_for(self, name, rendered.get("accept"))
    if takes_uploads(policy.storage):
        rendered.update(attributes_of(policy))
        if kept_uploads(self) and rendered.pop("required", False):
            rendered["data-s3upload-required"] = True
    return context


def render(
    self: FileInput, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
) -> SafeString:
    context = self.get_context(name, value, attrs)
    context["widget"]["attrs"] = _in_one(context["widget"]["attrs"])
    html: SafeString = self._render(self.template_name, context, renderer)  # type: ignore[attr-defined]
    if POLICY not in html:
        # What came by way of the site's own server can be posted again.
        return html + _kept(self, name, attrs, [one for one in kept_uploads(self) if one.goes_anywhere])
    # Before the tokens: it fails where "collectstatic" was not run, and error reports show variables.
    element = script_of(self)
    return html + _kept(self, name, attrs, kept_uploads(self)) + element


def _kept(widget: FileInput, name: str, attrs: dict[str, Any] | None, uploads: list[DirectUploadedFile]) -> SafeString:
    return kept_inputs(name, uploads, {**widget.attrs, **(attrs or {})}.get("form")) if uploads else SafeString("")


def _in_one(attributes: dict[str, Any]) -> dict[str, Any]:
    # For the template, whose loop makes each further attribute as dear as a signature. Whoever asks for the context
    # has them one by one.
    if not attributes.keys() >= ATTRIBUTES:
        return attributes
    others = {name: value for name, value in attributes.items() if name not in ATTRIBUTES}
    start = f'{ENDPOINT}="{escape(attributes[ENDPOINT])}" {ON}="{escape(attributes[ON])}" {POLICY}'
    # Escaped above.
    return {**others, SafeString(start): attributes[POLICY]}  # nosec B703


def media(self: FileInput) -> Media:
    inherited: Media = super(FileInput, self).media
    return inherited + Media(js=cast("Any", [SCRIPT])) if replaces(self) else inherited


# Methods of FileField. Called are the ones that Django defines.

_clean = FileField.clean


def get_bound_field(self: FileField, form: BaseForm, field_name: str) -> BoundField:
    bound_field = super(FileField, self).get_bound_field(form, field_name)
    if isinstance(self.widget, FileInput):
        # The widget is this form's own copy; neither it nor Django's render() knows the form otherwise.
        self.widget.s3upload_bound_field = bound_field  # type: ignore[attr-defined]
    return bound_field


def clean(self: FileField, data: Any, initial: Any = None) -> Any:
    if not isinstance(data, DirectUploadedFile):
        return _clean(self, data, initial)
    try:
        bound_field: BoundField | None = getattr(self.widget, "s3upload_bound_field", None)
        policy = policy_for(self.widget, bound_field.html_name) if bound_field is not None else None
        if policy is not None:
            check_upload(data, policy)
        cleaned = _clean(self, data, initial)
        if policy is not None:
            # Once more: its first bytes are known now. An ImageField has said more clearly what is no image.
            policy.check(data.chosen)
        return cleaned
    except StoreUnavailable:
        raise
    except ValidationError:
        data.rejected = True
        raise


def check_upload(upload: DirectUploadedFile, policy: Policy) -> None:
    """
    Check that an upload is allowed by the field that it is posted for: its token came from a page, maybe another one.

    :raises UploadForeign: when it was uploaded for another storage, or in another scope.
    :raises Refused: when the field's policy does not allow it.
    """
    storage = upload.token.storage
    if storage != policy.storage and not upload.goes_anywhere:
        raise UploadForeign(f"uploaded to {storage!r}, posted for {policy.storage!r}")
    if upload.token.scope != policy.scope:
        raise UploadForeign(f"uploaded for {upload.token.scope!r}, posted for {policy.scope!r}")
    policy.check(upload.chosen)


def model_field_of(bound_field: BoundField) -> models.FileField | None:
    """
    Return the model field that a form's field is for, if there is one that has files.

    It is that of the same name of a model form; else what the field's own ``model_field`` says.
    """
    own: models.FileField | None = getattr(bound_field.field, "model_field", None)
    model = getattr(getattr(bound_field.form, "_meta", None), "model", None)
    return file_field_of(model, bound_field.name) if own is None else own


def file_field_of(model: type[models.Model] | None, name: str) -> models.FileField | None:
    """Return the field of a model, if there is one that has files."""
    if model is None:
        return None
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, models.FileField) else None


METHODS: dict[type, dict[str, Any]] = {
    FileInput: {"get_context": get_context, "render": render, "media": property(media)},
    FileField: {"get_bound_field": get_bound_field, "clean": clean},
    ImageField: {"to_python": image_to_python},
}
