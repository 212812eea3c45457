"""Whether the service lives, whether it can work, and how it fares, for load balancers and Prometheus."""

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, exposition

from core import errors, model
from router import metrics
from router.desk import Desk
from web.application import DESK, SETTINGS, is_from

_WAITING = (model.DeliveryState.QUEUED, model.DeliveryState.SENDING, model.DeliveryState.UNCERTAIN)


def routes() -> list[web.RouteDef]:
    """Return the routes, with a registry of their own."""
    measures = _Measures()
    return [
        web.get("/health/live", live),
        web.get("/health/ready", ready),
        web.get("/metrics", measures.show),
    ]


async def live(request: web.Request) -> web.Response:  # noqa: ARG001 - as all handlers
    """Say that the process answers; a database that is down is no reason to restart it."""
    return web.json_response({"live": True})


async def ready(request: web.Request) -> web.Response:
    """200 when a page could be shown now; else 503 with the reasons."""
    try:
        await metrics.require_storage(request.app[DESK])
    except errors.StorageUnavailable as error:
        return web.json_response({"ready": False, "reasons": [str(error)]}, status=503)
    return web.json_response({"ready": True, "reasons": []})


class _Measures:
    """Gauges that are set anew at each look; no count goes over the database's own limit (storage.metrics)."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._labelled: list[Gauge] = []
        self._readable = self._gauge("storage_readable", "1 when the database answers in time.")
        self._open = self._gauge("open_complaints", "Complaints that wait for the office.", "office", "queue")
        self._late = self._gauge("late_complaints", "Open complaints past their due time.", "office", "queue")
        self._alarms = self._gauge("open_alarms", "Alarms nobody has cleared.", "office", "kind")
        self._quarantined = self._gauge("quarantined_items", "Raw items in quarantine.", "office")
        self._outbox = self._gauge("outbox_entries", "Messages that have not left.", "account", "state")
        self._oldest = self._gauge("outbox_oldest_seconds", "Age of the oldest message not left.", "account")
        self._inbound = self._gauge("last_inbound_seconds", "Time since something last arrived.", "account")
        self._suspended = self._gauge("account_suspended", "1 while nothing leaves by the account.", "account")

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        gauge = Gauge(f"aduan_{name}", about, labels, registry=self._registry)
        if labels:
            self._labelled.append(gauge)
        return gauge

    async def show(self, request: web.Request) -> web.Response:
        """Show the measures to whoever asks from a network that may; to others there is no such page."""
        if not is_from(request, request.app[SETTINGS].metrics_from):
            raise errors.NotFound("metrics are for the networks that are configured")
        desk = request.app[DESK]
        try:
            found = await metrics.snapshot(desk)
        except errors.StorageUnavailable:
            found = None
        for gauge in self._labelled:
            gauge.clear()
        self._readable.set(found is not None)
        if found is not None:
            self._set(desk, found)
        content_type = exposition.CONTENT_TYPE_LATEST
        return web.Response(body=exposition.generate_latest(self._registry), headers={"Content-Type": content_type})

    def _set(self, desk: Desk, found: metrics.Snapshot) -> None:
        """Set every gauge, also to zero: what is missing cannot be told from what is not measured."""
        now = desk.clock.now()
        for office in desk.offices:
            for queue in model.Queue:
                self._open.labels(office.id, queue).set(found.open.get((office.id, queue), 0))
                self._late.labels(office.id, queue).set(found.late.get((office.id, queue), 0))
            for kind in model.AlarmKind:
                self._alarms.labels(office.id, kind).set(found.alarms.get((office.id, kind), 0))
            self._quarantined.labels(office.id).set(found.quarantined.get(office.id, 0))
        for name in desk.accounts:
            for state in _WAITING:
                self._outbox.labels(name, state).set(found.outbox.get((name, state), 0))
            self._oldest.labels(name).set((now - found.oldest_at.get(name, now)).total_seconds())
            self._suspended.labels(name).set(name in found.suspended)
            if name in found.last_inbound_at:
                self._inbound.labels(name).set((now - found.last_inbound_at[name]).total_seconds())
