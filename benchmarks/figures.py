"""What a benchmark gives: samples in rows and columns, and what was to be reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Target:
    """
    A median, compared with a limit: by itself, or as a ratio to another median of the same run.

    :param text: the target in words, for the table of all targets.
    :param cell: row and column of what is to be good.
    :param base: row and column of what it is a ratio to; ``None`` for a limit in the figure's own unit.
    :param limit: in that unit, or as a ratio.
    :param at_least: whether more is better.
    """

    text: str
    cell: tuple[str, str]
    base: tuple[str, str] | None
    limit: float
    at_least: bool = False


@dataclass(kw_only=True)
class Figure:
    """
    The samples of one thing that was measured.

    :param slug: names its files, and says on the command line that it alone is wanted.
    :param title: a heading.
    :param unit: of the samples: ``"ms"``, ``"s"``, ``"MB/s"``, ``"MiB"``, ``"calls"``, ``"bytes"``.
    :param note: what a reader must know to judge it: how it was measured. Why a target is missed stands in
        ``benchmarks.reasons``.
    :param axis: what the columns are where it is a curve (``"size of the file, MB"``); empty for a table.
    :param base: the row that the table compares the others with; empty where nothing is to be compared.
    """

    slug: str
    title: str
    unit: str
    note: str = ""
    axis: str = ""
    base: str = ""
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By row (the title of a variant, mostly), then by column; of a curve, each column reads as a number."""
    targets: list[Target] = field(default_factory=list)
    date: str = ""
    """When it was measured; with the versions and the commit, see `benchmarks.results.Results.take`."""
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, row: str, column: str, sample: float) -> None:
        self.samples.setdefault(row, {}).setdefault(column, []).append(sample)

    def median(self, row: str, column: str) -> float:
        return median(self.samples[row][column])

    @property
    def columns(self) -> list[str]:
        """The columns of all rows, in the order in which they were measured."""
        return list(dict.fromkeys(column for row in self.samples.values() for column in row))

    def has(self, target: Target) -> bool:
        """Return whether what the target compares was measured: not everything is, in a quick run."""
        cells = [target.cell, *([target.base] if target.base else [])]
        return all(column in self.samples.get(row, {}) for row, column in cells)

    def reached(self, target: Target) -> float:
        """Return the value that is compared with the target's limit."""
        value = self.median(*target.cell)
        return value / self.median(*target.base) if target.base else value

    def meets(self, target: Target) -> bool:
        value = self.reached(target)
        return value >= target.limit if target.at_least else value <= target.limit

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it; samples with as many digits as say something."""
        samples = {
            row: {column: [float(f"{sample:.5g}") for sample in taken] for column, taken in columns.items()}
            for row, columns in self.samples.items()
        }
        return asdict(self) | {"samples": samples}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Figure:
        return cls(**value | {"targets": [_target(**target) for target in value["targets"]]})


def _target(cell: Iterable[str], base: Iterable[str] | None, **rest: Any) -> Target:
    # JSON knows no tuples.
    return Target(cell=tuple(cell), base=tuple(base) if base else None, **rest)
