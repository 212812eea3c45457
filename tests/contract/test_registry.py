"""What holds for every channel, whichever is added."""

import re
from pathlib import Path

import pytest

from connectors import registry
from core import model

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "connectors" / "README.md"


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_a_channel_has_a_name_a_mark_and_a_limit(channel):
    capabilities = registry.CHANNELS[channel].capabilities
    assert re.fullmatch(r"[a-z_]+", channel)
    assert capabilities.label
    assert re.fullmatch(r"[A-Z]{2,3}", capabilities.mark)
    assert capabilities.max_text.count > 0
    assert not (capabilities.templates and capabilities.reply_window is None)
    assert not (capabilities.read_receipts and not capabilities.receipts)


@pytest.mark.parametrize("of", [lambda each: each.label, lambda each: each.mark])
def test_no_two_channels_look_alike(of):
    seen = [of(entry.capabilities) for entry in registry.CHANNELS.values()]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_unknown_settings_are_refused(channel):
    assert registry.CHANNELS[channel].settings.model_config["extra"] == "forbid"


def row(channel: str, capabilities: model.Capabilities) -> str:
    window = capabilities.reply_window
    receipts = "read" if capabilities.read_receipts else "delivered" if capabilities.receipts else "-"
    cells = [
        channel,
        capabilities.label,
        capabilities.mark,
        f"{capabilities.max_text.count} {capabilities.max_text.unit}",
        f"{window.total_seconds() / 3600:.0f} h" if window else "-",
        "yes" if capabilities.templates else "-",
        receipts,
        "yes" if capabilities.answerable else "-",
    ]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_the_table_of_channels_says_what_the_connectors_can(channel):
    assert row(channel, registry.CHANNELS[channel].capabilities) in PAGES.read_text()
