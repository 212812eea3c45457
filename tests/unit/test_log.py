import io
import json
import logging
import warnings

import pytest
import structlog

from app import log


@pytest.fixture
def stream():
    """Log into a text, and leave logging as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    out = io.StringIO()
    log.configure(out)
    yield out
    root.handlers[:], root.level = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json(stream):
    structlog.get_logger().info("complaint.received", complaint_id=318_412_345_678_901_234, account="wa-utama")
    (line,) = lines(stream)
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "complaint.received",
        "level": "info",
        "complaint_id": 318_412_345_678_901_234,
        "account": "wa-utama",
    }


def test_libraries_come_the_same_way(stream):
    logging.getLogger("library").warning("number %s", "+620000000000", extra={"url": "/?access_token=rahasia"})
    (line,) = lines(stream)
    assert (line["logger"], line["level"]) == ("library", "warning")
    assert "0000000" not in line["event"]
    assert line["url"] == "/?access_token=***"


@pytest.mark.parametrize("name", ["aiohttp.access", "twilio.http_client", "httpx", "apscheduler.executors.default"])
def test_libraries_that_tell_every_request_are_quiet(stream, name):
    logging.getLogger(name).info("GET https://api.example/bot123456:token")
    logging.getLogger(name).warning("trouble")
    assert [line["event"] for line in lines(stream)] == ["trouble"]


def test_warnings_are_logged(stream):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    assert "old way" in lines(stream)[0]["event"]


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("NIK 9999990101900001", "999999010190"),
        ("hubungi 0812-0000-1234 segera", "0812-0000-1234"),
        ("to whatsapp:+6281200001234", "81200001234"),
        ("to +1 202 555 0100", "202 555"),
        ("siti.rahma@contoh.example", "siti.rahma"),
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("url: /me?access_token=RAHASIA&x=1", "RAHASIA"),
        ("{'auth_token': 'RAHASIA'}", "RAHASIA"),
        ("postgresql://aduan:RAHASIA@host/db", "RAHASIA"),
        ("bot 123456789:AAabcdefghijklmnopqrstuvwxyz0123456", "AAabc"),
        ("token is 0123456789abcdef0123456789abcdef", "456789abcdef"),
    ],
)
def test_what_must_not_be_in_a_log_is_masked_at_any_depth(stream, value, secret):
    structlog.get_logger().info("x", note=value, deep={"list": [value, (value,)]}, thing=ValueError(value))
    structlog.get_logger().info(value)
    assert secret not in stream.getvalue()
    assert len(lines(stream)) == 2


@pytest.mark.parametrize(
    "value",
    ["2026-11-22T02:05:00.123456+00:00", "2026-11-22 02:05:00", f"SM{'0123456789abcdef' * 2}", "ADU-2026-000123"],
)
def test_times_and_identifiers_stay(stream, value):
    structlog.get_logger().info("x", value=value)
    assert lines(stream)[0]["value"] == value


def test_fields_that_are_never_for_a_log_are_masked_whatever_they_hold(stream):
    structlog.get_logger().info("x", text="Jalan rusak", pin=123456, token=None)
    assert [lines(stream)[0][key] for key in ("text", "pin", "token")] == ["***", "***", None]


def test_an_exception_is_told_with_its_text_masked(stream):
    try:
        int("+6281200001234 refused")
    except ValueError:
        structlog.get_logger().exception("send.failed")
    (line,) = lines(stream)
    assert "ValueError: invalid literal" in line["exception"]
    assert "81200001234" not in line["exception"]


def test_a_terminal_gets_readable_lines(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    before = logging.getLogger().handlers[:]
    log.configure(out)
    structlog.get_logger().warning("account.suspended", account="wa-utama", reason="+6281200001234")
    logging.getLogger().handlers[:] = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    assert "account.suspended" in out.getvalue()
    assert "81200001234" not in out.getvalue()
    assert not out.getvalue().startswith("{")
