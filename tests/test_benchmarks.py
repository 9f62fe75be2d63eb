"""The benchmarks add up, run, and stand in the documentation as they were measured. No test asks how fast it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import report, results
from benchmarks.__main__ import MODULES
from benchmarks.figures import Figure, Target
from benchmarks.reasons import REASONS
from benchmarks.stage import Stage, rotated
from benchmarks.visitor import FIRST, TOGETHER, WHOLE, Visitor, batches, blocks, multipart
from tests.servers.base import S3Account

ROOT = Path(__file__).parent.parent


def figure_of(**cells: list[float]) -> Figure:
    """Return a figure with one column."""
    figure = Figure(slug="a-figure", title="A figure", unit="ms")
    for row, samples in cells.items():
        for sample in samples:
            figure.add(row, "1", sample)
    return figure


def target(limit: float, *, base: str | None = None, at_least: bool = False) -> Target:
    return Target(
        text="a target",
        cell=("ours", "1"),
        base=(base, "1") if base else None,
        limit=limit,
        at_least=at_least,
    )


def test_one_slow_sample_does_not_move_the_median() -> None:
    assert figure_of(ours=[3, 1000, 1, 2, 2]).median("ours", "1") == 2


def test_a_ratio_is_one_of_medians() -> None:
    assert figure_of(ours=[1, 2, 9], theirs=[4, 4, 100]).reached(target(1, base="theirs")) == 0.5


@pytest.mark.parametrize(("limit", "at_least", "met"), [(2, False, True), (1.9, False, False), (2, True, True)])
def test_a_limit_that_is_just_reached_is_met(limit: float, at_least: bool, met: bool) -> None:
    assert figure_of(ours=[2]).meets(target(limit, at_least=at_least)) is met


def test_more_is_better_where_the_target_says_so() -> None:
    figure = figure_of(ours=[8], theirs=[10])
    assert figure.meets(target(0.8, base="theirs", at_least=True))
    assert not figure.meets(target(0.9, base="theirs", at_least=True))


def test_a_target_of_what_was_not_measured_is_left_out() -> None:
    figure = figure_of(ours=[8])
    figure.targets = [target(1, base="theirs"), replace(target(1), cell=("ours", "2"))]
    assert not any(map(figure.has, figure.targets))
    assert "a target" not in report.as_text([figure])


def test_results_come_back_as_they_were_saved(tmp_path: Path) -> None:
    figure = figure_of(ours=[1.5, 2], theirs=[0.25])
    figure.targets = [target(1, base="theirs"), target(3)]
    kept = results.Results(machine={"cores": "2"}, versions={"Python": "3"}, date="2026-01-01", figures=[figure])
    kept.save(tmp_path / "samples.json")
    assert results.Results.load(tmp_path / "samples.json") == kept


def test_a_figure_measured_again_replaces_itself_alone() -> None:
    old = [replace(figure_of(ours=[1]), slug=slug) for slug in ("first", "second", "gone")]
    kept = results.Results(machine={}, versions={}, date="", figures=old)
    kept.take([replace(figure_of(ours=[2]), slug="first")], ["first", "second"])
    assert [(figure.slug, figure.median("ours", "1")) for figure in kept.figures] == [("first", 2), ("second", 1)]


def test_figures_of_two_machines_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "samples.json"
    results.Results(machine={"cores": "1000"}, versions={}, date="").save(path)
    with pytest.raises(results.OtherMachineError):
        results.begin({}, afresh=False, path=path)
    assert results.begin({}, afresh=True, path=path).figures == []


def test_figures_of_two_versions_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "samples.json"
    versions = results.packages() | {"boto3": "0.1"}
    results.Results(machine=results.machine(), versions=versions, date="", figures=[figure_of(ours=[1])]).save(path)
    with pytest.raises(results.OtherVersionsError, match="boto3"):
        results.begin({}, afresh=False, path=path)
    assert results.begin({}, afresh=True, path=path).figures == []


def test_the_versions_of_a_figure_itself_count(tmp_path: Path) -> None:
    path = tmp_path / "samples.json"
    now = results.begin({}, afresh=True, path=path)
    now.take([figure_of(ours=[1])], ["a-figure"])
    now.save(path)
    assert [figure.slug for figure in results.begin({}, afresh=False, path=path).figures] == ["a-figure"]
    now.figures[0].versions["Django"] = "0.1"
    now.save(path)
    with pytest.raises(results.OtherVersionsError, match="Django"):
        results.begin({}, afresh=False, path=path)


def test_figures_keep_when_and_from_which_commit_they_were_measured() -> None:
    kept = results.Results(machine={}, versions={"Python": "3"}, date="2026-01-01", commit="aaaaaaa")
    kept.take(
        [replace(figure_of(ours=[1]), slug=slug, title=slug) for slug in ("first", "second")], ["first", "second"]
    )
    text = report.fragments(kept)["machine.inc"]
    assert "   * - commit\n     - aaaaaaa\n   * - date\n     - 2026-01-01\n" in text
    kept.date, kept.commit = "2026-01-02", "bbbbbbb-dirty"
    kept.take([replace(figure_of(ours=[1]), slug="second", title="second")], ["first", "second"])
    text = report.fragments(kept)["machine.inc"]
    assert "   * - first\n     - aaaaaaa, 2026-01-01\n   * - second\n     - bbbbbbb-dirty, 2026-01-02\n" in text


def test_the_report_says_what_is_missed_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REASONS, "a target", "It has to.")
    figure = figure_of(ours=[8], theirs=[2])
    figure.targets = [target(1, base="theirs")]
    kept = results.Results(machine={}, versions={}, date="", figures=[figure])
    text = report.fragments(kept)["targets.inc"]
    assert "- 4.000\n     - 1\n     - missed\n" in text
    assert "**Missed: a target.** It has to." in text


def test_tables_compare_with_the_row_they_name() -> None:
    figure = replace(figure_of(ours=[8], theirs=[2]), base="theirs")
    assert "8 (4.00)" in report.as_text([figure])


def test_tables_show_the_spread_and_how_many_samples_there_are() -> None:
    figure = figure_of(ours=[8, 9, 7], theirs=[2, 2, 2])
    figure.add("ours", "2", 5)
    text = report.fragments(results.Results(machine={}, versions={}, date="", figures=[figure]))["figures.inc"]
    assert "Medians of 3 samples, and the least and greatest, in ms." in text
    assert "   * - ours\n     - | 8\n       | 7–9\n     - | 5\n       | 1 sample\n" in text
    assert "   * - theirs\n     - 2\n     - –\n" in text


def test_targets_show_what_the_least_and_greatest_samples_reach() -> None:
    figure = figure_of(ours=[8, 9, 7], theirs=[2, 2, 20])
    figure.targets = [target(1, base="theirs")]
    assert "4.000 [3.500–4.500]" in report.as_text([figure])


def test_the_documentation_shows_the_samples_that_are_kept() -> None:
    for name, text in report.fragments(results.Results.load()).items():
        assert (report.FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run python -m benchmarks --report"


def test_each_curve_has_its_plot() -> None:
    curves = {f"{figure.slug}.svg" for figure in results.Results.load().figures if figure.axis}
    assert {path.name for path in report.FOLDER.glob("*.svg")} == curves


def test_reasons_are_of_targets_that_there_are() -> None:
    texts = {target.text for figure in results.Results.load().figures for target in figure.targets}
    assert REASONS.keys() <= texts


def test_each_missed_target_has_its_reason() -> None:
    figures = results.Results.load().figures
    missed = {
        target.text
        for figure in figures
        for target in figure.targets
        if figure.has(target) and not figure.meets(target)
    }
    assert missed <= REASONS.keys()


METERED = """
import json, os
from benchmarks.site import meter
readings = [meter.read(reset=True)]
block = bytearray(os.urandom(32 * 1024**2))
readings.append(meter.read(reset=False))
del block
meter.read(reset=True)
readings.append(meter.read(reset=False))
print(json.dumps([json.loads(reading) for reading in readings]))
"""


def test_the_meter_tells_cpu_and_memory() -> None:
    # In a process of its own: what this one has freed before would be used again.
    said = subprocess.run([sys.executable, "-c", METERED], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after, freed = json.loads(said.stdout)
    assert after["cpu"] > before["cpu"]
    assert after["peak"] - before["rss"] > 16 * 1024**2
    assert freed["peak"] < after["peak"] - 16 * 1024**2


def test_the_visitor_sends_as_the_script_does() -> None:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "js" / "src").glob("*.js")}

    def constant(module: str, name: str) -> int:
        found = re.search(rf"const {name} = ([\d*\s]+);", sources[module])
        assert found, f"{module}.js has no {name}"
        return int(eval(found[1]))  # noqa: S307 - a product of our own numbers

    assert (constant("multipart", "ABREAST"), constant("multipart", "TOGETHER")) == (FIRST, TOGETHER)
    assert constant("file", "WHOLE") == WHOLE
    assert [len(numbers) for numbers in batches(list(range(1, 40)))] == [5, 16, 16, 2]
    assert [number for numbers in batches(list(range(1, 40))) for number in numbers] == list(range(1, 40))


def test_a_form_is_as_long_as_it_says() -> None:
    body, length = multipart([("name", "Ada")], [("a.bin", 3 * 1024**2 + 1), ("b.bin", 0)])
    assert sum(map(len, body)) == length
    assert sum(map(len, blocks(3 * 1024**2 + 1))) == 3 * 1024**2 + 1


@pytest.mark.parametrize("is_async", [False, True])
def test_a_site_tells_what_it_has_used(is_async: bool) -> None:
    with Stage() as stage, stage.site("disk", is_async=is_async) as site:
        before = site.read_meter(reset=True)
        assert min(vars(before).values()) > 0
        assert site.read_meter().cpu > before.cpu


def test_a_visitor_uploads_as_the_variant_has_it(ceph: S3Account) -> None:
    with Stage() as stage:
        # A store for all tests is enough.
        stage.account = ceph
        bucket = stage.create_bucket()
        for variant in ("s3storage", "s3upload"):
            with stage.site(variant, stage.storage_options(bucket)) as site:
                visitor = Visitor(site)
                visitor.visit(100_000, 2)
                visitor.visit(WHOLE + 1)
                visitor.close()
            found = stage.account.client().list_objects_v2(Bucket=bucket)["Contents"]
            # The first file of the second form has the name of one that is there, and django-storages overwrites it.
            assert {item["Key"]: item["Size"] for item in found} == {
                "uploads/file-0.bin": WHOLE + 1,
                "uploads/file-1.bin": 100_000,
            }
            stage.clear(bucket)
        stage.account.client().delete_bucket(Bucket=bucket)


def test_quick_benchmarks_run() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "no-upload"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "multipart, refused" in done.stdout


def test_a_figure_that_there_is_not_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks", "rendr"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "there is no rendr" in done.stderr


def test_each_round_begins_with_another_variant() -> None:
    assert [rotated("abc", number) for number in (0, 1, 5)] == [list("abc"), list("bca"), list("cab")]


def test_no_two_benchmarks_have_one_name() -> None:
    import importlib

    slugs = [slug for name in MODULES for slug in importlib.import_module(f"benchmarks.{name}").SLUGS]
    assert len(slugs) == len(set(slugs))
