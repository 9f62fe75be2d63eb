"""The tutorial of FilePond is followed, and what it has people do is done in Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from selenium.webdriver.common.by import By

from s3upload.filepond.models import is_id
from tests.browser.page import Page
from tests.conftest import Chrome, S3Store
from tests.site.following import ROOT, Site, Text

PAGE = Text("filepond-tutorial")

PORT = ":8000"

DONE = "processing-complete"

BODY = b"It was a dark and stormy night."


def write(folder: Path, name: str, body: bytes) -> Path:
    path = folder / name
    path.write_bytes(body)
    return path


class Visit:
    """
    Somebody who does what the tutorial says.

    :param chrome: their browser.
    :param address: of the site.
    """

    def __init__(self, chrome: Chrome, address: str) -> None:
        self.chrome = chrome
        self.address = address
        # A site of this kind has no icon, and browsers want one.
        chrome.expect_error("favicon.ico")

    def open(self, path: str = "/") -> None:
        self.chrome.get(self.address + path)
        self.chrome.wait_for(".filepond--browser")

    def choose(self, *files: Path) -> None:
        Page(self.chrome, self.address).choose(*files, into=".filepond--browser")

    def wait_until_green(self) -> None:
        self.chrome.wait_for(f".filepond--item[data-filepond-item-state={DONE}]")

    def cancel(self) -> None:
        self.chrome.execute_script("document.querySelector('.filepond--action-revert-item-processing').click()")
        self.chrome.wait_until("!document.querySelector('.filepond--item')")

    def type_into_the_console(self, block: str) -> str:
        """Type a block, and return what the console answers to its last line."""
        *before, last = self.at_hand(block).strip().splitlines()
        script = "\n".join([*before, f"return {last}"])
        answer = self.chrome.execute_async_script(
            f"const done = arguments[0]; (async () => {{ {script} }})().then((value) => done(String(value)))"
        )
        return str(answer)

    def at_hand(self, block: str) -> str:
        """Return a block of the page for the port that the site has here."""
        [code] = re.findall(
            rf"^\.\. code-block:: \S+\n   :name: {block}\n\n((?:   .*\n|\n)+)", PAGE.text, re.MULTILINE
        )
        assert isinstance(code, str)
        return code.replace(PORT, f":{urlsplit(self.address).port}")


class TemporaryFolder:
    """What there is in the folder of temporary uploads."""

    def __init__(self, site: Site) -> None:
        self.path = site.folder / "filepond-temp-uploads"

    @property
    def ids(self) -> list[str]:
        return [path.name for path in self.path.iterdir()] if self.path.exists() else []

    def only_file(self) -> tuple[str, Path]:
        """Return the id of the one upload, and its one file."""
        [upload_id] = self.ids
        [file] = (self.path / upload_id).iterdir()
        return upload_id, file


@pytest.fixture
def part_a(tmp_path: Path) -> Site:
    """The site after part A."""
    folder = tmp_path / "filepond-tutorial"
    folder.mkdir()
    (folder / "node_modules").symlink_to(ROOT / "js" / "node_modules")
    site = Site(PAGE, folder, {})
    site.run("-m", "django", "startproject", "mysite", ".")
    site.run("manage.py", "startapp", "ponds")
    for name in ("settings", "urls", "basic", "script"):
        site.write(f"filepond-tutorial-{name}")
    site.run("manage.py", "migrate")
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
    return site


@pytest.fixture
def part_b(part_a: Site) -> Callable[[S3Store], Site]:
    """Follow part B to a bucket, by the page's block with other options."""

    def follow(bucket: S3Store) -> Site:
        for name in ("views", "more-urls", "advanced", "store-script"):
            part_a.write(f"filepond-tutorial-{name}")
        part_a.write(
            "filepond-tutorial-storage",
            lambda code: re.sub(r'"OPTIONS": \{.*\}', f'"OPTIONS": {bucket.options!r}', code),
        )
        assert "no issues" in part_a.run("manage.py", "check", "--fail-level", "WARNING")
        return part_a

    return follow


def test_commands_are_those_that_the_test_runs() -> None:
    assert PAGE.commands() == [
        "mkdir filepond-tutorial",
        "cd filepond-tutorial",
        "python -m venv env",
        ". env/bin/activate",
        "pip install '/path/to/the/checkout[filepond]'",
        "npm install filepond",
        "django-admin startproject mysite .",
        "python manage.py startapp ponds",
        "python manage.py migrate",
        "python manage.py check",
        "python manage.py runserver",
    ]


def test_every_block_is_used() -> None:
    with_places = {"settings", "urls", "basic", "script", "fetch"}
    with_places |= {"views", "more-urls", "advanced", "store-script", "storage"}

    assert PAGE.blocks().keys() == {f"filepond-tutorial-{name}" for name in with_places}
    assert len(re.findall(r"^\.\. code-block:: javascript\n   :name:", PAGE.text, re.MULTILINE)) == 2


@pytest.mark.browser
def test_part_a_in_a_folder(part_a: Site, chrome: Chrome, tmp_path: Path) -> None:
    temporary = TemporaryFolder(part_a)
    with part_a.serve() as address:
        visit = Visit(chrome, address)
        visit.open()
        visit.choose(write(tmp_path, "night.txt", BODY))
        visit.wait_until_green()

        upload_id, file = temporary.only_file()
        assert is_id(upload_id)
        assert is_id(file.name)
        assert file.name != upload_id
        assert file.read_bytes() == BODY

        visit.cancel()
        assert temporary.ids == []


@pytest.mark.browser
def test_part_a_from_an_address(part_a: Site, chrome: Chrome) -> None:
    temporary = TemporaryFolder(part_a)
    part_a.write("filepond-tutorial-fetch")
    write(part_a.folder / "ponds" / "static" / "ponds", "test.txt", BODY)
    with part_a.serve() as address:
        visit = Visit(chrome, address)
        visit.open()
        answer = visit.type_into_the_console("filepond-tutorial-console")

        upload_id, file = temporary.only_file()
        assert answer == upload_id
        assert file.read_bytes() == BODY
        visit.wait_until_green()
        visit.cancel()
        assert temporary.ids == []


@pytest.mark.browser
def test_part_a_in_chunks(part_a: Site, chrome: Chrome, tmp_path: Path) -> None:
    body = bytes(range(256)) * 5000
    with part_a.serve() as address:
        visit = Visit(chrome, address)
        visit.open()
        visit.type_into_the_console("filepond-tutorial-chunks")
        visit.choose(write(tmp_path, "100% großes имя.txt", body))
        visit.wait_until_green()

        _upload_id, file = TemporaryFolder(part_a).only_file()
        assert file.read_bytes() == body
    log = (part_a.folder / "server.log").read_text()
    assert (log.count('"POST /fp/'), log.count('"PATCH /fp/')) == (1, 3)
    named = "from s3upload.filepond.models import TemporaryUpload as T; print(ascii(T.objects.get().upload_name))"
    assert part_a.run("manage.py", "shell", "-c", named).splitlines()[-1] == ascii("100% großes имя.txt")


@pytest.mark.browser
def test_part_b_on_ceph(
    part_b: Callable[[S3Store], Site], ceph_store: S3Store, chrome: Chrome, tmp_path: Path
) -> None:
    site = part_b(ceph_store)
    picture = tmp_path / "night.png"
    Image.new("RGB", (60, 90), "navy").save(picture)
    with site.serve() as address:
        visit = Visit(chrome, address)
        visit.open("/stored/")
        store = chrome.find("#store")
        assert not store.is_enabled()
        visit.choose(picture)
        visit.wait_until_green()
        [upload_id] = TemporaryFolder(site).ids
        chrome.wait_until("!document.querySelector('#store').disabled")
        store.click()

        image = chrome.wait_for("form img")
        chrome.wait_until("document.querySelector('form img').complete")
        assert chrome.evaluate("document.querySelector('form img').naturalWidth") == 60
        assert image.get_attribute("alt") == "night.png"
        assert ceph_store.keys() == [f"tutorial/{upload_id}/night.png"]
        assert ceph_store.get(f"tutorial/{upload_id}/night.png") == picture.read_bytes()
        assert TemporaryFolder(site).ids == []

        # Somebody else sees and deletes none of it.
        chrome.execute_cdp_cmd("Network.clearBrowserCookies", {})
        chrome.expect_error(f"load/{upload_id}.*404|delete/{upload_id}.*404")
        chrome.get(f"{address}/fp/load/{upload_id}")
        assert chrome.find("body").text == "There is no such upload."
        visit.open("/stored/")
        assert "Nothing is stored yet." in chrome.find("body").text


@pytest.mark.browser
def test_part_b_deletes(
    part_b: Callable[[S3Store], Site], ceph_store: S3Store, chrome: Chrome, tmp_path: Path
) -> None:
    site = part_b(ceph_store)
    with site.serve() as address:
        visit = Visit(chrome, address)
        visit.open("/stored/")
        visit.choose(write(tmp_path, "night.txt", BODY))
        visit.wait_until_green()
        chrome.wait_until("!document.querySelector('#store').disabled")
        chrome.find("#store").click()
        chrome.wait_for("form p")
        assert len(ceph_store.keys()) == 1

        chrome.find_element(By.XPATH, "//button[text()='Delete stored upload']").click()
        chrome.wait_until("document.body.textContent.includes('Nothing is stored yet.')")
        assert ceph_store.keys() == []
