"""The record of uploads in Django's admin: look, follow, try again, remove."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..exceptions import S3UploadError
from .models import UploadRecord
from .records import field_of, holders_of, remove, retry


class AgeFilter(admin.SimpleListFilter):
    """By when the upload began."""

    title = _("age")
    parameter_name = "age"

    AGES = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("hour", _("Less than an hour")),
            ("day", _("Less than a day")),
            ("older-than-day", _("More than a day")),
            ("older-than-week", _("More than a week")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[UploadRecord]) -> QuerySet[UploadRecord]:
        value = self.value()
        age = self.AGES.get((value or "").removeprefix("older-than-"))
        if value is None or age is None:
            return queryset
        since = timezone.now() - age
        return queryset.filter(created__lt=since) if value.startswith("older") else queryset.filter(created__gte=since)


@admin.register(UploadRecord)
class UploadRecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nothing here can be edited: it says what was."""

    # What tells most comes first: on a narrow screen the rest is out of sight.
    list_display = ["name", "state", "created", "used_in", "shown_size", "owner", "field"]
    list_filter = ["state", AgeFilter, "field"]
    list_select_related = ["owner"]
    search_fields = ["name", "key", "stored_as"]
    date_hierarchy = "created"
    actions = ["try_again"]
    fields = [
        "name",
        "shown_size",
        "content_type",
        "state",
        "error",
        "field",
        "instance_id",
        "used_in",
        "owner",
        "storage",
        "key",
        "stored_as",
        "created",
        "changed",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody may try again: with the model's "change" permission."""
        return super().has_change_permission(request)

    @admin.display(description=_("size"), ordering="size")
    def shown_size(self, record: UploadRecord) -> str:
        return filesizeformat(record.size)

    @admin.display(description=_("used in"))
    def used_in(self, record: UploadRecord) -> str:
        """Return the kind of row that has the file, as a link: which one it is takes a query."""
        try:
            options = field_of(record).model._meta
        except LookupError:
            return "-"
        if record.state == UploadRecord.State.PENDING:
            return "-"
        url = reverse(f"{self.admin_site.name}:s3upload_async_uploads_uploadrecord_row", args=[record.pk])
        return format_html('<a href="{}">{}</a>', url, capfirst(options.verbose_name))

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<int:record_id>/row/",
                self.admin_site.admin_view(self.show_row),
                name="s3upload_async_uploads_uploadrecord_row",
            ),
            *super().get_urls(),
        ]

    def show_row(self, request: HttpRequest, record_id: int) -> HttpResponse:
        """Redirect to the row that has the file: which one that is may have changed."""
        record = get_object_or_404(UploadRecord, pk=record_id)
        if not self.has_view_permission(request, record):
            raise Http404
        try:
            row: Any = holders_of(record).first()
            if row is not None:
                options = row._meta
                name = f"{self.admin_site.name}:{options.app_label}_{options.model_name}_change"
                return HttpResponseRedirect(reverse(name, args=[row.pk]))
            self.message_user(request, _("No row refers to this file any more."), messages.WARNING)
        except (LookupError, NoReverseMatch):
            self.message_user(request, _("The row of this file has no page here."), messages.WARNING)
        return HttpResponseRedirect(
            reverse(f"{self.admin_site.name}:s3upload_async_uploads_uploadrecord_change", args=[record.pk])
        )

    @admin.action(description=_("Try again to store selected uploads"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[UploadRecord]) -> None:
        stored = 0
        for record in queryset:
            try:
                retry(record)
                stored += 1
            except S3UploadError as error:
                self.message_user(request, f"{record}: {_text(error)}", messages.ERROR)
        if stored:
            message = ngettext("%(count)d upload was stored.", "%(count)d uploads were stored.", stored)
            self.message_user(request, message % {"count": stored}, messages.SUCCESS)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say what else is lost, on the page that asks whether somebody is sure."""
        deleted, *more = super().get_deleted_objects(objs, request)
        lost = []
        for record in objs:
            with suppress(LookupError):
                if record.state == UploadRecord.State.FAILED:
                    lost += [
                        _("The file of “%(row)s”: no other copy of it was stored.") % {"row": row}
                        for row in holders_of(record)
                    ]
        return [*deleted, *lost], *more

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        # What could not be removed was said.
        if UploadRecord.objects.filter(pk=obj_id).exists():
            return HttpResponseRedirect(
                reverse(f"{self.admin_site.name}:s3upload_async_uploads_uploadrecord_change", args=[obj_id])
            )
        return super().response_delete(request, obj_display, obj_id)

    def delete_model(self, request: HttpRequest, obj: UploadRecord) -> None:
        self._remove(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[UploadRecord]) -> None:
        for record in queryset:
            self._remove(request, record)

    def _remove(self, request: HttpRequest, record: UploadRecord) -> None:
        try:
            remove(record)
        except S3UploadError as error:
            self.message_user(request, f"{record}: {_text(error)}", messages.ERROR)


def _text(error: S3UploadError) -> str:
    return str(getattr(error, "message", error))
