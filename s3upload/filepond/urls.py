"""
FilePond's verbs, for a site's URLconf::

    path("fp/", include("s3upload.filepond.urls"))
"""

from __future__ import annotations

from django.urls import path, re_path

from . import views

app_name = "s3upload_filepond"

# With and without a slash at the end: the client puts ids right behind the address that it was given.
urlpatterns = [
    path("", views.root, name="root"),
    re_path("^process/?$", views.PROCESS, name="process"),
    re_path("^revert/?$", views.REVERT, name="revert"),
    re_path("^fetch/(?P<target>(?s:.*))$", views.FETCH, name="fetch"),
    *(
        re_path(f"^{name}/(?:(?P<upload_id>[^/]+)/?)?$", view, name=name)
        for name, view in (("patch", views.PATCH), ("restore", views.RESTORE), ("load", views.LOAD))
    ),
]
