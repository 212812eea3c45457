"""Whether our own mail server vouches for the sender.

Source: RFC 8601 (Authentication-Results), RFC 7489 section 3.1 (alignment). We check no signature ourselves.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

_COMMENT = re.compile(r"\([^()]*\)")
_RESULT = re.compile(r"([a-z][a-z0-9\-]*)\s*=\s*([a-z]+)")
_PROPERTY = re.compile(r"([a-z]+\.[a-z\-]+)\s*=\s*\"?([^\s\";]+)")


class Verdict(StrEnum):
    """What our server says of the sender's address; NONE where it says nothing."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NONE = "none"


def verdict(fields: Sequence[str], authserv_id: str | None, domain: str) -> Verdict:
    """Return what the server named `authserv_id` says of mail from `domain`, by its Authentication-Results.

    Only the topmost field with its name counts: whatever is below may be the sender's own, and not every server takes
    that out. Without DMARC a pass of SPF or DKIM counts for the domain itself or one below it.
    """
    if authserv_id is None:
        return Verdict.NONE
    for value in fields:
        name, _, results = _plain(value).partition(";")
        if name.split()[:1] == [authserv_id.lower()]:
            return _of_results(results.split(";"), domain)
    return Verdict.NONE


def _of_results(results: Sequence[str], domain: str) -> Verdict:
    found: dict[str, tuple[str, bool]] = {}
    for each in results:
        match = _RESULT.match(each.strip())
        if match is None:
            continue
        method, result = match.groups()
        named = dict(_PROPERTY.findall(each))
        about = next((named[key] for key in _ABOUT.get(method, ()) if key in named), None)
        fits = _is_aligned(about, domain) if about is not None else method == "dmarc"
        if result == "pass" and fits:
            found[method] = (result, True)
        else:
            found.setdefault(method, (result, False))
    if "dmarc" in found and found["dmarc"][0] in ("pass", "fail"):
        return Verdict.PASS if found["dmarc"][1] else Verdict.FAIL
    if any(passed for method, (_, passed) in found.items() if method in ("spf", "dkim")):
        return Verdict.PASS
    return Verdict.FAIL if any(result == "fail" for result, _ in found.values()) else Verdict.NONE


_ABOUT = {
    "dmarc": ("header.from",),
    "spf": ("smtp.mailfrom", "smtp.mail"),
    "dkim": ("header.d", "header.i"),
}


def _is_aligned(about: str, domain: str) -> bool:
    about = about.rpartition("@")[2].rstrip(".").lower()
    return about == domain or about.endswith("." + domain)


def _plain(value: str) -> str:
    """Return the field in lower case without its comments; they nest, hostile ones without end."""
    value = value[:8192].lower()
    for _ in range(8):
        value, count = _COMMENT.subn(" ", value)
        if not count:
            break
    return value
