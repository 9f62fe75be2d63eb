"""What every variant has; the middleware are the ones that any Django site with forms has."""

import json
import os
from pathlib import Path

from benchmarks.variants import VARIANTS

VARIANT = VARIANTS[os.environ["BENCH_VARIANT"]]

SECRET_KEY = "measured"  # noqa: S105 - a site on loopback, gone after the run
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.site.urls"
INSTALLED_APPS = ["django.contrib.staticfiles", *([VARIANT.app] if VARIANT.app else [])]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    *([VARIANT.middleware] if VARIANT.middleware else []),
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
STORAGES = VARIANT.storages(json.loads(os.environ.get("BENCH_STORAGE", "{}")))
MEDIA_ROOT = Path(os.environ.get("BENCH_FOLDER", "."))
STATIC_URL = "/static/"
# The largest form has 100 files.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024**2
USE_TZ = True
S3UPLOAD_MAX_SIZE = 50 * 1024**3
