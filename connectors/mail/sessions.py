"""One connection to an IMAP server, for one thread; loaded with the first of them.

IDLE is a hint and no more: what is new is always searched for. What imapclient's own `idle_check` does wrong is done
here instead: it looks at the socket only, while a line may wait in the buffer of lines; it takes half a line for a
broken connection; and after the end of the connection it returns at once, for ever.
"""

import imaplib
import select
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import imapclient
import structlog
from imapclient import exceptions

from connectors.mail import oauth
from core import errors

if TYPE_CHECKING:
    from connectors.mail import imap

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 30.0
_PASSING = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"})  # RFC 5530: refused now, not for ever
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Found:
    """A mail in the folder. `received_at`: when the server got it; None where it says no readable time."""

    uid: int
    size_bytes: int
    received_at: datetime | None


class Client(imapclient.IMAPClient):
    """imapclient with an IDLE that sees everything the server has said."""

    def idle(self) -> bool:
        """Begin to idle; return whether the server told of a change before it did so."""
        self._idle_tag = self._imap._command("IDLE")
        was_told = False
        while self._imap._get_response() is not None:  # None: "+ idling"
            if self._imap.tagged_commands[self._idle_tag]:
                raise exceptions.IMAPClientError("IDLE was refused")
            was_told = True
        return was_told

    def await_line(self, seconds: float) -> bytes | None:
        """Return the next line, waiting so long for it to begin; None when none did. Raises at the connection's end."""
        sock: socket.socket = self._imap.sock
        sock.setblocking(False)
        try:
            is_waiting = holds_line(self._imap) or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)
        finally:
            sock.settimeout(_READ_SECONDS)
        if not is_waiting:
            poller = select.poll()
            poller.register(sock, select.POLLIN)
            if not poller.poll(seconds * 1000):
                return None
        line: bytes = self._imap._get_line()
        return line


def holds_line(connection: imaplib.IMAP4) -> bool:
    """Tell whether imaplib has read more than it has given out; its socket must not block."""
    parts: list[bytes] | None = getattr(connection, "_readbuf", None)
    if parts is not None:  # Python 3.14 and newer
        return any(parts)
    with suppress(ssl.SSLWantReadError):
        return bool(connection.file.peek(1))  # type: ignore[union-attr]
    return False


def require_known_buffer() -> None:
    """Raise RuntimeError when this Python's imaplib buffers in a way not known here: mails would wait unseen."""

    class Probe(imaplib.IMAP4):
        def _create_socket(self, timeout: float | None) -> socket.socket:  # noqa: ARG002
            return ours

        def _connect(self) -> None:
            """Greet nobody."""

    ours, theirs = socket.socketpair()
    with ours, theirs:
        probe = Probe()
        theirs.sendall(b"+ idling\r\n* 1 EXISTS\r\n")
        seen: list[bool | None] = []
        for _ in range(2):
            ours.setblocking(True)
            probe.readline()
            ours.setblocking(False)
            try:
                seen.append(holds_line(probe))
            except AttributeError:
                seen.append(None)
        with suppress(AttributeError):
            probe.file.close()
    if seen != [True, False]:
        raise RuntimeError("imaplib of this Python buffers lines in an unknown way; IDLE would miss mails")


require_known_buffer()


class Session:
    """A signed-in connection with the folder open. All but `abort` for the thread that opened it.

    `validity` is the folder's UIDVALIDITY, `last_uid` the highest UID when it was opened.
    """

    def __init__(self, settings: "imap.Settings", tokens: oauth.Tokens | None) -> None:
        self._settings = settings
        self._tokens = tokens
        self._opened: Client | None = None
        self._is_aborted = False
        self._marking: str | None = None  # "move" | "copy" | "keyword"
        self._has_keyword = False
        self._is_refusal_told = False
        self.validity = 0
        self.last_uid = 0
        self.can_idle = False

    @property
    def _client(self) -> imapclient.IMAPClient:
        assert self._opened is not None
        return self._opened

    def open(self) -> None:
        """Connect, sign in, open the folder."""
        settings = self._settings
        context = None if settings.security == "none" else ssl.create_default_context(cafile=settings.ca_file)
        port = settings.port or (993 if settings.security == "tls" else 143)
        limits: Any = imapclient.SocketTimeout(_CONNECT_SECONDS, _READ_SECONDS)
        client = self._opened = Client(
            settings.host, port, ssl=settings.security == "tls", ssl_context=context, timeout=limits
        )
        if self._is_aborted:
            raise ConnectionAbortedError
        client.normalise_times = False  # aware, as the server says them
        if settings.security == "starttls":
            client.starttls(context)
        self._sign_in(client)
        self._select(client)
        self.can_idle = self._client.has_capability("IDLE")

    def abort(self) -> None:
        """Cut the connection, from any thread: whatever waits for the server ends at once."""
        self._is_aborted = True
        if self._opened is not None:
            with suppress(OSError):  # not ssl's own shutdown, which pulls the connection from under its reader
                socket.socket.shutdown(self._client.socket(), socket.SHUT_RDWR)

    def close(self) -> None:
        """Free what a cut connection holds."""
        if self._opened is not None:
            with suppress(Exception):  # it is being thrown away
                self._opened.shutdown()
            with suppress(Exception):
                self._client.socket().close()

    def search(self, first: int, last: int | None, since: date | None) -> list[int]:
        """Return the UIDs from `first` to `last` (None: the end) in their order, received on `since` or later."""
        criteria: list[Any] = ["UID", f"{first}:{last or '*'}"]
        if since is not None:
            criteria += ["SINCE", since]
        # `n:*` names the last mail even where its UID is lower.
        return sorted(uid for uid in self._client.search(criteria) if uid >= first)

    def find(self, uids: Sequence[int]) -> list[Found]:
        """Return those that are still there."""
        answer = self._client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
        return [
            Found(uid, int(parts.get(b"RFC822.SIZE") or 0), parts.get(b"INTERNALDATE"))
            for uid, parts in sorted(answer.items())
        ]

    def fetch(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the mails that are still there, by UID."""
        answer = self._client.fetch(uids, ["BODY.PEEK[]"])
        return {uid: parts[b"BODY[]"] or b"" for uid, parts in answer.items() if b"BODY[]" in parts}

    def fetch_head(self, uid: int, count_bytes: int) -> dict[int, bytes]:
        """Return the beginning of a mail, under its UID; nothing when it is gone."""
        answer = self._client.fetch([uid], [f"BODY.PEEK[]<0.{count_bytes}>"])
        return {uid: parts[b"BODY[]<0>"] or b"" for uid, parts in answer.items() if b"BODY[]<0>" in parts}

    def mark(self, uids: Sequence[int], stay: bool = False) -> None:
        """Mark mails as taken in, as settings and server allow; with `stay` they are not moved. Twice does no harm."""
        if not uids:
            return
        client, settings = self._client, self._settings
        try:
            if stay or self._marking == "keyword":
                if self._has_keyword:
                    client.add_flags(uids, [settings.keyword], silent=True)
            elif self._marking == "move":
                client.move(uids, settings.processed_folder)
            elif self._marking == "copy":
                client.copy(uids, settings.processed_folder)
                client.add_flags(uids, [imapclient.DELETED], silent=True)
                client.uid_expunge(uids)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:  # a full quota, a right withdrawn: it is stored here all the same
            if not self._is_refusal_told:
                self._is_refusal_told = True
                _log.warning("mails_not_marked", marking=self._marking)

    def wait(self, seconds: float) -> None:
        """Return once the server tells of anything, after so many seconds at the latest."""
        client = self._opened
        assert client is not None
        line = b"" if client.idle() else client.await_line(seconds)
        if line is not None and line.startswith(b"* BYE"):
            raise ConnectionResetError
        client.idle_done()  # unanswered within its time, it tells of a connection that is dead without an end

    def look(self) -> None:
        """Ask whether anything changed: for a server that cannot idle."""
        self._client.noop()

    def _sign_in(self, client: imapclient.IMAPClient) -> None:
        settings = self._settings
        if self._tokens is None:
            assert settings.password is not None
            client.login(settings.username, settings.password.get_secret_value())
            return
        token = self._tokens.fetch()
        if settings.oauth_mechanism == "XOAUTH2":
            words = [f"user={settings.username}\1auth=Bearer {token}\1\1", ""]
        else:  # RFC 7628 section 3.1; a refusal is answered with one ^A
            name = settings.username.replace("=", "=3D").replace(",", "=2C")
            words = [f"n,a={name},\1auth=Bearer {token}\1\1", "\1"]
        try:
            client.sasl_login(settings.oauth_mechanism, lambda _: words.pop(0) if words else "")
        except exceptions.LoginError:
            self._tokens.forget()
            raise

    def _select(self, client: imapclient.IMAPClient) -> None:
        settings = self._settings
        marking = self._target(client)
        try:
            try:
                opened = client.select_folder(settings.folder)
            except imaplib.IMAP4.readonly:
                opened = client.select_folder(settings.folder, readonly=True)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            raise errors.TransientSendError("the folder cannot be opened") from None
        self.validity = opened.get(b"UIDVALIDITY", 0)
        next_uid = opened.get(b"UIDNEXT")
        self.last_uid = next_uid - 1 if next_uid else max(client.search(["UID", "*"]), default=0)
        permanent = opened.get(b"PERMANENTFLAGS", ())
        is_read_only = b"READ-WRITE" not in opened
        self._has_keyword = not is_read_only and (b"\\*" in permanent or settings.keyword.encode() in permanent)
        self._marking = None if is_read_only else marking

    def _target(self, client: imapclient.IMAPClient) -> str:
        """Return how mails are marked, seeing to it that the folder they move to is there."""
        folder = self._settings.processed_folder
        if folder is None:
            return "keyword"
        try:
            if not client.folder_exists(folder):
                client.create_folder(folder)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            return "keyword"
        if client.has_capability("MOVE"):
            return "move"
        # Without UIDPLUS an EXPUNGE would also remove what somebody else has marked as deleted.
        return "copy" if client.has_capability("UIDPLUS") else "keyword"


def meaning(error: Exception) -> Exception:
    """Return what a failure means to the caller of `listen`. Its text holds no word of the server's."""
    match error:
        case errors.AduanError():
            return error
        case exceptions.LoginError() if not isinstance(error.__context__, imaplib.IMAP4.abort):
            code = str(error).partition("[")[2].partition("]")[0].partition(" ")[0]
            if code in _PASSING:
                return errors.TransientSendError("the mailbox cannot be signed in to at present", code)
            return errors.AccountSuspended("the mailbox refuses the sign-in", code if code.isalpha() else None)
        case ssl.SSLCertVerificationError():
            return errors.TransientSendError("the mail server's certificate cannot be verified")
        case imaplib.IMAP4.error() | OSError() | ValueError() | LookupError() | TypeError() | AssertionError():
            return errors.TransientSendError(f"the connection to the mailbox failed: {type(error).__name__}")
        case _:
            return error
