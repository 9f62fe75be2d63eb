"""The site of the tests. Stores are chosen by the fixtures of conftest.py, none is on here."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

ROOT = BASE_DIR = Path(__file__).parent.parent

SECRET_KEY = "not a secret: the tests' own key, long enough for the system check"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
USE_TZ = True
LANGUAGE_CODE = "en"
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "s3upload",
    "s3upload.async_uploads",
    "s3upload.filepond",
    "s3upload.rest_framework",
    "tests.testapp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "s3upload.middleware.S3UploadMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "LIST_SERIALIZER_ERRORS_AS_DICT": True,
}

# Each test run has a database file of its own (conftest.py): a file, because servers in threads
# and under ASGI open their own connections.
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:",
    "OPTIONS": {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
    },
}
# Where the server is, PostgreSQL's own library takes from PGHOST and its like (tests/servers/postgresql.py).
POSTGRESQL = {"ENGINE": "django.db.backends.postgresql", "NAME": "s3upload"}
BY_NAME = {"sqlite": SQLITE, "postgresql": POSTGRESQL}

TESTS_DATABASE = os.environ.get("TESTS_DATABASE", "sqlite")
if TESTS_DATABASE not in BY_NAME:
    raise ImproperlyConfigured(f"TESTS_DATABASE is {TESTS_DATABASE!r}. It should be one of: {', '.join(BY_NAME)}.")
DATABASES = {"default": BY_NAME[TESTS_DATABASE]}

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "archive": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
MEDIA_URL = "/media/"
STATIC_URL = "/static/"
NODE_MODULES = ROOT / "js" / "node_modules"
STATICFILES_DIRS = [
    ("filepond", NODE_MODULES / "filepond" / "dist"),
    ("htmx", NODE_MODULES / "htmx.org" / "dist"),
    ("turbo", NODE_MODULES / "@hotwired" / "turbo" / "dist"),
    ("uppy/core", NODE_MODULES / "@uppy" / "core" / "dist"),
    ("uppy/dashboard", NODE_MODULES / "@uppy" / "dashboard" / "dist"),
]
