"""Who holds which address, counted on our own clock only."""

from ipaddress import ip_address, ip_network

from planning_objects import lease

from flatbgp.planning.holdings import after_gap, holdings, next_vacancy, observe

A = ip_address("10.0.1.100")


def test_a_renewed_lease_is_held_and_one_that_stands_still_for_its_duration_is_vacant() -> None:
    first = observe({}, [lease("10.0.1.100", "node-01", "1", subnet="10.0.1.0/24")], now=100.0)
    renewed = observe(first, [lease("10.0.1.100", "node-01", "2", subnet="10.0.1.0/24")], now=104.0)
    (live,) = holdings([A], renewed, now=108.9, began=0.0)
    assert (live.holder, live.subnet) == ("node-01", ip_network("10.0.1.0/24"))
    (dead,) = holdings([A], renewed, now=110.0, began=0.0)
    assert (dead.holder, dead.node, dead.vacant_for) == ("", "node-01", 1.0)
    assert next_vacancy(renewed, 105.0) == 4.0
    assert next_vacancy(renewed, 109.0) is None


def test_what_others_write_on_the_lease_is_no_renewal() -> None:
    first = observe({}, [lease("10.0.1.100", "node-01", "1")], now=100.0)
    probed = observe(first, [lease("10.0.1.100", "node-01", "1", probe="x", wanted_by="node-02")], now=104.0)
    assert holdings([A], probed, now=105.0, began=0.0)[0].holder == ""


def test_another_machine_under_the_same_node_name_is_a_change_of_holder() -> None:
    first = observe({}, [lease("10.0.1.100", "node-01", "1", instance="a")], now=100.0)
    other = observe(first, [lease("10.0.1.100", "node-01", "1", instance="b")], now=104.0)
    assert holdings([A], other, now=105.0, began=0.0)[0].holder == "node-01"


def test_a_free_lease_is_vacant_since_it_was_seen_free() -> None:
    held = observe({}, [lease("10.0.1.100", "node-01", "1")], now=100.0)
    freed = observe(held, [lease("10.0.1.100", "", "2")], now=102.0)
    freed = observe(freed, [lease("10.0.1.100", "", "2", probe="heard nothing")], now=103.0)
    (free,) = holdings([A], freed, now=105.0, began=0.0)
    assert (free.holder, free.vacant_for, free.held_before) == ("", 3.0, True)


def test_an_address_without_lease_has_never_been_held() -> None:
    (never,) = holdings([A], {}, now=105.0, began=100.0)
    assert (never.vacant_for, never.held_before) == (5.0, False)


def test_after_a_gap_of_our_own_watch_every_lease_counts_anew() -> None:
    seen = after_gap(observe({}, [lease("10.0.1.100", "node-01", "1")], now=100.0), now=500.0)
    assert holdings([A], seen, now=504.0, began=0.0)[0].holder == "node-01"


def test_leases_of_something_else_are_left_out() -> None:
    leader = lease("10.0.1.100", "node-01")
    leader.meta.annotations.clear()  # type: ignore[attr-defined]  # a plain dict behind the Mapping
    assert observe({}, [leader], now=0.0) == {}
