"""The package as its users get it: built, installed in an empty environment, used by a site of one file."""

from __future__ import annotations

import configparser
import fnmatch
import http.cookiejar
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from html.parser import HTMLParser
from pathlib import Path

import django
import pytest

from tests.servers.base import free_port

ROOT = Path(__file__).parent.parent

SITE = """
import sys
from django import forms
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.template import engines
from django.urls import path

settings.configure(
    DEBUG=True,
    SECRET_KEY="the key of a site that lives for one test",
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.staticfiles", "s3upload"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "s3upload.middleware.S3UploadMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    STATIC_URL="/static/",
    MEDIA_ROOT=sys.argv.pop(),
)


class UploadForm(forms.Form):
    file = forms.FileField()


def page(request):
    form = UploadForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        file = form.cleaned_data["file"]
        return HttpResponse(default_storage.save(file.name, file))
    text = "<form method=post enctype=multipart/form-data>{% csrf_token %}{{ form }}</form>"
    return HttpResponse(engines["django"].from_string(text).render({"form": form}, request))


urlpatterns = [path("", page)]

execute_from_command_line(sys.argv)
"""


def run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build folder in the checkout would bring files of the past."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "s3upload", source / "s3upload", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what it requires, no more."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "uv", "venv", "--python", sys.executable, folder)
    interpreter = folder / "bin" / "python"
    # Its Django is the one under test.
    requirements = (wheel, f"Django=={django.__version__}")
    run(sys.executable, "-m", "uv", "pip", "install", "--python", interpreter, *requirements)
    return interpreter


@pytest.fixture
def site(python: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a running site that was given nothing but the wheel."""
    (tmp_path / "site.py").write_text(SITE)
    address = f"127.0.0.1:{free_port()}"
    with (tmp_path / "site.log").open("wb") as log:
        process = subprocess.Popen(
            # -P keeps the checkout and the folder, with its `site`, off the path.
            [python, "-P", "site.py", "runserver", "--noreload", address, tmp_path / "media"],
            cwd=tmp_path,
            env={key: value for key, value in os.environ.items() if not key.startswith(("DJANGO", "PYTHON"))},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://{address}/").close()
                break
            except urllib.error.URLError:
                assert process.poll() is None, (tmp_path / "site.log").read_text()
                time.sleep(0.05)
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


class Tags(HTMLParser):
    """The attributes of the page's tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append({"tag": tag, **{key: value or "" for key, value in attrs}})

    def with_(self, **attributes: str) -> dict[str, str]:
        for tag in self.found:
            if attributes.items() <= tag.items():
                return tag
        raise AssertionError(f"no tag has {attributes} in {self.found}")


def multipart(fields: dict[str, str], content: bytes) -> tuple[bytes, dict[str, str]]:
    """Encode fields and then a file named "file"."""
    boundary = "----boundary-of-the-test"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="blob"\r\n'
    parts += [head.encode(), b"Content-Type: text/plain\r\n\r\n", content, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def test_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "s3upload").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert inside == package


@pytest.mark.parametrize(
    "pattern",
    [
        "s3upload/py.typed",
        "s3upload/backends/azure/*.py",
        "s3upload/static/s3upload/filepond.js",
        "s3upload/static/s3upload/s3upload.js",
        "s3upload/static/s3upload/uppy.js",
        *(
            f"s3upload/locale/{language}/LC_MESSAGES/*.{kind}"
            for language in ("de", "es", "fr")
            for kind in ("po", "mo")
        ),
    ],
)
def test_wheel_holds(wheel: Path, pattern: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert fnmatch.filter(archive.namelist(), pattern), f"the wheel has no {pattern}"


def test_wheel_requires_four_distributions(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    required = {line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}

    assert required == {"Django>=5.2", "django-storages[s3]", "boto3", "shortuuid"}
    assert "azure" in metadata.get_all("Provides-Extra", [])
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "BSD-3-Clause"


def test_changelog_begins_with_the_version_of_the_package() -> None:
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg")
    version = setup["metadata"]["version"]
    headings = [line for line in (ROOT / "CHANGELOG.rst").read_text().splitlines() if line[:1].isdigit()]

    assert headings[0].split()[0] == version


def test_installed_wheel_uploads_a_file(site: str, tmp_path: Path) -> None:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def request(path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> str:
        url = urllib.parse.urljoin(site, path)
        sent = urllib.request.Request(url, body, {"Origin": site, **(headers or {})})
        with browser.open(sent, timeout=20) as response:
            text: str = response.read().decode()
            return text

    content = b"sixteen bytes, \xff"
    page = Tags(request("/"))
    field = page.with_(tag="input", type="file", name="file")
    csrf_token = page.with_(name="csrfmiddlewaretoken")["value"]
    script = page.with_(tag="script", type="module")["src"]
    assert "formdata" in request(script), "the page's script is not the bundle"

    file = {"name": "naïve plan.txt", "size": len(content), "type": "text/plain"}
    asked = json.dumps({"policy": field["data-s3upload-policy"], "files": [file]}).encode()
    answer = json.loads(
        request(f"{field['data-s3upload-endpoint']}presign/", asked, {"Content-Type": "application/json"})
    )
    (upload,) = answer["uploads"]
    assert upload["method"] == "POST", upload
    request(upload["url"], *multipart(upload["fields"], content))
    form = urllib.parse.urlencode({"csrfmiddlewaretoken": csrf_token, "file-s3upload": upload["token"]})
    saved_as = request("/", form.encode())

    assert (tmp_path / "media" / saved_as).read_bytes() == content
    assert saved_as == "naïve plan.txt"
