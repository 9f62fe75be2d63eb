"""Fixtures of the attacks: a site whose store must not be asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import CallCount
from tests.pages import use_unreachable_s3


@pytest.fixture
def asked(settings: Any, call_count: CallCount) -> CallCount:
    """What the store is asked: a bucket where nobody answers."""
    use_unreachable_s3(settings)
    return call_count
