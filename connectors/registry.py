"""Every channel this program knows, by its key in the configuration. To add one: README.md in this folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from connectors import sms, webform, whatsapp
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
    webform.CHANNEL: Entry(webform.Settings, webform.CAPABILITIES, webform.create),
}
