"""GoBGP 4: prefixes, attributes and capabilities travel in ``oneof`` messages."""

from functools import lru_cache
from typing import Any, ClassVar

from flatbgp.engine.gobgp.codec import FAMILY, ORIGIN_IGP, Codec, PeerEnums, path_of
from flatbgp.engine.gobgp.policy import PolicyCodec, PolicyEnums
from flatbgp.engine.gobgp.record import Tagged
from flatbgp.engine.gobgp.tags import Tag
from flatbgp.engine.model import Path
from flatbgp.resources.ip import Family, IPAddress
from flatbgp_gobgp.v4 import gobgp_pb2 as pb
from flatbgp_gobgp.v4.gobgp_pb2_grpc import GoBgpServiceStub


class CodecV4(Codec):
    """The API of package ``api``."""

    api = "v4"
    pb: ClassVar[Any] = pb
    enums = PeerEnums(
        peer_internal=pb.PEER_TYPE_INTERNAL,
        peer_external=pb.PEER_TYPE_EXTERNAL,
        admin_down=pb.PeerState.ADMIN_STATE_DOWN,
        admin_prefix_limit=pb.PeerState.ADMIN_STATE_PFX_CT,
        reset_out=pb.ResetPeerRequest.DIRECTION_OUT,
        table_global=pb.TABLE_TYPE_GLOBAL,
        table_adj_in=pb.TABLE_TYPE_ADJ_IN,
        table_adj_out=pb.TABLE_TYPE_ADJ_OUT,
    )
    policy = PolicyCodec(
        pb,
        PolicyEnums(
            set_types=(
                pb.DEFINED_TYPE_PREFIX,
                pb.DEFINED_TYPE_NEIGHBOR,
                pb.DEFINED_TYPE_AS_PATH,
                pb.DEFINED_TYPE_COMMUNITY,
                pb.DEFINED_TYPE_EXT_COMMUNITY,
                pb.DEFINED_TYPE_LARGE_COMMUNITY,
            ),
            set_neighbor=pb.DEFINED_TYPE_NEIGHBOR,
            set_community=pb.DEFINED_TYPE_COMMUNITY,
            set_large_community=pb.DEFINED_TYPE_LARGE_COMMUNITY,
            match_any=pb.MatchSet.TYPE_ANY,
            community_replace=pb.CommunityAction.TYPE_REPLACE,
            med_replace=pb.MedAction.TYPE_REPLACE,
        ),
    )

    def stub(self, channel: Any) -> Any:
        """Return the methods of the service on a channel (as :class:`.channel.NotedChannel` is one)."""
        return GoBgpServiceStub(channel)

    def encode_path(self, path: Path, tags: frozenset[Tag], *, withdraw: bool) -> Any:
        """Return a path as the API wants it."""
        prefix = path.prefix
        return pb.Path(
            nlri=pb.NLRI(prefix=pb.IPAddressPrefix(prefix_len=prefix.prefixlen, prefix=str(prefix.network_address))),
            pattrs=[_ORIGIN, _next_hop(path.next_hop), *_large_communities(tags)],
            family=self.family(Family.of(prefix)),
            is_withdraw=withdraw,
        )

    def decode_path(self, message: Any) -> Tagged | None:
        """Return a path and its tags; ``None`` if it is none that we could have made."""
        next_hop, tags = "", frozenset[Tag]()
        for attribute in message.pattrs:
            match attribute.WhichOneof("attr"):
                case "next_hop":
                    next_hop = attribute.next_hop.next_hop
                case "mp_reach" if attribute.mp_reach.next_hops:
                    next_hop = attribute.mp_reach.next_hops[0]
                case "large_communities":
                    tags = frozenset(
                        (c.global_admin, c.local_data1, c.local_data2) for c in attribute.large_communities.communities
                    )
        return path_of(message.nlri.prefix.prefix, message.nlri.prefix.prefix_len, next_hop, tags)

    def capabilities(self, peer: Any) -> tuple[frozenset[Family], bool]:
        """Return the families that the other end offers, and whether it offers graceful restart."""
        families, restart = set[Family](), False
        for capability in peer.state.remote_cap:
            match capability.WhichOneof("cap"):
                case "multi_protocol" if capability.multi_protocol.family.safi == pb.Family.SAFI_UNICAST:
                    offered = capability.multi_protocol.family.afi
                    families.update(family for afi, family in FAMILY.items() if afi == offered)
                case "graceful_restart":
                    restart = True
        return frozenset(families), restart


_ORIGIN = pb.Attribute(origin=pb.OriginAttribute(origin=ORIGIN_IGP))


# Thousands of paths share a few next hops and sets of tags.
@lru_cache(maxsize=8192)
def _next_hop(address: IPAddress) -> pb.Attribute:
    return pb.Attribute(next_hop=pb.NextHopAttribute(next_hop=str(address)))


@lru_cache(maxsize=64)
def _large_communities(tags: frozenset[Tag]) -> tuple[pb.Attribute, ...]:
    if not tags:
        return ()
    communities = [
        pb.LargeCommunity(global_admin=first, local_data1=second, local_data2=third)
        for first, second, third in sorted(tags)
    ]
    return (pb.Attribute(large_communities=pb.LargeCommunitiesAttribute(communities=communities)),)
