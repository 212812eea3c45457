"""How an account at Meta stands: whether its token works now, and what will stop working or has gone missing.

Source: Meta, "Debug Token", "Page Subscribed Apps" (Graph API); "Long-lived access tokens" (Instagram Platform).
"""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from connectors.meta import client, refusals, texts
from core import errors

ANNOUNCED_DAYS = (1, 3, 7, 14)  # before a token ends
_LAST_TIMESTAMP = 32_503_680_000  # the year 3000


async def check(graph: client.GraphTransport, identity: str, *, field: str = "id") -> None:
    """Raise AccountSuspended for a refused token, or one of another page; TransientSendError when out of reach.

    `identity` is the page's or account's id; `field` names it in the answer (`user_id` for Instagram login; empty for
    a token that belongs to the page beside the account, of which nothing is compared).
    """
    try:
        owner = await graph.get("me", {"fields": field or "id"})
    except refusals.FAILED as error:
        raise refusals.of_checking(error) from None
    if field and str(owner.get(field)) != identity:
        raise errors.AccountSuspended("the token belongs to another page or account")


async def examine_token(
    graph: client.GraphTransport, token: str, app_id: str, permissions: Collection[str], now: datetime
) -> Sequence[str]:
    """Return what is to be said of a token that Meta's debugger knows (all but those of Instagram login).

    Raises as `check`, and AccountSuspended when the debugger calls it invalid.
    """
    try:
        # The one address with a token in it: the API takes it nowhere else. It is never logged, see graph.py.
        answer = await graph.get("debug_token", {"input_token": token}, as_app=True)
    except refusals.FAILED as error:
        raise refusals.of_checking(error) from None
    facts = answer.get("data")
    if not isinstance(facts, dict):
        raise errors.TransientSendError("Meta's answer cannot be read")
    if facts.get("is_valid") is not True:
        raise errors.AccountSuspended("the token is not valid")
    remarks = []
    if str(facts.get("app_id")) != app_id:
        remarks.append(texts.OTHER_APP)
    for name, sentence in (("expires_at", texts.EXPIRES), ("data_access_expires_at", texts.DATA_ACCESS_EXPIRES)):
        remarks += _ending(_moment(facts.get(name)), sentence, now)
    scopes = facts.get("scopes")
    missing = sorted(set(permissions) - {str(scope) for scope in scopes}) if isinstance(scopes, list) else []
    if missing:
        remarks.append(texts.MISSING_PERMISSIONS.format(names=", ".join(missing)))
    return remarks


def examine_expiry(expires_on: date | None, now: datetime) -> Sequence[str]:
    """Return what is to be said of a token of Instagram login, whose end only the configuration knows."""
    if expires_on is None:
        return [texts.EXPIRY_UNKNOWN]
    ends_at = datetime.combine(expires_on, time(tzinfo=UTC))
    if ends_at <= now:
        return [texts.EXPIRED.format(date=_day(ends_at))]
    return _ending(ends_at, texts.EXPIRES, now)


async def examine_subscription(graph: client.GraphTransport, app_id: str, fields: Collection[str]) -> Sequence[str]:
    """Return what is to be said of the webhook's subscription, which must have `fields`. Raises as `check`."""
    try:
        answer = await graph.get("me/subscribed_apps")
    except refusals.RefusedError as error:
        if error.code in (10, 200):
            return [texts.SUBSCRIPTION_UNKNOWN]
        raise refusals.of_checking(error) from None
    except refusals.FAILED as error:
        raise refusals.of_checking(error) from None
    found = answer.get("data")
    apps = [app for app in found if isinstance(app, dict)] if isinstance(found, list) else []
    ours = [app for app in apps if str(app.get("id", app_id)) == app_id]  # Instagram login lists us alone, without id
    if not ours:
        return [texts.NOT_SUBSCRIBED]
    lists: list[Any] = [app.get("subscribed_fields") for app in ours]
    missing = sorted(set(fields) - {str(name) for names in lists if isinstance(names, list) for name in names})
    return [texts.MISSING_FIELDS.format(names=", ".join(missing))] if missing else []


def _ending(ends_at: datetime | None, sentence: str, now: datetime) -> list[str]:
    """Return the sentence if its day is near: the same one until the next threshold, so that it is one alarm each."""
    if ends_at is None:
        return []
    left = ends_at - now
    days = next((days for days in ANNOUNCED_DAYS if left.total_seconds() <= days * 86_400), None)
    return [] if days is None else [sentence.format(date=_day(ends_at), days=days)]


def _moment(timestamp: object) -> datetime | None:
    """Return a time that the debugger tells; None for 0, which means never."""
    if not isinstance(timestamp, int) or isinstance(timestamp, bool) or not 0 < timestamp < _LAST_TIMESTAMP:
        return None
    return datetime.fromtimestamp(timestamp, UTC)


def _day(moment: datetime) -> str:
    return f"{moment:%d-%m-%Y}"
