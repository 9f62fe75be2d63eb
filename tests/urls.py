from django.contrib import admin
from django.urls import include, path

from tests.testapp import api, views

urlpatterns = [
    path("", views.index),
    path("admin/", admin.site.urls),
    path("favicon.ico", views.favicon),
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
