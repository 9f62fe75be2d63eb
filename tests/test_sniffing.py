"""What the first bytes of a file say of its type."""

from __future__ import annotations

import io
import wave

import pytest
from PIL import Image

from s3upload.exceptions import Refused
from s3upload.policy import ChosenFile, Policy
from s3upload.sniffing import agrees, has_signature, sniffed_type

HTML = b"<!DOCTYPE html><script>alert(document.domain)</script>"


def picture(kind: str) -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (16, 16)).save(body, kind)
    return body.getvalue()


def sound() -> bytes:
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(100))
    return body.getvalue()


FILES = {
    "image/png": picture("PNG"),
    "image/jpeg": picture("JPEG"),
    "image/gif": picture("GIF"),
    "image/webp": picture("WEBP"),
    "image/avif": picture("AVIF"),
    "image/bmp": picture("BMP"),
    "image/vnd.microsoft.icon": picture("ICO"),
    "image/tiff": picture("TIFF"),
    "image/heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "audio/wav": sound(),
    "audio/flac": b"fLaC\0\0\0\x22",
    "application/ogg": b"OggS\0\2",
    "video/mp4": b"\0\0\0\x18ftypisom\0\0\2\0isommp42",
    "video/webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\1B",
    "video/x-msvideo": b"RIFF\x24\0\0\0AVI LIST",
    "application/pdf": b"\xef\xbb\xbf\r\n%PDF-1.7\n",
}


@pytest.mark.parametrize("type_", FILES)
def test_files_are_what_they_begin_as(type_: str) -> None:
    assert sniffed_type(FILES[type_]) == type_
    assert [other for other in FILES if other != type_ and agrees(other, FILES[type_])] in (
        [],
        ["video/mp4"],  # AVIF and HEIC are kept in the same kind of box
    )


@pytest.mark.parametrize("type_", FILES)
@pytest.mark.parametrize("head", [HTML, b"", b"\0", b" " + b"%PD", b"text"], ids=repr)
def test_other_files_are_not(type_: str, head: bytes) -> None:
    assert has_signature(type_)
    assert not agrees(type_, head)
    assert sniffed_type(head) is None


@pytest.mark.parametrize("type_", ["text/plain", "text/html", "application/zip", "application/octet-stream", ""])
def test_of_other_types_the_first_bytes_say_nothing(type_: str) -> None:
    assert not has_signature(type_)
    assert agrees(type_, HTML)


@pytest.mark.parametrize(
    ("type_", "head"),
    [
        ("video/mp4", b"\0\0\0\x08wide\0\0\1\0mdat"),
        ("video/mp4", b"\0\0\0\x18stypmsdh"),
        ("audio/flac", b"ID3\4\0fLaC"),
        ("audio/wav", b"RF64\xff\xff\xff\xffWAVEds64"),
    ],
)
def test_rare_beginnings_are_right_too(type_: str, head: bytes) -> None:
    assert agrees(type_, head)


@pytest.mark.parametrize("head", [b"Get free films", b"ID3\4\0 a song"])
def test_what_others_may_begin_with_stands_for_nothing(head: bytes) -> None:
    assert sniffed_type(head) is None


def test_marker_of_a_pdf_that_comes_late_is_none() -> None:
    assert agrees("application/pdf", bytes(1019) + b"%PDF-")
    assert not agrees("application/pdf", bytes(1020) + b"%PDF-")


@pytest.mark.parametrize(
    ("name", "declared", "head", "decided"),
    [
        ("a.png", "image/png", FILES["image/png"], "image/png"),
        ("a.jpg", "image/jpg", FILES["image/jpeg"], "image/jpg"),
        ("a.jpg", "image/jpeg", FILES["image/webp"], "image/webp"),
        ("a.png", "image/png", HTML, "application/octet-stream"),
        ("a.png", "", HTML, "application/octet-stream"),
        ("a.png", "application/x-foo", HTML, "application/x-foo"),
        ("a.mov", "video/quicktime", HTML, "video/quicktime"),
        ("a.html", "image/png", FILES["image/png"], "text/html"),
        ("a.svg", "image/png", FILES["image/png"], "image/svg+xml"),
        ("a", "image/png", b"", "application/octet-stream"),
    ],
)
def test_declaration_name_and_first_bytes_agree_or_it_is_another_type(
    name: str, declared: str, head: bytes, decided: str
) -> None:
    assert ChosenFile(name, len(head), declared, head=head).content_type == decided


@pytest.mark.parametrize(
    ("name", "declared", "head"),
    [
        ("a.png", "image/png", HTML),
        ("a.png", "", HTML),
        ("a.png", "application/x-foo", HTML),
        ("a.png", "application/octet-stream", HTML),
        ("a.dat", "image/png", HTML),
    ],
)
def test_what_is_no_image_is_not_accepted_as_one(name: str, declared: str, head: bytes) -> None:
    policy = Policy("file", "default", 10**9, accept="image/*")
    claimed = ChosenFile(name, len(head), declared)
    assert claimed.has_signature
    policy.check(claimed)
    with pytest.raises(Refused):
        policy.check(ChosenFile(name, len(head), declared, head=head))
