"""The HTML of a mail: its text to read, and a safe form to look at.

Nothing of it may fetch anything by being shown: a tracking pixel would tell the sender who reads his mail, and when.
Source: ammonia's documentation (what nh3 promises), RFC 2392 (cid), RFC 2557.
"""

import base64
import html
import itertools
import re
from collections.abc import Iterator, Mapping

_MAX_HTML = 250_000  # characters that are parsed; what is longer is stripped of its tags
_MAX_DEPTH = 200  # elements in each other: lxml gives up at 256, nh3 needs quadratic time
_MAX_SHOWN = 2_000_000  # characters of HTML that is shown


def _words(line: str) -> frozenset[str]:
    return frozenset(line.split())


_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
# Elements that others may stand in for long: not those that HTML closes by itself.
_LEAVES = _words(
    "area base br col embed hr img input link meta param source track wbr p li td th tr dt dd option tbody thead"
)
_PIECE = re.compile(r"<!--|<[^<>]*>|[^<]+|<")
_HIDDEN = frozenset({"script", "style", "head", "title", "template", "noscript"})
_NEW_LINE = _words("p div br tr li h1 h2 h3 h4 h5 h6 blockquote ul ol table pre hr")
_BLANK_LINES = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"[ \t\u00a0]+\n")
_QUOTE = "quote"

_READ_TAGS = _words(
    "p div br hr table thead tbody tr td th ul ol li dl dt dd blockquote pre h1 h2 h3 h4 h5 h6 center span a b i"
)
_SHOWN_TAGS = _READ_TAGS | _words(
    "strong em u s small big sub sup font code abbr address caption colgroup col img ins del cite q tt tfoot"
)
_SHOWN_STYLES = _words(
    "color background-color font-family font-size font-style font-weight text-align text-decoration line-height "
    "margin margin-top margin-right margin-bottom margin-left padding padding-top padding-right padding-bottom "
    "padding-left border border-collapse border-top border-right border-bottom border-left width max-width "
    "vertical-align white-space direction list-style-type display"
)
_SHOWN_ATTRIBUTES = {
    "*": {"style", "dir", "lang", "align"},
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "width", "valign", "bgcolor"},
    "th": {"colspan", "rowspan", "width", "valign", "bgcolor"},
    "table": {"width", "border", "cellpadding", "cellspacing", "bgcolor"},
    "font": {"color", "size", "face"},
    "ol": {"start", "type"},
}
_REACHES_OUT = re.compile(r"url\s*\(|image-set|expression|\\|@", re.IGNORECASE)
_LINK = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)  # cid: and data: are for pictures
# The pictures browsers show as pictures only, by their first bytes; an SVG can carry a script.
_PICTURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)


def text_of(source: str) -> str:
    """Return the text of clean HTML, blockquotes marked by `> `; never fails. Hidden elements are left out."""
    if len(source) > _MAX_HTML or _is_deep(source):
        return _tidy(_crude(source))
    try:
        read = _tidy(_inscribed(source))
    except Exception:  # noqa: BLE001 - whatever a library thinks of hostile HTML, the text must come out
        read = ""
    return read or _tidy(_crude(source))


def sanitised(source: str, pictures: Mapping[str, bytes]) -> str | None:
    """Return clean HTML that is safe to show in a page of its own, None where it cannot be made so.

    `pictures` by their Content-ID; only they are shown, as data: URIs. Links open elsewhere and tell nobody where from.
    """
    if len(source) > _MAX_SHOWN or _is_deep(source):
        return None
    import nh3  # noqa: PLC0415 - with the first mail that is looked at

    def allowed(tag: str, attribute: str, value: str) -> str | None:
        if tag == "img" and attribute == "src":
            return _data_uri(pictures.get(value.removeprefix("cid:"))) if value.startswith("cid:") else None
        is_unfit = attribute == "href" and not _LINK.match(value)
        return None if is_unfit or (attribute == "style" and _REACHES_OUT.search(value)) else value

    return nh3.clean(
        source,
        tags=set(_SHOWN_TAGS),
        clean_content_tags={"script", "style", "title", "template", "noscript"},
        attributes=_SHOWN_ATTRIBUTES,
        attribute_filter=allowed,
        filter_style_properties=set(_SHOWN_STYLES),
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _data_uri(picture: bytes | None) -> str | None:
    for beginning, media_type in _PICTURES if picture else ():
        if beginning.match(picture or b""):
            return f"data:{media_type};base64,{base64.b64encode(picture or b'').decode()}"
    return None


def _inscribed(source: str) -> str:
    """Return the text as the HTML lays it out."""
    # lxml takes 20 MB: not before the first mail that is HTML alone.
    import nh3  # noqa: PLC0415
    from inscriptis import get_annotated_text  # noqa: PLC0415
    from inscriptis.css_profiles import STRICT_CSS_PROFILE  # noqa: PLC0415
    from inscriptis.model.config import ParserConfig  # noqa: PLC0415

    safe = nh3.clean(
        source,
        tags=set(_READ_TAGS),
        clean_content_tags=set(_HIDDEN) - {"head"},
        attributes={"*": {"style"}},
        filter_style_properties={"display"},
        link_rel=None,
    )
    if not safe.strip():
        return ""
    config = ParserConfig(css=STRICT_CSS_PROFILE, annotation_rules={"blockquote": [_QUOTE]})
    read = get_annotated_text(safe, config)
    return _marked(str(read.get("text", "")), [(start, end) for start, end, _ in read.get("label", ())])


def _marked(read: str, quotes: list[tuple[int, int]]) -> str:
    """Return `read` with the lines of quotes marked by `> `, as plain mails mark them."""
    if not quotes:
        return read
    changes = sorted([(start, 1) for start, _ in quotes] + [(end, -1) for _, end in quotes])
    lines, position, depth, waiting = [], 0, 0, 0
    for line in read.split("\n"):
        # A quote's first line may begin after its indentation.
        while waiting < len(changes) and changes[waiting][0] < position + max(1, len(line)):
            depth += changes[waiting][1]
            waiting += 1
        lines.append(f"{'>' * min(depth, 20)} {line.strip()}" if depth > 0 else line)
        position += len(line) + 1
    return "\n".join(lines)


def _crude(source: str) -> str:
    """Return the text between the tags."""
    return html.unescape("".join(_pieces(source)))


def _pieces(source: str) -> Iterator[str]:
    hidden, position = "", 0
    while match := _PIECE.match(source, position):
        piece, position = match[0], match.end()
        if piece == "<!--":
            end = source.find("-->", position)
            position = len(source) if end < 0 else end + 3
        elif tag := _TAG.match(piece):
            name, closes = tag[2].lower(), bool(tag[1])
            if not hidden and not closes and name in _HIDDEN:
                hidden = name
            elif closes and name == hidden:
                hidden = ""
            if name in _NEW_LINE and not hidden:
                yield "\n"
        elif not hidden and not (piece.startswith(("<!", "<?"))):
            yield piece


def _is_deep(source: str) -> bool:
    """Whether elements may stand in each other too deeply; counts tags that are never closed as if they stayed open."""
    depth = itertools.accumulate(
        -1 if match[1] else 1 for match in _TAG.finditer(source) if match[2].lower() not in _LEAVES
    )
    return max(depth, default=0) > _MAX_DEPTH


def _tidy(read: str) -> str:
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("\n", read.replace("\u00a0", " ") + "\n")).strip("\n")
