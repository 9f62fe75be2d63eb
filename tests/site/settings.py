"""The settings of the tests; what the store is comes from the environment."""

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import SQLITE, STORAGES

DATABASES = {
    "default": {**SQLITE, "NAME": os.environ["SITE_DATABASE"], "ATOMIC_REQUESTS": "SITE_ATOMIC" in os.environ}
}
STORAGES["default"] = {
    "BACKEND": "s3upload.storage.S3UploadStorage",
    "OPTIONS": json.loads(os.environ["SITE_STORAGE"]),
}
if "SITE_ARCHIVE" in os.environ:
    STORAGES["archive"] = {
        "BACKEND": "s3upload.storage.S3UploadStorage",
        "OPTIONS": json.loads(os.environ["SITE_ARCHIVE"]),
    }
S3UPLOAD_MAX_SIZE = 5 * 1024**4
# Further settings, by their names.
globals().update(json.loads(os.environ.get("SITE_SETTINGS", "{}")))
