"""The demo does what its page says, under the policy that its page names."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Chrome
from tests.servers.base import S3Account, free_port

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["filesystem", "ceph"])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the demo, on each of its stores."""
    folder = tmp_path_factory.mktemp("demo")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("DJANGO", "S3_"))}
    environ["DEMO_DATA"] = str(folder / "data")
    if request.param == "ceph":
        account: S3Account = request.getfixturevalue("ceph")
        bucket = f"demo-{free_port()}"
        account.create_bucket(bucket)
        environ |= account.environ(bucket)
    port = free_port()
    log = folder / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "demo/manage.py", "serve", str(port)],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(400):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
                break
            except urllib.error.URLError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "blue.png"
    Image.new("RGB", (320, 200), "steelblue").save(path)
    return path


def save(chrome: Chrome) -> str:
    """Save the form and return what the page then says."""
    chrome.find("button.primary").click()
    return chrome.wait_for(".message.success").text


def test_one_large_file_goes_straight_to_the_store(demo: str, chrome: Chrome, tmp_path: Path) -> None:
    film = tmp_path / "film.bin"
    film.write_bytes(random.Random(1).randbytes(24 * 2**20))
    chrome.get(f"{demo}/one/")
    chrome.find("input[type=file]").send_keys(str(film))

    assert re.fullmatch(r"Saved\. Form post: \d+ bytes; file: 24\.0.MB went straight to the store\.", save(chrome))
    assert chrome.find(".saved .name").text == "film.bin"


def test_several_files_are_listed_after_saving(demo: str, chrome: Chrome, tmp_path: Path) -> None:
    names = ["first.txt", "second.txt", "third.txt"]
    for name in names:
        (tmp_path / name).write_text(name)
    chrome.get(f"{demo}/several/")
    chrome.find("input[type=file]").send_keys("\n".join(str(tmp_path / name) for name in names))

    assert "3 files" in save(chrome)
    assert sorted(item.text for item in chrome.find_all(".saved .name")[:3]) == names


def test_picture_survives_an_error_and_is_shown(demo: str, chrome: Chrome, picture: Path) -> None:
    chrome.get(f"{demo}/image/")
    chrome.find("input[type=file]").send_keys(str(picture))
    chrome.find("[name=caption]").send_keys("ab")
    chrome.find("button.primary").click()
    chrome.wait_for(".errorlist")
    chrome.find("[name=caption]").send_keys("c")

    assert "went straight to the store" in save(chrome)
    assert "320 × 200" in chrome.find("figcaption").text
    chrome.wait_until("document.querySelector('figure img').naturalWidth == 320")


def test_row_added_by_script_uploads(demo: str, chrome: Chrome, picture: Path) -> None:
    chrome.get(f"{demo}/album/")
    chrome.find("[name=title]").send_keys("Blue")
    chrome.find("#add-row").click()
    chrome.find_all("#rows input[type=file]")[-1].send_keys(str(picture))

    assert "went straight to the store" in save(chrome)
    assert chrome.find(".saved img.thumb").is_displayed()


def test_saved_file_can_be_deleted(demo: str, chrome: Chrome, tmp_path: Path) -> None:
    note = tmp_path / "note to delete.txt"
    note.write_text("gone soon")
    chrome.get(f"{demo}/one/")
    chrome.find("input[type=file]").send_keys(str(note))
    save(chrome)
    chrome.find(".saved button").click()

    assert chrome.wait_for(".message.info").text == "Deleted note_to_delete.txt."
    assert "note_to_delete" not in chrome.find(".saved").text


def test_admin_uploads_in_an_inline(demo: str, chrome: Chrome, picture: Path) -> None:
    chrome.get(f"{demo}/admin/showcase/album/add/")
    chrome.find("[name=username]").send_keys("admin")
    chrome.find("[name=password]").send_keys("admin")
    chrome.find("[type=submit]").click()
    chrome.wait_for("[name=title]").send_keys("Blue")
    chrome.find("input[type=file]").send_keys(str(picture))
    chrome.find("[name=_continue]").click()

    link = chrome.wait_for(".file-upload a")
    assert link.text.startswith("albums/blue")
