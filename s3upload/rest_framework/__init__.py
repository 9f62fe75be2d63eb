"""
Uploads in APIs that are made with Django REST framework: its file fields take tokens as Django's forms do.

With this app in ``INSTALLED_APPS``, no serializer and no view changes.
"""

from .policies import policy_for, signed_policy

__all__ = ["policy_for", "signed_policy"]
