"""Sealing of personal data at rest, keyed hashes to find it again, and the keys for both."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core import ids

_NONCE_BYTES = 12
_NONCES = 256  # read at a time
_KEY_BYTES = 32
HMAC_BYTES = 16


class Vault:
    """Seals with AES-256-GCM and hashes with HMAC-SHA-256, each under its own key derived from one secret.

    `secrets`: at least 32 random bytes each; the first seals, every one opens, so that a secret can be replaced.
    Keyed hashes use the last (oldest), for a hash must stay the same as long as rows are found by it.
    """

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        if not secrets or any(len(secret) < _KEY_BYTES for secret in secrets):
            raise ValueError("a secret of at least 32 bytes is needed")
        self._ciphers = {_fingerprint(secret): AESGCM(_derive(secret, "seal")) for secret in secrets}
        self._current = _fingerprint(secrets[0])
        self._secret = secrets[-1]
        self._finder = _keyed(self._secret, "hmac")
        self._chain = _keyed(self._secret, "audit")
        self._pins = _keyed(self._secret, "pin")
        self._nonces: list[bytes] = []
        self._nonces_of = os.getpid()

    def seal(self, plain: bytes, place: str) -> bytes:
        """Return key fingerprint (4 bytes), nonce (12) and the authenticated ciphertext.

        `place` names row and column: what is sealed opens there alone, so that nobody who can write the database
        can give one citizen's answers another's address.
        """
        nonce = self._nonce()
        return self._current + nonce + self._ciphers[self._current].encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Return what `seal` was given; ValueError when it was changed or moved, or its secret is not ours."""
        cipher = self._ciphers.get(bytes(sealed[:4]))
        if cipher is None:
            raise ValueError("sealed under an unknown secret")
        try:
            return cipher.decrypt(sealed[4 : 4 + _NONCE_BYTES], sealed[4 + _NONCE_BYTES :], place.encode())
        except InvalidTag:
            raise ValueError("sealed data was changed or moved") from None

    def find_key(self, purpose: str, value: str) -> bytes:
        """Return the keyed hash (16 bytes) under which `value` is found again; each purpose has its own."""
        return _hash(self._finder, f"{purpose}\0{value}".encode())[:HMAC_BYTES]

    @staticmethod
    def same(one: str, other: str) -> bool:
        """Compare two secrets in constant time."""
        return hmac.compare_digest(one.encode(), other.encode())

    def chain_hash(self, content: bytes) -> bytes:
        """Return the keyed hash (32 bytes) of an audit row: without the secret nobody can write a fitting one."""
        return _hash(self._chain, content)

    def pin(self, of: str) -> str:
        """Return the tracking PIN of a complaint, always the same for the same one: nothing of it is stored."""
        number = int.from_bytes(_hash(self._pins, of.encode())[:8], "big")
        return f"{number % 10**ids.PIN_DIGITS:0{ids.PIN_DIGITS}d}"

    def derived_key(self, purpose: str) -> bytes:
        """Return a 32-byte key of its own for `purpose`."""
        return _derive(self._secret, purpose)

    def _nonce(self) -> bytes:
        # Read in advance: each system call hands the interpreter to another thread. A forked process reads its own.
        if self._nonces_of != os.getpid():
            self._nonces, self._nonces_of = [], os.getpid()
        try:
            return self._nonces.pop()
        except IndexError:
            read = os.urandom(_NONCE_BYTES * _NONCES)
            self._nonces += [read[i : i + _NONCE_BYTES] for i in range(_NONCE_BYTES, len(read), _NONCE_BYTES)]
            return read[:_NONCE_BYTES]


def _keyed(secret: bytes, purpose: str) -> hmac.HMAC:
    return hmac.new(_derive(secret, purpose), digestmod=hashlib.sha256)


def _hash(keyed: hmac.HMAC, content: bytes) -> bytes:
    # A copy, where `hmac.digest` would hand the interpreter to another thread.
    copy = keyed.copy()
    copy.update(content)
    return copy.digest()


def _derive(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"aduan/{purpose}/1".encode(), hashlib.sha256)


def _fingerprint(secret: bytes) -> bytes:
    return hmac.digest(secret, b"aduan/fingerprint", hashlib.sha256)[:4]
