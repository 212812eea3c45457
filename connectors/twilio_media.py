"""The files of messages at Twilio: asked with the account's credentials at its API, which redirects to its storage.

Source: Twilio, "Media subresource" and "Protect media access with HTTP basic authentication".
"""

from collections.abc import Sequence

import aiohttp
from yarl import URL

from connectors import download

_API = "https://api.twilio.com"
_HOSTS = (
    "*.twilio.com",
    "*.twiliocdn.com",
    "s3-external-1.amazonaws.com",
    "media.twiliocdn.com.s3-external-1.amazonaws.com",
)


def source(
    account_sid: str, credentials: tuple[str, str], base_url: str, hosts: Sequence[str], timeout_seconds: float
) -> download.Download:
    """Return where one account's files come from; `hosts` are allowed besides Twilio's."""
    return download.Download(
        base_url,
        (*_HOSTS, *hosts),
        timeout_seconds,
        api=_API,
        authorization=aiohttp.encode_basic_auth(*credentials),
        # Another path of the API host, such as its storage, is no business of our credentials.
        below=f"{URL(base_url).path.rstrip('/')}/2010-04-01/Accounts/{account_sid}/",
    )
