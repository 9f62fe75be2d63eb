from django.urls import path

from . import views

urlpatterns = [
    path("", views.upload),
    path("read/", views.read),
    path("wide/<int:inputs>/", views.wide),
    path("body/", views.body),
    path("form/", views.form_data),
]
