"""What a controller finds in its store, and the controller over it."""

from roles_rig import controller_options, put, running, runtime

from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.lease import LEASE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.roles.controller import control
from flatbgp.store.protocol import Store

KS = "kube-system"


async def configure(store: Store, *, v4: bool = True, v6: bool = False, cidr: str = "222.2.0.0/16") -> None:
    await put(store, CLUSTER_CIDR_CONFIG, "wide", {"ipv4": {"cidr": cidr, "perNodeMaskSize": 24}})
    await put(store, NETWORK_GATEWAY_GROUP, "default", {"floatingIPs": ["10.0.1.100", "10.0.3.100"]})
    mode = {"enableBGPIPv4": v4, "enableBGPIPv6": v6, "peerSelector": {"flatip-peer": "true"}}
    await put(store, FLAT_IP_MODE, "default", mode)
    await put_peer(store, "bgppeer1", "10.0.1.254")


async def put_peer(store: Store, name: str, ip: str, sessions: int = 2, **spec: object) -> None:
    spec = {"localASN": 65001, "peerASN": 65002, "peerIP": ip, "sessions": sessions, **spec}
    await put(store, BGP_PEER, name, spec, labels={"flatip-peer": "true"})


async def put_lease(store: Store, address: str, holder: str, subnet: str, renewed: str = "1") -> None:
    notes = {"flatbgp.io/address": address, "flatbgp.io/subnet": subnet}
    moment = f"2026-01-01T00:00:0{renewed}.000000Z"
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 3600, "renewTime": moment, "leaseTransitions": 1}
    await put(store, LEASE, f"floatingip-{address.replace('.', '-')}", spec, annotations=notes)


async def put_session(store: Store, peer: str, local: str, node: str, state: str = "Established") -> None:
    spec = {"localASN": 65001, "peerASN": 65002, "localIP": local, "peerIP": peer, "nodeName": node, "peer": "bgppeer1"}
    status = {"state": state, "lastReport": "2026-01-01T00:00:00Z", "flaps": 0}
    await put(store, BGP_SESSION, f"{peer}-{node}", spec, status=status)


async def routes(store: Store) -> dict[str, str]:
    items = (await store.list(BGP_ADVERTISED_ROUTE)).items
    return {item.meta.name: str(item.spec.prefix) for item in items if item.spec}


def controller(store: Store, **changes: object):
    return running(control(runtime(), controller_options(**changes), store))


async def is_count(found, count: int) -> bool:
    return len(await found) == count


async def is_true(true: bool) -> bool:
    return true
