"""Stands in for Meta: pages and Instagram accounts, what people write to them, and the webhooks that tell of it.

`graph_api.serve` gives it its HTTP API.
Source: Meta, Messenger Platform, Instagram Platform and Graph API; the shapes are those of graph_webhooks.py.
"""

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from core.clock import Clock
from simulator import graph_records as records
from simulator import graph_webhooks as webhooks

KEPT_CALLS = 10_000
KEPT_MESSAGES = 2_000  # of one person


class GraphStandIn:
    """Any number of pages and Instagram accounts, in memory, in one event loop.

    `base_url` is where its API is reached, without a slash at the end; `graph_api.serve` sets it. `pace_seconds` is the
    pause before each echo and receipt: none in tests, a moment where people watch. `calls` and `deliveries` log the
    requests in both directions, the newest last; `key` is a secret of this one. What people do is an act of
    `graph_people.People`.
    """

    def __init__(self, clock: Clock, base_url: str = "", pace_seconds: float = 0) -> None:
        self.clock = clock
        self.base_url = base_url
        self.apps: dict[str, records.App] = {}
        self.accounts: dict[str, records.Account] = {}
        self.media: dict[str, records.Media] = {}
        self.media_url: Callable[[records.Media], str] = lambda media: f"{self.base_url}/cdn/{media.id}"
        self.calls: deque[records.Call] = deque(maxlen=KEPT_CALLS)
        self.deliveries: deque[records.Delivery] = deque(maxlen=KEPT_CALLS)
        self.version = 0
        self.key = secrets.token_bytes(32)
        self._pace_seconds = pace_seconds
        self._held: list[records.Event] = []
        self._failed: list[records.Event] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._webhooks = webhooks.Webhooks(clock)
        self._numbers = itertools.count(1)
        self._change = asyncio.Event()
        self.closing = asyncio.Event()

    # --- Who there is ---------------------------------------------------------------------------------------------

    def register_app(
        self, app_id: str, secret: str, verify_token: str = "", instagram_secret: str | None = None
    ) -> records.App:
        """Add an app; webhooks of Instagram objects are signed with `instagram_secret` where there is one."""
        self.apps[app_id] = app = records.App(app_id, secret, verify_token, instagram_secret)
        return app

    def register_page(self, page_id: str, name: str, token: str, app_id: str, webhook_url: str) -> records.Account:
        """Add a page, subscribed to everything, with every permission and a first post."""
        account = records.Account(
            page_id,
            self.apps[app_id],
            name,
            token,
            webhook_url,
            scopes=(*records.PAGE_PERMISSIONS, *records.INSTAGRAM_PERMISSIONS),
            subscribed=records.PAGE_FIELDS,
        )
        return self._open(account)

    def register_instagram(
        self, instagram_id: str, name: str, token: str, app_id: str, webhook_url: str, page_id: str | None = None
    ) -> records.Account:
        """Add an Instagram account: with a token of its own, and reached by the token of the page it belongs to."""
        account = records.Account(
            instagram_id,
            self.apps[app_id],
            name,
            token,
            webhook_url,
            is_instagram=True,
            scopes=records.INSTAGRAM_PERMISSIONS,
            subscribed=records.INSTAGRAM_FIELDS,
        )
        if page_id is not None:
            self.accounts[page_id].linked = account
        return self._open(account)

    def _open(self, account: records.Account) -> records.Account:
        self.accounts[account.id] = account
        self.publish(account.id, "Selamat pagi. Silakan sampaikan pertanyaan Bapak/Ibu di kolom komentar.")
        return account

    def faults(self, account_id: str) -> records.Faults:
        return self.accounts[account_id].faults

    def refuse(
        self, account_id: str, code: int, subcode: int | None = None, count: int = 1, **more: Any
    ) -> records.Refusal:
        """Let the next `count` posts fail with `code` and `subcode`; `more` are the fields of records.Refusal."""
        refusal = records.Refusal(code, subcode, **more)
        self.faults(account_id).refusals.extend([refusal] * count)
        self.changed()
        return refusal

    async def shake_hands(self, account_id: str) -> bool:
        """Ask the account's webhook whether it is the app's, as Meta does before it sends anything."""
        account = self.accounts[account_id]
        return await self._webhooks.shake_hands(account.webhook_url, account.app.verify_token)

    def person(self, account_id: str, person_id: str, name: str = "") -> records.Person:
        """Return somebody as the account knows him, who is made if he is new."""
        people = self.accounts[account_id].people
        if person_id not in people:
            people[person_id] = records.Person(person_id, name or person_id)
        if name:
            people[person_id].name = name
        return people[person_id]

    def publish(self, account_id: str, text: str, author: str | None = None, name: str = "") -> records.Post:
        """Add a post of the account, or of a visitor; on Instagram it stands for a picture with a caption."""
        account, number = self.accounts[account_id], self.number()
        post_id = f"1790{number:013d}" if account.is_instagram else f"{account_id}_{number:09d}"
        now = self.clock.now()
        post = records.Post(post_id, text, now, author, name, updated_at=now)
        account.posts.append(post)
        self.changed()
        return post

    # --- What is remembered ---------------------------------------------------------------------------------------

    def message(self, mid: str) -> records.Message | None:
        return next((each for each in self.messages() if each.mid == mid), None)

    def messages(self, account_id: str | None = None, *, text: str | None = None) -> list[records.Message]:
        """Return the private messages of an account (None: of all), by person, the oldest first."""
        accounts = [self.accounts[account_id]] if account_id else list(self.accounts.values())
        found = [each for account in accounts for person in account.people.values() for each in person.messages]
        return [each for each in found if text is None or each.text == text]

    def post(self, post_id: str) -> tuple[records.Account, records.Post] | None:
        for account in self.accounts.values():
            for post in account.posts:
                if post.id == post_id:
                    return account, post
        return None

    def comment(self, comment_id: str) -> tuple[records.Account, records.Post, records.Comment] | None:
        for account in self.accounts.values():
            for post in account.posts:
                for comment in post.comments:
                    if comment.id == comment_id:
                        return account, post, comment
        return None

    def number(self) -> int:
        return next(self._numbers)

    def new_mid(self, account: records.Account) -> str:
        return ("aWdfZAG1faXRlbToxOk" if account.is_instagram else "m_") + secrets.token_urlsafe(24)

    def keep_media(self, files: Sequence[tuple[str, bytes]]) -> list[records.Media]:
        kept = [records.Media(secrets.token_hex(8), kind, content) for kind, content in files]
        self.media.update({media.id: media for media in kept})
        return kept

    def keep_message(self, message: records.Message) -> None:
        messages = self.accounts[message.account_id].people[message.person_id].messages
        messages.append(message)
        del messages[:-KEPT_MESSAGES]
        self.changed()

    def keep_comment(self, post: records.Post, comment: records.Comment) -> None:
        post.comments.append(comment)
        post.updated_at = self.clock.now()
        self.changed()

    # --- What is told ---------------------------------------------------------------------------------------------

    async def announce(self, event: records.Event) -> None:
        """Post an event to its webhook as subscription and faults say: not at all, later, once or many times."""
        account = self.accounts[event.account_id]
        if account.subscribed is None or event.field not in account.subscribed or account.faults.webhooks_suspended:
            _hand_over([event], records.Handover.SUSPENDED)
        elif account.faults.webhooks_held:
            self._held.append(event)
            _hand_over([event], records.Handover.HELD)
        else:
            await asyncio.gather(*(self._post([event]) for _ in range(account.faults.webhook_copies)))
        self.changed()

    async def release(self, account_id: str, *, batched: bool = False, reverse: bool = False) -> None:
        """End the holding of webhooks and post what waited: one by one or in one body, in order or the last first."""
        self.faults(account_id).webhooks_held = False
        waiting = [event for event in self._held if event.account_id == account_id]
        self._held = [event for event in self._held if event.account_id != account_id]
        await self._post_all(waiting[::-1] if reverse else waiting, batched=batched)

    async def try_again(self) -> None:
        """Post once more what no webhook took, as Meta does for 36 hours."""
        waiting, self._failed = self._failed, []
        await self._post_all(waiting, batched=False)

    async def _post_all(self, events: Sequence[records.Event], *, batched: bool) -> None:
        for group in [events] if batched and events else [[event] for event in events]:
            await self._post(group)
        self.changed()

    async def _post(self, events: Sequence[records.Event]) -> None:
        account = self.accounts[events[0].account_id]
        app = account.app
        secret = app.instagram_secret if account.is_instagram and app.instagram_secret else app.secret
        body = webhooks.body_of(events, account.object)
        delivery = await self._webhooks.post(account.id, account.webhook_url, body, secret)
        self.deliveries.append(delivery)
        _hand_over(events, records.Handover.DONE if delivery.is_good else records.Handover.FAILED)
        if not delivery.is_good:
            self._failed += [event for event in events if event not in self._failed]
        self.changed()

    async def tell_message(self, message: records.Message) -> None:
        """Announce a message, or the echo of one of ours."""
        urls = {media.id: self.media_url(media) for media in message.media}
        field = "message_echoes" if message.from_us and not self._is_instagram(message) else "messages"
        item = webhooks.message_item(message, urls)
        await self.announce(records.Event(message.account_id, "messaging", field, item, message.at, message))

    async def tell(self, message: records.Message, field: str, event: dict[str, Any]) -> None:
        """Announce something that happened to a message or its conversation."""
        now = self.clock.now()
        item = webhooks.messaging(message, event, now)
        await self.announce(records.Event(message.account_id, "messaging", field, item, now))

    async def tell_comment(self, account: records.Account, comment: records.Comment, verb: str = "add") -> None:
        url = self.media_url(comment.photo) if comment.photo else None
        item = webhooks.comment_item(account, comment, verb, url)
        about = comment if verb == "add" else None
        await self.announce(records.Event(account.id, "changes", item["field"], item, self.clock.now(), about))

    async def tell_post(self, account: records.Account, post: records.Post, verb: str = "add") -> None:
        item = webhooks.post_item(post, verb)
        about = post if verb == "add" else None
        await self.announce(records.Event(account.id, "changes", "feed", item, self.clock.now(), about))

    async def progress(self, message: records.Message) -> None:
        """Carry a message of ours to the person: echo it (unless that came early), and report that it was delivered."""
        if not self.faults(message.account_id).echoes_early:
            await self._pause()
            await self.tell_message(message)
        await self._pause()
        if message.state == "accepted":
            message.state = "delivered"
        if not self._is_instagram(message):  # which knows no such receipt
            watermark = webhooks.milliseconds(self.clock.now())
            await self.tell(
                message, "message_deliveries", {"delivery": {"mids": [message.mid], "watermark": watermark}}
            )
        self.changed()

    def _is_instagram(self, message: records.Message) -> bool:
        return self.accounts[message.account_id].is_instagram

    # --- Running --------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Wake everybody who waits for a change; all of them run in this event loop."""
        self.version += 1
        self._change.set()
        self._change = asyncio.Event()

    async def wait_for(self, condition: Callable[[], object], timeout: float = 5) -> None:  # noqa: ASYNC109 - the promise
        """Return as soon as `condition` holds; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not condition():
                await self._change.wait()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settle(self) -> None:
        """Wait until everything in flight has ended: webhooks, echoes, pauses between them."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """End all that is in flight."""
        self.closing.set()
        self.changed()
        for task in list(self._tasks):
            task.cancel()
        await self.settle()
        await self._webhooks.close()

    async def _pause(self) -> None:
        if self._pace_seconds:
            await asyncio.sleep(self._pace_seconds)


def _hand_over(events: Sequence[records.Event], handover: records.Handover) -> None:
    for event in events:
        if event.about is not None:
            event.about.handover = handover
