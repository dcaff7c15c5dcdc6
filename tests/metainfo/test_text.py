"""Text and URLs of strangers."""

from __future__ import annotations

import pytest

from gotorrent.metainfo.text import MAX_TEXT, MAX_URL, clean_text, clean_url, is_web_url


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Grüße\n\tzweite Zeile".encode(), "Grüße\n\tzweite Zeile"),
        (b"\x1b[2Jgone\r\x07\x00", " [2Jgone   "),
        ("a\u202egpj".encode(), "a gpj"),
        ("a\u009b31m".encode(), "a 31m"),
        (b"\xff", "\ufffd"),
    ],
)
def test_text_cannot_move_the_cursor(raw: bytes, text: str) -> None:
    assert clean_text(raw) == text


def test_text_limit() -> None:
    assert len(clean_text(b"x" * MAX_TEXT)) == MAX_TEXT
    assert len(clean_text("日".encode() * (MAX_TEXT + 1))) == MAX_TEXT


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (" http://a/announce\n", "http://a/announce"),
        ("HTTPS://a/b?passkey=1&x=%20", "HTTPS://a/b?passkey=1&x=%20"),
        ("udp://[::1]:80", "udp://[::1]:80"),
        ("http://", ""),
        ("http:///path", ""),
        ("http://a b/", ""),
        ("http://a/\x1b", ""),
        ("http://a/\ufffd", ""),
        ("ftp://a/", ""),
        ("file:///etc/passwd", ""),
        ("javascript:alert(1)", ""),
        ("wss://a/", ""),
        ("", ""),
    ],
)
def test_urls(text: str, url: str) -> None:
    assert clean_url(text) == url


def test_url_limit() -> None:
    longest = "http://a/" + "x" * (MAX_URL - 9)
    assert clean_url(longest) == longest
    assert clean_url(longest + "x") == ""


def test_web_urls() -> None:
    assert [is_web_url(url) for url in ("http://a", "HTTPS://a", "udp://a", "")] == [True, True, False, False]
