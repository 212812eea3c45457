"""Simulated accounts at Meta: a page, an Instagram account, and what their connectors sign in with."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from simulator.graph import GraphStandIn
from simulator.graph_phone import SimulatedAccount

INSTAGRAM = frozenset({"instagram", "instagram_comments"})
PUBLIC = frozenset({"facebook_comments", "instagram_comments"})
CHANNELS = frozenset({"messenger", "facebook_comments", "instagram", "instagram_comments"})

_APP_ID = "990000000000001"
_PAGE_ID = "990000000000002"
_INSTAGRAM_ID = "17849000000000003"
_TOKEN_LIFETIME = timedelta(days=60)
_FILES_AT = ("localhost", "127.0.0.1")  # where the stand-in keeps the files of messages


def open_account(
    stand_in: GraphStandIn, name: str, channel: str, label: str, office: str, webhook_url: str, given: Mapping[str, Any]
) -> tuple[SimulatedAccount, dict[str, Any]]:
    """Open one configured account of a channel in CHANNELS; return it for the page, and its settings.

    Accounts of one page share the page: a channel of private messages and one of comments are two views of it, and
    its webhook is that of the account opened first, as with Meta one address serves everything of an app. `given` are
    the settings that were written for the account: its ids are used where they stand there. `stand_in` must be served
    already.
    """
    secret, verify_token = _secret(stand_in, "secret"), _secret(stand_in, "verify")
    if _APP_ID not in stand_in.apps:
        stand_in.register_app(_APP_ID, secret, verify_token)
    is_instagram = channel in INSTAGRAM
    own_id = str(given.get("instagram_id") or _INSTAGRAM_ID) if is_instagram else str(given.get("page_id") or _PAGE_ID)
    account = stand_in.accounts.get(own_id)
    if account is None:
        register = stand_in.register_instagram if is_instagram else stand_in.register_page
        account = register(own_id, office, _secret(stand_in, own_id), _APP_ID, webhook_url)
        account.human_agent = True
    settings: dict[str, Any] = {
        "app_id": _APP_ID,
        "app_secrets": [secret],
        "verify_token": verify_token,
        "access_token": account.token,
        "base_url": stand_in.base_url,
        "media_hosts": list(_FILES_AT),
    }
    if is_instagram:
        expires_on = (stand_in.clock.now() + _TOKEN_LIFETIME).date()
        settings |= {"instagram_id": account.id, "login": "instagram", "token_expires_on": expires_on.isoformat()}
    else:
        settings["page_id"] = account.id
    if channel not in PUBLIC:
        settings["human_agent"] = True
    return SimulatedAccount(name, label, account.id, channel in PUBLIC), settings


def _secret(stand_in: GraphStandIn, name: str) -> str:
    """Return a secret that nobody outside this process knows, the same one each time."""
    return hashlib.sha256(stand_in.key + name.encode()).hexdigest()
