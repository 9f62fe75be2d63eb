"""What the first bytes of a file say of its type, for the types that browsers show by themselves."""

from __future__ import annotations

import re

# https://mimesniff.spec.whatwg.org/#matching-a-mime-type-pattern and, for what is not there, the formats' own pages:
# TIFF 6.0, ISO/IEC 14496-12 (ftyp) with 23008-12 and AVIF, RFC 9639 (FLAC), ISO 32000 annex H.3.4.1 (PDF).
# The first type of each is the one that the bytes stand for; the others are names that systems have for it.
_SIGNATURES: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (rb"\x89PNG\r\n\x1a\n", ("image/png", "image/x-png", "image/apng")),
    (rb"\xff\xd8\xff", ("image/jpeg", "image/jpg", "image/pjpeg")),
    (rb"GIF8[79]a", ("image/gif",)),
    (rb"RIFF....WEBPVP", ("image/webp",)),
    (rb"....ftyp(?:avi[fs]|mif1|msf1|miaf)", ("image/avif",)),
    (rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", ("image/heic", "image/heif")),
    (rb"BM", ("image/bmp", "image/x-bmp", "image/x-ms-bmp")),
    (rb"\x00\x00[\x01\x02]\x00", ("image/vnd.microsoft.icon", "image/x-icon")),
    (rb"II[*+]\x00|MM\x00[*+]", ("image/tiff",)),
    (
        rb"....ftyp",
        ("video/mp4", "audio/mp4", "audio/m4a", "audio/x-m4a", "video/x-m4v"),
    ),
    (rb"\x1aE\xdf\xa3", ("video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska")),
    (rb"OggS\x00", ("application/ogg", "audio/ogg", "video/ogg")),
    (rb"(?:RIFF|RIFX|RF64)....WAVE", ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")),
    (rb"RIFF....AVI ", ("video/x-msvideo", "video/avi", "video/msvideo")),
    (rb"fLaC", ("audio/flac", "audio/x-flac")),
    (rb".{0,1019}%PDF-", ("application/pdf",)),
)

# What else files of a type may begin with, and others as well: it does not tell them.
_TOLERATED = {
    **dict.fromkeys(("video/mp4", "audio/mp4", "video/x-m4v"), rb"....(?:styp|moov|mdat|free|skip|wide)"),
    **dict.fromkeys(("audio/flac", "audio/x-flac"), rb"ID3"),
}

_PATTERNS = [(re.compile(pattern, re.DOTALL), types) for pattern, types in _SIGNATURES]

_BY_TYPE = {
    type_: re.compile(b"|".join(filter(None, [pattern, _TOLERATED.get(type_)])), re.DOTALL)
    for pattern, types in _SIGNATURES
    for type_ in types
}


def has_signature(type_: str) -> bool:
    """Return whether the first bytes tell files of a media type from others."""
    return type_ in _BY_TYPE


def agrees(type_: str, head: bytes) -> bool:
    """
    Return whether a file can be of a media type, as far as its first bytes tell.

    :param head: at least the first 1,024 bytes, or all that there are.
    """
    pattern = _BY_TYPE.get(type_)
    return pattern is None or pattern.match(head) is not None


def sniffed_type(head: bytes) -> str | None:
    """Return the media type that the first bytes stand for; ``None`` when they say nothing."""
    return next((types[0] for pattern, types in _PATTERNS if pattern.match(head)), None)
