"""Static files that match a pattern keep their names: collected by the real command, and asked for as a page does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, staticfiles_storage
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.template import Context, Template

from s3upload.staticfiles import ExcludingManifestStaticFilesStorage
from tests.conftest import storages_with
from tests.test_docs import block, run

BACKEND = "s3upload.staticfiles.ExcludingManifestStaticFilesStorage"
PATTERNS = ["frontend/build/*", "*.pdf", "*.map", "*.eot"]
OURS = Path(__file__).parent.parent / "s3upload" / "static"
HASH = r"\.[0-9a-f]{12}"


class Site:
    """A site with static files of its own; `fresh()` is its next process."""

    def __init__(self, settings: Any, folder: Path) -> None:
        self.settings = settings
        self.source, self.root = folder / "source", folder / "root"
        self.source.mkdir()
        settings.STATIC_ROOT = str(self.root)
        settings.STATICFILES_DIRS = [str(self.source)]
        settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
        self.storage: dict[str, Any] = {"BACKEND": BACKEND, "OPTIONS": {"exclude_patterns": PATTERNS}}
        self.fresh()

    def fresh(self) -> None:
        self.settings.STORAGES = storages_with(self.settings, staticfiles={**self.storage})

    def use(self, backend: str) -> None:
        self.storage["BACKEND"] = backend
        self.fresh()

    def exclude(self, patterns: Any) -> None:
        self.storage["OPTIONS"] = {"exclude_patterns": patterns}
        self.fresh()

    def write(self, name: str, text: str = "text") -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def collect(self, **options: Any) -> None:
        call_command("collectstatic", interactive=False, verbosity=0, **options)
        self.fresh()

    def files(self) -> set[str]:
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}

    def text_of(self, name: str) -> str:
        """Return the text that a browser gets for `{% static name %}`."""
        return (self.root / static(name).removeprefix("/static/")).read_text(encoding="utf-8")

    def manifest(self) -> dict[str, str]:
        paths: dict[str, str] = json.loads((self.root / "staticfiles.json").read_text(encoding="utf-8"))["paths"]
        return paths


def static(name: str) -> str:
    return Template("{% load static %}{% static name %}").render(Context({"name": name}))


@pytest.fixture
def site(settings: Any, tmp_path: Path) -> Site:
    return Site(settings, tmp_path)


class Lenient(ExcludingManifestStaticFilesStorage):
    manifest_strict = False


class WithModules(ExcludingManifestStaticFilesStorage):
    support_js_module_import_aggregation = True


@pytest.mark.parametrize("backend", [BACKEND, f"{__name__}.Lenient"])
def test_excluded_files_keep_their_names_and_others_do_not(backend: str, site: Site) -> None:
    site.use(backend)
    excluded = ["frontend/build/app-3f2a.js", "frontend/build/chunks/one.css", "terms.pdf", "de/terms.pdf"]
    hashed = ["frontend/app.js", "other/frontend/build/app.js", "terms.pdf.txt", "terms.PDF", "Frontend/build/app.js"]
    for name in excluded + hashed:
        site.write(name)
    site.collect()

    for name in excluded:
        assert static(name) == f"/static/{name}"
        assert (site.root / name).read_text() == "text"
    for name in hashed:
        stem, _, extension = name.rpartition(".")
        assert re.fullmatch(f"/static/{re.escape(stem)}{HASH}.{extension}", static(name))
        assert site.text_of(name) == "text"
    # The files, a copy of each that is hashed, and the manifest: of the excluded ones there is no copy.
    copies = {site.manifest()[name] for name in hashed}
    assert site.files() == {*excluded, *hashed, *copies, "staticfiles.json"}


def test_example_of_the_page_is_one(site: Site) -> None:
    site.settings.STORAGES = run("static-files", STORAGES={**site.settings.STORAGES})["STORAGES"]

    assert static("frontend/build/assets/app-3f2a.js") == "/static/frontend/build/assets/app-3f2a.js"
    assert static("terms.pdf") == "/static/terms.pdf"
    with pytest.raises(ValueError, match="Missing staticfiles manifest entry"):
        static("site.css")


def test_manifest_has_no_excluded_file(site: Site) -> None:
    site.write("terms.pdf")
    site.write("site.css")
    site.collect()

    assert site.manifest().keys() == {"site.css"}


@pytest.mark.parametrize(
    "reference",
    [
        'url("../terms.pdf")',
        'url("../terms.pdf?page=2")',
        'url("../terms.pdf#page=2")',
        'url("/static/terms.pdf")',
        'url("./../css/../terms.pdf")',
        'url("../frontend/build/font.woff2")',
        'url("icons.eot?#iefix")',
    ],
)
def test_reference_to_an_excluded_file_stays(reference: str, site: Site) -> None:
    for name in ("terms.pdf", "frontend/build/font.woff2", "css/icons.eot"):
        site.write(name)
    site.write("css/site.css", f"a {{ background: {reference} }}")
    site.collect()

    assert site.text_of("css/site.css") == f"a {{ background: {reference} }}"


def test_hashed_file_refers_to_both_kinds(site: Site) -> None:
    site.write("photo.png")
    site.write("frontend/build/photo.png")
    site.write("frontend/build/reset.css")
    site.write(
        "site.css",
        '@import "frontend/build/reset.css";\na { background: url(photo.png), url(frontend/build/photo.png) }',
    )
    site.collect()

    assert re.fullmatch(
        re.escape('@import url("frontend/build/reset.css");\na { background: url("photo')
        + HASH
        + re.escape('.png"), url("frontend/build/photo.png") }'),
        site.text_of("site.css"),
    )


def test_excluded_file_is_not_rewritten(site: Site) -> None:
    """What it refers to is there under its plain name as well, as Django leaves it."""
    text = 'a { background: url("../../photo.png"), url("missing.png") }'
    site.write("frontend/build/app.css", text)
    site.write("photo.png")
    site.collect()

    assert site.text_of("frontend/build/app.css") == text
    assert (site.root / "photo.png").exists()
    assert re.fullmatch(f"/static/photo{HASH}.png", static("photo.png"))


def test_script_may_have_an_excluded_source_map(site: Site) -> None:
    """Also one that is not shipped: Django alone would end with an error."""
    site.write("app.js", "run();\n//# sourceMappingURL=app.js.map")
    site.write("site.css", "a {}\n/*# sourceMappingURL=site.css.map */")
    site.write("app.js.map", "{}")
    site.collect()

    assert site.text_of("app.js") == "run();\n//# sourceMappingURL=app.js.map"
    assert re.fullmatch(r"a \{\}\n/\*# sourceMappingURL=site\.css\.map +\*/", site.text_of("site.css"))
    assert re.fullmatch(f"/static/app{HASH}.js", static("app.js"))


def test_module_may_import_an_excluded_one(site: Site) -> None:
    site.write("app.js", 'import { a } from "./frontend/build/a.js";\nimport { b } from "./b.js";\n')
    site.write("frontend/build/a.js", 'export { b as a } from "../../b.js";\n')
    site.write("b.js", "export const b = 1;\n")
    site.use(f"{__name__}.WithModules")
    site.collect()

    text = site.text_of("app.js")
    assert '"./frontend/build/a.js"' in text
    assert re.search(rf'"\./b{HASH}\.js"', text)
    assert site.text_of("frontend/build/a.js") == 'export { b as a } from "../../b.js";\n'


def test_reference_to_a_missing_file_that_is_not_excluded_is_an_error(site: Site) -> None:
    site.write("site.css", 'a { background: url("missing.png") }')

    # Django 6.1 has the command say it.
    with pytest.raises((ValueError, CommandError), match=r"missing\.png"):
        site.collect()


def test_file_that_came_after_collecting_needs_no_manifest(site: Site) -> None:
    site.collect()
    (site.root / "frontend" / "build").mkdir(parents=True)
    (site.root / "frontend" / "build" / "late.js").write_text("late")
    (site.root / "late.css").write_text("late")

    assert static("frontend/build/late.js") == "/static/frontend/build/late.js"
    assert site.text_of("frontend/build/late.js") == "late"
    with pytest.raises(ValueError, match=r"Missing staticfiles manifest entry for 'late\.css'"):
        static("late.css")


def test_collecting_again_changes_nothing(site: Site) -> None:
    for name in ("terms.pdf", "frontend/build/app.js", "photo.png"):
        site.write(name)
    site.write("site.css", "a { background: url(photo.png), url(terms.pdf) }")
    site.collect()
    files, manifest, text = site.files(), site.manifest(), site.text_of("site.css")
    site.collect()

    assert (site.files(), site.manifest(), site.text_of("site.css")) == (files, manifest, text)


def test_collecting_again_brings_the_new_content(site: Site) -> None:
    site.write("terms.pdf", "old")
    site.collect()
    site.write("terms.pdf", "new")
    site.collect(clear=True)

    assert site.text_of("terms.pdf") == "new"
    assert site.files() == {"terms.pdf", "staticfiles.json"}


def test_patterns_may_change_between_two_collections(site: Site) -> None:
    site.write("terms.pdf")
    site.write("site.css", "a { background: url(terms.pdf) }")
    site.collect()
    site.exclude(["*.css"])
    site.collect()

    assert re.fullmatch(f"/static/terms{HASH}.pdf", static("terms.pdf"))
    assert static("site.css") == "/static/site.css"
    assert site.manifest().keys() == {"terms.pdf"}


def test_dry_run_writes_nothing(site: Site) -> None:
    site.write("terms.pdf")
    site.write("site.css")
    site.collect(dry_run=True)

    assert site.files() == set()


@pytest.mark.parametrize("debug", [True, False])
def test_address_is_the_same_under_debug(debug: bool, site: Site) -> None:
    site.write("terms.pdf")
    site.collect()
    site.settings.DEBUG = debug

    for name in ("terms.pdf", "terms.pdf?page=2", "terms.pdf#page=2", "frontend/build/two words.js"):
        assert static(name) == f"/static/{name}"


def test_address_may_have_the_mark_of_old_fonts(site: Site) -> None:
    site.collect()

    assert static("de/icons.eot?#iefix") == "/static/de/icons.eot?#iefix"


def test_force_hashes_no_excluded_file(site: Site) -> None:
    site.write("terms.pdf")
    site.write("site.css")
    site.collect()
    site.settings.DEBUG = True

    assert staticfiles_storage.url("terms.pdf", force=True) == "/static/terms.pdf"  # type: ignore[call-arg]
    assert staticfiles_storage.url("site.css", force=True) != "/static/site.css"  # type: ignore[call-arg]


def test_way_out_of_an_excluded_folder_is_not_excluded(site: Site) -> None:
    site.write("photo.png")
    site.write("site.css", "a { background: url(frontend/build/../../photo.png) }")
    site.collect()

    assert re.search(rf"frontend/build/\.\./\.\./photo{HASH}\.png", site.text_of("site.css"))


@pytest.mark.parametrize("name", ["frontend/build/app.js", r"frontend\build\app.js"])
def test_paths_have_slashes_on_every_system(name: str) -> None:
    storage = ExcludingManifestStaticFilesStorage("/nowhere", exclude_patterns=["frontend/build/*"])

    assert storage.is_excluded(name)
    assert list(storage.post_process({name: (storage, name)}, dry_run=True)) == []


@pytest.mark.parametrize("patterns", [["*.pdf"], ("*.pdf",), {"*.pdf"}])
def test_patterns_are_any_collection(patterns: Any) -> None:
    storage = ExcludingManifestStaticFilesStorage("/nowhere", exclude_patterns=patterns)

    assert storage.is_excluded("terms.pdf")
    assert not storage.is_excluded("site.css")


def test_without_patterns_it_is_the_one_of_django(site: Site) -> None:
    site.exclude([])
    site.write("terms.pdf")
    site.collect()

    assert re.fullmatch(f"/static/terms{HASH}.pdf", static("terms.pdf"))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("*.pdf", r"exclude_patterns .* is '\*\.pdf'. It should be a list"),
        (None, "is None. It should be a list"),
        ({"*.pdf": True}, "It should be a list"),
        ([b"*.pdf"], "is no pattern"),
        ([re.compile("pdf")], "is no pattern"),
        (["*.css", ""], "'' in exclude_patterns .* is empty"),
        (["  "], "is empty"),
        ([" *.pdf"], "white space"),
        ([r"frontend\build\*"], 'has a "'),
        (["frontend/build/"], r'it should be "frontend/build/\*"'),
        (["/frontend/build/*"], r': "frontend/build/\*"'),
        (["./*.pdf"], "no part of them is"),
        (["../*.pdf"], "no part of them is"),
        (["a//b"], 'no "//"'),
    ],
)
def test_what_would_never_match_is_refused(patterns: Any, expected: str, site: Site) -> None:
    site.write("site.css")
    site.exclude(patterns)

    with pytest.raises(ImproperlyConfigured, match=expected):
        static("site.css")
    with pytest.raises(ImproperlyConfigured, match=expected):
        site.collect()


class Aggregating(ManifestStaticFilesStorage):
    support_js_module_import_aggregation = True


@pytest.mark.parametrize("storage", [ManifestStaticFilesStorage, Aggregating])
@pytest.mark.parametrize("name", ["filepond.js", "uppy.js"])
def test_modules_find_the_script_beside_themselves(site: Site, storage: type, name: str) -> None:
    site.settings.STATICFILES_DIRS = [OURS]
    site.storage = {"BACKEND": f"{storage.__module__}.{storage.__qualname__}"}
    site.fresh()
    site.collect()

    [imported] = re.findall(r'from ?"([^"]+)"', site.text_of(f"s3upload/{name}"))
    assert re.fullmatch(rf"\./s3upload{HASH if storage is Aggregating else ''}\.js", imported)
    assert (site.root / "s3upload" / imported).is_file()
    # Under its plain name, as an import map has it, it does the same.
    assert 'from"./s3upload.js"' in (site.root / "s3upload" / name).read_text(encoding="utf-8")


def test_import_map_gives_the_script_one_address(site: Site) -> None:
    site.settings.STATICFILES_DIRS = [OURS]
    site.storage = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    site.fresh()
    site.collect()

    html = Template(block(r"html\+django", "one-script")).render(Context())
    [text] = re.findall(r"<script type=\"importmap\">(.*?)</script>", html, re.DOTALL)
    names = json.loads(text)["imports"]
    assert names["s3upload/"] == "/static/s3upload/"
    assert re.fullmatch(f"/static/s3upload/s3upload{HASH}.js", names["/static/s3upload/s3upload.js"])
