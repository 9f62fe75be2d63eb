"""Following a page of the documentation: its blocks are put where they say, and the site is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.base import free_port

ROOT = Path(__file__).parent.parent.parent

START = 60
"""Seconds until a site answers."""


class Text:
    """
    A page that can be followed.

    :param page: its name in the documentation.
    """

    def __init__(self, page: str) -> None:
        self.text = (ROOT / "docs" / f"{page}.rst").read_text(encoding="utf-8")

    def blocks(self) -> dict[str, tuple[str, str]]:
        """Return the named blocks that say where they go: caption and code, by their names."""
        found = re.findall(
            r"^\.\. code-block:: \S+\n   :caption: (.*)\n   :name: (\S+)\n\n((?:   .*\n|\n)+)", self.text, re.MULTILINE
        )
        return {name: (caption, textwrap.dedent(code)) for caption, name, code in found}

    def commands(self) -> list[str]:
        """Return what the page has one type."""
        found = re.findall(r"^\.\. code-block:: shell\n\n((?:   .*\n|\n)+)", self.text, re.MULTILINE)
        return [line.strip() for block in found for line in block.splitlines() if line.strip()]


class Site:
    """
    The site of a page in a folder.

    :param page: that is followed.
    :param environ: further variables of its processes.
    """

    def __init__(self, page: Text, folder: Path, environ: dict[str, str]) -> None:
        self.page = page
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "PYTEST"))}
        self.environ = {**inherited, **environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}

    def run(self, *arguments: str) -> str:
        """Run a Python process there, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-W", "error::DeprecationWarning", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def write(self, name: str, replacing: Callable[[str], str] = str) -> None:
        """Put a block of the page where its caption says."""
        caption, code = self.page.blocks()[name]
        path, _comma, where = caption.partition(", ")
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        before = target.read_text() if where else ""
        target.write_text(before + "\n" + replacing(code) if where else code)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Run the development server until the end of the block; gives its address."""
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        log = self.folder / "server.log"
        with log.open("ab") as output:
            server = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            try:
                _wait_for(address, server, log)
                yield address
            finally:
                server.terminate()
                server.wait(timeout=30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the site does not answer:\n{log.read_text()}")
