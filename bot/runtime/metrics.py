"""What we count, for Prometheus. One registry per process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 60, 300)


class Metrics:
    """All our metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = Counter(
            "sirdar_webhooks", "Webhook requests, by how they were answered", ["outcome"], registry=self.registry
        )
        self.received = Counter(
            "sirdar_received", "What webhooks brought, once stored", ["kind"], registry=self.registry
        )
        self.unsupported = Counter(
            "sirdar_unsupported", "Messages of kinds that we cannot read, by kind", ["kind"], registry=self.registry
        )
        self.turns = Counter("sirdar_turns", "Events processed, by outcome", ["outcome"], registry=self.registry)
        self.turn_latency = Histogram(
            "sirdar_turn_seconds",
            "From an event's arrival to the commit of its turn",
            buckets=_LATENCY,
            registry=self.registry,
        )
        self.sends = Counter("sirdar_sends", "Send attempts, by verdict", ["verdict"], registry=self.registry)
        self.settled = Counter(
            "sirdar_settled", "Statuses applied, unknown sends settled", ["what"], registry=self.registry
        )
        self.api = Counter("sirdar_api", "API requests, by status", ["status"], registry=self.registry)
        self.media = Counter(
            "sirdar_media", "Files people sent, by what became of them", ["outcome"], registry=self.registry
        )
        self.uploads = Counter("sirdar_uploads", "Files given to the provider", registry=self.registry)
        self.timers = Counter("sirdar_timers", "Timers fired", registry=self.registry)
        self.broadcasts = Counter(
            "sirdar_broadcast_recipients", "Recipients of broadcasts, by outcome", ["outcome"], registry=self.registry
        )
        self.outside = Counter(
            "sirdar_outside", "Requests to other systems, by kind and outcome", ["kind", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.today = Gauge(
            "sirdar_today",
            "What today (UTC) has come to so far, per tenant; docs/metrics.md says what it means",
            ["tenant", "metric"],
            registry=self.registry,
        )
        self.backlog = Gauge("sirdar_backlog", "What waits in the queues", ["queue"], registry=self.registry)
        self.backlog_age = Gauge(
            "sirdar_backlog_age_seconds", "How long the oldest has waited", ["queue"], registry=self.registry
        )
        self.tenant_backlog = Gauge(
            "sirdar_tenant_backlog", "What waits in the queues, of each tenant", ["tenant", "queue"],
            registry=self.registry,
        )  # fmt: skip
        self.tenant_backlog_age = Gauge(
            "sirdar_tenant_backlog_age_seconds",
            "How long the oldest has waited, of each tenant",
            ["tenant", "queue"],
            registry=self.registry,
        )


METRICS = Metrics()
