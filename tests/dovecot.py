"""A real Dovecot of our own: IMAP and IMAPS to read by, LMTP to deliver by. Any user name has the password `secret`."""

import contextlib
import datetime as dt
import grp
import ipaddress
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import imapclient
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ports import free_port

PASSWORD = "secret"
_CONFIG = """
base_dir = {place}/run
state_dir = {place}/lib
log_path = {place}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{place}/cert.pem
ssl_key = <{place}/key.pem
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0 secs
mail_location = maildir:{place}/mail/%u:LAYOUT=fs
mail_uid = {user}
mail_gid = {group}
mail_max_userip_connections = 50
mail_fsync = never
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={place}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
{more}
"""


class Dovecot:
    """A server in a directory of its own. `more` is added to its configuration."""

    def __init__(self, more: str = "") -> None:
        self._place = Path(tempfile.mkdtemp(prefix="aduan-dovecot-"))
        self._place.chmod(0o711)
        is_root = os.geteuid() == 0
        user = "nobody" if is_root else pwd.getpwuid(os.geteuid()).pw_name
        group = "nogroup" if is_root else grp.getgrgid(os.getegid()).gr_name
        self._mail = self._place / "mail"
        self._mail.mkdir(mode=0o755)
        shutil.chown(self._mail, user, group)
        self.imap_port, self.imaps_port, self.lmtp_port = _free_ports(3)
        self.ca_file = self._place / "cert.pem"
        _write_certificate(self.ca_file, self._place / "key.pem")
        (self._place / "dovecot.conf").write_text(
            _CONFIG.format(
                place=self._place, user=user, group=group, password=PASSWORD, imap=self.imap_port,
                imaps=self.imaps_port, lmtp=self.lmtp_port, more=more,
            )
        )  # fmt: skip
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and return once it answers."""
        with (self._place / "output").open("a") as output:
            self._process = subprocess.Popen(
                ["dovecot", "-F", "-c", str(self._place / "dovecot.conf")],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        until = time.monotonic() + 20
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.imap_port), 1) as greeting:
                if greeting.recv(4) == b"* OK":
                    return
            time.sleep(0.01)
        pytest.fail(self.log())

    def stop(self) -> None:
        """Stop it, cutting every connection; what was delivered stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=20)
            with contextlib.suppress(ProcessLookupError):  # sessions outlive their master by ten seconds
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._place, ignore_errors=True)

    def log(self) -> str:
        return "".join(
            path.read_text() for path in (self._place / "output", self._place / "log") if path.exists()
        )  # fmt: skip

    def deliver(self, user: str, *mails: bytes) -> None:
        """Hand mails to the server as the office's MTA does."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as lmtp:
            for mail in mails:
                lmtp.sendmail("warga@contoh.example", [user], mail)

    @contextlib.contextmanager
    def client(self, user: str, folder: str | None = "INBOX") -> Iterator[imapclient.IMAPClient]:
        """Sign in as another program of the mailbox's owner."""
        with imapclient.IMAPClient("127.0.0.1", self.imap_port, ssl=False, timeout=20) as client:
            client.login(user, PASSWORD)
            if folder is not None:
                client.select_folder(folder)
            yield client

    def renumber(self, user: str) -> None:
        """Give the inbox a new UIDVALIDITY and its mails new UIDs, as a server restored from a backup does."""
        folder = self._mail / user
        version, validity, *more = (folder / "dovecot-uidlist").read_text().splitlines()[0].split()
        kept = [word for word in more if not word.startswith("N")]
        (folder / "dovecot-uidlist").write_text(" ".join([version, f"V{int(validity[1:]) + 1}", "N1", *kept]) + "\n")
        for path in folder.glob("dovecot.index*"):
            path.unlink()


def _free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


def _write_certificate(cert: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
