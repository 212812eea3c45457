"""What the stand-in for Meta remembers: pages, Instagram accounts, their messages, posts and comments.

Source: Meta, "Webhooks" (Messenger Platform, Instagram Platform), "Page", "Comment", "Message" (Graph API).
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

PAGE_FIELDS = (
    *("messages", "message_echoes", "messaging_postbacks", "message_reactions", "message_edits"),
    *("message_deliveries", "message_reads", "feed"),
)
INSTAGRAM_FIELDS = (
    *("messages", "message_reactions", "messaging_postbacks", "messaging_seen"),
    *("comments", "live_comments", "mentions"),
)
PAGE_PERMISSIONS = (
    *("pages_show_list", "pages_manage_metadata", "pages_messaging", "pages_read_engagement"),
    *("pages_read_user_content", "pages_manage_engagement"),
)
INSTAGRAM_PERMISSIONS = ("instagram_basic", "instagram_manage_messages", "instagram_manage_comments")


class Outage(StrEnum):
    """How the API fails while the provider is down."""

    NONE = "none"
    DROPPED = "dropped"  # the connection closes without an answer
    UNAVAILABLE = "unavailable"  # 503, and no JSON


class LostAnswer(StrEnum):
    """How the answer to a post gets lost."""

    SILENT = "silent"  # the request hangs until the client gives up
    DROPPED = "dropped"  # the connection closes


@dataclass(frozen=True, slots=True)
class Refusal:
    """One post to refuse, with Graph's code and subcode; `headers` go with the answer."""

    code: int
    subcode: int | None = None
    status: int = 400
    is_transient: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Faults:
    """What goes wrong on one account, until it is set right again or used up.

    `webhooks_suspended`: what happens is only listed. `webhooks_held`: it waits for a release, which may batch or
    reverse it. `echoes_early`: the echo of a message comes before the answer to its post. `calls_used` is the
    percentage the usage headers tell, `regained_minutes` how long they say that calls are refused.
    """

    outage: Outage = Outage.NONE
    refusals: deque[Refusal] = field(default_factory=deque)
    lost_answers: deque[tuple[LostAnswer, bool]] = field(default_factory=deque)
    token_subcode: int | None = None
    webhook_copies: int = 1
    webhooks_held: bool = False
    webhooks_suspended: bool = False
    echoes_early: bool = False
    window_closed: bool = False
    calls_used: int = 1
    regained_minutes: int = 0

    def lose_answer(self, how: LostAnswer, count: int = 1, *, accepted: bool = True) -> None:
        """Never answer the next `count` posts; `accepted` says whether they are carried out all the same."""
        self.lost_answers.extend([(how, accepted)] * count)


@dataclass(frozen=True, slots=True)
class App:
    """The app at Meta: one webhook for each kind of object. `secret` signs; it may differ for Instagram login."""

    id: str
    secret: str
    verify_token: str = ""
    instagram_secret: str | None = None


@dataclass(slots=True)
class Account:
    """A page, or an Instagram professional account; `linked` is the one that belongs to this page.

    `token` opens the account and what is linked to it. `human_agent`: the app was granted that feature. `expires_at`
    and `data_access_expires_at` None: never. `subscribed` None: the app is not subscribed at all.
    """

    id: str
    app: App
    name: str
    token: str
    webhook_url: str
    is_instagram: bool = False
    linked: "Account | None" = None
    human_agent: bool = False
    scopes: Sequence[str] = ()
    subscribed: Sequence[str] | None = ()
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    faults: Faults = field(default_factory=Faults)
    people: dict[str, "Person"] = field(default_factory=dict)
    posts: list["Post"] = field(default_factory=list)

    @property
    def object(self) -> str:
        return "instagram" if self.is_instagram else "page"

    @property
    def all_fields(self) -> Sequence[str]:
        return INSTAGRAM_FIELDS if self.is_instagram else PAGE_FIELDS


@dataclass(slots=True)
class Person:
    """Somebody as one account knows him: another account has another id for the same person."""

    id: str
    name: str
    blocks_us: bool = False
    wrote_at: datetime | None = None
    messages: list["Message"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Media:
    id: str
    content_type: str
    content: bytes
    name: str = ""

    @property
    def kind(self) -> str:
        kind = self.content_type.partition("/")[0]
        return kind if kind in ("image", "video", "audio") else "file"


class Handover(StrEnum):
    """How far an event got to the office."""

    PENDING = "pending"
    DONE = "done"  # the webhook was answered 200
    FAILED = "failed"
    HELD = "held"
    SUSPENDED = "suspended"


@dataclass(slots=True)
class Message:
    """A private message in either direction. `app_id` None on one of ours: a colleague wrote it in the page's inbox."""

    mid: str
    account_id: str
    person_id: str
    text: str
    at: datetime
    from_us: bool = False
    app_id: str | None = None
    metadata: str | None = None
    tag: str | None = None
    media: list[Media] = field(default_factory=list)
    reply_to: str | None = None
    state: str = "accepted"  # of ours: accepted, delivered, read
    reaction: str | None = None
    is_unsent: bool = False
    handover: Handover = Handover.PENDING


@dataclass(slots=True)
class Comment:
    """A comment, or an answer to one. `author` is the account's id on ours; None: Meta does not say who wrote it."""

    id: str
    post_id: str
    parent_id: str
    author: str | None
    name: str
    text: str
    at: datetime
    photo: Media | None = None
    is_hidden: bool = False
    is_removed: bool = False
    has_private_reply: bool = False
    handover: Handover = Handover.PENDING


@dataclass(slots=True)
class Post:
    """A post of ours, or of a visitor (`author` is his id); on Instagram a picture or film."""

    id: str
    text: str
    at: datetime
    author: str | None = None
    name: str = ""
    updated_at: datetime | None = None
    comments: list[Comment] = field(default_factory=list)
    handover: Handover = Handover.PENDING


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell: `kind` is `messaging`, `standby` or `changes`, `field` what must be subscribed to."""

    account_id: str
    kind: str
    field: str
    item: Mapping[str, Any]
    at: datetime
    about: Message | Comment | Post | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API, as it was answered; `status` None: it was not. Tokens are left out."""

    at: datetime
    account_id: str
    method: str
    path: str
    parameters: Mapping[str, Any]
    status: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of ours to a webhook; `status` None: no answer within the time, `error` says why."""

    at: datetime
    account_id: str
    url: str
    body: bytes
    status: int | None
    error: str | None = None

    @property
    def is_good(self) -> bool:
        return self.status == 200
