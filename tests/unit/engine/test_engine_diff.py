"""The difference between what an engine should have and what it has: which actions, in which order, at what cost."""

from collections.abc import Iterable
from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest
from engine_actions import perform
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.engine.diff import (
    Action,
    AddNeighbor,
    Announce,
    RemoveNeighbor,
    Start,
    UpdateNeighbor,
    Withdraw,
    changes,
    cost_of,
    diff,
)
from flatbgp.engine.errors import ForeignDaemon
from flatbgp.engine.fake import FakeEngine
from flatbgp.engine.model import (
    Desired,
    EngineInfo,
    Exit,
    ExportAttributes,
    GracefulRestart,
    Neighbor,
    Observed,
    ObservedNeighbor,
    PasswordMark,
    Path,
)
from flatbgp.planning.costs import Cost
from flatbgp.resources.secrets import Password

ROUTER_ID = IPv4Address("192.0.2.1")
MARKER = "store-1/node-01"
OURS = EngineInfo("v4", started=True, router_id=ROUTER_ID, asn=1, marker=MARKER)
R1 = IPv4Address("10.0.1.254")
R2 = IPv4Address("10.0.3.254")
SALT = b"salt"

NEIGHBOR = Neighbor(R1, IPv4Address("10.0.1.100"), 65100, 65001)
OTHER = Neighbor(R2, IPv4Address("10.0.1.101"), 65100, 65002)


def path(number: int, next_hop: int = 1) -> Path:
    return Path(IPv4Network(f"192.168.{number}.0/24"), IPv4Address(f"10.0.1.{next_hop}"))


def desired(neighbors: Iterable[Neighbor] = (), paths: Iterable[Path] = ()) -> Desired:
    return Desired(ROUTER_ID, MARKER, {n.address: n for n in neighbors}, {p.prefix: p for p in paths})


def configured(neighbor: Neighbor) -> ObservedNeighbor:
    mark = PasswordMark.of(neighbor.password.reveal(), SALT) if neighbor.password else None
    return ObservedNeighbor(replace(neighbor, password=None), mark)


def observed(
    neighbors: Iterable[Neighbor] = (), paths: Iterable[Path] = (), info: EngineInfo = OURS, **more: Any
) -> Observed:
    return Observed(info, {n.address: configured(n) for n in neighbors}, {p.prefix: p for p in paths}, **more)


class TestOrder:
    def test_an_idle_daemon_is_started_then_gets_its_paths_then_its_neighbours(self) -> None:
        actions = diff(desired([NEIGHBOR], [path(2), path(1)]), Observed(EngineInfo("v3", started=False)))

        assert actions == (Start(ROUTER_ID, MARKER), Announce((path(1), path(2))), AddNeighbor(NEIGHBOR))

    def test_nothing_is_done_when_nothing_differs(self) -> None:
        assert diff(desired([NEIGHBOR], [path(1)]), observed([NEIGHBOR], [path(1)])) == ()

    def test_additions_come_before_withdrawals_and_removals_come_last(self) -> None:
        moving = replace(OTHER, address=IPv4Address("10.0.4.254"))
        old = observed([OTHER, moving], [path(1), path(3)])

        actions = diff(desired([NEIGHBOR], [path(1, next_hop=2), path(2)]), old, moving={moving.address})

        assert actions == (
            RemoveNeighbor(moving.address, moving.local_address, Exit.MOVE),
            Announce((path(1, next_hop=2), path(2))),
            AddNeighbor(NEIGHBOR),
            Withdraw((path(3),)),
            RemoveNeighbor(R2, OTHER.local_address, Exit.REMOVAL),
        )

    def test_another_local_address_ends_the_old_session_right_before_the_new_one(self) -> None:
        moved = replace(NEIGHBOR, local_address=IPv4Address("10.0.1.200"))

        actions = diff(desired([moved, OTHER]), observed([NEIGHBOR, OTHER]))

        assert actions == (RemoveNeighbor(R1, NEIGHBOR.local_address, Exit.REMOVAL), AddNeighbor(moved))

    def test_a_local_address_that_moved_away_is_left_silently(self) -> None:
        moved = replace(NEIGHBOR, local_address=IPv4Address("10.0.1.200"))

        actions = diff(desired([moved]), observed([NEIGHBOR]), moving={R1})

        assert actions == (RemoveNeighbor(R1, NEIGHBOR.local_address, Exit.MOVE), AddNeighbor(moved))

    def test_paths_that_a_neighbour_lacks_are_announced_again(self) -> None:
        old = observed([NEIGHBOR], [path(1), path(2)], unreached=frozenset({path(2).prefix}))

        assert diff(desired([NEIGHBOR], [path(1), path(2)]), old) == (Announce((path(2),)),)

    def test_prefixes_are_in_numeric_order_and_ipv4_comes_first(self) -> None:
        six = Path(IPv6Network("2001:db8::/64"), IPv6Address("2001:db8:1::1"))

        [announce] = diff(desired([], [six, path(10), path(9)]), observed())

        assert announce == Announce((path(9), path(10), six))


class TestIdentity:
    def test_a_daemon_of_somebody_else_is_left_alone(self) -> None:
        for marker, whose in ((None, "by something else"), ("store-2/node-01", "'store-2/node-01'")):
            foreign = observed([NEIGHBOR], [path(1)], info=replace(OURS, marker=marker))
            with pytest.raises(ForeignDaemon, match=rf"{whose}.*restart the daemon"):
                diff(desired([NEIGHBOR]), foreign)

    def test_another_router_id_asks_for_a_restart(self) -> None:
        other = observed(info=replace(OURS, router_id=IPv4Address("192.0.2.9")))

        with pytest.raises(ForeignDaemon, match=r"192\.0\.2\.9.*192\.0\.2\.1.*restart the daemon"):
            diff(desired(), other)

    def test_an_interrupted_start_is_started_again(self) -> None:
        half = replace(OURS, started=False, marker=None)

        assert diff(desired(), observed(info=half)) == (Start(ROUTER_ID, MARKER),)

    def test_a_daemon_that_somebody_else_started_is_not_started_by_us(self) -> None:
        with pytest.raises(ForeignDaemon):
            diff(desired(), Observed(replace(OURS, marker=None)))


class TestCost:
    @pytest.mark.parametrize(
        ("change", "cost"),
        [
            ({"prefix_limit": 5}, Cost.NONE),
            ({"connect_retry": 9}, Cost.NONE),
            ({"export": ExportAttributes(med=5)}, Cost.ROUTE_UPDATE),
            ({"hold_time": 60}, Cost.SESSION_RESET),
            ({"keepalive": 5}, Cost.SESSION_RESET),
            ({"local_asn": 65101}, Cost.SESSION_RESET),
            ({"peer_asn": 65101}, Cost.SESSION_RESET),
            ({"multihop": False}, Cost.SESSION_RESET),
            ({"graceful_restart": None}, Cost.SESSION_RESET),
            ({"graceful_restart": GracefulRestart(restart_time=90)}, Cost.SESSION_RESET),
            ({"password": Password("x")}, Cost.SESSION_RESET),
            ({"password": Password("x"), "prefix_limit": 5, "export": ExportAttributes(med=5)}, Cost.SESSION_RESET),
        ],
        ids=lambda value: ",".join(value) if isinstance(value, dict) else value.name,
    )
    def test_a_change_costs_what_its_dearest_setting_costs(self, change: dict[str, Any], cost: Cost) -> None:
        new = replace(NEIGHBOR, **change)

        [action] = diff(desired([new]), observed([NEIGHBOR]))

        assert isinstance(action, UpdateNeighbor)
        assert (action.neighbor, action.cost) == (new, cost)

    def test_every_setting_has_a_cost(self) -> None:
        for field in fields(Neighbor):
            if field.name not in ("address", "local_address"):
                assert cost_of([field.name]) in Cost

    def test_passwords_are_told_apart_without_being_kept(self) -> None:
        first, second = (replace(NEIGHBOR, password=Password(text)) for text in ("first", "second"))
        there = configured(first)

        assert changes(first, there) == ()
        assert changes(second, there) == ("password",)
        assert changes(NEIGHBOR, there) == ("password",)
        assert changes(first, configured(NEIGHBOR)) == ("password",)
        assert "first" not in repr(there)

    def test_settings_without_meaning_are_no_difference(self) -> None:
        internal = replace(NEIGHBOR, peer_asn=NEIGHBOR.local_asn)
        assert changes(internal, configured(replace(internal, multihop=False))) == ()

        external = replace(NEIGHBOR, export=ExportAttributes(local_pref=200, communities=(2, 1, 2)))
        assert changes(external, configured(replace(NEIGHBOR, export=ExportAttributes(communities=(1, 2))))) == ()
        with_preference = replace(internal, export=ExportAttributes(local_pref=200))
        assert changes(with_preference, configured(internal)) == ("export",)


class TestSentences:
    @pytest.mark.parametrize(
        ("action", "sentence"),
        [
            (Start(ROUTER_ID, MARKER), "Start BGP with router ID 192.0.2.1, without a listener."),
            (Announce((path(1),)), "Announce route 192.168.1.0/24 via 10.0.1.1."),
            (
                Announce((path(1), path(2))),
                "Announce 2 routes: 192.168.1.0/24 via 10.0.1.1 and 192.168.2.0/24 via 10.0.1.1.",
            ),
            (
                Withdraw(tuple(path(n) for n in range(9))),
                (
                    "Withdraw 9 routes: 192.168.0.0/24 via 10.0.1.1, 192.168.1.0/24 via 10.0.1.1, "
                    "192.168.2.0/24 via 10.0.1.1 and 6 more."
                ),
            ),
            (
                AddNeighbor(NEIGHBOR),
                "Open a session with 10.0.1.254 (AS65001) from 10.0.1.100 (AS65100).",
            ),
            (
                RemoveNeighbor(R1, NEIGHBOR.local_address, Exit.REMOVAL),
                "Withdraw all routes from 10.0.1.254, then end the session with 10.0.1.254 from 10.0.1.100.",
            ),
            (
                RemoveNeighbor(R1, NEIGHBOR.local_address, Exit.MOVE),
                "Give up the session with 10.0.1.254 from 10.0.1.100 without a word to the router: it moves.",
            ),
        ],
        ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
    )
    def test_an_action_says_what_it_does(self, action: Action, sentence: str) -> None:
        assert str(action) == sentence

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"prefix_limit": 1}, "Change prefix limit of the session {}, without touching the session."),
            (
                {"export": ExportAttributes(med=1)},
                "Change route attributes of the session {}, by sending its routes again.",
            ),
            (
                {"hold_time": 9, "keepalive": 3, "prefix_limit": 1},
                "Change hold time, keepalive and prefix limit of the session {}, by a session reset.",
            ),
        ],
    )
    def test_s17_a_change_names_its_settings_and_its_cost(self, change: dict[str, Any], sentence: str) -> None:
        [action] = diff(desired([replace(NEIGHBOR, **change)]), observed([NEIGHBOR]))

        assert str(action) == sentence.format("with 10.0.1.254 (AS65001) from 10.0.1.100 (AS65100)")


neighbors = st.builds(
    Neighbor,
    address=st.sampled_from([R1, R2, IPv6Address("2001:db8::fe")]),
    local_address=st.sampled_from([IPv4Address("10.0.1.100"), IPv4Address("10.0.1.101")]),
    local_asn=st.sampled_from([65100, 65101]),
    peer_asn=st.sampled_from([65001, 65100]),
    password=st.sampled_from([None, Password("a"), Password("b")]),
    prefix_limit=st.integers(1, 3),
    export=st.builds(ExportAttributes, med=st.sampled_from([None, 0, 7]), local_pref=st.sampled_from([None, 50])),
).map(lambda n: n if n.address.version == 4 else replace(n, local_address=IPv6Address("2001:db8::1")))
states = st.builds(
    desired,
    st.lists(neighbors, max_size=3),
    st.lists(st.builds(path, st.integers(0, 5), st.integers(1, 2)), max_size=6),
)


@given(first=states, second=states)
async def test_doing_what_a_diff_says_leaves_no_difference(first: Desired, second: Desired) -> None:
    engine = FakeEngine()
    for target in (first, second):
        await perform(engine, diff(target, await engine.observe()))
        assert diff(target, await engine.observe()) == ()


@given(first=states, second=states)
def test_every_neighbour_that_is_added_finds_all_its_paths(first: Desired, second: Desired) -> None:
    actions = diff(second, observed(first.neighbors.values(), first.paths.values()))
    kinds = [type(action) for action in actions]

    if AddNeighbor in kinds and Announce in kinds:
        assert kinds.index(Announce) < kinds.index(AddNeighbor)
    if Withdraw in kinds:
        rest = actions[kinds.index(Withdraw) + 1 :]
        assert all(isinstance(action, RemoveNeighbor) and action.exit is Exit.REMOVAL for action in rest)
