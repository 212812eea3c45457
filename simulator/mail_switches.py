"""The mailbox's switchboard: each switch of the training page set to a fault of the stand-in, and read back from it."""

from simulator import mail_records as records
from simulator import mail_texts as texts
from simulator.mail import MailStandIn
from simulator.switches import Switch

GREYLISTED = records.Refusal(records.Stage.RECIPIENT, "451 4.7.1 Greylisted, please try again later")
UNKNOWN = records.Refusal(records.Stage.RECIPIENT, "550 5.1.1 User unknown")


def states(stand_in: MailStandIn, address: str) -> list[Switch]:
    faults = stand_in.faults(address)
    on = {
        "outage": faults.outage,
        "login": faults.login_refused,
        "greylist": GREYLISTED in faults.refusals,
        "refuse": UNKNOWN in faults.refusals,
        "bounce": faults.bounces > 0,
        "silent": faults.silent > 0,
        "twice": faults.copies > 1,
        "late": faults.held,
        "away": faults.automatic_replies,
    }
    return [Switch(key, name, explanation, on[key]) for key, name, explanation in texts.SWITCHES]


def turn(stand_in: MailStandIn, address: str, key: str, on: bool) -> None:
    """Turn a switch; an unknown key does nothing. Turning off the late delivery delivers what waited."""
    faults = stand_in.faults(address)
    match key:
        case "outage":
            faults.outage = on
        case "login":
            faults.login_refused = on
        case "greylist" | "refuse":
            refusal = GREYLISTED if key == "greylist" else UNKNOWN
            kept = [each for each in faults.refusals if each != refusal]
            faults.refusals.clear()
            faults.refusals.extend([*kept, refusal] if on else kept)
        case "bounce":
            faults.bounces = int(on)
        case "silent":
            faults.silent = int(on)
        case "twice":
            faults.copies = 2 if on else 1
        case "late":
            faults.held = on
            if not on:
                stand_in.release(address)
        case "away":
            faults.automatic_replies = on
    stand_in.changed()
