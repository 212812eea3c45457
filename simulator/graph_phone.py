"""What Meta's training page shows: messages and comments as bubbles, the trace of the protocol."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from urllib.parse import urlencode

from simulator import graph_records as records
from simulator import graph_rules as rules
from simulator import graph_texts as texts
from simulator import phone
from simulator.graph import GraphStandIn

_TRACE_LENGTH = 8


@dataclass(frozen=True, slots=True)
class SimulatedAccount:
    """One account of the office that has no credentials; `account_id` is its page's or Instagram account's id.

    `is_public`: what is written there are comments, not private messages.
    """

    name: str
    label: str
    account_id: str
    is_public: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Whose phone is shown, and which account it writes to."""

    account: SimulatedAccount
    name: str

    @property
    def person_id(self) -> str:
        """Return the citizen's id at this account: as with Meta, another account knows him by another."""
        digest = hashlib.sha256(f"{self.account.account_id}/{self.name}".encode()).hexdigest()
        return str(int(digest[:12], 16) + 10**15)

    def query(self, **more: str) -> str:
        return urlencode({"akun": self.account.name, "nama": self.name, **more})


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message or comment on the phone. `tick` says how far it got, `acts` what its reader can do with it."""

    id: str
    author: str
    kind: str
    time: str
    text: str
    tick: str
    pictures: Sequence[records.Media]
    notes: Sequence[str]
    acts: Sequence[tuple[str, str]]
    is_below: bool = False


def bubbles(stand_in: GraphStandIn, place: Place, zone: tzinfo) -> list[Bubble]:
    """Return the conversation of the citizen, or every comment under the account's first post."""
    account = stand_in.accounts[place.account.account_id]
    if not place.account.is_public:
        person = stand_in.person(account.id, place.person_id, place.name)
        return [_of_message(account, place, message, zone) for message in person.messages]
    comments = [comment for comment in account.posts[0].comments if not comment.is_removed]
    ordered = []
    for comment in comments:
        if comment.parent_id == comment.post_id:
            ordered += [comment, *(each for each in comments if each.parent_id == comment.id)]
    return [_of_comment(account, place, comment, zone) for comment in ordered]


def _of_message(account: records.Account, place: Place, message: records.Message, zone: tzinfo) -> Bubble:
    notes = [message.reaction] if message.reaction else []
    if message.is_unsent:
        notes.append(texts.UNSENT)
    if message.from_us and message.app_id is None:
        notes.append(texts.BY_COLLEAGUE)
    acts = [("suka", texts.UNLIKE if message.reaction else texts.LIKE)] if message.from_us else []
    if not message.from_us and not message.is_unsent:
        acts = [("tarik", texts.UNSEND)]
    return Bubble(
        message.mid,
        account.name if message.from_us else place.name,
        "office" if message.from_us else "citizen",
        _time(message.at, zone),
        message.text,
        message.state if message.from_us else message.handover.value,
        [media for media in message.media if media.content_type in phone.PICTURES],
        notes,
        acts,
    )


def _of_comment(account: records.Account, place: Place, comment: records.Comment, zone: tzinfo) -> Bubble:
    is_own = comment.author == place.person_id
    notes = [texts.HIDDEN] if comment.is_hidden else []
    if comment.has_private_reply and is_own:
        notes.append(texts.ANSWERED_PRIVATELY)
    return Bubble(
        comment.id,
        comment.name,
        "citizen" if is_own else "office",
        _time(comment.at, zone),
        comment.text,
        "" if comment.author == account.id else comment.handover.value,
        [comment.photo] if comment.photo else [],
        notes,
        [("hapus", texts.REMOVE)] if is_own else [],
        is_below=comment.parent_id != comment.post_id,
    )


def trace(stand_in: GraphStandIn, account_id: str, zone: tzinfo) -> list[phone.Step]:
    """Return the last requests in both directions, the newest first; texts and tokens are left out."""
    calls = [
        (each.at, "API", f"{each.method} {each.path.rpartition('/')[2]}", each.status)
        for each in itertools.islice(reversed(stand_in.calls), _TRACE_LENGTH)
        if each.account_id == account_id
    ]
    posts = [
        (each.at, "Webhook", f"{len(each.body)} bita", each.status)
        for each in itertools.islice(reversed(stand_in.deliveries), _TRACE_LENGTH)
        if each.account_id == account_id
    ]
    newest = sorted(calls + posts, key=lambda step: step[0], reverse=True)[:_TRACE_LENGTH]
    return [
        phone.Step(
            _time(at, zone, "%H.%M.%S"),
            kind,
            detail,
            texts.NO_ANSWER if status is None else str(status),
            status is not None and status < 400,
        )
        for at, kind, detail, status in newest
    ]


def _time(moment: datetime, zone: tzinfo, form: str = "%H.%M") -> str:
    return moment.astimezone(zone).strftime(form)


def limit(account: records.Account, *, is_public: bool) -> int:
    if is_public:
        return rules.MAX_COMMENT
    return rules.MAX_INSTAGRAM_BYTES if account.is_instagram else rules.MAX_TEXT


def problems(most: int, *, is_public: bool) -> Mapping[str, str]:
    return {
        **phone.PROBLEMS,
        "kosong": texts.EMPTY_COMMENT if is_public else texts.EMPTY,
        "panjang": texts.TOO_LONG.format(limit=most),
    }


def problem_of(form: phone.Form, account: records.Account, *, is_public: bool) -> str | None:
    """Return the key of what keeps this form from being sent; None if nothing does."""
    if len(form.text) > limit(account, is_public=is_public):
        return "panjang"
    can_be_picture = not (account.is_instagram and is_public)
    return None if form.text or (can_be_picture and form.pictures) else "kosong"
