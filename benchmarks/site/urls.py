from django.urls import path

from . import uppy, views

urlpatterns = [
    path("", views.upload),
    path("read/", views.read),
    path("wide/<int:inputs>/", views.wide),
    path("body/", views.body),
    path("form/", views.form_data),
    path("uppy/", uppy.upload),
    path("uppy/sign/", uppy.sign),
]
