"""
Uploads in APIs that are made with Django REST framework: its file fields take tokens as Django's forms do.

With this app in ``INSTALLED_APPS``, no serializer and no view changes.
"""

from .async_fields import SERIALIZER_FIELDS, AsyncFileField, AsyncImageField
from .policies import policy_for, signed_policy

__all__ = ["SERIALIZER_FIELDS", "AsyncFileField", "AsyncImageField", "policy_for", "signed_policy"]
