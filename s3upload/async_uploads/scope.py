"""What an upload through an async field is bound to: registry, field, instance. Pure: knows no field and no model."""

from __future__ import annotations

from dataclasses import dataclass

from ..exceptions import Forged

NAME = "async_uploads"
"""Begins the scopes of this app (see :mod:`s3upload.scopes`)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What an upload is bound to.

    :param registry: the name of the field's registry.
    :param field_id: the field's id there.
    :param instance_id: the primary key of the instance, as text; empty for one that is not there yet.
    """

    registry: str
    field_id: str
    instance_id: str = ""

    def __str__(self) -> str:
        return f"{NAME}:{self.registry}:{self.field_id}:{self.instance_id}"

    @classmethod
    def parse(cls, text: str) -> Scope:
        """
        Return the scope of a text.

        :raises Forged: when the text is no scope of this app.
        """
        # A primary key may be any text.
        name, *rest = text.split(":", 3)
        if name != NAME or len(rest) != 3:
            raise Forged
        return cls(*rest)
