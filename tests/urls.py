from django.contrib import admin
from django.urls import include, path

from s3upload.async_uploads.registry import default_async_field_registry
from tests.testapp import api, models, views

urlpatterns = [
    path("", views.index),
    path("admin/", admin.site.urls),
    path("favicon.ico", views.favicon),
    path("async-uploads/", include(default_async_field_registry.get_url_patterns())),
    path("other-uploads/", include(models.other_registry.get_url_patterns())),
    path("fp/", include("s3upload.filepond.urls")),
    path("contracts/new/", views.ContractCreate.as_view()),
    path("contracts/<int:pk>/", views.ContractUpdate.as_view()),
    path("contracts/attach/", views.attach),
    path("contracts/async/", views.async_contract),
    path("parcels/new/", views.ParcelCreate.as_view()),
    path("parcels/", views.ParcelUpdate.as_view()),
    path("tickets/new/", views.TicketCreate.as_view()),
    path("tickets/<uuid:pk>/", views.TicketUpdate.as_view()),
    path("notes/new/", views.NoteCreate.as_view()),
    path("notes/<int:pk>/", views.NoteUpdate.as_view()),
    path("documents/new/", views.DocumentCreate.as_view()),
    path("documents/<int:pk>/", views.DocumentUpdate.as_view()),
    path("documents/async/", views.async_document),
    path("documents/formset/", views.document_formset),
    path("galleries/new/", views.gallery),
    # Every form of forms.FORMS, and every template of views.PAGES around it.
    path("forms/<str:form>/", views.form_page),
    path("forms/<str:form>/<str:page>/", views.form_page),
    path("saved/", views.saved_before),
    path("script/", views.script_page),
    path("api/", include(api.urlpatterns)),
    path("echo/", views.echo),
    path("echo/csrf-exempt/", views.csrf_exempt_echo),
    path("echo/upload-handlers/", views.upload_handlers_echo),
    path("echo/json/", views.json_echo),
    path("echo/body/", views.body_echo),
    path("echo/stream/", views.stream_echo),
    path("echo/async/", views.async_echo),
]
