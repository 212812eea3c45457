"""What catching up finds, as a raw item: it was no request, and is written down so that it can be read again."""

import functools
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from core import errors, model, ports

Listed = model.InboundMessage | model.ColleagueAnswer

ORIGIN = "catch_up"
_KINDS: dict[str, type[Listed]] = {"message": model.InboundMessage, "answer": model.ColleagueAnswer}


def written(account: model.Account, item: Listed, at: datetime) -> ports.RawRequest:
    """Return an item as a raw item of the account it belongs to."""
    kind = next(name for name, known in _KINDS.items() if isinstance(item, known))
    return ports.RawRequest(account.name, kind, {"content-type": "application/json"}, _form(kind).dump_json(item), at)


def read(request: ports.RawRequest) -> Listed:
    """Return the item of such a raw item; PayloadError for any other."""
    try:
        return _form(request.target).validate_json(request.body)
    except (KeyError, ValidationError):
        raise errors.PayloadError("not an item that was listed") from None


@functools.cache
def _form(kind: str) -> TypeAdapter[Listed]:
    return TypeAdapter(_KINDS[kind])
