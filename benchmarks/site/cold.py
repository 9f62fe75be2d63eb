"""What s3upload signs for a page it remembers for a second: who measures one page makes it forget that of the last."""

from __future__ import annotations

from .settings import VARIANT

HAS_MEMORY = VARIANT.app == "s3upload"


def forget() -> None:
    if HAS_MEMORY:
        from s3upload import policy

        policy._signed.cache_clear()
