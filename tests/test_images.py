"""ImageField and images that are made to cost the server time or memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.forms import ImageField
from PIL import Image

from s3upload import images
from tests.test_files import image_form, noise, uploaded

MIB = 1024 * 1024

ON_THE_DUMMY = pytest.mark.parametrize("store", ["filesystem"], indirect=True)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def code_of(body: bytes, name: str = "photo.png", type_: str = "image/png") -> str:
    """Return the code of the error that a form shows for an image."""
    return str(image_form(uploaded(body, name, type_)).errors.as_data()["image"][0].code)


@ON_THE_DUMMY
@pytest.mark.parametrize("side", [20_000, 65_500, 2**31 - 1])
def test_bomb_is_refused_before_it_is_unpacked(store: Any, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes that would be gigabytes of pixels."""
    unpacked: list[object] = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", unpacked.append)
    body = png(side, side, chunk(b"IDAT", zlib.compress(bytes(MIB))))

    assert code_of(body) == "invalid_image"
    assert unpacked == []


@ON_THE_DUMMY
@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_compressed_text_of_an_image_is_no_bomb(store: Any, kind: bytes) -> None:
    bomb = chunk(kind, b"name\0\0" + zlib.compress(bytes(200 * MIB), 9))
    form_upload = uploaded(png(1, 1, bomb, chunk(b"IDAT", zlib.compress(bytes(4)))), "photo.png", "image/png")
    tracemalloc.start()
    try:
        image_form(form_upload).is_valid()
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * MIB


@ON_THE_DUMMY
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(png(9, 9, chunk(b"IDAT", bytes(2 * MIB))), id="one-chunk"),
        pytest.param(png(9, 9, *[chunk(b"IDAT", bytes(MIB // 8))] * 16), id="many-chunks"),
        pytest.param(b"RIFF" + struct.pack("<I", 2 * MIB) + b"WEBPVP8 " + bytes(2 * MIB), id="webp"),
    ],
)
def test_image_is_not_read_beyond_the_limit(store: Any, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LARGEST_LOOK", MIB)
    upload = uploaded(body, "photo.png", "image/png")
    [error] = image_form(upload).errors.as_data()["image"]
    assert error.code == "max_size"
    assert "At most 1.0\xa0MB" in error.message
    assert not upload.is_kept


@ON_THE_DUMMY
def test_image_larger_than_the_limit_of_which_little_is_read_is_valid(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = noise("JPEG", (600, 600))
    monkeypatch.setattr(images, "LARGEST_LOOK", len(body) // 2)
    form = image_form(uploaded(body, "photo.jpg", "image/jpeg"))
    assert form.is_valid(), form.errors


@ON_THE_DUMMY
@pytest.mark.parametrize("padding", [b"\xff", b"\0"], ids=["fill", "zero"])
def test_header_that_is_padded_is_not_read_byte_by_byte_to_its_end(store: Any, padding: bytes) -> None:
    reads = 0

    class Counting(images._LimitedReader):
        def read(self, size: int = -1) -> bytes:
            nonlocal reads
            reads += 1
            return super().read(size)

    body = b"\xff\xd8\xff" + padding * (8 * MIB)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "_LimitedReader", Counting)
        assert code_of(body, "photo.jpg", "image/jpeg") == "invalid_image"
    assert 1 < reads <= images.MOST_READS + 1


XPM = b"""/* XPM */
static char * x[] = {
"2 2 2 1",
"  c #000000",
". c #FFFFFF",
". ",
" ."};
"""


def every_format() -> dict[str, bytes]:
    """Return an image of each format that Pillow writes, and a few of the most common, of random pixels."""
    Image.init()
    images = {
        "XPM": XPM,
        **{f"{kind}-{n}": noise(kind, (40, 40)) for kind in ("JPEG", "TIFF", "WEBP") for n in "abcd"},
    }
    for kind in sorted(Image.SAVE):
        for mode in ("RGB", "L", "1", "P"):
            body = io.BytesIO()
            try:
                Image.effect_noise((40, 40), 90).convert(mode).save(body, kind)
                with Image.open(io.BytesIO(body.getvalue())) as image:
                    image.verify()
            except Exception:  # noqa: S112 - not every format is written, or opened again, in every mode
                continue
            images[kind] = body.getvalue()
            break
    return images


@ON_THE_DUMMY
@pytest.mark.filterwarnings("ignore")
def test_every_image_that_pillow_opens_is_valid(store: Any) -> None:
    images = every_format()
    assert len(images) > 30
    refused = {}
    for kind, body in images.items():
        form = image_form(uploaded(body, "photo", "image/x-unknown"))
        form.fields["image"].validators = []  # of the name's extension
        if not form.is_valid():
            refused[kind] = form.errors.as_json()
    assert refused == {}


@ON_THE_DUMMY
def test_line_without_an_end_is_read_up_to_a_limit(store: Any) -> None:
    reader = images._LimitedReader(uploaded(bytes(MIB), "a.bin", ""))
    assert len(reader.readline()) == len(reader.readline(MIB)) == images.LONGEST_LINE
    assert reader.readline(7) == bytes(7)
    assert reader.tell() == 2 * images.LONGEST_LINE + 7


@ON_THE_DUMMY
def test_image_with_a_few_thousand_pixels_more_than_pillow_likes_is_said_to_be_invalid(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert code_of(noise("PNG", (15, 15))) == "invalid_image"


def test_ordinary_files_go_djangos_way() -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    body = io.BytesIO()
    Image.new("RGB", (3, 2)).save(body, "PNG")
    field = ImageField()
    assert field.clean(SimpleUploadedFile("a.png", body.getvalue())).image.size == (3, 2)
    with pytest.raises(ValidationError):
        field.clean(SimpleUploadedFile("a.png", b"none"))
