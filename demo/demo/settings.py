"""
The demo's settings. Four lines of them are s3upload's; they are marked.

The files go to a folder, or to the bucket that S3_ENDPOINT_URL and S3_BUCKET name
(`make demo STORE=ceph` sets both).
"""

import os
from pathlib import Path

DEMO = Path(__file__).parent.parent
S3_ENDPOINT_URL = os.environ.get("S3_ENDPOINT_URL", "")
STORE = "ceph" if S3_ENDPOINT_URL else "filesystem"
DATA = Path(os.environ.get("DEMO_DATA") or DEMO / "data") / STORE

DEBUG = True
SECRET_KEY = "the demo's: it listens on 127.0.0.1 only and keeps nothing of worth"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "demo.urls"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "s3upload",  # <- s3upload
    "showcase",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "showcase.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "s3upload.middleware.S3UploadMiddleware",  # <- s3upload
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

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "db.sqlite3"}}

STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = DATA / "media"

S3UPLOAD_MAX_SIZE = 1024**4  # <- s3upload: 1 TiB; 5 GiB unless said

STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    # Under DEBUG, s3upload plays the object store for a folder.
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
}
if S3_ENDPOINT_URL:
    STORAGES["default"] = {
        "BACKEND": "s3upload.storage.S3UploadStorage",  # <- s3upload
        "OPTIONS": {
            "endpoint_url": S3_ENDPOINT_URL,
            "bucket_name": os.environ["S3_BUCKET"],
            "addressing_style": "path",
            "file_overwrite": False,
        },
    }
