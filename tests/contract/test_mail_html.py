"""The HTML of mails: its text, and a form that is safe to look at."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mail import html, reading

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mail"
PNG = b"\x89PNG\r\n\x1a\n0000"
# What a browser fetches by itself, in any attribute or style of what is shown.
FETCHED = re.compile(
    r"(?:src|srcset|background|poster|action|data|xlink:href)\s*=\s*[\"']?+(?!data:image/(?:png|jpeg|gif|webp);base64,)"
    r"|url\s*\(|@import|<(?:script|link|iframe|object|embed|form|input|svg|math|base|meta|style|video|audio|template)",
    re.IGNORECASE,
)


def test_a_hostile_mail_is_shown_without_reaching_out():
    """5.3.11."""
    shown = reading.original((FIXTURES / "html_tracking.eml").read_bytes()).html
    assert not FETCHED.search(shown)
    assert "pelacak" not in shown
    assert "javascript" not in shown
    assert 'src="data:image/png;base64,' in shown
    assert shown.count("<img") == 3
    assert shown.count("src=") == 1  # neither the pixel nor the drawing that calls itself a picture
    assert '<a href="https://dukcapil.example/" target="_blank" rel="noopener noreferrer nofollow">' in shown
    assert "font-weight:bold" in shown
    assert "color:red" not in shown  # stood beside an address


@pytest.mark.parametrize(
    "source",
    [
        "<img src=//x.example/p.gif>",
        "<img srcset='//x.example/p.gif 1x'>",
        "<img src='cid:a' onerror=alert(1)>",
        "<img src=' cid:lain'>",
        "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
        "<img src='data:text/html,x'>",
        "<table background='//x.example/p.gif'><tr><td background='//x.example/p.gif'>",
        "<p style='background:u\\rl(//x.example)'>",
        "<p style='background: URL (//x.example)'>",
        "<p style='border-image:url(//x.example)'>",
        "<p style='list-style:url(//x.example)'>",
        "<p style='content:image-set(\"//x.example\" 1x)'>",
        "<p style='width:expression(alert(1))'>",
        "<style>@import '//x.example'</style>",
        "<link rel=stylesheet href=//x.example>",
        "<base href=//x.example><a href=x>",
        "<meta http-equiv=refresh content='0;url=//x.example'>",
        "<svg><use href='//x.example#a'/><image href='//x.example'/></svg>",
        "<math><mtext><style><img src=//x.example></style>",
        "<video poster=//x.example src=//x.example>",
        "<object data=//x.example>",
        "<form action=//x.example><input>",
        "<iframe src=//x.example>",
        "<!--[if IE]><img src=//x.example><![endif]-->",
        "<noscript><img src=//x.example></noscript>",
        "<a href='data:text/html,x'>x</a>",
    ],
)
def test_nothing_that_is_shown_reaches_out(source):
    shown = html.sanitised(source, {"a": PNG})
    assert not FETCHED.search(shown)
    assert "onerror" not in shown
    assert "data:text" not in shown


@given(
    st.lists(
        st.sampled_from(
            [
                "<",
                ">",
                "'",
                '"',
                "=",
                "/",
                " ",
                "!",
                "-",
                "img",
                "src",
                "cid:a",
                "style",
                "url(",
                "script",
                "svg",
                "a",
                "href",
            ]
        ),
        max_size=60,
    )
)
def test_no_combination_reaches_out(pieces):
    shown = html.sanitised("".join(pieces), {"a": PNG})
    for tag in re.findall(r"<[^>]*>", shown):  # what is text is escaped
        assert not FETCHED.search(tag)


def test_what_cannot_be_made_safe_in_time_is_not_shown():
    assert html.sanitised("<div>" * 100_000, {}) is None
    assert html.sanitised("x" * 3_000_000, {}) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>Satu</p><p>Dua</p>", "Satu\n\nDua"),
        ("Satu<br>Dua", "Satu\nDua"),
        ("<ul><li>KK<li>Akta</ul>", "  * KK\n  * Akta"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a  b"),
        ("<p>5 &lt; 6 &amp; 7&nbsp;ya</p>", "5 < 6 & 7 ya"),
        ("<p>a</p><blockquote>b<blockquote>c</blockquote></blockquote>d", "a\n\n> b\n>> c\nd"),
        ("<style>p{}</style><script>x()</script><title>t</title>isi", "isi"),
        ("<div style='display:none'>x</div>isi", "isi"),
        ("<div>" * 5000 + "isi", "isi"),
        ("<b>" * 5000 + "isi<style>x", "isi"),
        ("<p>" + "<br>" * 50 + "isi", "isi"),
        ("isi < 5 dan > 3", "isi < 5 dan > 3"),
        ("<!-- <p>x</p> -->isi", "isi"),
        ("<?xml version='1.0' encoding='utf-16'?><p>isi</p>", "isi"),
        ("<![CDATA[isi]]>", ""),
        ("", ""),
        ("   ", ""),
    ],
)
def test_the_text_of_html(source, expected):
    assert html.text_of(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "<" * 240_000,
        "<p>" * 80_000,
        "&" * 240_000,
        "<!--" * 500_000,
        "<script>" * 500_000,
        "<b " * 500_000,
        "a<br>" * 400_000,
    ],
)
def test_hostile_html_comes_to_an_end(source):
    assert len(html.text_of(source)) <= len(source) + 1
