"""What ``flatbgp check`` reads: a store, what a cluster says of itself, this machine, a gobgpd."""

import asyncio
import shutil
from dataclasses import replace
from typing import Any

from flatbgp.planning.check.cluster import judge_allocators, judge_definitions, judge_version
from flatbgp.planning.check.engine import Daemon, judge_daemon
from flatbgp.planning.check.findings import Finding, problem, warning
from flatbgp.planning.check.machine import judge_machine, source_of
from flatbgp.planning.check.objects import Objects, judge_objects, noted_subnets
from flatbgp.planning.check.permissions import Access, Who, judge_permissions, needs
from flatbgp.planning.configured import configured
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.crd import DEFINED
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.store.protocol import NotServed, Store, StoreError, Unreachable
from flatbgp.store.url import is_supervised, open_store

_READ: tuple[tuple[AnyKind, str | None], ...] = (
    (FLAT_IP_MODE, None),
    (NETWORK_GATEWAY_GROUP, USER_NAMESPACE),
    (BGP_PEER, USER_NAMESPACE),
    (CLUSTER_CIDR_CONFIG, None),
    (CLUSTER, None),
    (NODE, None),
    (BGP_SESSION, USER_NAMESPACE),
)
"""The kinds that are judged, and in which namespace."""


async def gather(
    url: str, who: Who, secret_namespace: str, node: str | None, target: str | None
) -> tuple[Finding, ...]:
    """Return all findings; what cannot be read is one of them."""
    asked = needs(who, secret_namespace)
    findings = [*await _cluster(url, who, asked)] if is_supervised(url) else []
    objects, said = await _objects(url, who, asked)
    findings += said
    if objects is not None:
        findings += judge_objects(objects)
    if node is not None:
        findings += await _machine(node, objects or _nothing())
    if target is not None:
        findings += judge_daemon(await _daemon(target))
    return tuple(findings)


async def _cluster(url: str, who: Who, asked: tuple[Access, ...]) -> tuple[Finding, ...]:
    from flatbgp.store.kubernetes.access import location  # noqa: PLC0415 - a store's libraries load with its use
    from flatbgp.store.kubernetes.inspection import Inspection  # noqa: PLC0415 - as above

    inspection = Inspection(location(url.partition(":")[2]))

    try:
        version = await inspection.version()
        found = await inspection.definitions(DEFINED)
        refused = await inspection.refused(asked)
        allocators = await inspection.allocators()
    except StoreError as error:
        return (problem("Kubernetes", str(error)),)
    finally:
        await inspection.close()
    return (
        *judge_version(version),
        *judge_definitions(DEFINED, found),
        *judge_permissions(who, asked, refused),
        *judge_allocators(allocators),
    )


async def _objects(url: str, who: Who, asked: tuple[Access, ...]) -> tuple[Objects | None, list[Finding]]:
    """Return what the store holds, and what is to be said of reading it; no objects if it does not answer."""
    store, said = open_store(url), list[Finding]()
    readable = {(access.group, access.resource) for access in asked if access.verb == "list"}
    read: dict[AnyKind, tuple[Any, ...]] = {}
    try:
        for kind, namespace in _READ:
            try:
                read[kind] = await _listed(store, kind, namespace)
            except Unreachable as error:
                return None, [problem("store", str(error))]
            except StoreError as error:
                read[kind] = ()
                if who is Who.PERSON or (kind.group, kind.plural) in readable:
                    said.append(warning(kind.full_name, str(error)))
    finally:
        await store.close()
    modes, groups, peers, ranges, clusters, nodes, sessions = (read[kind] for kind, _ in _READ)
    told = configured(modes, groups, peers, ranges, clusters)
    sources = [cluster.key for cluster in clusters]
    return Objects(told, nodes, sessions, noted_subnets(nodes), sources), said


async def _listed(store: Store, kind: AnyKind, namespace: str | None) -> tuple[Any, ...]:
    try:
        return (await store.list(kind, namespace)).items
    except NotServed:
        return ()  # its definition is missing, which is told there


async def _machine(node: str, objects: Objects) -> tuple[Finding, ...]:
    from flatbgp.host.model import HostError  # noqa: PLC0415 - loaded to look at a machine
    from flatbgp.host.survey import reach, survey  # noqa: PLC0415 - as above

    floating_ips = objects.configured.config.floating_ips
    try:
        machine = await survey(node, floating_ips)
    except HostError as error:
        return (problem("kernel", str(error)),)
    routers = list(dict.fromkeys(spec.peer_ip for _, spec in objects.peers))
    trials = await asyncio.gather(*(reach(source_of(machine, peer, floating_ips), peer) for peer in routers))
    return tuple(judge_machine(replace(machine, trials=dict(zip(routers, trials, strict=True))), objects))


async def _daemon(target: str) -> Daemon:
    from flatbgp.engine.errors import EngineError  # noqa: PLC0415 - gRPC takes longer to load than all the rest
    from flatbgp.engine.gobgp.adapter import GobgpEngine  # noqa: PLC0415 - as above
    from flatbgp.engine.gobgpd import version_of  # noqa: PLC0415 - as above

    version = ""
    try:
        if shutil.which("gobgpd"):
            version = ".".join(map(str, await asyncio.to_thread(version_of, "gobgpd")))
        engine = GobgpEngine(target)
        try:
            info = await engine.info()
        finally:
            await engine.close()
    except EngineError as error:
        return Daemon(target, version=version, failure=str(error))
    return Daemon(target, info.api, info.started, info.marker is not None, version)


def _nothing() -> Objects:
    return Objects(configured((), (), (), (), ()))
