"""Meta's switchboard: each switch of the training page set to a fault of the stand-in, and read back from it."""

from simulator import graph_records as records
from simulator import graph_rules as rules
from simulator import graph_texts as texts
from simulator.graph import GraphStandIn
from simulator.switches import Switch

EXPIRED = 463
SPAM = records.Refusal(368)
_NEAR_FULL = 99


def states(stand_in: GraphStandIn, account_id: str, *, is_public: bool) -> list[Switch]:
    account = stand_in.accounts[account_id]
    faults = account.faults
    on = {
        "outage": faults.outage is not records.Outage.NONE,
        "token": faults.token_subcode is not None,
        "refuse": _window(account) in faults.refusals,
        "spam": SPAM in faults.refusals,
        "rate": faults.calls_used >= _NEAR_FULL,
        "twice": faults.webhook_copies > 1,
        "late": faults.webhooks_held,
        "unannounced": faults.webhooks_suspended,
        "unsubscribed": account.subscribed is None,
        "window": faults.window_closed,
    }
    return [
        Switch(key, name, explanation, on[key])
        for key, name, explanation in texts.SWITCHES
        if not (is_public and key in texts.PRIVATE_ONLY)
    ]


async def turn(stand_in: GraphStandIn, account_id: str, key: str, on: bool) -> None:
    """Turn a switch; an unknown key does nothing. Turning off the late delivery delivers what waited."""
    account = stand_in.accounts[account_id]
    match key:
        case "refuse" | "spam":
            _refuse(account.faults, _window(account) if key == "refuse" else SPAM, on)
        case "unsubscribed":
            account.subscribed = None if on else account.all_fields
        case "late":
            account.faults.webhooks_held = on
            if not on:
                await stand_in.release(account_id, batched=True, reverse=True)
        case _:
            _set(account.faults, key, on)
    stand_in.changed()


def _set(faults: records.Faults, key: str, on: bool) -> None:
    match key:
        case "outage":
            faults.outage = records.Outage.UNAVAILABLE if on else records.Outage.NONE
        case "token":
            faults.token_subcode = EXPIRED if on else None
        case "rate":
            faults.calls_used = _NEAR_FULL if on else 1
        case "twice":
            faults.webhook_copies = 2 if on else 1
        case "unannounced":
            faults.webhooks_suspended = on
        case "window":
            faults.window_closed = on


def _refuse(faults: records.Faults, refusal: records.Refusal, on: bool) -> None:
    kept = [each for each in faults.refusals if each != refusal]
    faults.refusals.clear()
    faults.refusals.extend([*kept, refusal] if on else kept)


def _window(account: records.Account) -> records.Refusal:
    return records.Refusal(10, rules.outside_window(account))
