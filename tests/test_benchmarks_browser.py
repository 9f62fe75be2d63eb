"""The benchmarks in the browser measure what they say; how long something takes is no matter of a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.browser import sizes, static
from benchmarks.browser.ways import PARTS, PUT, PUT_AND_POST, S3UPLOAD, Line, Way, Window
from benchmarks.stage import Stage
from tests.conftest import Chrome
from tests.servers.base import S3Account

pytestmark = pytest.mark.browser


@pytest.fixture
def stage(ceph: S3Account) -> Iterator[Stage]:
    with Stage(quick=True) as stage:
        # The store of the other tests.
        stage.account = ceph
        yield stage


@pytest.fixture
def window(chrome_session: Chrome) -> Iterator[Window]:
    yield Window(chrome_session)
    chrome_session.get("about:blank")
    chrome_session.unexpected_errors()


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    path = tmp_path / "chosen.bin"
    path.write_bytes(b"seven b" * 100_000)
    return path


def sizes_in(line: Line) -> dict[str, int]:
    """The bytes of all objects of a line's bucket, by the first part of their keys."""
    objects = line.stage.account.client().list_objects_v2(Bucket=line.bucket).get("Contents", ())
    return {item["Key"].split("/")[0].split("-")[0]: item["Size"] for item in objects}


@pytest.mark.parametrize(
    ("way", "stored"),
    [(S3UPLOAD, {"uploads": 700_000}), (PUT, {"put": 700_000}), (PARTS, {"parts": 700_000})],
    ids=lambda value: value.title if isinstance(value, Way) else "",
)
def test_what_is_timed_is_in_the_store(way, stored, stage, window, chosen):
    with Line(stage) as line:
        times = window.upload(way, chosen, line)
        found = sizes_in(line)
        stage.empty_bucket(line.bucket)

    assert found == stored
    assert 0 < times.upload <= times.answer


def test_the_form_after_a_bare_upload_puts_it_in_its_place(stage, window, chosen):
    with Line(stage) as line:
        times = window.upload(PUT_AND_POST, chosen, line)
        found = sizes_in(line)
        stage.empty_bucket(line.bucket)

    assert found == {"uploads": 700_000}
    assert times.upload < times.answer


def test_all_that_the_browser_sends_goes_over_the_slow_line(stage, window, chosen):
    with Line(stage, speed=1_000_000, round_trip=0.01) as line:
        window.upload(S3UPLOAD, chosen, line)
        store, site = ([request.method for request in proxy.requests] for proxy in line.proxies)
        stage.empty_bucket(line.bucket)

    assert {"PUT", "POST"} & set(store), "the upload"
    assert not {"HEAD", "DELETE"} & set(store), "what the server asks has a line of its own"
    assert site.count("POST") >= 2, "presigning and the form"


def test_an_upload_that_fails_is_not_timed(stage, window, chosen):
    broken = Way(title="broken", script="put", options=lambda line, _size: {"url": line.store + "/no-such-bucket/key"})
    with Line(stage) as line, pytest.raises(RuntimeError, match=r"^broken: "):
        window.upload(broken, chosen, line)


def test_a_script_weighs_less_when_it_is_compressed():
    weight = sizes(static("s3upload", "s3upload/s3upload.js"))

    assert weight["minified"] > weight["gzip"] > weight["brotli"] > 0
