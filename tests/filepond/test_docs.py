"""The examples of the documentation's page on FilePond's server run, those for browsers in Chromium."""

from __future__ import annotations

import logging
import logging.config
import os
import re
import textwrap
import time
import types
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils import timezone
from django.utils.module_loading import import_string

import s3upload.filepond
from s3upload.filepond.keeper import FilePondKeeper
from s3upload.filepond.models import StoredUpload, TemporaryUpload, new_id
from tests.browser.page import Page
from tests.conftest import Chrome
from tests.filepond.conftest import BODY, OPEN, FilePond, Place, content_of, said
from tests.site.following import ROOT, Site, Text

PAGE = Text("filepond")

DONE = "processing-complete"

# What the page says that it works under.
[CSP] = re.findall(r"``(default-src [^`]*)``", " ".join(PAGE.text.split()))


def block(name: str) -> str:
    """Return the code of a block."""
    [code] = re.findall(
        rf"^\.\. code-block:: \S+\n(?:   :caption: .*\n)?   :name: {name}\n\n((?:   .*\n|\n)+)",
        PAGE.text,
        re.MULTILINE,
    )
    return textwrap.dedent(code)


def run(name: str, **names: Any) -> types.SimpleNamespace:
    """Run a block of Python, and return its names."""
    exec(compile(block(name), name, "exec"), names)  # noqa: S102 (our own text)
    return types.SimpleNamespace(**names)


# --- in Python ----------------------------------------------------------------------------------


@pytest.fixture
def stored_folder(settings: Any, in_folder: Place, tmp_path: Path) -> Path:
    """Stored uploads are in a folder as well."""
    settings.S3UPLOAD_FILEPOND_FILE_STORE_PATH = path = tmp_path / "stored-uploads"
    return path


def request_of(name: str) -> Any:
    request = RequestFactory().post("/")
    request.user = User.objects.get(username=name)
    return request


@pytest.mark.django_db(transaction=True)
def test_functions_do_what_the_page_says(stored_folder: Path, pond: FilePond, other: FilePond) -> None:
    upload_id = said(pond.process())
    store, read, delete = run("filepond-store"), run("filepond-read"), run("filepond-delete")
    mine, theirs = request_of("anna"), request_of("otto")

    with pytest.raises(ValueError, match="no temporary upload"):
        store.save_report(theirs, upload_id)
    assert store.save_report(mine, upload_id) == "reports/summary.pdf"
    assert (stored_folder / "reports" / "summary.pdf").read_bytes() == BODY
    assert store.save_report(mine, said(pond.process(b"other"))) != "reports/summary.pdf"

    assert read.head_of(mine, upload_id) == ("summary.pdf", BODY)
    with pytest.raises(StoredUpload.DoesNotExist):
        read.head_of(theirs, upload_id)

    with pytest.raises(StoredUpload.DoesNotExist):
        delete.delete_report(theirs, upload_id)
    assert delete.delete_report(mine, upload_id) is True
    assert not (stored_folder / "reports" / "summary.pdf").exists()


@pytest.mark.django_db(transaction=True)
def test_upload_is_taken_by_hand(in_folder: Place, pond: FilePond, tmp_path: Path) -> None:
    upload_id = said(pond.process(name="../night.txt"))

    path = run("filepond-by-hand").take(upload_id, tmp_path)

    assert path == os.path.join(tmp_path, "night.txt")
    assert Path(path).read_bytes() == BODY
    assert not TemporaryUpload.objects.exists()
    assert in_folder.is_empty


@pytest.mark.django_db(transaction=True)
def test_several_in_a_page_need_nothing(in_folder: Place, pond: FilePond) -> None:
    photos, plans = FilePond(pond.client, "photos"), FilePond(pond.client, "plans-s3upload")
    ids = {"photos": said(photos.process(b"a photo")), "plans-s3upload": said(plans.process(b"a plan"))}
    chunked = said(photos.begin(7, {"page": 1}))

    for name, upload_id in ids.items():
        assert TemporaryUpload.objects.get(pk=upload_id).field == name
    assert TemporaryUpload.objects.get(pk=chunked).field == "photos"
    assert (content_of(ids["photos"]), content_of(ids["plans-s3upload"])) == (b"a photo", b"a plan")


def test_permissions_are_those_that_there_are() -> None:
    classes = run("filepond-permission-classes").S3UPLOAD_FILEPOND_PERMISSION_CLASSES

    assert classes.keys() == OPEN.keys()
    assert all(import_string(path) for paths in classes.values() for path in paths)


def test_logging_is_configured_by_what_the_page_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loggers = [logging.getLogger(name) for name in ("s3upload.filepond", "s3upload.filepond.fetching")]
    before = [(one.level, list(one.handlers)) for one in loggers]
    try:
        logging.config.dictConfig(run("filepond-logging").LOGGING)
        logging.getLogger("s3upload.filepond.api").info("stored")
        logging.getLogger("s3upload.filepond.fetching").warning("refused")
        logged = (tmp_path / "filepond.log").read_text()
    finally:
        for one, (level, handlers) in zip(loggers, before, strict=True):
            for handler in one.handlers:
                if handler not in handlers:
                    handler.close()
            one.setLevel(level)
            one.handlers = handlers

    assert logged == "stored\n"


def test_every_module_that_logs_is_named() -> None:
    modules = Path(s3upload.filepond.__path__[0]).glob("*.py")
    logging_ones = {path.stem for path in modules if re.search(r"\blogger\.", path.read_text(encoding="utf-8"))}
    [section] = re.findall(r"^Each module has its logger.*\n(?:.+\n)*", PAGE.text, re.MULTILINE)

    assert set(re.findall(r"``(\w+)``", section)) == logging_ones


@pytest.mark.django_db(transaction=True)
def test_clean_up_says_what_the_page_shows(in_folder: Place, tmp_path: Path) -> None:
    [shown] = re.findall(r"^   (FilePond: .*)$", Text("clean-up").text, re.MULTILINE)
    let_pass = timedelta(hours=49)
    for _number in range(4):
        TemporaryUpload.objects.create(size=1)
    TemporaryUpload.objects.update(changed=timezone.now() - let_pass)
    stray = tmp_path / "filepond_uploads" / new_id()
    stray.mkdir(parents=True)
    os.utime(stray, (time.time() - let_pass.total_seconds(),) * 2)

    assert FilePondKeeper().clean_up(timedelta(hours=48), dry_run=False) == shown


# --- in a browser -------------------------------------------------------------------------------

SETTINGS = f"""
INSTALLED_APPS += ["people"]
MIDDLEWARE += ["people.csp"]
CSP = "{CSP}"
STATICFILES_DIRS = [("filepond", BASE_DIR / "node_modules" / "filepond" / "dist")]
MEDIA_ROOT = BASE_DIR / "media"
S3UPLOAD_MAX_SIZE = 3_000_000
S3UPLOAD_FILEPOND_FETCH = True
S3UPLOAD_FILEPOND_FETCH_ALLOW = ["localhost"]
"""

WITHOUT_PONDS = "for (const one of document.querySelectorAll('.filepond--root')) FilePond.destroy(one);\n"

MIDDLEWARE = """
from django.conf import settings


def csp(get_response):
    def middleware(request):
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CSP)
        return response

    return middleware
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The site of the page's examples, with the Content-Security-Policy that it names."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "node_modules").symlink_to(ROOT / "js" / "node_modules")
    site = Site(PAGE, folder, {})
    site.run("-m", "django", "startproject", "mysite", ".")
    site.run("manage.py", "startapp", "people")
    for name in ("settings", "urls", "models", "views", "form-page", "script"):
        site.write(f"filepond-{name}")
    with (folder / "mysite" / "settings.py").open("a") as settings:
        settings.write(SETTINGS)
    (folder / "people" / "__init__.py").write_text(MIDDLEWARE)
    site.run("manage.py", "makemigrations", "people")
    site.run("manage.py", "migrate")
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
    return site


def open_page(chrome: Chrome, address: str) -> Page:
    # A site of this kind has no icon, and browsers want one.
    chrome.expect_error("favicon.ico")
    page = Page(chrome, address)
    chrome.get(f"{address}/people/new/")
    chrome.wait_for(".filepond--browser")
    return page


def choose(page: Page, path: Path, state: str = DONE) -> None:
    page.choose(path, into=".filepond--browser")
    page.chrome.wait_for(f".filepond--item[data-filepond-item-state~={state}]")


def in_shell(site: Site, expression: str) -> str:
    imports = "from people.models import *; from s3upload.filepond.models import *"
    return site.run("manage.py", "shell", "-c", f"{imports}; print({expression})").splitlines()[-1]


@pytest.mark.browser
def test_form_saves_what_filepond_has_sent(site: Site, chrome: Chrome, tmp_path: Path) -> None:
    (tmp_path / "night.txt").write_bytes(BODY)
    with site.serve() as address:
        page = open_page(chrome, address)
        choose(page, tmp_path / "night.txt")
        [temporary] = (site.folder / "filepond-temp-uploads").iterdir()
        # The name is missing, and the server is to be the one who says so.
        chrome.execute_script(
            "document.querySelector('form').noValidate = true; document.querySelector('#save').click()"
        )

        chrome.wait_for(".errorlist")
        chrome.wait_for(f".filepond--item[data-filepond-item-state~={DONE}]")
        assert chrome.find(".filepond--file-info-main").text == "night.txt"
        assert chrome.evaluate("[...document.querySelectorAll('input[type=hidden]')].map(({ name }) => name)") == [
            "csrfmiddlewaretoken",
            "portrait-s3upload",
        ]
        assert [temporary] == list((site.folder / "filepond-temp-uploads").iterdir())
        chrome.find("[name=name]").send_keys("Anna")
        chrome.execute_script("document.querySelector('#save').click()")

        chrome.wait_until("!document.querySelector('.errorlist') && !document.querySelector('.filepond--item')")
        page.wait_for(lambda: not list((site.folder / "filepond-temp-uploads").iterdir()))
    assert in_shell(site, "Person.objects.get().portrait.name") == "portraits/night.txt"
    assert (site.folder / "media" / "portraits" / "night.txt").read_bytes() == BODY
    assert in_shell(site, "TemporaryUpload.objects.count()") == "0"


@pytest.mark.browser
def test_refusal_is_shown(site: Site, chrome: Chrome, tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(3_000_001))
    chrome.expect_error("413")
    with site.serve() as address:
        page = open_page(chrome, address)
        choose(page, tmp_path / "large.bin", "processing-error")

        chrome.wait_until("document.querySelector('.filepond--file-status-main').textContent.includes('too large')")
    assert not (site.folder / "filepond-temp-uploads").exists() or not list(
        (site.folder / "filepond-temp-uploads").iterdir()
    )


@pytest.mark.browser
def test_each_verb_has_an_address_of_its_own(site: Site, chrome: Chrome, tmp_path: Path) -> None:
    body = bytes(range(256)) * 10_000
    (tmp_path / "night.bin").write_bytes(body)
    with site.serve() as address:
        page = open_page(chrome, address)
        # Before a FilePond is made: its own server wins over the options of all.
        in_page(
            chrome,
            WITHOUT_PONDS
            + block("filepond-verbs")
            + block("filepond-chunks")
            + "FilePond.create(document.querySelector('input[type=file]'), { allowMinimumUploadDuration: false });",
        )
        chrome.wait_for(".filepond--browser")
        choose(page, tmp_path / "night.bin")
        temporary_id = in_shell(site, "TemporaryUpload.objects.get().pk")
        stored_id = stored(site, BODY)

        in_page(
            chrome,
            WITHOUT_PONDS
            + block("filepond-files")
            + f"show(document.querySelector('input[type=file]'), '{stored_id}', '{temporary_id}');",
        )
        page.wait_for(lambda: set(states(chrome)) == {"stored.txt", "night.bin"})
        page.wait_for(lambda: DONE in states(chrome)["night.bin"])
        cancel(chrome, "night.bin")
        page.wait_for(lambda: not list((site.folder / "filepond-temp-uploads").iterdir()))
    log = (site.folder / "server.log").read_text()
    asked = set(re.findall(r'"([A-Z]+ /fp/\w*)', log))
    assert asked == {"POST /fp/process", "PATCH /fp/patch", "GET /fp/load", "GET /fp/restore", "DELETE /fp/revert"}


@pytest.mark.browser
def test_file_is_fetched_without_a_transfer_to_the_browser(site: Site, chrome: Chrome) -> None:
    with site.serve() as address:
        page = open_page(chrome, address)
        fetched = f"http://localhost:{urlsplit(address).port}/static/people/ponds.js"
        in_page(
            chrome,
            f"{WITHOUT_PONDS}{block('filepond-head')}"
            f"FilePond.create(document.querySelector('input[type=file]')).addFile('{fetched}');",
        )
        page.wait_for(lambda: DONE in states(chrome).get("ponds.js", ""))
        [upload_id] = [path.name for path in (site.folder / "filepond-temp-uploads").iterdir()]
        assert chrome.evaluate("document.querySelector('.filepond--data input').value") == upload_id
    assert in_shell(site, "TemporaryUpload.objects.get().upload_name") == "ponds.js"
    assert "HEAD /fp/?fetch=" in (site.folder / "server.log").read_text()


def in_page(chrome: Chrome, code: str) -> None:
    """Run code as a module of the page would, which has FilePond."""
    chrome.execute_async_script(
        "const done = arguments[0]; import('/static/filepond/filepond.esm.js').then((FilePond) => {"
        f"{code}\n done(); }})"
    )


def states(chrome: Chrome) -> dict[str, str]:
    """Return the files that FilePond shows: their states by their names."""
    shown: dict[str, str] = chrome.evaluate(
        """
        Object.fromEntries([...document.querySelectorAll(".filepond--item")].map((item) => [
          item.querySelector(".filepond--file-info-main").textContent, item.dataset.filepondItemState ?? "",
        ]))
        """.strip()
    )
    return shown


def cancel(chrome: Chrome, name: str) -> None:
    """Click the cross beside the file of this name."""
    chrome.execute_script(
        """
        [...document.querySelectorAll(".filepond--item")]
          .find((item) => item.querySelector(".filepond--file-info-main").textContent === arguments[0])
          .querySelector(".filepond--action-revert-item-processing").click()
        """,
        name,
    )


def stored(site: Site, body: bytes) -> str:
    """Store an upload of the browser's visitor, whose other one is there already; return its id."""
    (site.folder / "stored-uploads").mkdir()
    (site.folder / "stored-uploads" / "stored.txt").write_bytes(body)
    return in_shell(
        site,
        "[StoredUpload.objects.create(upload_id='2' * 22, name='stored.txt', upload_name='stored.txt',"
        f" content_type='text/plain', size={len(body)}, owner_identity=one.owner_identity, uploaded=one.uploaded).pk"
        " for one in TemporaryUpload.objects.all()][0]",
    )
