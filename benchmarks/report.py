"""What was measured, as text for a terminal and as what the documentation includes."""

from __future__ import annotations

from pathlib import Path
from statistics import mode

from .figures import Figure, Target
from .reasons import REASONS
from .results import PATH, Results

FOLDER = PATH.parent

MADE = ".. made by python -m benchmarks --report\n"


def as_text(figures: list[Figure]) -> str:
    """Return tables of medians and spreads, with ratios where rows are compared, and of the targets."""
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
    lines += [f"{_samples(figure)}, in {figure.unit}{compared}.", "", _list_table(_table(figure))]
    return "\n".join(lines)


def _machine(results: Results) -> str:
    rows = [
        ["Machine", ""],
        *([name, said] for name, said in results.machine.items()),
        *([name, version] for name, version in results.versions.items()),
        *_moments(results),
    ]
    return _list_table(rows)


def _moments(results: Results) -> list[list[str]]:
    """Return rows with commit and date: of each figure where they differ."""
    moments = {(figure.commit, figure.date or results.date) for figure in results.figures}
    if len(moments) > 1:
        return [
            [figure.title, ", ".join(filter(None, (figure.commit, figure.date or results.date)))]
            for figure in results.figures
        ]
    commit, date = moments.pop() if moments else (results.commit, results.date)
    return [*([["commit", commit]] if commit else []), ["date", date]]


def _table(figure: Figure) -> list[list[str]]:
    columns = figure.columns
    rows = [[row, *(_cell(figure, row, column) for column in columns)] for row in figure.samples]
    return [[figure.axis, *columns], *rows]


def _cell(figure: Figure, row: str, column: str) -> str:
    if column not in figure.samples[row]:
        return "–"
    value = number(figure.median(row, column))
    base = figure.samples.get(figure.base, {})
    if row != figure.base and column in base and figure.median(figure.base, column):
        value += f" ({figure.median(row, column) / figure.median(figure.base, column):.2f})"
    return _lines(value, _spread(figure, row, column))


def _samples(figure: Figure) -> str:
    count = _usual(figure)
    return f"Medians of {count} samples, and the least and greatest" if count > 1 else "Single samples"


def _usual(figure: Figure) -> int:
    """Return how many samples most cells have."""
    return mode(len(taken) for columns in figure.samples.values() for taken in columns.values())


def _spread(figure: Figure, row: str, column: str) -> str:
    """Return the least and the greatest sample where they differ, and how many there are where that is unusual."""
    taken = figure.samples[row][column]
    least, greatest = number(min(taken)), number(max(taken))
    said = [f"{least}–{greatest}"] if least != greatest else []
    if len(taken) != _usual(figure):
        said.append(f"{len(taken)} sample{'s' if len(taken) > 1 else ''}")
    return ", ".join(said)


def _lines(*lines: str) -> str:
    """Return the text of a cell: a line block where there is more than one line."""
    said = [line for line in lines if line]
    return "\n".join(f"| {line}" for line in said) if len(said) > 1 else said[0]


def _target_table(figures: list[Figure]) -> list[list[str]]:
    rows = [[target.text, *_verdict(figure, target)] for figure in figures for target in _known(figure)]
    return [["target", "compared with", "to reach", "reached", "samples", ""], *rows]


def _known(figure: Figure) -> list[Target]:
    return [target for target in figure.targets if figure.has(target)]


def _verdict(figure: Figure, target: Target) -> list[str]:
    if target.base is None:
        against = "–"
    elif target.base[0] == target.cell[0]:
        against = f"{target.base[0]}, {target.base[1]}"
    else:
        against = target.base[0]
    reached = figure.reached(target)
    bound = "at least" if target.at_least else "at most"
    base = figure.median(*target.base) if target.base else 1
    taken = [sample / base for sample in figure.samples[target.cell[0]][target.cell[1]]]
    said = _ratio if target.base else number
    least, greatest = said(min(taken)), said(max(taken))
    return [
        against,
        f"{bound} {number(target.limit)}" + (f" {figure.unit}" if target.base is None else ""),
        _lines(said(reached), f"{least}–{greatest}" if least != greatest else ""),
        str(len(taken)),
        "met" if figure.meets(target) else "missed",
    ]


def _ratio(value: float) -> str:
    return f"{value:.3f}"


def number(value: float) -> str:
    """Return a number with as many digits as mean something, and never as a power of ten."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 or not value else f"{value:.4f}"


def _plain(rows: list[list[str]]) -> str:
    rows = [[_in_a_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _in_a_line(cell: str) -> str:
    first, *others = (line.removeprefix("| ") for line in cell.split("\n"))
    return f"{first} [{', '.join(others)}]" if others else first


def _list_table(rows: list[list[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for first, *others in rows:
        lines += [f"   * - {first}", *(f"     - {text}".replace("\n", "\n       ") for text in others)]
    return "\n".join(line.rstrip() for line in lines) + "\n"
