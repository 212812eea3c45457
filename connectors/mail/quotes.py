"""What somebody wrote now, apart from what his program put below or around it: quotes, letter heads, signatures.

Every line goes to one of the two; nothing is deleted. In doubt a line is his own: words of a citizen that are folded
away cost more than a quote too many. The patterns of Indonesian and Malay programs are ours, those of other languages
mail-parser-reply's, applied to a few lines at a time (over a whole text they need quadratic time).
"""

import re
from collections.abc import Iterator
from functools import lru_cache

_LANGUAGES = ["en", "nl", "de", "fr", "es", "it", "ja", "ko", "zh", "pl", "cs", "da", "sv"]
_LONGEST_LINE = 300  # characters of one that can be a program's
_MOST_ASKED = 20  # places at which the library is asked
_HEAD_LINES = 7
_SIGNATURE_LINES = 12

_REPLY_SUBJECT = re.compile(r"\s*(?:re|bls|balas|balasan|aw|antw|sv|res)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
_FORWARD_SUBJECT = re.compile(r"\s*(?:fwd?|trs|terusan|diteruskan|dimajukan|wg|doorst|rv)\s*:", re.IGNORECASE)

_WROTE = re.compile(
    r"(?:pada|pd|on|dalam)\b.{5,400}\b(?:menulis|tulis|wrote)\s*:"
    r"|.{1,200}<[^<>\s]+@[^<>\s]+>.{0,80}\b(?:menulis|tulis|wrote)\s*:"
    r"|\d{4}-\d\d-\d\d \d\d[:.]\d\d GMT.{1,200}<[^<>\s]+@[^<>\s]+>\s*:",
    re.IGNORECASE | re.DOTALL,
)
_WROTE_BEGINS = re.compile(r"\s*(?:pada|pd|on|dalam)\b|.*<\S*@|\d{4}-\d\d-\d\d \d\d[:.]\d\d GMT|.*@\S*>", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"\s*[-_*]{2,}\s*(?:original (?:message|appointment)|pesan asli|mesej asal|urspr\w+ nachricht|message d.origine"
    r"|mensaje original|oorspronkelijk bericht)\s*[-_*]{2,}\s*",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"\s*[-_*]{2,}\s*(?:forwarded (?:message|mail)|pesan (?:yang )?(?:diteruskan|terusan)|mesej (?:yang )?dimajukan"
    r"|diteruskan|weitergeleitete nachricht|doorgestuurd bericht).{0,80}"
    r"|\s*(?:begin forwarded message|(?:mulai |awal )?pesan (?:yang )?(?:diteruskan|terusan)|diteruskan)\s*:\s*",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*_{10,}\s*")
_FROM = re.compile(r"[ *]*(?:from|dari|daripada|von|van|de)[ *]*:[ *]*\S", re.IGNORECASE)
_SENT = re.compile(
    r"[ *]*(?:sent|date|dikirim|terkirim|tanggal|tgl|dihantar|tarikh|gesendet|verzonden)[ *]*:", re.IGNORECASE
)
_TO = re.compile(
    r"[ *]*(?:to|kepada|untuk|ke|subject|subjek|perihal|hal|judul|an|aan|betreff|onderwerp)[ *]*:", re.IGNORECASE
)
_DELIMITER = re.compile(r"--\s?")
_MOBILE = re.compile(
    r"\W{0,3}(?:(?:di|ter)kirim (?:dari|melalui|menggunakan|dengan)|dihantar daripada|sent (?:from|via|with)"
    r"|get outlook|dapatkan outlook)\b.{0,40}?(?:iphone|ipad|android|ponsel|perangkat|telepon|tablet|samsung|galaxy"
    r"|xiaomi|redmi|poco|oppo|vivo|realme|huawei|nokia|blackberry|yahoo|outlook|gmail|mail|\bhp\b).{0,60}",
    re.IGNORECASE,
)


def is_reply(subject: str) -> bool:
    """Whether a subject is that of an answer."""
    return _REPLY_SUBJECT.match(subject) is not None


def is_forward(subject: str) -> bool:
    """Whether a subject is that of a forwarded mail: what follows is what its sender wants to say."""
    return _FORWARD_SUBJECT.match(subject) is not None


def split(body: str, *, reply: bool, forward: bool = False) -> tuple[str, str]:
    """Return what was written now, and the quotes and signature around it; every line is in one of the two.

    `reply` and `forward` say what the header of the mail tells. Answers between the lines stay with what they answer.
    """
    lines = body.split("\n")
    moved = [False] * len(lines)
    end = len(lines)
    if (start := _forwarded(lines)) is not None or forward:
        end = 0 if start is None else start
    elif (start := _cut(lines, reply)) is not None and any(line.strip() for line in lines[:start]):
        moved[start:] = [True] * (end - start)
        end = start
    _fold_quotes(lines, moved, end, reply)
    _fold_signatures(lines, moved, end)
    return _joined(lines, moved, False), _joined(lines, moved, True)


def _forwarded(lines: list[str]) -> int | None:
    """Return where a forwarded mail begins, None where there is none or it stands within a quote."""
    for index, line in enumerate(lines):
        if len(line) <= _LONGEST_LINE:
            if _FORWARDED.fullmatch(line):
                return index
            if _ORIGINAL.fullmatch(line) or _wrote(lines, index):
                return None
    return None


def _cut(lines: list[str], reply: bool) -> int | None:
    """Return the line from which on everything is the earlier mail, None where no line says so."""
    asked = _MOST_ASKED if reply else 0
    for index, line in enumerate(lines):
        if not line or line.startswith(">") or len(line) > _LONGEST_LINE:
            continue
        if _ORIGINAL.fullmatch(line) or (_FROM.match(line) and _is_head(lines, index, reply)):
            while index and (not lines[index - 1].strip() or _RULE.fullmatch(lines[index - 1])):
                index -= 1  # noqa: PLW2901 - the rule above belongs to it
            return index
        start, after = index, _wrote(lines, index)
        if not after and asked and line.rstrip().endswith(":"):
            asked -= 1
            start, after = _foreign(lines, index)
        if after and not _is_quoted(lines, after) and (reply or "@" in "".join(lines[start:after])):
            return start
    return None


def _wrote(lines: list[str], index: int) -> int:
    """Return the line after the `... menulis:` that begins at `index`, 0 where none does; it may be wrapped."""
    if not _WROTE_BEGINS.match(lines[index]):
        return 0
    for after in range(index + 1, min(index + 4, len(lines) + 1)):
        line = lines[after - 1]
        if len(line) > _LONGEST_LINE or not line.strip() or line.startswith(">"):
            return 0
        if line.rstrip().endswith(":"):
            return after if _WROTE.fullmatch(" ".join(lines[index:after]).strip()) else 0
    return 0


def _is_head(lines: list[str], index: int, reply: bool) -> bool:
    """Whether `Dari:` begins the fields of an earlier mail, rather than the head of a letter."""
    head = lines[index + 1 : index + _HEAD_LINES]
    return (
        (reply or "@" in lines[index])
        and any(_SENT.match(line) for line in head)
        and any(_TO.match(line) for line in head)
    )


def _is_quoted(lines: list[str], index: int) -> bool:
    following = next((line for line in lines[index : index + 5] if line.strip()), "")
    return following.startswith(">")


def _foreign(lines: list[str], index: int) -> tuple[int, int]:
    """Return where a `... wrote:` in another language begins and ends that ends with a line; zeros where none does."""
    before = max(0, index - 2)
    said = "\n".join(line[:_LONGEST_LINE] for line in lines[before : index + 1])
    match = _foreign_pattern().search(said) if any(map(str.isdigit, said)) else None
    return (0, 0) if match is None else (before + said.count("\n", 0, match.start()), index + 1)


@lru_cache(maxsize=1)
def _foreign_pattern() -> re.Pattern[str]:
    """Return the library's pattern of `... wrote:` in its thirteen languages."""
    from mailparser_reply.parser import EmailMessage  # noqa: PLC0415 - its pattern takes 20 ms to compile

    pattern: re.Pattern[str] = EmailMessage(text="", languages=list(_LANGUAGES)).HEADER_REGEX
    return pattern


def _fold_quotes(lines: list[str], moved: list[bool], end: int, reply: bool) -> None:
    """Move the lines marked by `>` and the `... menulis:` above them, unless answers stand between them."""
    blocks = list(_quotes(lines, end, reply))
    own = [not line.strip() for line in lines[:end]]
    for start, stop in blocks:
        own[start:stop] = [True] * (stop - start)
    last = max((index for index in range(end) if not own[index]), default=-1)
    if sum(stop <= last for _, stop in blocks) > 1:
        blocks = [(start, stop) for start, stop in blocks if start > last]
    for start, stop in blocks:
        moved[start:stop] = [True] * (stop - start)


def _quotes(lines: list[str], end: int, reply: bool) -> Iterator[tuple[int, int]]:
    """Yield where quotes begin and end. Without any sign of an answer, a `>` is a mark of the citizen's own."""
    index = 0
    known = reply
    while index < end:
        after = _wrote(lines, index) if len(lines[index]) <= _LONGEST_LINE else 0
        start = index
        if after and after <= end and _is_quoted(lines, after):
            index = after
            known = True
        elif not (known and lines[index].startswith(">")):
            index += 1
            continue
        stop = index
        while index < end and (lines[index].startswith(">") or not lines[index].strip()):
            stop = index + 1 if lines[index].strip() else stop
            index += 1
        yield start, stop


def _fold_signatures(lines: list[str], moved: list[bool], end: int) -> None:
    """Move the signature at the end of each stretch of own words, unless it is all there is."""
    stop = end
    while stop > 0:
        if moved[stop - 1] or not lines[stop - 1].strip():
            stop -= 1
            continue
        start = stop
        while start > 0 and not moved[start - 1]:
            start -= 1
        signature = _signature(lines, start, stop)
        if signature is not None and any(line.strip() for line in lines[start:signature]):
            moved[signature:stop] = [True] * (stop - signature)
        stop = start


def _signature(lines: list[str], start: int, stop: int) -> int | None:
    said = [index for index in range(max(start, stop - 4 * _SIGNATURE_LINES), stop) if lines[index].strip()]
    said = said[-_SIGNATURE_LINES:]
    for index in said:
        if _DELIMITER.fullmatch(lines[index]):
            return index
    for index in said[-4:]:
        if len(lines[index]) <= _LONGEST_LINE and _MOBILE.fullmatch(lines[index].rstrip()):
            return index
    return None


def _joined(lines: list[str], moved: list[bool], which: bool) -> str:
    """Return the lines of one kind, with at most one blank line between them."""
    kept: list[str] = []
    for line, is_moved in zip(lines, moved, strict=True):
        if is_moved is which:
            kept.append(line)
        elif kept and kept[-1].strip():
            kept.append("")
    said = "\n".join(kept)
    return re.sub(r"\n[ \t]*\n(?:[ \t]*\n)+", "\n\n", said).strip("\n")
