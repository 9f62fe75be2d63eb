"""What a page with file inputs costs: to render, in bytes, and under ASGI."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

from .figures import Figure, Target
from .stage import Site, Stage, rotated
from .variants import VARIANTS

OURS, STOCK = VARIANTS["s3upload"].title, VARIANTS["s3storage"].title


MEASURED = ["s3storage", "s3file", "s3upload"]

INPUTS = [1, 3, 10, 30, 100]

SLUGS = ("render", "html", "asgi-form")


def measure(stage: Stage) -> Iterator[Figure]:
    if stage.wants("render", "html"):
        yield from (figure for figure in rendering(stage) if stage.wants(figure.slug))
    if stage.wants("asgi-form"):
        yield asgi_form(stage)


def rendering(stage: Stage) -> list[Figure]:
    time = Figure(
        slug="render",
        title="Rendering a form, by its file inputs",
        unit="ms",
        base=STOCK,
        axis="file inputs",
        note="CPU for making the form and its HTML, in a process that does nothing else. Each input has a policy of "
        "its own, which s3upload signs.",
        targets=[
            Target(
                text=f"rendering {count} input{'s' if count > 1 else ''}",
                cell=(OURS, str(count)),
                base=(STOCK, str(count)),
                limit=1.3,
            )
            for count in (1, 10, 100)
        ],
    )
    length = Figure(
        slug="html",
        title="HTML of a form, more than stock Django's, for each file input",
        unit="bytes",
        axis="file inputs",
        note="The attributes of the inputs and, with s3upload, the script element that it puts beside each of them "
        "are counted. What the form's media adds to a page, once, is not.",
        targets=[
            Target(
                text=f"HTML more for each of {count} input{'s' if count > 1 else ''}",
                cell=(OURS, str(count)),
                base=None,
                limit=400,
            )
            for count in (1, 10, 100)
        ],
    )
    arguments = ["20" if stage.quick else "500", *map(str, INPUTS)]
    for number in range(2 * stage.rounds):
        answers = {}
        for variant in rotated(MEASURED, number):
            stage.say(f"{time.slug}: round {number + 1}, {variant}")
            title = VARIANTS[variant].title
            answer = answers[variant] = stage.run("run_rendering", variant, *arguments)
            for count, rendered in answer.items():
                time.add(title, count, rendered["seconds"] * 1000)
        for variant in ("s3file", "s3upload"):
            for count, stock in answers["s3storage"].items():
                more = answers[variant][count]["bytes"] - stock["bytes"]
                length.add(VARIANTS[variant].title, count, more / int(count))
    return [time, length]


def asgi_form(stage: Stage) -> Figure:
    column = "GET of the form"
    figure = Figure(
        slug="asgi-form",
        title="CPU of a form under ASGI",
        unit="ms",
        base=STOCK,
        note="One uvicorn worker; a view that is no coroutine, which Django runs in a thread.",
        targets=[Target(text="form GET under ASGI", cell=(OURS, column), base=(STOCK, column), limit=1.2)],
    )
    for number in range(2 * stage.rounds):
        for variant in rotated(MEASURED, number):
            stage.say(f"{figure.slug}: round {number + 1}, {variant}")
            with stage.site(variant, is_async=True) as site:
                _get(site, 5 if stage.quick else 20)
                before = now = site.read_meter().cpu
                answers = 0
                # Some of them take so long that few must do.
                while now - before < (0 if stage.quick else 0.5) or not answers:
                    _get(site, 10)
                    answers += 10
                    now = site.read_meter().cpu
                figure.add(VARIANTS[variant].title, column, (now - before) / answers * 1000)
    return figure


def _get(site: Site, repetitions: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    for _ in range(repetitions):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
    connection.close()
