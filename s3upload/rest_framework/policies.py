"""What may be uploaded through a field of a serializer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from django.db import models
from rest_framework.fields import Field, FileField, ImageField, ListField
from rest_framework.serializers import BaseSerializer, ListSerializer

from ..backends import takes_uploads
from ..conf import conf
from ..policy import Policy
from ..widgets import file_field_of, make_policy


def policy_for(field: FileField) -> Policy:
    """
    Return what may be uploaded through a field of a serializer.

    Its name is the field's own, wherever in a body the serializer stands: ``file`` for ``documents[0].file``. Limits
    come from its validators, and from those of the model field behind it, which says storage and scope too. The
    field's ``style={"accept": …}`` is what ``accept`` is to an input; an ``ImageField`` has ``image/*``.

    :param field: of an instance of a serializer, or of a ``ListField`` in one.
    """
    named = named_field(field)
    model_field = model_field_of(field)
    instance: Any = getattr(named.parent, "instance", None)
    policy = make_policy(
        named.field_name or "",
        model_field,
        instance if isinstance(instance, models.Model) else None,
        validators=field.validators,
        accept=field.style.get("accept") or "",
    )
    return policy if policy.accept or not isinstance(field, ImageField) else replace(policy, accept="image/*")


def signed_policy(serializer: BaseSerializer[Any] | type[BaseSerializer[Any]], name: str) -> dict[str, str | None]:
    """
    Return what a script needs to upload a file for a field: ``{"policy": …, "endpoint": …}``.

    ``policy`` is ``None`` where the field's storage takes no direct uploads; files are then posted the ordinary way.

    :param serializer: a class or an instance.
    :param name: of the field; with dots for a field of a nested serializer, such as ``"documents.file"``.
    :raises LookupError: when the serializer has no file field of that name.
    """
    field: Field[Any, Any, Any, Any] = serializer() if isinstance(serializer, type) else serializer
    for part in name.split("."):
        found = getattr(_without_list(field), "fields", {}).get(part)
        if found is None:
            raise LookupError(f"{type(_without_list(field)).__name__} has no field {part!r}")
        field = found
    file_field = _without_list(field)
    if not isinstance(file_field, FileField):
        raise LookupError(f"{name!r} is a {type(file_field).__name__}, and no file field")
    policy = policy_for(file_field)
    return {"policy": policy.sign() if takes_uploads(policy.storage) else None, "endpoint": conf.endpoint_url}


def named_field(field: Field[Any, Any, Any, Any]) -> Field[Any, Any, Any, Any]:
    """Return the field that a serializer knows: for one in a list, that is the list."""
    parent = field.parent
    return field if field.field_name or not isinstance(parent, ListField) else named_field(parent)


def model_field_of(field: FileField) -> models.FileField | None:
    """
    Return the model field behind a field of a serializer, if there is one that has files.

    It is that of the field's source in a serializer that has a model; else what the field's own ``model_field`` says.
    """
    own: models.FileField | None = getattr(field, "model_field", None)
    named = named_field(field)
    source = getattr(named, "source_attrs", [])
    model = getattr(getattr(named.parent, "Meta", None), "model", None)
    return file_field_of(model, source[0]) if own is None and len(source) == 1 else own


def is_file_field(field: Field[Any, Any, Any, Any]) -> bool:
    """Return whether a field of a serializer takes a file, or several."""
    return not isinstance(field, ListSerializer) and isinstance(_without_list(field), FileField)


def _without_list(field: Field[Any, Any, Any, Any]) -> Field[Any, Any, Any, Any]:
    return _without_list(cast("Any", field.child)) if isinstance(field, (ListField, ListSerializer)) else field
