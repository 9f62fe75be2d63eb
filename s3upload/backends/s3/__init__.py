"""
S3, and the stores that speak it, through the options of a django-storages ``S3Storage``.

``backend`` says what this store does; how it does it is in the module of each concept, whose functions take the
backend.
"""

from .backend import S3Backend

__all__ = ["S3Backend"]
