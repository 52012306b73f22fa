"""A file is what its bytes say, whatever its sender says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.filetypes import agreed_type, extension, plain_type, safe_name, sniff
from bot.core.messages import MediaKind

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00"
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00"
ZIP = b"PK\x03\x04\x14\x00"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (JPEG, "image/jpeg"), (PNG, "image/png"), (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"), (b"GIF89a..", "image/gif"),
        (b"OggS\x00\x02", "audio/ogg"), (b"#!AMR\n", "audio/amr"), (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"), (b"\xff\xf1\x50\x80", "audio/aac"), (MP4, "video/mp4"),
        (b"\x00\x00\x00\x18ftyp3gp4", "video/3gpp"), (b"\x00\x00\x00\x1cftypM4A ", "audio/mp4"),
        (b"%PDF-1.7", "application/pdf"), (ZIP, "application/zip"), (b"MZ\x90\x00", "application/x-executable"),
        (b"\x7fELF\x02", "application/x-executable"), (b"#!/bin/sh\nrm", "application/x-executable"),
        (b"<!DOCTYPE html><p>", "text/html"), (b"\xef\xbb\xbf  <SCRIPT>", "text/html"),
        (b"<svg onload=x>", "text/html"),
        (b"BEGIN:VCARD\r\n", "text/vcard"), ("नमस्ते".encode(), "text/plain"), (b"", "application/octet-stream"),
        (b"\x00\x01\x02", "application/octet-stream"), (b"caf\xe9 au lait", "application/octet-stream"),
    ],
)  # fmt: skip
def test_told_by_the_first_bytes(head: bytes, mime_type: str) -> None:
    assert sniff(head) == mime_type


@pytest.mark.parametrize(
    ("kind", "declared", "head", "kept"),
    [
        ("image", "image/jpeg", JPEG, "image/jpeg"),
        ("image", "image/jpeg", PNG, "image/png"),
        ("image", "image/jpeg", b"<html><script>", None),
        ("image", "image/jpeg", b"MZ\x90", None),
        ("image", "image/png", MP4, None),
        ("sticker", "image/webp", b"RIFF\x10\0\0\0WEBP", "image/webp"),
        ("audio", "audio/ogg; codecs=opus", b"OggS", "audio/ogg"),
        ("audio", "audio/mp4", MP4, "audio/mp4"),
        ("audio", "audio/ogg", b"%PDF-1.4", None),
        ("video", "video/mp4", MP4, "video/mp4"),
        ("video", "video/mp4", JPEG, None),
        ("document", "application/pdf", b"%PDF-1.4", "application/pdf"),
        ("document", "application/pdf", b"<html>", "text/html"),
        ("document", "application/pdf", b"\x00\x01", "application/octet-stream"),
        ("document", DOCX, ZIP, DOCX),
        ("document", DOCX, b"MZ\x90", "application/x-executable"),
        ("document", "application/msword", OLE, "application/msword"),
        ("document", "text/html", ZIP, "application/zip"),
        ("document", "text/csv", b"a,b\n1,2", "text/csv"),
        ("document", "text/html", b"just words", "text/plain"),
    ],
)
def test_kept_under_what_it_is(kind: MediaKind, declared: str, head: bytes, kept: str | None) -> None:
    assert agreed_type(kind, declared, head) == kept


def test_a_character_cut_in_two_by_the_end_of_the_head_is_still_text() -> None:
    assert sniff(b"x" * 4095 + "न".encode()[:1]) == "text/plain"


@given(st.binary(max_size=200))
def test_anything_has_some_type(head: bytes) -> None:
    assert "/" in sniff(head)
    assert extension(sniff(head))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Passport scan.pdf", "Passport scan.pdf"), ("../../etc/passwd", "passwd"), ("..\\..\\boot.ini", "boot.ini"),
        ("a\x00b\r\n.txt", "ab.txt"), ("...", "file-1.bin"), ("", "file-1.bin"), (None, "file-1.bin"),
        ('x"; rm -rf.jpg', "x; rm -rf.jpg"), ("नमस्ते.pdf", "नमस्ते.pdf"), ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)  # fmt: skip
def test_a_name_is_only_a_name(name: str | None, safe: str) -> None:
    assert safe_name(name, "file-1.bin") == safe


@given(st.text(max_size=300))
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    safe = safe_name(name, "fallback")
    assert "/" not in safe
    assert "\\" not in safe
    assert safe not in ("", ".", "..")
    assert len(safe) <= 120
    assert safe.isprintable()


def test_types_by_their_usual_name() -> None:
    assert plain_type("Audio/OGG; codecs=opus") == "audio/ogg"
    assert plain_type("image/jpg") == "image/jpeg"
