"""Logging: structlog for us, the standard library routed through it; JSON lines, or a readable form on a terminal.

Events carry ids, never names, numbers, tokens or texts. Masking here is the last net for what a library, or an
exception's text, says all the same.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from core import privacy

MASK = "***"

# Keys whose whole value is never for a log.
_HIDDEN = frozenset(
    {
        "address",
        "authorization",
        "body",
        "cookie",
        "email",
        "nik",
        "password",
        "phone",
        "pin",
        "secret",
        "text",
        "token",
    }
)
# Libraries that log requests, tokens in URLs included, at INFO, or whole mails below it.
_QUIET = (
    "aiohttp.access",
    "alembic",
    "apscheduler",
    "httpx",
    "httpcore",
    "imapclient",
    "telegram",
    "twilio.http_client",
    "urllib3",
)

_SECRET = re.compile(
    r"(?P<named>\b(?:access_token|auth_token|token|secret|password|passwd|pin|api_key)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)]+"
    r"|(?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<userinfo>://[^\s/:@]*:)[^\s/@]+(?=@)"
    r"|\b\d{6,12}:[A-Za-z0-9_-]{30,}"  # a bot's token
    r"|\bEAA[A-Za-z0-9]{20,}"  # a page's token
    r"|\b[0-9a-f]{32}\b",  # an account's token; identifiers of that length have letters before them
    re.IGNORECASE,
)
_FOREIGN_PHONE = re.compile(r"(?<![\w+])\+\d(?:[ .-]?\d){7,13}(?!\d)")


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send every log line to `stream` (standard error by default), JSON unless it is a terminal."""
    out = stream or sys.stderr
    is_terminal = out.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
        redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(timestamp_key="at")
        if is_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,  # module-level loggers follow a later configure()
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiohttp.server").filters[:] = [_without_visitors]
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _without_visitors(record: logging.LogRecord) -> bool:
    """Keep who asked, and what he sent that is no HTTP at all, out of the web server's own lines."""
    error = record.exc_info[1] if record.exc_info else None
    record.msg, record.args = "request not handled", ()
    return type(error).__module__ != "aiohttp.http_exceptions"


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Mask personal numbers, addresses and secrets in every text of the event, at any depth."""
    return {key: _clean(value, key) for key, value in event.items()}


def _clean(value: Any, key: str = "") -> Any:
    if key.lower() in _HIDDEN and value is not None:
        return MASK
    if isinstance(value, str):
        return _masked(value)
    if isinstance(value, Mapping):
        return {inner: _clean(item, str(inner)) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value  # ids are numbers; personal numbers are text
    return _masked(str(value))


def _masked(text: str) -> str:
    text = _SECRET.sub(lambda match: (match["named"] or match["scheme"] or match["userinfo"] or "") + MASK, text)
    return _FOREIGN_PHONE.sub(MASK, privacy.mask(text))
