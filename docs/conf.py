"""Sphinx: ``make docs`` builds with every warning an error."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).parent.parent))
# The API pages are made from the modules, which need a site.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

project = "s3upload"
author = "the s3upload authors"
copyright = author  # noqa: A001 (Sphinx names it so)
release = version = version_of("django-s3upload-direct")

extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
default_role = "any"
nitpicky = True
# Nothing is fetched while building, so there is nothing that names outside of this package could lead to.
nitpick_ignore_regex = [
    (r"py:.*", r"(django|rest_framework|storages|collections|typing|concurrent|io|os)\..*"),
    # Names as annotations have them: Django's and Python's, and four of ours that nobody has to know.
    (r"py:(class|exc)", r"(HttpRequest|ImproperlyConfigured|PermissionDenied|ValidationError|Promise)"),
    (
        r"py:(class|exc)",
        r"(datetime\.timedelta|Permission|Token|SignedText|RequestUploads|StoredUpload\.DoesNotExist)",
    ),
]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"

html_theme = "furo"
html_title = f"s3upload {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_copyright = False
