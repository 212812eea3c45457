"""Stands in for Twilio: keeps messages, announces what citizens write, reports what becomes of our answers.

`twilio_api.serve` gives it its HTTP API.
Source: Twilio, "Messaging webhooks", "Messages resource", "Track outbound message status".
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from core.clock import Clock
from simulator import twilio_forms as forms
from simulator import twilio_records as records
from simulator import twilio_rules as rules
from simulator.twilio_webhooks import Webhooks

KEPT_MESSAGES = 10_000
KEPT_MEDIA_BYTES = 64 * 1024 * 1024


class TwilioStandIn:
    """Any number of Twilio accounts, in memory, in one event loop.

    `base_url` is where its API is reached, without a slash at the end; `twilio_api.serve` sets it. `pace_seconds`
    is the pause before each status callback: none in tests, a moment where people watch. `calls` and `deliveries`
    log the requests in both directions, the newest last.
    """

    def __init__(self, clock: Clock, base_url: str = "", pace_seconds: float = 0) -> None:
        self.clock = clock
        self.base_url = base_url
        self.accounts: dict[str, records.Account] = {}
        self.calls: deque[records.Call] = deque(maxlen=KEPT_MESSAGES)
        self.deliveries: deque[records.Delivery] = deque(maxlen=KEPT_MESSAGES)
        self.version = 0
        self._pace_seconds = pace_seconds
        self._messages: dict[str, records.Message] = {}
        self._held: list[records.Message] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._webhooks = Webhooks(clock)
        self._media_bytes = 0
        self._change = asyncio.Event()
        self.closing = asyncio.Event()

    def register(
        self,
        account_sid: str,
        auth_token: str,
        webhook_url: str,
        status_url: str | None = None,
        *,
        senders: Sequence[str],
        messaging_service_sid: str | None = None,
        api_keys: Mapping[str, str] | None = None,
        templates: Mapping[str, str] | None = None,
    ) -> records.Account:
        """Add senders to an account, which is made if it is new; return it, its `faults` among the rest.

        `senders` are `+62...` or `whatsapp:+62...`; what is written to them is announced at `webhook_url`.
        `status_url` serves creates without a callback of their own. `templates`: texts with {{1}} by content SID.
        """
        account = self.accounts.get(account_sid)
        if account is None:
            account = records.Account(account_sid, auth_token, self.clock.now())
            self.accounts[account_sid] = account
        account.auth_token = auth_token
        account.api_keys.update(api_keys or {})
        account.templates.update(templates or {})
        for sender in senders:
            account.lines[sender] = records.Line(webhook_url, status_url, messaging_service_sid)
        return account

    def faults(self, account_sid: str) -> records.Faults:
        return self.accounts[account_sid].faults

    def refuse(
        self,
        account_sid: str,
        code: int,
        count: int = 1,
        *,
        in_callback: bool | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Let the next `count` creates fail with `code`: at once, or in the status callback, as Twilio does it.

        `in_callback` overrules which of the two; `retry_after` (seconds) becomes the header of a refusal at once.
        """
        refusal = rules.refusal(code, in_callback=in_callback, retry_after=retry_after)
        self.faults(account_sid).refusals.extend([refusal] * count)
        self.changed()

    # --- What is remembered ---------------------------------------------------------------------------------------

    def find(self, message_sid: str) -> records.Message | None:
        return self._messages.get(message_sid)

    def messages(
        self,
        *,
        account_sid: str | None = None,
        sender: str | None = None,
        to: str | None = None,
        body: str | None = None,
        direction: str | None = None,
    ) -> list[records.Message]:
        """Return the messages that match every filter given, the oldest first."""
        wanted = {"account_sid": account_sid, "sender": sender, "recipient": to, "body": body, "direction": direction}
        filters = [(name, value) for name, value in wanted.items() if value is not None]
        return [
            message
            for message in self._messages.values()
            if all(getattr(message, name) == value for name, value in filters)
        ]

    def conversation(self, account_sid: str, sender: str, citizen: str) -> list[records.Message]:
        """Return what the office's `sender` and the citizen wrote to each other, the oldest first."""
        pair = {sender, citizen}
        return [
            message
            for message in self._messages.values()
            if message.account_sid == account_sid and {message.sender, message.recipient} == pair
        ]

    def creates(self, *, to: str | None = None, body: str | None = None) -> int:
        """Return how many creates were accepted, to assert that something was sent once."""
        return len(self.messages(to=to, body=body, direction="outbound-api"))

    def forget(self, message_sid: str) -> None:
        message = self._messages.pop(message_sid, None)
        if message is not None:
            self._media_bytes -= message.media_bytes
            self.changed()

    def forget_media(self, message: records.Message, media: records.Media) -> None:
        message.media.remove(media)
        self._media_bytes -= len(media.content)
        self.changed()

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

    # --- From the citizen -----------------------------------------------------------------------------------------

    async def receive(self, account_sid: str, sender: str, to: str, body: str = "", **more: Any) -> records.Message:
        """Take a citizen's message and announce it at the webhook; return when that was answered or gave up.

        The keywords are those of `write`.
        """
        message = self.write(account_sid, sender, to, body, **more)
        await self.announce(message)
        return message

    def write(
        self,
        account_sid: str,
        sender: str,
        to: str,
        body: str = "",
        *,
        media: Sequence[tuple[str, bytes]] = (),
        profile_name: str | None = None,
        location: records.Location | None = None,
        fields: Mapping[str, str] | None = None,
        sid: str | None = None,
    ) -> records.Message:
        """Take a citizen's message without announcing it: it is only listed, as during an outage of the webhook.

        `media` are media type and bytes; `fields` are put into the webhook's form as they are (ButtonPayload,
        OriginalRepliedMessageSid, parameters not invented yet); `sid` repeats a message.
        """
        account, now = self.accounts[account_sid], self.clock.now()
        more = {"ProfileName": profile_name} if profile_name is not None else {}
        if not to.startswith(records.WHATSAPP) and (kind := rules.opt_out_type(body)):
            (account.opted_out.add if kind == "STOP" else account.opted_out.discard)((to, sender))
            more["OptOutType"] = kind
        message = records.Message(
            sid=sid or new_sid("MM" if media else "SM"),
            account_sid=account_sid,
            direction="inbound",
            sender=sender,
            recipient=to,
            body=body,
            status="received",
            segments=rules.segments(body),
            created_at=now,
            updated_at=now,
            sent_at=now,
            messaging_service_sid=account.lines[to].messaging_service_sid,
            media=[records.Media(new_sid("ME"), kind, content, now) for kind, content in media],
            location=location,
            fields=more | dict(fields or {}),
        )
        account.last_inbound[to, sender] = now
        self._keep(message)
        return message

    async def announce(self, message: records.Message) -> None:
        """Post a citizen's message to its webhook as the account's faults say: not now, never, once or many times."""
        faults = self.faults(message.account_sid)
        if faults.webhooks_suspended or faults.webhooks_held:
            message.handover = records.Handover.SUSPENDED if faults.webhooks_suspended else records.Handover.HELD
            if not faults.webhooks_suspended:
                self._held.append(message)
            self.changed()
            return
        line = self.accounts[message.account_sid].lines[message.recipient]
        urls = {
            media.sid: f"{self.base_url}{records.message_uri(message)}/Media/{media.sid}" for media in message.media
        }
        params = forms.inbound_fields(message, line, urls)
        token = secrets.token_hex(16)
        attempts = (self._post(message, line.webhook_url, params, token) for _ in range(faults.webhook_copies))
        deliveries = await asyncio.gather(*attempts)
        answered = any(each.status is not None and 200 <= each.status < 300 for each in deliveries)
        message.handover = records.Handover.DONE if answered else records.Handover.FAILED
        for text in (text for each in deliveries for text in forms.replies(each)):
            self._reply(message, text)
        self.changed()

    async def release(self, account_sid: str) -> None:
        """End the holding of webhooks and post, in their order, those that waited."""
        self.faults(account_sid).webhooks_held = False
        waiting = [message for message in self._held if message.account_sid == account_sid]
        self._held = [message for message in self._held if message.account_sid != account_sid]
        for message in waiting:
            await self.announce(message)

    def open_phone(self, account_sid: str, sender: str, citizen: str) -> None:
        """Let the citizen read what was delivered to him; WhatsApp then reports it."""
        for message in self.conversation(account_sid, sender, citizen):
            if message.is_whatsapp and message.status == "delivered" and not message.is_inbound:
                self.spawn(self._report(message, "read"))

    # --- To the citizen -------------------------------------------------------------------------------------------

    def accept(self, account: records.Account, draft: rules.Draft, failure: int | None) -> records.Message:
        """Take a message of the office; `failure` is the code it will fail with. `progress` does the rest."""
        now = self.clock.now()
        message = records.Message(
            sid=new_sid("MM" if draft.media_urls else "SM"),
            account_sid=account.sid,
            direction="outbound-api",
            sender=draft.sender,
            recipient=draft.recipient,
            body=draft.body,
            status="accepted" if draft.messaging_service_sid else "queued",
            segments=rules.segments(draft.body),
            created_at=now,
            updated_at=now,
            messaging_service_sid=draft.messaging_service_sid,
            status_callback=draft.status_callback,
            content_sid=draft.content_sid,
            media_urls=draft.media_urls,
            failure=failure,
        )
        self._keep(message)
        return message

    async def progress(self, message: records.Message) -> None:
        """Carry a message of the office to its end and report every step."""
        faults = self.faults(message.account_sid)
        if message.failure is not None:
            await self._report(message, rules.failed_status(message.failure))
            return
        for status in faults.statuses:
            await self._report(message, status)
        if faults.reads_at_once and message.is_whatsapp:
            await self._report(message, "read")

    def _reply(self, message: records.Message, text: str) -> None:
        draft = rules.Draft(
            message.recipient, message.sender, text, message.messaging_service_sid, None, None, (), None
        )
        reply = self.accept(self.accounts[message.account_sid], draft, None)
        reply.direction = "outbound-reply"
        self.spawn(self.progress(reply))

    async def _report(self, message: records.Message, status: str) -> None:
        async with message.reporting:
            if self._pace_seconds:
                await asyncio.sleep(self._pace_seconds)
            if status == message.status == "read":
                return  # two open pages show one phone
            message.advance(status, self.clock.now())
            if message.has_failed and message.failure is not None:
                message.error_code, message.error_message = message.failure, rules.meaning(message.failure)
            self.changed()
            if message.status_callback:
                params = forms.status_fields(message, status)
                await self._post(message, message.status_callback, params, secrets.token_hex(16))

    # --- The wire -------------------------------------------------------------------------------------------------

    async def _post(
        self, message: records.Message, url: str, params: Mapping[str, str], token: str
    ) -> records.Delivery:
        auth_token = self.accounts[message.account_sid].auth_token
        delivery = await self._webhooks.post(message.sid, url, params, auth_token, token)
        self.deliveries.append(delivery)
        self.changed()
        return delivery

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _keep(self, message: records.Message) -> None:
        self.forget(message.sid)
        self._messages[message.sid] = message
        self._media_bytes += message.media_bytes
        while len(self._messages) > KEPT_MESSAGES or (self._media_bytes > KEPT_MEDIA_BYTES and len(self._messages) > 1):
            self.forget(next(iter(self._messages)))
        self.changed()

    async def settle(self) -> None:
        """Wait until everything in flight has ended: webhooks, callbacks, pauses between them."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Drop everything in flight and close the connections."""
        self.closing.set()
        self.changed()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._webhooks.close()


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)
