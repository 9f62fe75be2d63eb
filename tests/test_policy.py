"""What a policy accepts, the media type that the server decides on, and names as they are cleaned."""

from __future__ import annotations

import mimetypes
import string
import tempfile
import unicodedata
from pathlib import Path

import pytest
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.validators import FileExtensionValidator
from hypothesis import given
from hypothesis import strategies as st

from s3upload.conf import POLICY_AGE
from s3upload.exceptions import Expired, Forged, Refused
from s3upload.policy import SCRIPTABLE_TYPES, ChosenFile, Policy, clean_file_name, field_identity
from tests.pages import a_policy, a_token, set_clock
from tests.testapp.models import Document


def accepts(policy: Policy, name: str, type_: str = "", size: int = 1) -> bool:
    try:
        policy.check(ChosenFile(name, size, type_))
    except Refused:
        return False
    return True


# --- accept --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "name", "type_"),
    [
        ("", "anything", ""),
        ("image/*", "a.png", "image/png"),
        ("image/*", "a.png", ""),
        ("image/*", "a.png", "application/octet-stream"),
        ("image/*", "a", "image/png"),
        ("image/png", "a.png", "image/png"),
        ("IMAGE/PNG", "A.PNG", "Image/Png"),
        ("image/png, image/jpeg", "a.jpg", "image/jpeg"),
        ("image/*,.pdf", "a.pdf", "application/pdf"),
        ("image/*,.pdf", "a.PDF", "x-broken"),
        ("  .pdf  ,,  .TXT ", "a.txt", ""),
        (".tar.gz", "backup.tar.gz", "application/gzip"),
        (".tar.gz", "BACKUP.TAR.GZ", ""),
        (".gz", "backup.tar.gz", ""),
        ("*/*", "a", ""),
        ("*/*", "a.html", "text/html"),
        ("text/html", "a.html", "text/html"),
        ("image/svg+xml", "a.svg", "image/svg+xml"),
        ("text/csv", "a.csv", "application/vnd.ms-excel"),  # Windows with Excel
        ("application/pdf", "a.pdf", "application/pdf; charset=binary"),
        # What is no specifier is ignored; of junk alone nothing is left that could refuse.
        ("pdf, image/*", "a.png", "image/png"),
        ("pdf", "a.txt", "text/plain"),
        (", ,", "a.txt", ""),
        ("*", "a.txt", ""),
    ],
)
def test_accepted(accept: str, name: str, type_: str) -> None:
    assert accepts(a_policy(accept=accept), name, type_)


@pytest.mark.parametrize(
    ("accept", "name", "type_"),
    [
        ("image/*", "a.pdf", "application/pdf"),
        ("image/*", "a", ""),
        ("image/*", "a.pdf", ""),
        ("image/png", "a.jpg", "image/jpeg"),
        ("image/png,.pdf", "a.txt", "text/plain"),
        (".pdf", "a.pdf.exe", "application/pdf"),
        (".pdf", "pdf", "application/pdf"),
        (".pdf", "a", "application/pdf"),
        (".tar.gz", "backup.gz", "application/gzip"),
        (".tar.gz", "backup.tar", ""),
        (".", "a.pdf", ""),
        ("imag/*", "a.png", "image/png"),
        ("image/pn", "a.png", "image/png"),
        ("text/*", "a.bin", "image/png"),
        # A page can't be had accepted as an image by saying that it is one.
        ("image/*", "a.html", "image/png"),
        ("image/png", "a.html", "image/png"),
        ("image/png", "a.svg", "image/png"),
        ("image/*", "data:,evil.html", "image/png"),
        ("text/html", "a.png", "text/html"),
        ("image/svg+xml", "a.bin", "image/svg+xml"),
    ],
)
def test_not_accepted(accept: str, name: str, type_: str) -> None:
    assert not accepts(a_policy(accept=accept), name, type_)


@pytest.mark.parametrize("extensions", [("pdf",), ("pdf", "zip"), ("zip", "pdf")])
def test_extension_of_the_list_is_accepted_in_any_case(extensions: tuple[str, ...]) -> None:
    policy = a_policy(extensions=extensions)
    assert accepts(policy, "a.pdf")
    assert accepts(policy, "a.tar.PDF")
    assert not accepts(policy, "a.pdf.exe")
    assert not accepts(policy, "pdf")
    assert not accepts(policy, "a.pdf ")


def test_no_extension_is_left_where_lists_have_none_in_common() -> None:
    policy = a_policy(extensions=())
    assert not accepts(policy, "a.pdf")
    assert not accepts(policy, "a")


@pytest.mark.parametrize("allowed", [["pdf"], ["PDF", "zip"], ["tar.gz"], ["", "txt"], []])
@pytest.mark.parametrize("name", ["a.pdf", "a.PDF", ".pdf", "a.", "a", "a.tar.gz", "a.txt", "..pdf", "b.zip", "…pdf"])
def test_extensions_mean_what_they_mean_to_the_validator_of_django(allowed: list[str], name: str) -> None:
    """Neither is a file refused that the form would take, nor one sent that the form refuses."""
    validator = FileExtensionValidator(allowed)
    try:
        validator(ContentFile(b"x", name=name))
        expected = True
    except ValidationError:
        expected = False
    assert accepts(a_policy(extensions=tuple(validator.allowed_extensions)), name) is expected


def test_both_accept_and_extensions_must_be_met() -> None:
    policy = a_policy(accept="image/*", extensions=("png", "pdf"))
    assert accepts(policy, "a.png", "image/png")
    assert not accepts(policy, "a.pdf", "application/pdf")
    assert not accepts(policy, "a.jpg", "image/jpeg")


@pytest.mark.parametrize(("size", "expected"), [(0, True), (9, True), (10, True), (11, False), (2**63 - 1, False)])
def test_largest_size_is_inclusive(size: int, expected: bool) -> None:
    assert accepts(a_policy(max_size=10), "a", size=size) is expected


def test_refusal_says_what_is_allowed() -> None:
    policy = a_policy(max_size=2048, accept="image/*, .pdf")
    with pytest.raises(Refused) as too_large:
        policy.check(ChosenFile("a.pdf", 4096, ""))
    assert too_large.value.code == "max_size"
    assert too_large.value.message == "The file is too large (4.0\xa0KB). At most 2.0\xa0KB are allowed."
    with pytest.raises(Refused) as wrong_type:
        policy.check(ChosenFile("a.txt", 1, "text/plain"))
    assert wrong_type.value.code == "type"
    assert "image/*, .pdf" in wrong_type.value.message


def test_refusal_by_extension_names_the_extensions() -> None:
    with pytest.raises(Refused) as refused:
        a_policy(extensions=("pdf", "zip")).check(ChosenFile("a.txt", 1, ""))
    assert ".pdf, .zip" in refused.value.message


# --- the media type that the server decides on ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "declared", "expected"),
    [
        ("a.png", "image/png", "image/png"),
        ("a.png", "IMAGE/PNG; q=1", "image/png"),
        ("a.png", "", "image/png"),
        ("a.png", "application/octet-stream", "image/png"),
        # Browsers look for themselves what these are, and find pages.
        ("a.png", "unknown/unknown", "image/png"),
        ("a.png", "Application/Unknown; x=y", "image/png"),
        ("a", "unknown/unknown", "application/octet-stream"),
        ("a", "image/png", "image/png"),
        ("a.heic", "image/heic", "image/heic"),
        ("a", "", "application/octet-stream"),
        ("a.unknown-extension", "", "application/octet-stream"),
        ("a.html", "text/html", "text/html"),
        ("a.HTML", "image/png", "text/html"),
        ("a.svg", "image/png", "image/svg+xml"),
        ("a.png", "text/html", "image/png"),
        ("a", "text/html", "application/octet-stream"),
        # A name that begins like a URL is a name.
        ("data:,evil.html", "image/png", "text/html"),
        ("data:text/plain,evil.html", "text/plain", "text/html"),
        # The one kind of script that no browser runs.
        ("a", "application/postscript", "application/postscript"),
        ("a.ps", "", "application/postscript"),
        ("a.unknown-extension", "image/svg+xml", "application/octet-stream"),
        ("a.tar.gz", "application/gzip", "application/gzip"),
        ("a.tar.gz", "", "application/octet-stream"),
        # No media types, so nothing was declared.
        ("a.png", "image", "image/png"),
        ("a", "image/png\r\nX-Header: 1", "application/octet-stream"),
        ("a", "image/png, text/html", "application/octet-stream"),
        ("a", "image/" + "x" * 200, "application/octet-stream"),
        ("a", "ımage/png", "application/octet-stream"),
        ("a", "*/*", "application/octet-stream"),
        ("a", "\x00/\x00", "application/octet-stream"),
        ("a", "\ud800/x", "application/octet-stream"),
    ],
)
def test_content_type(name: str, declared: str, expected: str) -> None:
    assert ChosenFile(name, 1, declared).content_type == expected


# https://mimesniff.spec.whatwg.org/#scriptable-mime-type, all XML types among them;
# https://mimesniff.spec.whatwg.org/#javascript-mime-type; and what may hold any of them
OTHER_SCRIPTABLE = {
    "application/mathml+xml",
    "application/rss+xml",
    "application/atom+xml",
    "image/svg+xml",
    "x-a/b+xml",
    "application/ecmascript",
    "application/javascript",
    "application/x-ecmascript",
    "application/x-javascript",
    "text/ecmascript",
    "text/javascript",
    "text/javascript1.5",
    "text/jscript",
    "text/livescript",
    "text/x-javascript",
    "text/css",
    "multipart/x-mixed-replace",
    "multipart/related",
}


@pytest.mark.parametrize("declared", sorted(SCRIPTABLE_TYPES | OTHER_SCRIPTABLE))
@pytest.mark.parametrize("name", ["a", "a.png", "a.unknown-extension", "a.txt", "html"])
def test_no_file_is_a_script_by_declaration_alone(name: str, declared: str) -> None:
    decided = ChosenFile(name, 1, declared).content_type
    assert decided == (mimetypes.guess_type(name)[0] or "application/octet-stream")


@given(st.text(max_size=40), st.text(max_size=40))
def test_content_type_can_always_stand_in_a_header(name: str, declared: str) -> None:
    decided = ChosenFile(clean_file_name(name), 1, declared).content_type
    assert decided.isascii()
    assert decided.isprintable()
    assert " " not in decided
    assert decided.count("/") == 1


# --- names ---------------------------------------------------------------------------------------

LONG_CHINESE = "報" * 250 + ".pdf"  # Windows counts no bytes

NAMES = {
    "report.pdf": "report.pdf",
    "100% of it.pdf": "100% of it.pdf",
    "%2e%2e%2fpasswd": "%2e%2e%2fpasswd",
    'it\'s "quoted".pdf': 'it\'s "quoted".pdf',
    "line\nbreak.txt": "linebreak.txt",
    "tab\tand\x00nul\x7f.txt": "tabandnul.txt",
    "😀 emoji 👩‍👩‍👧.png": None,
    "תמונה.jpg": "תמונה.jpg",
    "a\u202egpj.exe": "agpj.exe",  # turns the direction around, to look like another type
    "Łódź ünï.txt": "Łódź ünï.txt",
    "e\u0301.txt": "e\u0301.txt",
    ".htaccess": ".htaccess",
    "...": "...",
    "....txt": "....txt",
    "  leading.txt": "  leading.txt",
    "trailing.txt  ": "trailing.txt  ",
    " ": "file",
    "\u3000": "file",
    "..": "file",
    ".": "file",
    "&#" + "9" * 5000 + ";": "file",  # more digits than Python makes a number of
    "?*:|<>": "file",
    "!!!.pdf": "!!!.pdf",
    "..?": "file",
    "C:\\Users\\me\\report.pdf": "report.pdf",
    "a/b/../c.txt": "c.txt",
    "dir/": "file",
    "back\\slash.txt": "slash.txt",
    "..\\..\\x": "x",
    "&lt;b&gt;.txt": "<b>.txt",  # as Django unescapes it in a form's own file
    "&#x2e;&#x2e;": "file",
    "&#x2f;etc&#x2f;passwd": "passwd",
    "<script>.txt": "<script>.txt",
    "\ud800lone\udfff.txt": "lone.txt",
    "\ud800": "file",
    "con.txt": "con.txt",
    "-rf": "-rf",
    "~": "file",
    "$(reboot)`x`;.sh": "$(reboot)`x`;.sh",
    "a" * 251 + ".pdf": "a" * 251 + ".pdf",
    "a" * 255: "a" * 255,
    "é" * 125 + ".jpeg": "é" * 125 + ".jpeg",
    "?" * 255: "file",
    "?" * 300 + "a": "file",
    "." * 255: "." * 255,
}


@pytest.mark.parametrize(("name", "expected"), [(name, text) for name, text in NAMES.items() if text is not None])
def test_name_is_cleaned_as_django_cleans_it(name: str, expected: str) -> None:
    assert clean_file_name(name) == expected


@pytest.mark.parametrize(
    ("name", "extension"),
    [(LONG_CHINESE, ".pdf"), ("a" * 100_000 + ".pdf", ".pdf"), ("a." + "x" * 100_000, ""), ("é" * 128, "")],
)
def test_name_longer_than_file_systems_take_is_shortened_and_keeps_its_extension(name: str, extension: str) -> None:
    cleaned = clean_file_name(name)
    assert 240 < len(cleaned.encode()) <= 255
    assert name.startswith(cleaned.removesuffix(extension))
    assert cleaned.endswith(extension)


def save_in_model_field(name: str, folder: str | Path) -> str:
    """Save a file of a cleaned name as a model field does; return its name below the folder."""
    document = Document()
    document.file.storage = storage = FileSystemStorage(folder)
    document.file.save(a_token(name=clean_file_name(name)).name, ContentFile(b"content"), save=False)
    with storage.open(document.file.name) as saved:
        assert saved.read() == b"content"
    return document.file.name


@pytest.mark.parametrize("name", [*NAMES, LONG_CHINESE, "𠜎" * 255])
def test_every_name_survives_to_the_model_field(name: str, tmp_path: Path) -> None:
    first = save_in_model_field(name, tmp_path)
    second = save_in_model_field(name, tmp_path)
    assert first.startswith("documents/")
    assert second.startswith("documents/")
    assert first != second
    assert len(list((tmp_path / "documents").iterdir())) == 2


# Whatever a file system may hold: any character but NUL and "/", and bytes that are no text at all.
any_name = st.text(
    st.one_of(st.characters(exclude_characters="\0/"), st.sampled_from("./\\ ?*:|<>%&;\"'`~\u202e\ud800-_")),
    min_size=1,
    max_size=255,
)


@given(any_name)
def test_any_name_survives_to_the_model_field(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        saved = save_in_model_field(name, folder)
        assert saved.startswith("documents/")
        assert len(list(Path(folder, "documents").iterdir())) == 1


@given(any_name)
def test_cleaned_name_has_no_path_and_is_cleaned_already(name: str) -> None:
    cleaned = clean_file_name(name)
    assert cleaned not in ("", ".", "..")
    assert not set(cleaned) & {"/", "\\", "\0", "\n", "\r"}
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in cleaned)
    assert len(cleaned.encode()) <= 255
    if "&" not in cleaned:  # an entity of an entity
        assert clean_file_name(cleaned) == cleaned


@given(st.text(string.ascii_letters + string.digits + " ._-()äß字", min_size=1, max_size=60))
def test_ordinary_name_is_left_alone(name: str) -> None:
    if name.strip(" .()"):
        assert clean_file_name(name) == name


# --- signed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        a_policy(),
        a_policy(field="gästebuch-#-bild", storage="app.Model.field", max_size=1, accept="image/*,.pdf"),
        a_policy(extensions=()),
        a_policy(extensions=("pdf", "zip")),
    ],
)
def test_policy_comes_back_as_it_was_signed(policy: Policy) -> None:
    assert Policy.unsign(policy.sign()) == policy


SIGNED = a_policy().sign()


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ":",
        "::",
        "x",
        "\0",
        "\ud800:\ud800:\ud800",
        "ü:ü:ü",
        SIGNED[:-1],
        SIGNED[1:],
        SIGNED + "x",
        SIGNED.partition(":")[0],
        SIGNED.rpartition(":")[0],
        SIGNED.swapcase(),
        " " + SIGNED,
        "x" * 1_000_000,
    ],
)
def test_forged_policy_is_refused(forged: str) -> None:
    with pytest.raises(Forged):
        Policy.unsign(forged)


def test_every_changed_character_of_a_policy_is_noticed() -> None:
    for position, character in enumerate(SIGNED):
        changed = SIGNED[:position] + ("A" if character != "A" else "B") + SIGNED[position + 1 :]
        # The last character of a base64 text has bits that carry nothing.
        with pytest.raises(Forged):
            Policy.unsign(changed)


@pytest.mark.parametrize("value", [[], ["file"], ["a"] * 7, None, 1, {"a": 1}])
def test_policy_of_another_shape_is_forged(value: object) -> None:
    """As after an update, when a page from before it is still open."""
    with pytest.raises(Forged):
        Policy.unsign(signing.dumps(value, salt="s3upload.policy"))


def test_policy_of_another_purpose_is_forged() -> None:
    values = ["file", "default", 1, "", None]
    for salt in ("s3upload.token", "s3upload.dummy", "django.core.signing"):
        with pytest.raises(Forged):
            Policy.unsign(signing.dumps(values, salt=salt))


def test_policy_lives_for_seven_days(monkeypatch: pytest.MonkeyPatch) -> None:
    assert POLICY_AGE == 7 * 24 * 3600
    now = 1_800_000_000
    set_clock(monkeypatch, now)
    signed = a_policy().sign()
    set_clock(monkeypatch, now + POLICY_AGE)
    assert Policy.unsign(signed) == a_policy()
    set_clock(monkeypatch, now + POLICY_AGE + 1)
    with pytest.raises(Expired):
        Policy.unsign(signed)


def test_policy_signed_with_the_previous_key_is_honoured(settings: object) -> None:
    signed = a_policy().sign()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key of the site, long enough for the system check as well"
    assert Policy.unsign(signed) == a_policy()
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Forged):
        Policy.unsign(signed)


# --- the identity of a field ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("form-0-file", "form-1-file"),
        ("form-0-file", "form-__prefix__-file"),
        ("images-12-file", "images-999-file"),
        ("outer-0-inner-0-file", "outer-3-inner-__prefix__-file"),
        ("a-0-0-file", "a-1-2-file"),
    ],
)
def test_rows_of_a_formset_are_one_field(one: str, other: str) -> None:
    assert field_identity(one) == field_identity(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("file", "file2"),
        ("form-0-file", "form-0-image"),
        ("form-0-file", "other-0-file"),
        ("form-0-file", "file"),
        ("file-1", "file-2"),
        ("file1", "file2"),
        ("a-file", "b-file"),
        ("form-x-file", "form-y-file"),
        ("outer-0-file", "outer-0-inner-0-file"),
    ],
)
def test_different_fields_are_told_apart(one: str, other: str) -> None:
    assert field_identity(one) != field_identity(other)
