"""The controller's second loop: what objects say about themselves, and sessions that nobody looks after."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from flatbgp.planning.configuration import judge
from flatbgp.planning.configured import Configured
from flatbgp.planning.happenings import Happening, NodeTroubles, node_troubles, of_status
from flatbgp.planning.holdings import Sightings, after_gap, holdings, next_vacancy, observe
from flatbgp.planning.marks import is_copy
from flatbgp.planning.nodes import NodePlan
from flatbgp.planning.podcidrs import CIDRConfig, Outcome
from flatbgp.planning.sessions import plan_sessions
from flatbgp.planning.sessionwatch import Session, Upkeep, Watch, established_of, look_after_sessions
from flatbgp.planning.status import Facts, group_status, mode_status, peer_status, range_status
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.clustercidrconfig import ClusterCIDRConfigStatus
from flatbgp.resources.codec import encode_status
from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.mergepatch import difference
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE
from flatbgp.resources.resource import Resource
from flatbgp.roles.controller_caches import ControllerCaches
from flatbgp.roles.runtime import Trouble
from flatbgp.roles.runtime_http import Sample, Samples
from flatbgp.roles.runtime_writes import REFUSED_RETRY_SECONDS, Write, Writer
from flatbgp.store.protocol import Store


@dataclass(slots=True)
class StatusLoop:
    """Plans sessions as the speakers do, and writes what follows for the objects.

    ``clock`` counts (monotonic, seconds), ``wall`` is what people read; ``interval`` is that of the speakers' reports.
    ``record`` takes what is worth a line in an object's history.
    """

    store: Store
    caches: ControllerCaches
    trouble: Trouble
    log: structlog.stdlib.BoundLogger
    clock: Callable[[], float]
    wall: Callable[[], datetime]
    interval: float
    record: Callable[[Iterable[Happening]], None]
    nodes: NodePlan = field(default_factory=NodePlan)
    _sightings: Sightings = field(default_factory=dict)
    _watch: Watch = field(default_factory=Watch)
    _was_stale: bool = False
    _began: float = field(init=False)
    _facts: Facts | None = None
    _troubled: NodeTroubles = field(default_factory=dict)
    _writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._writer = Writer(self.trouble, self.log)

    async def step(self) -> float | None:
        """Write the statuses that changed; return when time alone changes one."""
        now, wall = self.clock(), self.wall()
        self._see(now)
        if self.caches.stale:
            return None  # who is silent cannot be told while nobody can be heard; the store's return wakes the loop
        configured = self.caches.configured()
        facts = self._facts = self._gather(configured, now)
        upkeep = look_after_sessions(
            self.caches.sessions,
            facts.sessions,
            {key.name for key in self.caches.nodes},
            {holding.address: holding.holder for holding in facts.holdings},
            self._watch,
            now=now,
            wall=wall,
            interval=self.interval,
        )
        self._watch = upkeep.watch
        self._tell_of_nodes()
        self._writer.begin()
        await self._writer.run(
            [*self._statuses(configured, facts, wall), *self._session_statuses(upkeep)],
            [self._delete(session) for session in upkeep.deletions],
        )
        self._writer.end()
        return _earliest(
            upkeep.look_after,
            facts.sessions.recheck_after,
            next_vacancy(self._sightings, now),
            REFUSED_RETRY_SECONDS if self._writer.refused else None,
        )

    def _tell_of_nodes(self) -> None:
        """Tell of Nodes that something is wrong with now, and was not when we last looked."""
        before, self._troubled = self._troubled, node_troubles(self.nodes)
        nodes = self.caches.nodes
        for name, reason in self._troubled.keys() - before.keys():
            node = nodes.get(Key("", name))
            if node is not None:
                told = self._troubled[name, reason]
                self.record([Happening(NODE, node.meta, "pod CIDRs", reason, told, warning=True)])

    def _see(self, now: float) -> None:
        """Take note of Leases and reports; after a time in which none could be seen, all count anew."""
        if self._was_stale and not self.caches.stale:
            self._sightings = after_gap(self._sightings, now)
            self._watch = self._watch.after_gap(now)
        self._was_stale = self.caches.stale
        self._sightings = observe(self._sightings, self.caches.leases, now)

    def _gather(self, configured: Configured, now: float) -> Facts:
        config, secrets = configured.config, self.caches.secrets
        held = holdings(config.floating_ips, self._sightings, now, self._began)
        established = established_of(self.caches.sessions)
        specs = {name: secret.spec for name, secret in secrets.items() if secret.spec is not None}
        conflicts = {name for name, secret in secrets.items() if configured.mirrored and not is_copy(secret.meta)}
        return Facts(
            config=config,
            sessions=plan_sessions(config, held, established, specs),
            established=established,
            holdings=held,
            sightings=self._sightings,
            routes=self.nodes.routes,
            shortages=self.nodes.short,
            flat_ipv4=configured.facts.flat_ipv4,
            secret_conflicts=frozenset(conflicts),
        )

    def _statuses(self, configured: Configured, facts: Facts, wall: datetime) -> Iterable[Write]:
        wanted: list[tuple[Resource[Any, Any], Any]] = []
        wanted += [(group, group_status(group, facts, wall)) for group in configured.groups]
        wanted += [(mode, mode_status(mode, facts, wall)) for mode in configured.modes]
        wanted += [(peer, peer_status(peer, facts, wall)) for peer in configured.peers]
        wanted += [(config, self._range_status(config, configured, wall)) for config in configured.ranges]
        return [self._write(resource, status) for resource, status in wanted if status != resource.status]

    def _range_status(self, config: CIDRConfig, configured: Configured, wall: datetime) -> ClusterCIDRConfigStatus:
        others: dict[str, list[IPNetwork]] = {"Service range": list(configured.facts.services)}
        for other in configured.ranges:
            usable = judge(other, mirrored=configured.mirrored) is None
            if other.key != config.key and other.spec is not None and usable:
                given = (other.spec.ipv4, other.spec.ipv6)
                others[f"ClusterCIDRConfig {other.meta.name}"] = [each.cidr for each in given if each is not None]
        plan, mirrored = self.nodes, configured.mirrored
        usage = plan.usage.get(config.meta.name)
        return range_status(config, usage, others, plan.intruders, mirrored=mirrored, wall=wall, rival=plan.rival)

    def _session_statuses(self, upkeep: Upkeep) -> Iterable[Write]:
        return [self._write(session, status) for session, status in upkeep.statuses]

    def _write(self, resource: Resource[Any, Any], status: Any) -> Write:
        kind, meta = resource.kind, resource.meta
        stored = resource.document.get("status")
        patch = difference(stored if isinstance(stored, dict) else {}, encode_status(kind, status))

        def settle(outcome: Outcome) -> None:
            if outcome is Outcome.WRITTEN:
                self.record(of_status(resource, status))

        return Write(
            f"write the status of {kind.name} {meta.key}",
            lambda: self.store.patch(
                kind,
                meta.name,
                meta.namespace,
                {"status": patch},
                version=meta.resource_version,
                subresource="status",
            ),
            settle,
            routine=True,
        )

    def _delete(self, session: Session) -> Write:
        meta = session.meta
        return Write(
            f"delete BGPSession {meta.name}, which is planned no more",
            lambda: self.store.delete(BGP_SESSION, meta.name, meta.namespace, version=meta.resource_version),
        )

    def samples(self) -> Samples:
        """Return the numbers for metrics."""
        facts = self._facts
        if facts is None:
            return
        yield Sample("flatbgp_routes", "Routes that every session announces.", self.nodes.routes.total)
        yield Sample("flatbgp_sessions_planned", "Sessions that should be.", len(facts.sessions.sessions))
        yield Sample("flatbgp_sessions_established", "Sessions that are up.", len(facts.established))
        yield Sample("flatbgp_nodes_without_pod_cidr", "Nodes that wait for a free block.", len(self.nodes.short))
        for name, usage in sorted(self.nodes.usage.items()):
            labels = (("config", name),)
            used = len(usage.nodes)
            yield Sample("flatbgp_cidr_nodes", "Nodes that have blocks of a ClusterCIDRConfig.", used, labels=labels)
            yield Sample("flatbgp_cidr_free", "Nodes for which it has room.", usage.free, labels=labels)
        for holding in facts.holdings:
            yield Sample(
                "flatbgp_floating_ip_held",
                "1 while a node holds the floating IP.",
                float(bool(holding.holder)),
                labels=(("address", str(holding.address)), ("node", holding.holder)),
            )


def _earliest(*pauses: float | None) -> float | None:
    return min((pause for pause in pauses if pause is not None), default=None)
