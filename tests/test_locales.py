"""Every text is translated, and what is shipped is what was translated."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.utils import translation

from s3upload.exceptions import UploadGone
from s3upload.policy import ChosenFile, Policy, Refused

ROOT = Path(__file__).parent.parent
LOCALE = ROOT / "s3upload" / "locale"
LANGUAGES = ("de", "es", "fr")
DOMAINS = ("django", "djangojs")
CATALOGS = [(language, domain) for language in LANGUAGES for domain in DOMAINS]

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


def source(language: str, domain: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def gettext_program(*command: str | Path) -> str:
    program = shutil.which(str(command[0]))
    if program is None:
        pytest.fail(f"{command[0]} is missing; `make test` installs gettext")
    return subprocess.run([program, *command[1:]], capture_output=True, encoding="utf-8", check=True).stdout


def messages(catalog: Path) -> dict[str, list[str]]:
    """Return the translations of a compiled catalog, without its header: of a text with plural forms, all of them."""
    with catalog.open("rb") as file:
        translations = gettext.GNUTranslations(file)
    found: dict[str, list[str]] = {}
    for key, text in translations._catalog.items():  # type: ignore[attr-defined]
        found.setdefault(key if isinstance(key, str) else key[0], []).append(text)
    found.pop("", None)
    return found


def compiled(po: Path, folder: Path, *options: str) -> dict[str, list[str]]:
    """Return what a source compiles to; what is fuzzy or has no translation is left out."""
    mo = folder / "compiled.mo"
    gettext_program("msgfmt", *options, "-o", mo, po)
    return messages(mo)


def extracted(domain: str, folder: Path) -> set[str]:
    """Return the texts that stand in the source, as ``makemessages`` finds them."""
    if domain == "django":
        files, options = sorted((ROOT / "s3upload").rglob("*.py")), ["--language=Python", "--keyword=gettext_noop"]
        options += ["--keyword=gettext_lazy", "--keyword=ngettext_lazy:1,2", "--keyword=pgettext:1c,2"]
    else:
        files, options = sorted((ROOT / "js" / "src").glob("*.js")), ["--language=JavaScript"]
        options += ["--keyword=_", "--keyword=gettext_noop"]
    assert files
    pot = folder / f"{domain}.pot"
    gettext_program("xgettext", "--from-code=UTF-8", "--force-po", *options, "-o", pot, *files)
    # xgettext leaves the charset open while all texts are ASCII, and the plural forms to who translates.
    text = pot.read_text(encoding="utf-8").replace("charset=CHARSET", "charset=UTF-8")
    text = text.replace("nplurals=INTEGER; plural=EXPRESSION", "nplurals=2; plural=(n != 1)")
    pot.write_text(text, encoding="utf-8")
    # Every text as its own translation, so that it can be compiled.
    po = folder / f"{domain}.en.po"
    gettext_program("msgen", "-o", po, pot)
    return set(compiled(po, folder))


def test_extraction_finds_the_texts_of_both_sides(tmp_path: Path) -> None:
    assert str(UploadGone.default_message) in extracted("django", tmp_path)
    assert "Try again" in extracted("djangojs", tmp_path)


@pytest.mark.parametrize(("language", "domain"), CATALOGS)
def test_every_text_is_translated(language: str, domain: str, tmp_path: Path) -> None:
    missing = extracted(domain, tmp_path) - compiled(source(language, domain), tmp_path).keys()

    assert not missing, f"{source(language, domain)} has no translation, or a fuzzy one, of {sorted(missing)}"


@pytest.mark.parametrize(("language", "domain"), CATALOGS)
def test_nothing_is_translated_that_nobody_says(language: str, domain: str, tmp_path: Path) -> None:
    unused = compiled(source(language, domain), tmp_path, "--use-fuzzy").keys() - extracted(domain, tmp_path)

    assert not unused


@pytest.mark.parametrize(("language", "domain"), CATALOGS)
def test_compiled_catalog_is_that_of_its_source(language: str, domain: str, tmp_path: Path) -> None:
    po = source(language, domain)
    mo = po.with_suffix(".mo")
    # The texts of the script are compiled into it; a catalog beside it is of use, yet not necessary.
    if domain == "django" or mo.exists():
        assert messages(mo) == compiled(po, tmp_path), f"{mo} is stale: run `make locales`"


@pytest.mark.parametrize(("language", "domain"), CATALOGS)
def test_translations_have_the_placeholders_of_the_text(language: str, domain: str, tmp_path: Path) -> None:
    for msgid, texts in compiled(source(language, domain), tmp_path, "--check").items():
        for text in texts:
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(msgid)), msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_forms_are_as_many_as_the_language_has(language: str, tmp_path: Path) -> None:
    found = compiled(source(language, "django"), tmp_path)

    assert len(set(found["%(count)d upload was stored."])) == 2


@pytest.mark.parametrize(("language", "domain"), CATALOGS)
def test_sources_name_no_machine(language: str, domain: str) -> None:
    text = source(language, domain).read_text(encoding="utf-8")

    assert f'"Language: {language}\\n"' in text
    assert not re.search(r"^#:.* (/|\.\./|[A-Z]:)", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", "Die Datei ist zu groß (3\xa0Bytes). Erlaubt sind höchstens 2\xa0Bytes."),
        ("es", "El archivo es demasiado grande (3\xa0bytes). El máximo permitido es 2\xa0bytes."),
        ("fr", "Le fichier est trop volumineux (3\xa0octets). La taille maximale est de 2\xa0octets."),
    ],
)
def test_a_refusal_is_in_the_language_of_the_person(language: str, expected: str) -> None:
    with translation.override(language), pytest.raises(Refused) as refused:
        Policy("file", "default", max_size=2).check(ChosenFile("a.txt", 3, "text/plain"))

    assert refused.value.messages == [expected]
