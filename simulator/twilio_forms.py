"""The forms Twilio posts to webhooks, and what it makes of the answers. Pure.

Source: Twilio, "Messaging webhooks" (incoming and status), "TwiML for Programmable Messaging".
"""

import html
import re
from collections.abc import Mapping

from simulator import twilio_records as records

_TWIML_MESSAGE = re.compile(r"<Message\b[^>]*>(.*?)</Message>", re.DOTALL)
_TWIML_BODY = re.compile(r"<Body\b[^>]*>(.*?)</Body>", re.DOTALL)


def message_type(media_types: list[str], location: records.Location | None) -> str:
    if location is not None:
        return "location"
    if not media_types:
        return "text"
    kind = media_types[0].partition("/")[0]
    if media_types[0] in ("text/vcard", "text/x-vcard"):
        return "contacts"
    return "sticker" if media_types[0] == "image/webp" else kind if kind in ("image", "audio", "video") else "document"


def replies(delivery: records.Delivery) -> list[str]:
    """Return the texts that a webhook's answer sends to the citizen: a plain body, or TwiML's <Message> verbs."""
    if delivery.status is None or not 200 <= delivery.status < 300:
        return []
    if delivery.content_type == "text/plain":
        return [delivery.body] if delivery.body.strip() else []
    if delivery.content_type not in ("text/xml", "application/xml", "text/html"):
        return []
    verbs = _TWIML_MESSAGE.findall(delivery.body)
    texts = [html.unescape(body[1] if (body := _TWIML_BODY.search(verb)) else verb).strip() for verb in verbs]
    return [text for text in texts if text]


def inbound_fields(message: records.Message, line: records.Line, media_urls: Mapping[str, str]) -> dict[str, str]:
    """Return the form of the webhook that announces `message`; `media_urls` by media SID.

    Empty values are sent too: they are part of what is signed.
    """
    fields = {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsMessageSid": message.sid,
        "AccountSid": message.account_sid,
        "From": message.sender,
        "To": message.recipient,
        "Body": message.body,
        "SmsStatus": "received",
        "NumSegments": str(message.segments),
        "NumMedia": str(len(message.media)),
        "ApiVersion": records.API_VERSION,
    }
    if line.messaging_service_sid:
        fields["MessagingServiceSid"] = line.messaging_service_sid
    for index, media in enumerate(message.media):
        fields[f"MediaUrl{index}"] = media_urls[media.sid]
        fields[f"MediaContentType{index}"] = media.content_type
    fields.update(_whatsapp_fields(message) if message.is_whatsapp else _carrier_fields())
    fields.update(message.fields)
    return fields


def _whatsapp_fields(message: records.Message) -> dict[str, str]:
    kind = message_type([media.content_type for media in message.media], message.location)
    number = message.sender.removeprefix(f"{records.WHATSAPP}+")
    fields = {"MessageType": kind, "ReferralNumMedia": "0"}
    if number.isdigit():  # a business-scoped user id has none
        fields["WaId"] = number
    if (place := message.location) is not None:
        fields |= {"Latitude": str(place.latitude), "Longitude": str(place.longitude)}
        fields |= {"Label": place.label} if place.label else {}
        fields |= {"Address": place.address} if place.address else {}
    return fields


def _carrier_fields() -> dict[str, str]:
    return {
        f"{side}{part}": "ID" if part == "Country" else ""
        for side in ("From", "To")
        for part in ("Country", "State", "City", "Zip")
    }


def status_fields(message: records.Message, status: str) -> dict[str, str]:
    """Return the form of a status callback."""
    fields = {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "AccountSid": message.account_sid,
        "From": message.sender,
        "To": message.recipient,
        "MessageStatus": status,
        "SmsStatus": status,
        "ApiVersion": records.API_VERSION,
    }
    if message.messaging_service_sid:
        fields["MessagingServiceSid"] = message.messaging_service_sid
    if message.is_whatsapp:
        fields |= {"ChannelPrefix": "whatsapp", "ChannelToAddress": message.recipient.removeprefix(records.WHATSAPP)}
        if status in ("delivered", "read", "undelivered"):
            fields["EventType"] = status.upper()
    elif status == "delivered":
        fields["RawDlrDoneDate"] = message.updated_at.strftime("%y%m%d%H%M")
    if message.error_code is not None:
        fields |= {"ErrorCode": str(message.error_code), "ErrorMessage": message.error_message or ""}
    return fields
