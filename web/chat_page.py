"""What the chat page shows: a conversation as its script reads it, and the page itself."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from core import model, ports
from router import conversation, texts
from router.desk import Desk
from web import chat_assets, form, pages
from web import texts as phrases
from web.application import CONTENT_SECURITY_POLICY, DESK


def shape(desk: Desk, account: model.Account, found: conversation.Conversation) -> dict[str, Any]:
    """Return a conversation as the page reads it. Ids are texts: they are longer than JavaScript's numbers."""
    zone = desk.offices.get(account.office_id).zone
    complaint = found.complaint
    due_at = None if complaint is None or not complaint.state.is_open else complaint.due_at
    return {
        "messages": [
            {
                "id": str(message.id),
                "key": (message.provider_id or "").partition(".")[0].replace("-", ""),
                "from": _author(message),
                "text": message.text,
                "time": phrases.brief_moment(message.created_at, zone),
                "files": [
                    {"id": str(file.id), "name": file.name or "lampiran", "size": phrases.size(file.size or 0)}
                    for file in message.attachments
                ],
            }
            for message in found.messages
        ],
        "cursor": str(found.cursor),
        "is_all": found.is_all,
        "number": None if complaint is None else str(complaint.number),
        "due": None if due_at is None else texts.moment(due_at, zone),
        "is_open": complaint is not None and complaint.state.is_open,
        "has_contact": found.has_reply_address,
    }


def _author(message: model.Message) -> str:
    if not message.kind.is_outgoing:
        return "citizen"
    return "official" if message.kind is model.MessageKind.ANSWER else "system"


@dataclass(frozen=True, slots=True)
class Page:
    """A page to show: whose chat, the token it is given, what was typed; `said` where a script does not ask for it."""

    account: model.Account
    connector: ports.Conversation
    token: str
    fields: Mapping[str, str] = field(default_factory=dict)
    said: conversation.Conversation | None = None


def show(
    request: web.Request, page: Page, status: int = 200, mistakes: Mapping[str, str] | None = None
) -> web.Response:
    """Return the page, with what is wrong (field -> why; `form` for the whole) where it could not be taken in."""
    desk = request.app[DESK]
    response = pages.render(
        request, "chat/page.html", status=status, page=page, office=desk.offices.get(page.account.office_id),
        key=_key(page.fields.get("key", "")), mistakes=mistakes or {}, safety=texts.SAFETY, max_files=form.MAX_FILES,
        said=None if page.said is None else shape(desk, page.account, page.said), asset=chat_assets.url,
    )  # fmt: skip
    response.text = _lean(response.text or "")
    sites = " ".join(["'self'", *page.connector.origins])
    policy = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {sites}")
    response.headers["Content-Security-Policy"] = policy
    if status in (400, 413, 429):
        response.force_close()  # the rest of what is being sent is not waited for
    return response


def _key(given: str) -> str:
    """Return the key of a message sent before, so that it is known again; else a new one."""
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return str(uuid.uuid4())


def _lean(page: str) -> str:
    """Return a page without the indentation that only we read; what is typed stays as it is."""
    parts = re.split(r"(<textarea.*?</textarea>)", page, flags=re.DOTALL)
    return "".join(part if part.startswith("<textarea") else re.sub(r"\n[ \t]+", "\n", part) for part in parts)
