"""What was measured, as text for a terminal and as what the documentation includes."""

from __future__ import annotations

from pathlib import Path

from .figures import Figure, Target
from .reasons import REASONS
from .results import PATH, Results

FOLDER = PATH.parent

MADE = ".. made by python -m benchmarks --report\n"


def as_text(figures: list[Figure]) -> str:
    """Return tables of medians, with ratios where rows are compared, and of the targets."""
    blocks = [f"{figure.title} [{figure.unit}]\n{_plain(_table(figure))}" for figure in figures]
    blocks.append(f"Targets\n{_plain(_target_table(figures))}")
    return "\n\n".join(blocks) + "\n"


def write(results: Results, folder: Path = FOLDER) -> None:
    """Write what the documentation includes; plots need matplotlib."""
    from .plots import plot

    for old in [*folder.glob("*.svg"), *folder.glob("*.inc")]:
        old.unlink()
    for name, text in fragments(results).items():
        (folder / name).write_text(text, encoding="utf-8")
    for figure in results.figures:
        if figure.axis:
            plot(figure, folder / f"{figure.slug}.svg")


def fragments(results: Results) -> dict[str, str]:
    """Return the files that ``docs/benchmarks.rst`` includes, by name."""
    return {
        "targets.inc": MADE + "\n" + _targets(results.figures),
        "figures.inc": MADE + "\n" + "\n".join(_section(figure) for figure in results.figures),
        "machine.inc": MADE + "\n" + _machine(results),
    }


def _targets(figures: list[Figure]) -> str:
    missed = [target.text for figure in figures for target in _known(figure) if not figure.meets(target)]
    reasons = [f"**Missed: {text}.** {REASONS[text]}\n" for text in missed if text in REASONS]
    return "\n".join([_list_table(_target_table(figures)), *reasons])


def _section(figure: Figure) -> str:
    lines = [figure.title, "~" * len(figure.title), ""]
    if figure.note:
        lines += [figure.note, ""]
    if figure.axis:
        lines += [f".. image:: benchmarks/{figure.slug}.svg", f"   :alt: {figure.title}.", ""]
    compared = f"; in brackets, the ratio to “{figure.base}”" if figure.base else ""
    lines += [f"Medians, in {figure.unit}{compared}.", "", _list_table(_table(figure))]
    return "\n".join(lines)


def _machine(results: Results) -> str:
    rows = [
        ["Machine", ""],
        *([name, said] for name, said in results.machine.items()),
        *([name, version] for name, version in results.versions.items()),
        ["date", results.date],
    ]
    return _list_table(rows)


def _table(figure: Figure) -> list[list[str]]:
    columns = figure.columns
    rows = [[row, *(_cell(figure, row, column) for column in columns)] for row in figure.samples]
    return [[figure.axis, *columns], *rows]


def _cell(figure: Figure, row: str, column: str) -> str:
    if column not in figure.samples[row]:
        return "–"
    value = number(figure.median(row, column))
    base = figure.samples.get(figure.base, {})
    if row == figure.base or column not in base or not figure.median(figure.base, column):
        return value
    return f"{value} ({figure.median(row, column) / figure.median(figure.base, column):.2f})"


def _target_table(figures: list[Figure]) -> list[list[str]]:
    rows = [[target.text, *_verdict(figure, target)] for figure in figures for target in _known(figure)]
    return [["target", "compared with", "to reach", "reached", ""], *rows]


def _known(figure: Figure) -> list[Target]:
    return [target for target in figure.targets if figure.has(target)]


def _verdict(figure: Figure, target: Target) -> list[str]:
    if target.base is None:
        against = figure.unit
    elif target.base[0] == target.cell[0]:
        against = f"{target.base[0]}, {target.base[1]}"
    else:
        against = target.base[0]
    reached = figure.reached(target)
    bound = "at least" if target.at_least else "at most"
    return [
        against,
        f"{bound} {number(target.limit)}",
        f"{reached:.3f}" if target.base else number(reached),
        "met" if figure.meets(target) else "missed",
    ]


def number(value: float) -> str:
    """Return a number with as many digits as mean something, and never as a power of ten."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 or not value else f"{value:.4f}"


def _plain(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _list_table(rows: list[list[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for first, *others in rows:
        lines += [f"   * - {first}", *(f"     - {text}" for text in others)]
    return "\n".join(line.rstrip() for line in lines) + "\n"
