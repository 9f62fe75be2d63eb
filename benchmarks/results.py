"""What was measured, on which machine and with what: a file that the documentation is made from."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from .figures import Figure
from .stage import ROOT

PATH = ROOT / "docs" / "benchmarks" / "samples.json"

PACKAGES = ["Django", "django-storages", "boto3", "django-s3file", "gunicorn", "uvicorn"]

COMMANDS = {"Chromium": ["chromium", "--version"], "Ceph": ["radosgw", "--version"]}


class OtherMachineError(Exception):
    """Raised when figures of two machines would stand side by side."""


class OtherVersionsError(Exception):
    """Raised when figures of different versions of what was measured would stand side by side."""


@dataclass(kw_only=True)
class Results:
    """
    Figures of one machine.

    :param machine: what it is, by what is said of it.
    :param versions: of what was measured, by name.
    :param date: of the last run.
    :param commit: of the last run, see `commit`.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    date: str
    commit: str = ""
    figures: list[Figure] = field(default_factory=list)

    def take(self, figures: Iterable[Figure], order: list[str]) -> None:
        """
        Put figures that were measured just now in the place of those that have their slugs.

        :param order: of all slugs.
        """
        figures = list(figures)
        for figure in figures:
            figure.date, figure.commit, figure.versions = self.date, self.commit, dict(self.versions)
        by_slug = {figure.slug: figure for figure in [*self.figures, *figures] if figure.slug in order}
        self.figures = sorted(by_slug.values(), key=lambda figure: order.index(figure.slug))

    def save(self, path: Path = PATH) -> None:
        path.parent.mkdir(exist_ok=True)
        value = vars(self) | {"figures": [figure.as_json() for figure in self.figures]}
        path.write_text(_compact(json.dumps(value, indent=1, ensure_ascii=False)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path = PATH) -> Results:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(**value | {"figures": [Figure.from_json(figure) for figure in value["figures"]]})


def begin(versions: dict[str, str], *, afresh: bool, path: Path = PATH) -> Results:
    """
    Return what there is to add figures to.

    :param versions: of what only some benchmarks use.
    :param afresh: whether everything is measured, and what was is forgotten.
    :raises OtherMachineError: when there are figures of another machine.
    :raises OtherVersionsError: when there are figures of other versions.
    """
    now = Results(
        machine=machine(), versions=packages() | versions, date=f"{datetime.now(UTC):%Y-%m-%d}", commit=commit()
    )
    if not afresh and path.exists():
        before = Results.load(path)
        if before.machine != now.machine:
            raise OtherMachineError(f"{path.name} is of another machine ({before.machine}): measure everything")
        for figure in before.figures:
            had = figure.versions or before.versions
            if differing := sorted(name for name in had | now.versions if had.get(name) != now.versions.get(name)):
                raise OtherVersionsError(
                    f"{figure.slug} in {path.name} has other versions of {', '.join(differing)}: measure everything"
                )
        now.figures = before.figures
    return now


def machine() -> dict[str, str]:
    """Say on what it was measured."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 1024**3:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def commit() -> str:
    """Return the commit of the checkout, with a mark when it has changes; empty where there is no saying."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def packages() -> dict[str, str]:
    """Return the versions of what takes part; without what is not installed."""
    versions = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for name, command in COMMANDS.items():
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        except OSError:
            continue
        versions[name] = next(iter(re.findall(r"\d+(?:\.\d+)+", said)), "?")
    return versions


def _compact(text: str) -> str:
    # A line for the samples of a cell: what has changed is then to be seen.
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: "[" + re.sub(r"\s*\n\s*", " ", found[1]) + "]", text)
