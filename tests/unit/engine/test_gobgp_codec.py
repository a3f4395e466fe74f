"""The codecs, the tags and the record, without a daemon."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgp import GobgpEngine
from flatbgp.engine.gobgp.codec import Codec
from flatbgp.engine.gobgp.codec_v3 import CodecV3
from flatbgp.engine.gobgp.codec_v4 import CodecV4
from flatbgp.engine.gobgp.record import Record
from flatbgp.engine.gobgp.tags import GLOBAL_ASN, OURS, withheld_from
from flatbgp.engine.model import ExportAttributes, Neighbor, Path, SessionState
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.secrets import Password

R1, R2 = IPv4Address("10.0.1.254"), IPv6Address("2001:db8::fe")
FOUR = Path(ip_network("10.1.0.0/24"), ip_address("10.0.1.1"))
SIX = Path(ip_network("2001:db8:1::/64"), ip_address("2001:db8::1"))


@pytest.fixture(params=[CodecV3, CodecV4], ids=["v3", "v4"])
def codec(request: pytest.FixtureRequest) -> Codec:
    made: Codec = request.param()
    return made


class TestTags:
    def test_tags_are_the_same_in_every_process_and_differ_by_address(self) -> None:
        assert withheld_from(R1) == (GLOBAL_ASN, 0, 0x0A0001FE)
        assert withheld_from(R2) == (GLOBAL_ASN, 2923276021, 780805522)
        assert len({OURS, withheld_from(R1), withheld_from(R2), withheld_from(R2 + 1)}) == 4

    def test_the_highest_bit_keeps_ipv6_apart_from_ipv4(self) -> None:
        assert all(withheld_from(R2 + n)[1] >> 31 == 1 for n in range(100))


class TestRecord:
    def test_counts_follow_additions_replacements_and_removals(self) -> None:
        record = Record()
        record.add((FOUR, frozenset({OURS})))
        record.add((FOUR, frozenset({OURS, withheld_from(R1)})))
        record.add((SIX, frozenset({OURS})))

        assert len(record) == 2
        assert (record.advertised(R1, Family.IPV4), record.advertised(R1, Family.IPV6)) == (0, 1)
        assert record.advertised(R2, Family.IPV4) == 1
        assert record.unreached([R1, R2]) == {FOUR.prefix}
        assert record.unreached([R2]) == frozenset()
        record.remove(FOUR.prefix)
        record.remove(FOUR.prefix)
        assert record.unreached([R1]) == frozenset()
        assert list(record.paths) == [SIX.prefix]

    def test_withholding_drops_the_tags_of_those_who_left(self) -> None:
        record = Record()
        record.add((FOUR, frozenset({OURS, withheld_from(R1)})))

        assert record.withhold(R1) == []
        assert record.withhold(R2) == [(FOUR, frozenset({OURS, withheld_from(R2)}))]
        assert record.withheld(R1) == [(FOUR, frozenset({OURS}))]

    def test_a_path_without_our_tag_reaches_nobody(self) -> None:
        record = Record()
        record.add((FOUR, frozenset()))

        assert record.advertised(R1, Family.IPV4) == 0
        assert record.unreached([]) == {FOUR.prefix}


class TestCodec:
    @pytest.mark.parametrize("path", [FOUR, SIX], ids=["IPv4", "IPv6"])
    def test_a_path_survives_the_way_there_and_back(self, codec: Codec, path: Path) -> None:
        tags = frozenset({OURS, withheld_from(R2)})

        assert codec.decode_path(codec.encode_path(path, tags, withdraw=False)) == (path, tags)

    def test_what_is_no_path_of_ours_is_skipped(self, codec: Codec) -> None:
        assert codec.decode_path(codec.pb.Path()) is None

    def test_the_table_is_named_and_withdrawals_carry_a_next_hop(self, codec: Codec) -> None:
        request = codec.path_request([(FOUR, frozenset({OURS}))], withdraw=True)

        assert request.table_type == {"v3": 0, "v4": 1}[codec.api]
        assert request.paths[0].is_withdraw
        assert codec.decode_path(request.paths[0]) is not None

    def test_a_neighbour_survives_the_way_there_and_back_without_its_password(self, codec: Codec) -> None:
        export = ExportAttributes(communities=(1,))
        neighbor = Neighbor(R2, IPv6Address("2001:db8::1"), 65100, 65001, password=Password("sesame"), export=export)

        message = codec.peer(neighbor)
        observed = codec.observed(message, export, b"salt")

        assert message.conf.auth_password == "sesame"  # noqa: S105 - what is to be sent
        assert observed.settings == neighbor.effective()
        assert observed.password is not None
        assert observed.password.matches(Password("sesame"))
        assert not observed.password.matches(Password("sesame "))
        assert "sesame" not in repr(observed)

    def test_an_internal_neighbour_has_no_ttl(self, codec: Codec) -> None:
        internal = codec.peer(Neighbor(R1, R1 + 1, 65100, 65100, multihop=True))
        external = codec.peer(Neighbor(R1, R1 + 1, 65100, 65001, multihop=True))

        assert not internal.HasField("ebgp_multihop")
        assert (external.ebgp_multihop.enabled, external.ebgp_multihop.multihop_ttl) == (True, 255)

    def test_export_attributes_survive_the_way_there_and_back(self, codec: Codec) -> None:
        exports: dict[IPAddress, ExportAttributes] = {
            R1: ExportAttributes((65100 << 16 | 1, 0xFFFFFF01), ((1, 2, 3), (4_000_000_000, 0, 0)), 0, 200),
            R2: ExportAttributes(),
        }
        request = codec.policy.set_policies("marker", exports)
        [policy] = [p for p in request.policies if p.name == "flatbgp-export"]

        assert codec.policy.exports([codec.pb.ListPolicyResponse(policy=policy)]) == exports

    def test_well_known_communities_are_read_by_name(self, codec: Codec) -> None:
        request = codec.policy.set_policies(None, {R1: ExportAttributes(communities=(1,))})
        [_, policy] = request.policies
        policy.statements[1].actions.community.communities[:] = ["no-export", "65100:7"]

        read = codec.policy.exports([codec.pb.ListPolicyResponse(policy=policy)])

        assert read[R1].communities == (0xFFFFFF01, 65100 << 16 | 7)

    def test_the_marker_is_found_among_other_sets(self, codec: Codec) -> None:
        request = codec.policy.set_policies("store/node", {})
        answers = [codec.pb.ListDefinedSetResponse(defined_set=s) for s in request.defined_sets]

        assert codec.policy.marker(answers) == "store/node"
        assert codec.policy.marker([]) is None

    def test_an_idle_neighbour_has_no_uptime_and_no_family(self, codec: Codec) -> None:
        peer = codec.peer(Neighbor(R1, R1 + 1, 65100, 65001))
        peer.transport.local_address = "invalid IP"
        peer.state.session_state = 0

        state = codec.state(peer, now=1000.0, advertised=lambda *_: 7)

        assert (state.state, state.uptime, state.local_address) == (SessionState.IDLE, None, None)
        assert not any(family.negotiated for family in state.families.values())


@pytest.mark.parametrize("target", ["localhost:50051", "unix:relative", "unix:///", "/run/gobgpd.sock"])
async def test_only_a_unix_socket_is_a_target(target: str) -> None:
    with pytest.raises(EngineError, match="unix:///PATH"):
        GobgpEngine(target)
