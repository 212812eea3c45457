"""Signing in without a password exists on a training ground alone."""

from pathlib import Path

import pytest

from app import config, training
from app.toml_file import TomlFile

REAL = """
account_sid = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
auth_tokens = ["env:TOKEN"]
sender = "+6281200009000"
"""


def ground(server: str = "", sms: str = "", *, accounts: bool = True) -> bool:
    text = f'[server]\n{server}\n[[office]]\nid = "contoh"\nname = "Dinas"\n'
    if accounts:
        text += '[[account]]\nname = "wa"\nchannel = "whatsapp"\noffice = "contoh"\n'
        text += f'[[account]]\nname = "sms"\nchannel = "sms"\noffice = "contoh"\n{sms}\n'
    text += '[[account]]\nname = "formulir"\nchannel = "webform"\noffice = "contoh"\n'
    return training.is_ground(config.read(TomlFile("test", text, Path.cwd(), {"TOKEN": "t" * 32})))


def test_a_fresh_clone_is_a_training_ground():
    assert ground()
    assert training.is_ground(config.load(None, {}))


@pytest.mark.parametrize("server", ['listen = "0.0.0.0:8080"', 'public_url = "https://pengaduan.kota-contoh.example"'])
def test_what_others_can_reach_is_none(server):
    assert not ground(server)


def test_one_real_account_ends_it():
    assert not ground(sms=REAL)


def test_a_form_alone_is_real():
    assert not ground(accounts=False)
