"""Proof that Meta made a request, and the answer when Meta asks whether a webhook is ours. Pure.

Meta signs an escaped form of what it sends, so that only the bytes as they arrived fit; JSON written anew does not.

Source: Meta, "Webhooks: getting started" (validate payloads, verification requests).
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from core import errors, ports

HEADER = "x-hub-signature-256"  # the older X-Hub-Signature is SHA-1 and proves nothing
_LONGEST_CHALLENGE = 1_000


class Signatures:
    """Proves requests signed with one of `secrets`: an app's, its successor's, that of an Instagram app beside it."""

    def __init__(self, secrets: Iterable[str], verify_token: str) -> None:
        self._keys = [secret.encode() for secret in secrets]
        self._verify_token = verify_token.encode()

    def verify(self, request: ports.RawRequest) -> None:
        """Raise SignatureError unless the request is proven."""
        given = _bytes(request.headers.get(HEADER, ""))
        if not given:
            raise errors.SignatureError("the request carries no signature")
        expected = [b"sha256=" + hmac.new(key, request.body, hashlib.sha256).hexdigest().encode() for key in self._keys]
        # A list, not a generator: every secret is compared, whichever fits.
        if not any([hmac.compare_digest(each, given) for each in expected]):  # noqa: C419
            raise errors.SignatureError("the signature does not fit this content")

    def answer_handshake(self, query: Mapping[str, str]) -> str:
        """Return the challenge of a subscription by somebody who knows our verify token; SignatureError otherwise."""
        challenge = query.get("hub.challenge", "")
        is_known = hmac.compare_digest(_bytes(query.get("hub.verify_token", "")), self._verify_token)
        if query.get("hub.mode") != "subscribe" or not is_known:
            raise errors.SignatureError("the subscription is not proven")
        if not 0 < len(challenge) <= _LONGEST_CHALLENGE or not challenge.isprintable():
            raise errors.SignatureError("the subscription has no challenge")
        return challenge


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
