import re
from datetime import date, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import get_args
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import config, toml_file
from connectors import registry
from core import errors
from sla import calendar, clocks

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
KEY = "0123456789abcdef0123456789abcdef"
OFFICE = '[[office]]\nid = "kota"\nname = "Kota Contoh"\n'


@pytest.fixture
def load(tmp_path):
    def write_and_load(text, **environ):
        path = tmp_path / "aduan.toml"
        path.write_text(text, encoding="utf-8")
        return config.load(path, environ)

    return write_and_load


@pytest.fixture
def mistakes(load, tmp_path):
    """Return what is told of a file, without its name."""

    def told(text, **environ):
        with pytest.raises(errors.ConfigError) as caught:
            load(text, **environ)
        return [mistake.removeprefix(f"{tmp_path / 'aduan.toml'}:") for mistake in caught.value.mistakes]

    return told


class TestWithoutFile:
    def test_one_office_and_simulated_channels_on_sqlite(self):
        built_in = config.load(None, {})
        assert [office.id for office in built_in.offices] == ["kota-contoh"]
        simulated = {account.account.channel: account.account.simulated for account in built_in.accounts}
        assert set(simulated) == set(registry.CHANNELS)  # everything can be tried
        assert {channel for channel in simulated if not simulated[channel]} == {
            *("webform", "webchat", "walk_in", "phone", "fax", "letter", "suggestion_box")
        }
        assert built_in.server.listen == ("127.0.0.1", 8080)
        assert built_in.storage.sqlite_file == Path.cwd() / "data/aduan.db"
        assert built_in.storage.key_file == Path.cwd() / "data/aduan.key"

    def test_the_environment_is_not_needed_and_not_read(self):
        assert config.load(None, {"ADUAN_SECRET_KEY": KEY}).storage.secret_keys == ()


class TestExample:
    ENVIRON = MappingProxyType(
        {
            "ADUAN_SECRET_KEY": KEY,
            "TWILIO_ACCOUNT_SID": f"AC{KEY}",
            "TWILIO_AUTH_TOKEN": KEY,
            "TWILIO_API_KEY_SID": f"SK{KEY}",
            "TWILIO_API_KEY_SECRET": KEY,
            "TWILIO_MESSAGING_SERVICE_SID": f"MG{KEY}",
            "TWILIO_TEMPLATE_ANSWER": f"HX{KEY}",
            "MAIL_THREAD_SECRET": KEY,
            "MAIL_PASSWORD": KEY,
            "META_PAGE_TOKEN": KEY,
            "META_APP_SECRET": KEY,
            "META_VERIFY_TOKEN": KEY,
        }
    )

    def test_loads(self):
        loaded = config.load(EXAMPLE, self.ENVIRON)
        assert {account.account.channel for account in loaded.accounts} == set(registry.CHANNELS)
        assert not any(account.account.simulated for account in loaded.accounts)

    def test_loads_with_everything_that_is_commented_out(self, load):
        head, *accounts = EXAMPLE.read_text("utf-8").split("[[account]]\n")
        shown = [re.sub(r"(?m)^# (?=[a-z_]+ = |\[account\.)", "", section) for section in accounts]
        whatsapp = load("[[account]]\n".join([head, *shown]), **self.ENVIRON).accounts[0].settings
        assert whatsapp.api_key_sid == f"SK{KEY}"
        assert whatsapp.templates["delay_notice"].variables == ("nomor", "batas_baru")

    def test_without_its_environment_names_every_variable(self):
        with pytest.raises(errors.ConfigError) as caught:
            config.load(EXAMPLE, {})
        assert all(mistake.endswith(": this environment variable is not set") for mistake in caught.value.mistakes)
        lines = [line for line in EXAMPLE.read_text("utf-8").splitlines() if not line.startswith("#")]
        assert len(caught.value.mistakes) == sum(line.count('"env:') for line in lines)

    @pytest.mark.parametrize("table", [config.Server, config.Storage, config.Office, config.Period, config.Hours])
    def test_explains_every_key(self, table):
        assert keys_of(table) <= keys_in(EXAMPLE.read_text("utf-8"))

    @pytest.mark.parametrize("channel", sorted(registry.CHANNELS))
    def test_explains_every_key_of_each_channel(self, channel):
        sections = EXAMPLE.read_text("utf-8").split("[[account]]\n")[1:]
        section = next(text for text in sections if f'\nchannel = "{channel}"\n' in text)
        assert keys_of(registry.CHANNELS[channel].settings) | {"name", "channel", "office"} <= keys_in(section)

    def test_shows_the_defaults(self):
        shown = config.load(EXAMPLE, self.ENVIRON)
        defaults = config.load(None, {})
        assert shown.server == defaults.server
        assert shown.storage.raw_retention_days == defaults.storage.raw_retention_days
        for key in ("zone", "number_prefix", "reading", "burst_window_seconds", "acknowledge_further", "reopen_days"):
            assert getattr(shown.offices[0], key) == config.Office.model_fields[key].default, key
        for account in shown.accounts:
            fields = type(account.settings).model_fields
            for key in account.written.keys() - {"sender", "imap"}:
                assert fields[key].is_required() or getattr(account.settings, key) == fields[key].default, key


def keys_of(table: type[pydantic.BaseModel]) -> set[str]:
    keys = set()
    for name, field in table.model_fields.items():
        keys.add(field.alias or name)
        for inner in models_in(field.annotation):
            keys |= keys_of(inner)
    return keys


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in models_in(inner)]


def keys_in(text: str) -> set[str]:
    """Return the keys and tables that the text shows, commented out or not."""
    lines = [line.lstrip("# ") for line in text.splitlines()]
    assigned = {line.split("=")[0].strip() for line in lines if "=" in line}
    tables = {part for line in lines if line.startswith("[") for part in line.strip("[]").split(".")}
    return assigned | tables


class TestMistakes:
    def test_all_are_told_at_once_with_line_and_key(self, mistakes):
        text = """
            [server]
            public_url = "kota-contoh"
            listn = "127.0.0.1:80"

            [storage]
            url = "env:DATABASE"
            raw_retention_days = "90"
            secret_keys = ["tertulis di sini, sepanjang tiga puluh dua huruf"]

            [[office]]
            id = "kota"
            zone = "Asia/Kota"

            [[office]]
            id = "kota"
            name = "Kota"
            number_prefix = "KOT"

            [[account]]
            name = "formulir"
            channel = "webform"
            office = "desa"

            [[account]]
            name = "formulir"
            channel = "merpati"
            office = "kota"
        """
        there_are = ", ".join(sorted(registry.CHANNELS))
        assert mistakes(text) == [
            "3: server.public_url: not a web address such as https://pengaduan.example.go.id",
            "4: server.listn: unknown key; did you mean listen?",
            "7: storage.url: env:DATABASE: this environment variable is not set",
            "8: storage.raw_retention_days: should be a valid integer",
            '9: storage.secret_keys[1]: a secret is not written here; use "env:NAME" or "file:PATH"',
            "11: office[kota].name: missing",
            "13: office[kota].zone: unknown time zone 'Asia/Kota'",
            "16: office[kota].id: 'kota' is already the id of the office at line 12",
            "23: account[formulir].office: there is no [[office]] with this id",
            "26: account[formulir].name: 'formulir' is already the name of the account at line 21",
            f"27: account[formulir].channel: unknown channel 'merpati'; there are {there_are}",
        ]

    def test_of_toml_itself_are_told_with_their_line(self, mistakes):
        (mistake,) = mistakes("[server]\nlisten = \n")
        assert "line 2" in mistake

    @pytest.mark.parametrize(
        ("table", "told"),
        [
            ("[server]\ntrusted_proxies = ['10.0.0.1/8']", "server.trusted_proxies[1]: 10.0.0.1/8 has host bits set"),
            ("[server]\nlisten = '8080'", 'server.listen: not an address with a port, such as "127.0.0.1:8080"'),
            ("[server]\nlisten = 8080", 'server.listen: not an address with a port, such as "127.0.0.1:8080"'),
            ("server = 1", "server: should be a table"),
            ("account = 1", "account: write [[account]]: there may be several"),
            ("[servers]", "servers: unknown key; did you mean server?"),
            ("[storage]\nraw_retention_days = true", "storage.raw_retention_days: should be a valid integer"),
            (
                "[storage]\nurl = 'mysql://host/db'",
                "storage.url: neither sqlite:///path nor postgresql://user@host/name",
            ),
            ("[storage]\nurl = 'sqlite://'", "storage.url: names no file; write sqlite:///path/of/the.db"),
            ("[storage]\nurl = 'sqlite:///:memory:'", "storage.url: names no file; write sqlite:///path/of/the.db"),
        ],
    )
    def test_of_server_and_storage(self, mistakes, table, told):
        assert [told] == [mistake.partition(": ")[2] for mistake in mistakes(f"{table}\n{OFFICE}")]

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("number_prefix = 'adu'", "number_prefix: one to ten capital letters"),
            ("acknowledge_further = 'ya'", "acknowledge_further: should be a valid boolean"),
            ("reopen_days = -1", "reopen_days: should be greater than or equal to 0"),
            ("reading = 'dua'", "reading: should be 'kalender', 'hari_kerja' or 'kalender_gulir'"),
            ("hours = {senin = ['7-12']}", 'hours.senin[1]: not hours such as "07:30-16:00"'),
            ("hours = {senin = ['25:00-26:00']}", "hours.senin[1]: hour must be in 0..23"),
            ("hours = {senen = []}", "hours.senen: unknown key; did you mean senin?"),
            ("hours = {}", "hours: no service hour at all"),
            (
                "hours = {selasa = ['08:00-12:00', '11:00-13:00']}",
                "hours: selasa: the hours from 11:00 overlap those from 08:00",
            ),
            (
                "period = [{name = 'R', from = 2027-03-08, until = 2027-02-08, hours = {senin = ['08:00-15:00']}}]",
                "period: period 'R': until 2027-02-08 is before start 2027-03-08",
            ),
        ],
    )
    def test_of_an_office(self, mistakes, line, told):
        assert [f"4: office[kota].{told}"] == mistakes(OFFICE + line)

    def test_offices_with_one_prefix_would_share_numbers(self, mistakes):
        assert mistakes(OFFICE + OFFICE.replace("kota", "desa")) == [
            "4: office[desa].number_prefix: 'ADU' is already the number_prefix of the office at line 1"
        ]

    @given(st.data())
    def test_are_always_told_and_never_crash(self, data):
        lines = EXAMPLE.read_text("utf-8").splitlines()
        assigned = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+ = ", line)]
        for number in data.draw(st.lists(st.sampled_from(assigned), min_size=1, max_size=5)):
            odd = data.draw(
                st.sampled_from(["5", "-1", "1.5", "true", '""', '"x"', "[]", "[1]", "[[]]", "{a = 1}", "2027-01-01"])
            )
            lines[number] = f"{lines[number].split('=')[0]}= {odd}"
        for number in data.draw(st.lists(st.sampled_from(range(len(lines))), max_size=2)):
            lines[number] = ""
        mistakes = ()
        try:
            config.read(toml_file.TomlFile("x", "\n".join(lines), Path("/x"), TestExample.ENVIRON))
        except errors.ConfigError as error:
            mistakes = error.mistakes
        assert all(
            re.match(r"x:\d+: [a-z_]+[^:]*: .|x: .+at line \d+|x: office: (missing|write)", mistake)
            for mistake in mistakes
        )

    def test_an_office_is_required(self, mistakes):
        assert mistakes("[server]\n") == [" office: missing: at least one [[office]]"]

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(errors.ConfigError, match=r"none\.toml: No such file"):
            config.load(tmp_path / "none.toml", {})

    def test_a_file_that_is_not_text(self, tmp_path):
        (tmp_path / "x.toml").write_bytes(b"\xff")
        with pytest.raises(errors.ConfigError, match="not UTF-8"):
            config.load(tmp_path / "x.toml", {})


class TestAccounts:
    ACCOUNT = f'{OFFICE}[[account]]\nname = "sms"\nchannel = "sms"\noffice = "kota"\n'
    CREDENTIALS = MappingProxyType({"account_sid": f"AC{KEY}", "auth_tokens": (KEY,)})

    def test_are_simulated_when_they_have_no_credentials(self, load):
        (account,) = load(f'{self.ACCOUNT}sender = "+620000000000"').accounts
        assert account.account.simulated
        assert account.settings is None
        settings = account.settings_with(self.CREDENTIALS)
        assert (settings.sender, settings.account_sid) == ("+620000000000", f"AC{KEY}")

    def test_are_real_as_soon_as_they_have_some(self, mistakes):
        assert mistakes(f'{self.ACCOUNT}account_sid = "AC{KEY}"') == ["4: account[sms].auth_tokens: missing"]

    def test_with_credentials_are_real(self, load):
        text = f'{self.ACCOUNT}account_sid = "AC{KEY}"\nauth_tokens = ["env:TOKEN"]\nsender = "+620000000000"'
        (account,) = load(text, TOKEN="rahasia").accounts
        assert not account.account.simulated
        assert account.account.office_id == "kota"
        assert account.settings.auth_tokens[0].get_secret_value() == "rahasia"
        assert "rahasia" not in repr(account)

    def test_that_are_simulated_are_checked_all_the_same(self, mistakes):
        assert mistakes(f"{self.ACCOUNT}sendr = 'x'\ntimeout_seconds = 'lama'") == [
            "8: account[sms].sendr: unknown key; did you mean sender?",
            "9: account[sms].timeout_seconds: should be a valid number, unable to parse string as a number",
        ]

    def test_with_a_token_written_out_are_refused(self, mistakes):
        (mistake,) = mistakes(f'{self.ACCOUNT}sender = "1"\naccount_sid = "AC{KEY}"\nauth_tokens = ["rahasia"]')
        assert mistake == '10: account[sms].auth_tokens[1]: a secret is not written here; use "env:NAME" or "file:PATH"'

    def test_have_names_fit_for_an_address(self, mistakes):
        (mistake,) = mistakes(self.ACCOUNT.replace('"sms"', '"SMS/1"', 1))
        assert mistake.startswith("5: account[SMS/1].name: only lower-case letters")


class TestSecrets:
    def test_come_from_environment_and_files_beside_the_configuration(self, load, tmp_path):
        (tmp_path / "key").write_text(f"{KEY}2\n")
        keys = load(f'[storage]\nsecret_keys = ["env:KEY", "file:key"]\n{OFFICE}', KEY=KEY).storage.secret_keys
        assert [key.get_secret_value() for key in keys] == [KEY, f"{KEY}2"]

    def test_never_appear_in_a_representation(self, load):
        loaded = load(
            f'[storage]\nurl = "env:URL"\nsecret_keys = ["env:KEY"]\n{OFFICE}',
            KEY=KEY,
            URL="postgresql://a:rahasia@h/a",
        )
        assert loaded.storage.url == "postgresql://a:rahasia@h/a"
        assert "rahasia" not in repr(loaded)
        assert KEY not in repr(loaded)

    @pytest.mark.parametrize(
        ("keys", "told"),
        [
            ('["env:NONE"]', "[1]: env:NONE: this environment variable is not set"),
            ('["env:EMPTY"]', "[1]: env:EMPTY: it is empty"),
            ('["file:none"]', "[1]: file:none: No such file or directory"),
            ('["env:SHORT"]', ": a key has at least 32 characters; make one with: openssl rand -base64 48"),
            (f'["{KEY}"]', '[1]: a secret is not written here; use "env:NAME" or "file:PATH"'),
        ],
    )
    def test_that_cannot_be_used(self, mistakes, keys, told):
        text = f"{OFFICE}[storage]\nsecret_keys = {keys}\n"
        assert mistakes(text, SHORT="pendek", EMPTY="") == [f"5: storage.secret_keys{told}"]

    @pytest.mark.parametrize("url", ["postgresql://a:rahasia@h/a", "postgresql://a@h/a?password=rahasia"])
    def test_a_password_is_not_written_into_the_address_of_the_database(self, mistakes, url):
        text = f'{OFFICE}[storage]\nurl = "{url}"\nsecret_keys = ["env:KEY"]'
        (mistake,) = mistakes(text, KEY=KEY)
        assert mistake.startswith("5: storage.url: a password is not written here")
        assert "rahasia" not in mistake

    def test_postgresql_needs_the_key_named(self, mistakes):
        (mistake,) = mistakes(f'{OFFICE}[storage]\nurl = "postgresql://a@h/a"')
        assert mistake.startswith("4: storage.secret_keys: missing")


class TestValues:
    def test_paths_start_at_the_directory_of_the_file(self, load, tmp_path):
        storage = load(f'[storage]\nurl = "sqlite:///db/a b.db"\nfiles_dir = "/srv/files"\n{OFFICE}').storage
        assert storage.sqlite_file == tmp_path / "db/a b.db"
        assert storage.key_file == tmp_path / "db/aduan.key"
        assert storage.files_dir == Path("/srv/files")

    @pytest.mark.parametrize("address", ["unix:///run/clamav/clamd.ctl", "tcp://127.0.0.1:3310", "tcp://[::1]:3310"])
    def test_the_virus_scanner_is_found_at_a_socket(self, load, address):
        assert load(f'[storage]\nclamav = "{address}"\n{OFFICE}').storage.clamav == address
        assert load(OFFICE).storage.clamav is None

    @pytest.mark.parametrize(
        "address",
        ["", "127.0.0.1:3310", "tcp://127.0.0.1", "tcp://h:0", "tcp://h:1/x", "tcp://h:99999", "unix://run/a"],
    )
    def test_what_is_no_socket_is_no_virus_scanner(self, load, address):
        with pytest.raises(errors.ConfigError, match=r"2: storage\.clamav: "):
            load(f'[storage]\nclamav = "{address}"\n{OFFICE}')

    def test_the_public_address_has_no_slash_at_its_end(self, load):
        loaded = load(f'[server]\npublic_url = "https://kota.example/aduan/"\nlisten = "[::1]:80"\n{OFFICE}')
        assert loaded.server.public_url == "https://kota.example/aduan"
        assert loaded.server.listen == ("::1", 80)

    def test_an_office_has_the_calendar_it_describes(self, load):
        text = f"""{OFFICE}
            zone = "Asia/Jayapura"
            hours = {{senin = ["13:00-16:00", "07:30-12:00"], selasa = ["08:00-09:00"]}}
            [[office.period]]
            name = "Ramadan"
            from = 2027-02-08
            until = 2027-03-08
            hours = {{senin = ["08:00-15:00"]}}
        """
        office = load(text).offices[0]
        holiday = calendar.Holiday(date(2027, 1, 12), "Libur", calendar.HolidayKind.LOCAL)
        served = office.calendar([holiday])
        zone = ZoneInfo("Asia/Jayapura")

        def hours(day):
            return [(a.astimezone(zone).time(), b.astimezone(zone).time()) for a, b in served.slots(day)]

        assert hours(date(2027, 1, 11)) == [(time(7, 30), time(12)), (time(13), time(16))]
        assert hours(date(2027, 2, 8)) == [(time(8), time(15))]
        assert hours(date(2027, 2, 9)) == hours(date(2027, 1, 12)) == []
        assert served.next_open(datetime(2027, 1, 9, tzinfo=zone)).astimezone(zone) == datetime(
            2027, 1, 11, 7, 30, tzinfo=zone
        )

    def test_an_office_without_hours_serves_those_of_the_decree(self, load):
        office = load(OFFICE).offices[0]
        assert office.hours.weekly == calendar.DEFAULT_WEEKLY
        assert office.reading is clocks.Reading.CALENDAR
