"""
The browsable API: the file inputs of its forms upload as those of Django's forms do.

Its templates are no widgets, and sites replace them: so the input is given its attributes when it is rendered.
"""

from __future__ import annotations

from typing import Any

from django.forms.utils import flatatt
from django.utils.safestring import SafeString
from rest_framework.fields import FileField
from rest_framework.renderers import HTMLFormRenderer

from ..backends import takes_uploads
from ..conf import conf
from ..files import DirectUploadedFile
from ..widgets import attributes_of, kept_inputs, script
from .policies import policy_for

TYPE = 'type="file"'

_render_field = HTMLFormRenderer.render_field


def render_field(self: HTMLFormRenderer, field: Any, parent_style: dict[str, Any]) -> str:
    html: str = _render_field(self, field, parent_style)
    if not isinstance(field._field, FileField) or not conf.REPLACE_WIDGETS or TYPE not in html:
        return html
    policy = policy_for(field._field)
    if not takes_uploads(policy.storage):
        return html
    uploads = [field.value] if isinstance(field.value, DirectUploadedFile) and not field.errors else []
    kept = kept_inputs(field.name, (upload for upload in uploads if upload.is_kept))
    html = html.replace(TYPE, TYPE + flatatt(attributes_of(policy)), 1)
    # What is put in has been escaped, and the rest is what was rendered.
    return SafeString(html) + kept + script()  # nosec B703


METHODS: dict[type, dict[str, Any]] = {HTMLFormRenderer: {"render_field": render_field}}
