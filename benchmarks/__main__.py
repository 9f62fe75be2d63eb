"""``python -m benchmarks [figure …]``: measure, keep the samples, write what the documentation shows, say it."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

from . import report, results
from .figures import Figure
from .stage import Stage

MODULES = ["uploads", "pages", "start_up", "passing", "clean_up", "browser"]
"""Those that measure, in the order of the documentation; see `benchmarks.stage` for what they have."""


def main() -> int:
    modules = [importlib.import_module(f"benchmarks.{name}") for name in MODULES]
    slugs = [slug for module in modules for slug in module.SLUGS]
    options = _parser(slugs).parse_args()
    if unknown := set(options.figures) - set(slugs):
        sys.stderr.write(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(slugs)}\n")
        return 2
    if options.report:
        kept = results.Results.load()
        report.write(kept)
        sys.stdout.write(report.as_text(kept.figures))
        return 0
    # Ended so, the stage still ends its sites.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    versions = {name: said for module in modules for name, said in getattr(module, "VERSIONS", {}).items()}
    kept = None if options.quick else results.begin(versions, afresh=not options.figures)
    measured: list[Figure] = []
    with Stage(wanted=options.figures, quick=options.quick, rounds=options.rounds) as stage:
        for module in modules:
            for figure in module.measure(stage):
                measured.append(figure)
                if kept is not None:
                    # At once: the run is long, and a later benchmark may fail.
                    kept.take([figure], slugs)
                    kept.save()
    if kept is not None:
        # As they were saved: with fewer digits, and as whoever has the file alone makes it.
        report.write(results.Results.load())
    sys.stdout.write(report.as_text(measured))
    return 0


def _parser(slugs: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What uploads cost, side by side.")
    parser.add_argument("figures", nargs="*", help=f"all without; there are {', '.join(slugs)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--quick", action="store_true", help="only see that it works; keep nothing")
    parser.add_argument("--report", action="store_true", help="only write the documentation's part anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
