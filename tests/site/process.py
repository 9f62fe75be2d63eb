"""Starting the site of the tests in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def site_process(options: dict[str, Any], folder: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """
    Run the site until the end of the block, or until somebody kills it.

    :param options: of its storage.
    :param folder: that has its database, and gets its log.
    :param environ: further variables (see settings.py and __main__.py).
    """
    with (folder / "site.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.site"],
            env={
                **os.environ,
                "SITE_DATABASE": str(folder / "site.sqlite3"),
                "SITE_STORAGE": json.dumps(options),
                **environ,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdin is not None
        try:
            yield process
        finally:
            # The end of its input ends it, and the end of its output whoever reads that.
            process.stdin.close()
            process.wait(timeout=30)
