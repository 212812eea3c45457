"""Every channel this program knows, by its key in the configuration. To add one: README.md in this folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from connectors import counter, sms, webchat, webform, whatsapp
from connectors.mail import connector as email
from connectors.meta import facebook_comments, instagram, instagram_comments, messenger
from core import model, ports


@dataclass(frozen=True, slots=True)
class Entry:
    """A channel: the shape of an account's settings, what it can do, and how a connector is made.

    `create` takes the account's name, its settings (of type `settings`) and the public URL of this deployment. What
    else the connector offers (webhooks, sending, catching up ...) is seen by its methods, named in core.ports.
    """

    settings: type[BaseModel]
    capabilities: model.Capabilities
    create: Callable[[str, Any, str], ports.Connector]


CHANNELS: Mapping[str, Entry] = {
    whatsapp.CHANNEL: Entry(whatsapp.Settings, whatsapp.CAPABILITIES, whatsapp.create),
    sms.CHANNEL: Entry(sms.Settings, sms.CAPABILITIES, sms.create),
    messenger.CHANNEL: Entry(messenger.Settings, messenger.CAPABILITIES, messenger.create),
    facebook_comments.CHANNEL: Entry(
        facebook_comments.Settings, facebook_comments.CAPABILITIES, facebook_comments.create
    ),
    instagram.CHANNEL: Entry(instagram.Settings, instagram.CAPABILITIES, instagram.create),
    instagram_comments.CHANNEL: Entry(
        instagram_comments.Settings, instagram_comments.CAPABILITIES, instagram_comments.create
    ),
    email.CHANNEL: Entry(email.Settings, email.CAPABILITIES, email.create),
    webform.CHANNEL: Entry(webform.Settings, webform.CAPABILITIES, webform.create),
    webchat.CHANNEL: Entry(webchat.Settings, webchat.CAPABILITIES, webchat.create),
    **{
        channel: Entry(counter.Settings, kind.capabilities, counter.factory(channel))
        for channel, kind in counter.KINDS.items()
    },
}
