"""The command line as an operator uses it."""

import tarfile

from tests.acceptance.harness import message


def lines(done) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("error:")]


async def test_every_mistake_of_a_configuration_is_named_at_once_with_its_place(service):
    (service.place / "config.toml").write_text(
        """
[server]
public_ulr = "https://x.example"
listen = 8080
[[office]]
id = "contoh"
name = "Dinas"
zone = "Asia/Jakrata"
[[account]]
name = "wa"
channel = "whatsapp"
office = "contoh"
account_sid = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
auth_tokens = ["env:NOT_SET"]
sender = "+6281200009000"
[[account]]
name = "wa"
channel = "webform"
office = "contoh"
"""
    )
    done = await service.aduan("check", "--offline")
    assert done.returncode == 2
    text = "\n".join(lines(done))
    for part in ("public_ulr", "server.listen", "Asia/Jakrata", "NOT_SET", "name"):
        assert part in text
    assert "config.toml:" in text
    assert len(lines(done)) >= 5
    assert "Traceback" not in done.stderr + done.stdout


async def test_a_first_set_up_migrates_checks_and_adds_people(service):
    before = await service.aduan("check")
    assert before.returncode == 2
    assert "aduan migrate" in before.stderr
    assert (await service.aduan("migrate")).returncode == 0
    assert (await service.aduan("check")).returncode == 0
    added = await service.aduan(
        "admin", "add", "dewi", "--name", "Dewi Lestari", "--password-stdin", stdin="kata sandi panjang\n"
    )
    assert added.returncode == 0, added.stderr
    twice = await service.aduan(
        "admin", "add", "dewi", "--name", "Dewi", "--password-stdin", stdin="kata sandi panjang\n"
    )
    assert twice.returncode == 1
    assert lines(twice) == ["error: the user name dewi is taken"]
    [person] = service.rows("person")
    assert person.username == "dewi"
    assert "kata sandi" not in person.password_hash


async def test_check_names_credentials_that_the_provider_refuses(service):
    assert (await service.aduan("migrate")).returncode == 0
    for account in service.provider.accounts.values():
        account.auth_token = "changed at the provider"
    done = await service.aduan("check")
    assert done.returncode == 2
    assert {part for line in lines(done) for part in ("account wa", "account sms") if part in line} == {
        "account wa",
        "account sms",
    }


async def test_quarantine_is_listed_and_replayed_once_the_mistake_is_mended(running):
    form = message()
    assert await running.post(form, headers=running.sign("wa", form, token="a token we do not know yet")) == 403
    listed = await running.aduan("quarantine")
    raw_id = listed.stdout.split()[0]
    assert "signature" in listed.stdout
    still = await running.aduan("replay", raw_id)
    assert still.returncode == 1
    config = running.place / "config.toml"
    config.write_text(config.read_text().replace("env:TEST_TOKEN_OLD", "env:TEST_TOKEN_NEW"))
    running.more["TEST_TOKEN_NEW"] = "a token we do not know yet"
    done = await running.aduan("replay", "--all")
    assert done.returncode == 0, done.stderr
    assert len(running.rows("complaint")) == 1
    assert (await running.aduan("quarantine")).stdout == ""


async def test_a_backup_of_the_running_service_is_restored_elsewhere(running, tmp_path_factory):
    for number in range(20):
        assert await running.post(message(number, f"pesan {number}")) == 200
    target = running.place / "cadangan.tar"
    done = await running.aduan("backup", str(target))
    assert done.returncode == 0, done.stderr
    with tarfile.open(target) as archive:
        assert "about.json" in archive.getnames()
        assert not [name for name in archive.getnames() if name.endswith(".key")]
    assert (await running.aduan("backup", str(target))).returncode == 2
    refused = await running.aduan("restore", str(target))
    assert refused.returncode == 2
    assert "never overwrites" in refused.stderr
    if running.database_url.startswith("postgresql"):
        return
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    moved = (running.place / "config.toml").read_text().replace(running.database_url, f"sqlite:///{elsewhere}/aduan.db")
    (running.place / "config.toml").write_text(moved.replace('files_dir = "files"', f'files_dir = "{elsewhere}/files"'))
    restored = await running.aduan("restore", str(target))
    assert restored.returncode == 0, restored.stderr
    assert "whole" in (await running.aduan("audit", "verify")).stdout
    assert (await running.aduan("check")).returncode == 0


async def test_sqlite_refuses_a_second_service(running):
    if running.database_url.startswith("postgresql"):
        assert (await running.aduan("migrate")).returncode == 0
        return
    second = await running.aduan("run")
    assert second.returncode == 2
    assert "another aduan process" in second.stderr


async def test_help_is_given_for_every_command(service):
    for words in ([], ["run"], ["check"], ["admin", "add"], ["audit", "verify"], ["catch-up"], ["backup"], ["replay"]):
        done = await service.aduan(*words, "--help")
        assert done.returncode == 0
        assert "Usage: aduan" in done.stdout
    assert (await service.aduan("no-such-command")).returncode == 2


async def test_looking_before_the_first_start_does_not_stand_in_its_way(service):
    if service.database_url.startswith("postgresql"):
        return  # a server has its keys in the configuration
    (service.place / "config.toml").write_text(
        '[[office]]\nid = "contoh"\nname = "Dinas Contoh"\n'
        '[[account]]\nname = "formulir"\nchannel = "webform"\noffice = "contoh"\n'
    )
    for looking in (("check",), ("quarantine",), ("audit", "verify"), ("backup", "cadangan.tar")):
        done = await service.aduan(*looking)
        assert done.returncode == 2, looking
        assert not list(service.place.glob("data/*")), looking
    assert (await service.aduan("migrate")).returncode == 0
    assert (await service.aduan("check")).returncode == 0


async def test_a_mistaken_argument_is_answered_in_one_line_of_words(service):
    assert (await service.aduan("migrate")).returncode == 0
    (service.place / "surat.tar").write_text("not an archive")
    for words, told in (
        (("catch-up", "nichts"), "one of wa"),
        (("catch-up", "wa", "--since", "kemarin"), "--since"),
        (("replay", "7"), "no such"),
        (("restore", "surat.tar"), "not a backup"),
        (("backup", "surat.tar/cadangan.tar"), "surat.tar"),
        (("admin", "password", "dewi", "--office", "lain"), "--office"),
    ):
        done = await service.aduan(*words)
        assert done.returncode != 0, words
        assert told in done.stderr + done.stdout, (words, done.stderr)
        assert "Traceback" not in done.stderr, words
