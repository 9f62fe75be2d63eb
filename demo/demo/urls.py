from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView
from showcase import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="one"), name="home"),
    path("one/", views.OneFile.as_view(), name="one"),
    path("several/", views.SeveralFiles.as_view(), name="several"),
    path("image/", views.Image.as_view(), name="image"),
    path("album/", views.Album.as_view(), name="album"),
    path("delete/<str:kind>/<int:pk>/", views.delete, name="delete"),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}showcase/icon.svg")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
