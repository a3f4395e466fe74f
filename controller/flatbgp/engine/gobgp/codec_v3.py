"""GoBGP 3 (3.10 to 3.37): prefixes, attributes and capabilities travel in ``google.protobuf.Any``."""

from functools import lru_cache
from typing import Any, ClassVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from flatbgp.engine.gobgp.codec import FAMILY, ORIGIN_IGP, Codec, PeerEnums, path_of
from flatbgp.engine.gobgp.policy import PolicyCodec, PolicyEnums
from flatbgp.engine.gobgp.record import Tagged
from flatbgp.engine.gobgp.tags import Tag
from flatbgp.engine.model import Path
from flatbgp.resources.ip import Family, IPAddress
from flatbgp_gobgp.v3 import gobgp_pb2 as pb
from flatbgp_gobgp.v3.gobgp_pb2_grpc import GobgpApiStub


class CodecV3(Codec):
    """The API of package ``apipb``."""

    api = "v3"
    forgets_plain_peers = True
    pb: ClassVar[Any] = pb
    enums = PeerEnums(
        peer_internal=pb.INTERNAL,
        peer_external=pb.EXTERNAL,
        admin_down=pb.PeerState.DOWN,
        admin_prefix_limit=pb.PeerState.PFX_CT,
        reset_out=pb.ResetPeerRequest.OUT,
        table_global=pb.GLOBAL,
        table_adj_in=pb.ADJ_IN,
        table_adj_out=pb.ADJ_OUT,
    )
    policy = PolicyCodec(
        pb,
        PolicyEnums(
            set_types=(pb.PREFIX, pb.NEIGHBOR, pb.AS_PATH, pb.COMMUNITY, pb.EXT_COMMUNITY, pb.LARGE_COMMUNITY),
            set_neighbor=pb.NEIGHBOR,
            set_community=pb.COMMUNITY,
            set_large_community=pb.LARGE_COMMUNITY,
            match_any=pb.MatchSet.ANY,
            community_replace=pb.CommunityAction.REPLACE,
            med_replace=pb.MedAction.REPLACE,
        ),
    )

    def stub(self, channel: Any) -> Any:
        """Return the methods of the service on a channel (as :class:`.channel.NotedChannel` is one)."""
        return GobgpApiStub(channel)

    def encode_path(self, path: Path, tags: frozenset[Tag], *, withdraw: bool) -> Any:
        """Return a path as the API wants it."""
        prefix = path.prefix
        return pb.Path(
            nlri=_any(pb.IPAddressPrefix(prefix_len=prefix.prefixlen, prefix=str(prefix.network_address))),
            pattrs=[_ORIGIN, _next_hop(path.next_hop), *_large_communities(tags)],
            family=self.family(Family.of(prefix)),
            is_withdraw=withdraw,
        )

    def decode_path(self, message: Any) -> Tagged | None:
        """Return a path and its tags; ``None`` if it is none that we could have made."""
        prefix, next_hop, tags = pb.IPAddressPrefix(), "", frozenset[Tag]()
        if not message.nlri.Unpack(prefix):
            return None
        single, multi, large = pb.NextHopAttribute(), pb.MpReachNLRIAttribute(), pb.LargeCommunitiesAttribute()
        for attribute in message.pattrs:
            if attribute.Unpack(single):
                next_hop = single.next_hop
            elif attribute.Unpack(multi) and multi.next_hops:
                next_hop = multi.next_hops[0]
            elif attribute.Unpack(large):
                tags = frozenset((c.global_admin, c.local_data1, c.local_data2) for c in large.communities)
        return path_of(prefix.prefix, prefix.prefix_len, next_hop, tags)

    def capabilities(self, peer: Any) -> tuple[frozenset[Family], bool]:
        """Return the families that the other end offers, and whether it offers graceful restart."""
        families, restart = set[Family](), False
        multi = pb.MultiProtocolCapability()
        for capability in peer.state.remote_cap:
            if capability.Unpack(multi) and multi.family.safi == pb.Family.SAFI_UNICAST:
                families.update(family for afi, family in FAMILY.items() if afi == multi.family.afi)
            restart = restart or capability.Is(pb.GracefulRestartCapability.DESCRIPTOR)
        return frozenset(families), restart


def _any(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


_ORIGIN = _any(pb.OriginAttribute(origin=ORIGIN_IGP))


# Thousands of paths share a few next hops and sets of tags, and packing is most of the work of building a path.
@lru_cache(maxsize=8192)
def _next_hop(address: IPAddress) -> AnyMessage:
    return _any(pb.NextHopAttribute(next_hop=str(address)))


@lru_cache(maxsize=64)
def _large_communities(tags: frozenset[Tag]) -> tuple[AnyMessage, ...]:
    if not tags:
        return ()
    communities = [
        pb.LargeCommunity(global_admin=first, local_data1=second, local_data2=third)
        for first, second, third in sorted(tags)
    ]
    return (_any(pb.LargeCommunitiesAttribute(communities=communities)),)
