"""Text as people write it: stripped of what breaks databases and pages, cut to a channel's length. Pure.

Lengths in "characters" are UTF-16 code units: providers bill and cut messages by them, and none counts a text longer
than that. An emoji therefore counts two.
"""

import re
import unicodedata

from core import model

# C0 (tab and line feed stay), DEL, C1, line and paragraph separator, surrogates, and the characters that turn the
# direction of the text around them: a name with U+202E reads backwards on every page that shows it.
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NEWLINE = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_GAP = re.compile(r"\s+")
# Where a text may be cut, best first. A cut at a paragraph is worth a piece of half the length, and so on.
_BORDERS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…])\s"), re.compile(r"\s"))
_ZERO_WIDTH_JOINER = "\u200d"
_LONGEST_CLUSTER = 64  # characters; a longer one is hostile and cut anywhere


def clean(text: str) -> str:
    r"""Return `text` without control and bidirectional-override characters, line ends as \n, no lone surrogate.

    A surrogate pair written as two characters becomes the character it means; a lone one becomes U+FFFD.
    """
    if _UNWANTED.search(text) is None:
        return text
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _UNWANTED.sub("", _NEWLINE.sub("\n", text))


def one_line(text: str, limit: int) -> str:
    """Return `text` on one line for a list, at most `limit` characters (1 or more), an ellipsis where it was cut."""
    line = _GAP.sub(" ", text).strip()
    if len(line) <= limit:
        return line
    return line[: _cluster_border(line, 0, limit - 1)].rstrip() + "…"


def measure(text: str, unit: str) -> int:
    """Return the length of `text` in UTF-16 code units ("characters") or UTF-8 bytes ("bytes")."""
    if unit == "bytes":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(character > "\uffff" for character in text)


def fits(text: str, limit: model.Limit) -> bool:
    return measure(text, limit.unit) <= limit.count


def split(text: str, limit: model.Limit) -> list[str]:
    """Cut `text` into pieces that each fit `limit`, losing nothing but white space at the cuts.

    Prefers the end of a paragraph, line, sentence, word; never cuts what is seen as one character unless that alone
    is too long. ValueError when `limit` cannot hold any character (4 bytes, 2 characters).
    """
    if limit.count < (4 if limit.unit == "bytes" else 2):
        raise ValueError("the limit cannot hold one character")
    pieces = []
    start = 0
    while True:
        end = _reach(text, start, limit)
        if end == len(text):
            break
        end = _border(text, start, end)
        pieces.append(text[start:end].rstrip())
        start = end
        while start < len(text) and text[start].isspace():
            start += 1
    pieces.append(text[start:] if not pieces else text[start:].rstrip())
    return [piece for piece in pieces if piece] or [text]


def _reach(text: str, start: int, limit: model.Limit) -> int:
    """Return the last index to which `text` from `start` fits."""
    window = text[start : start + limit.count]
    if fits(window, limit):
        return start + len(window)
    room = limit.count
    for index, character in enumerate(window, start):
        room -= measure(character, limit.unit)
        if room < 0:
            return index
    return start + len(window)


def _border(text: str, start: int, end: int) -> int:
    """Return where to cut, `end` at the latest: at the best border that leaves a piece of a fair length."""
    for pattern, least in zip(_BORDERS, (0.5, 0.5, 0.4, 0.0), strict=True):
        cuts = [match.start() for match in pattern.finditer(text, start, end + 1)]
        if cuts and cuts[-1] > start + (end - start) * least:
            return cuts[-1]
    return _cluster_border(text, start, end)


def _cluster_border(text: str, start: int, end: int) -> int:
    """Return the last index up to `end` that does not part what belongs together; `end` if there is none near."""
    for index in range(end, max(start, end - _LONGEST_CLUSTER), -1):
        if not _joins(text, index):
            return index
    return end


def _joins(text: str, index: int) -> bool:
    """Whether the characters on both sides of `index` are seen as one (a simpler rule than UAX 29, never laxer)."""
    if not 0 < index < len(text):
        return False
    before, after = text[index - 1], text[index]
    if _ZERO_WIDTH_JOINER in (before, after) or unicodedata.category(after)[0] == "M":
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":  # skin tones, flag tags
        return True
    return _is_flag(after) and _flags_before(text, index) % 2 == 1


def _flags_before(text: str, index: int) -> int:
    count = 0
    while count < min(index, _LONGEST_CLUSTER) and _is_flag(text[index - 1 - count]):
        count += 1
    return count


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
