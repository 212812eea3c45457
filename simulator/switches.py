"""The switchboard: each switch of the training page set to a fault of the stand-in, and read back from it."""

from dataclasses import dataclass

from simulator import texts
from simulator import twilio_records as records
from simulator import twilio_rules as rules
from simulator.twilio import TwilioStandIn


@dataclass(frozen=True, slots=True)
class Switch:
    key: str
    name: str
    explanation: str
    is_on: bool


def states(stand_in: TwilioStandIn, account_sid: str, is_whatsapp: bool) -> list[Switch]:
    faults = stand_in.faults(account_sid)
    on = {
        "outage": faults.outage is not records.Outage.NONE,
        "refuse": any(refusal.code == rules.OUTSIDE_WINDOW for refusal in faults.refusals),
        "twice": faults.webhook_copies > 1,
        "late": faults.webhooks_held,
        "unannounced": faults.webhooks_suspended,
        "window": faults.window_closed,
    }
    return [
        Switch(key, name, explanation, on[key])
        for key, name, explanation in texts.SWITCHES
        if is_whatsapp or key not in texts.WHATSAPP_ONLY
    ]


async def turn(stand_in: TwilioStandIn, account_sid: str, key: str, on: bool) -> None:
    """Turn a switch; an unknown key does nothing. Turning off the late delivery delivers what waited."""
    faults = stand_in.faults(account_sid)
    match key:
        case "outage":
            faults.outage = records.Outage.UNAVAILABLE if on else records.Outage.NONE
        case "refuse":
            faults.refusals.clear()
            if on:
                stand_in.refuse(account_sid, rules.OUTSIDE_WINDOW)
        case "twice":
            faults.webhook_copies = 2 if on else 1
        case "late":
            faults.webhooks_held = on
            if not on:
                await stand_in.release(account_sid)
        case "unannounced":
            faults.webhooks_suspended = on
        case "window":
            faults.window_closed = on
    stand_in.changed()
