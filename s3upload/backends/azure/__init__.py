"""
Azure Blob storage, through the options of a django-storages ``AzureStorage``.

``backend`` says what this store does, ``storage`` what a site names in ``STORAGES``; how it is done is in the module
of each concept, whose functions take the backend.
"""

from .backend import AzureBackend
from .storage import AzureUploadStorage

__all__ = ["AzureBackend", "AzureUploadStorage"]
