"""Curves, as SVG that can be read on light and on dark pages, and does not differ from one run to the next."""

from __future__ import annotations

import itertools
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from .figures import Figure
from .variants import VARIANTS

INK = "#808080"
"""Grey enough for both."""

COLOURS = dict(
    zip(
        (variant.title for variant in VARIANTS.values()),
        ("#8c8c8c", "#4a90d9", "#c77f2a", "#b05fb8", "#2f9e6e"),
        strict=True,
    )
)
"""A variant has one colour in all plots."""

OTHER_COLOURS = ["#d1495b", "#5aa9a0", "#a08c3c", "#7d7bd1"]

SETTINGS = {
    # Text stays text, in the reader's own typeface.
    "svg.fonttype": "none",
    "svg.hashsalt": "s3upload",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def plot(figure: Figure, path: Path) -> None:
    """Draw the medians of a figure; both axes are logarithmic where they reach far."""
    with mpl.rc_context(SETTINGS):
        canvas = Canvas(figsize=(8, 4.2), layout="constrained")
        axes = canvas.subplots()
        others = itertools.cycle(OTHER_COLOURS)
        for row, columns in figure.samples.items():
            colour = COLOURS.get(row) or next(others)
            points = sorted((float(column), figure.median(row, column)) for column in columns)
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=row)
        places = sorted({float(column) for column in figure.columns})
        if places[-1] >= 30 * places[0]:
            axes.set_xscale("log")
            if reaches_far(figure):
                axes.set_yscale("log")
        if not reaches_far(figure):
            axes.set_ylim(bottom=0)
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel(figure.axis)
        axes.set_ylabel(figure.unit)
        axes.grid(axis="y", color=INK, alpha=0.25)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        canvas.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def reaches_far(figure: Figure) -> bool:
    medians = [figure.median(row, column) for row, columns in figure.samples.items() for column in columns]
    return max(medians) > 30 * min(medians) > 0
