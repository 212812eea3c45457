"""What a mail says, and the files it brings: the best text of its parts, everything else kept as a file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from connectors.mail import headers, html, parts
from core import model, text

MAX_TEXT = 100_000  # characters; a tsvector of PostgreSQL holds 1 MB
MAX_NAME = 120

_TEXTS = ("text/plain", "text/html")
_PATH = re.compile(r"[/\\]")
_UNNAMED = {"message/rfc822": "surat.eml", "text/calendar": "undangan.ics", "application/ms-tnef": "winmail.dat"}
_SHIFT = re.compile(r"^(>*)( ?)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Body:
    """`text`: cleaned, quotes and all. `attached`: the mails among the files. `left_out`: files only the original has.

    `is_cut`: the text goes on in the original.
    """

    text: str
    files: tuple[model.InlineFile, ...]
    attached: tuple[bytes, ...] = ()
    left_out: int = 0
    is_cut: bool = False


@dataclass(slots=True)
class _Found:
    texts: list[parts.Part] = field(default_factory=list)
    files: list[parts.Part] = field(default_factory=list)

    def take(self, other: "_Found") -> None:
        self.texts += other.texts
        self.files += other.files


def read(mail: parts.Mail, max_files: int) -> Body:
    """Return the text and the files of a mail, at most `max_files`."""
    found = _find(mail.root)
    texts = [each for each in map(_text, found.texts) if each]
    whole = "\n\n".join(texts)
    files: list[model.InlineFile] = []
    attached: list[bytes] = []
    for part in found.files:
        content = part.body if part.is_opaque else part.content()
        if len(files) < max_files and (content or _claimed_name(part)):
            files.append(model.InlineFile(content, text.clean(part.media_type)[:100], _name(part)))
        if part.media_type == "message/rfc822":
            attached.append(content)
    left_out = mail.left_out + max(0, sum(1 for part in found.files if part.end > part.start) - max_files)
    return Body(whole[:MAX_TEXT].strip(), tuple(files), tuple(attached[:1]), left_out, len(whole) > MAX_TEXT)


def _find(part: parts.Part) -> _Found:
    """Return the texts to show and the files, in order; nesting is bounded by the reader of the parts."""
    found = _Found()
    if not part.parts:
        (found.texts if _is_text(part) else found.files).append(part)
    elif part.media_type == "multipart/alternative":
        choices = [_find(each) for each in part.parts]
        for choice in choices:
            found.files += choice.files
        found.texts += _best([choice.texts for choice in choices if choice.texts])
    else:
        for each in part.parts:
            found.take(_find(each))
    return found


def _best(choices: list[list[parts.Part]]) -> Iterable[parts.Part]:
    """Return the plain form that says anything; else the richest, which comes last (RFC 2046 section 5.1.4)."""
    for choice in choices:
        if any(part.media_type == "text/plain" and part.text().strip() for part in choice):
            return choice
    return choices[-1] if choices else ()


def _is_text(part: parts.Part) -> bool:
    if part.media_type not in _TEXTS:
        return False
    disposition = part.headers.raw("content-disposition").lstrip()[:10].lower()
    return disposition != "attachment" and not (_claimed_name(part) and part.depth > 0)


def _text(part: parts.Part) -> str:
    said = part.text()
    if part.media_type == "text/html":
        return html.text_of(text.clean(said))
    said = text.clean(said[: MAX_TEXT * 2])
    if part.parameters.get("format", "").lower() == "flowed":
        said = unflow(said, part.parameters.get("delsp", "").lower() == "yes")
    return said.replace("\u00a0", " ").strip("\n")


def unflow(said: str, delete_space: bool) -> str:
    """Return format=flowed text with its paragraphs on one line each (RFC 3676); quotes keep their marks."""
    lines: list[str] = []
    flows_at = -1  # quote depth of an unfinished paragraph
    for line in said.split("\n"):
        match = _SHIFT.match(line)
        depth = len(match[1]) if match else 0
        rest = line[match.end() :] if match else line
        if flows_at == depth and rest != "-- ":
            lines[-1] += rest
        else:
            lines.append((">" * depth + " " if depth else "") + rest)
        flows_at = depth if rest.endswith(" ") and rest != "-- " else -1
        if flows_at >= 0 and delete_space:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _claimed_name(part: parts.Part) -> str:
    from_disposition = ""
    if "content-disposition" in part.headers:
        from_disposition = headers.parameters(part.headers.raw("content-disposition"))[1].get("filename", "")
    return from_disposition or part.parameters.get("name", "")


def _name(part: parts.Part) -> str | None:
    """Return the file's name, without a path and short enough for every disk; its ending stays."""
    name = _PATH.split(text.clean(_claimed_name(part)))[-1].strip(". \t\n")
    name = text.one_line(name, 1000)
    stem, dot, ending = name.rpartition(".")
    if len(name) > MAX_NAME:
        keep = dot + ending if dot and len(ending) <= 10 else ""
        name = (stem if keep else name)[: MAX_NAME - len(keep)].rstrip() + keep
    return name or _UNNAMED.get(part.media_type)
