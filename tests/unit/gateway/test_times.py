"""How long a take-over lasts after each fault: the table of docs/failover.md, both profiles, with and without loss."""

import statistics

import pytest
from scripted import cluster, holder_of, taken_over
from simulated_faults import FAULTS

from flatbgp.planning.gateway.timings import DEFAULT, FAST, Timings
from flatbgp.resources.takeover import WORST_SECONDS

FOR_GOOD = 1000.0
SEEDS = range(36)
"""Enough that the chance of when in a renewal the fault comes, half a second either way, leaves the median alone."""

TABLE = [
    ("power off", DEFAULT, 5.2, 5.5),
    ("power off", FAST, 2.4, 2.6),
    ("kill", DEFAULT, 5.2, 5.5),
    ("kill", FAST, 2.4, 2.6),
    ("SIGSTOP", DEFAULT, 5.2, 7.4),
    ("SIGSTOP", FAST, 2.4, 4.3),
    ("suspend", DEFAULT, 5.2, 5.5),
    ("suspend", FAST, 2.4, 2.6),
    ("LAN cut", DEFAULT, 3.4, 3.75),
    ("LAN cut", FAST, 3.4, 3.75),
    ("cable pulled", DEFAULT, 3.4, 3.75),
    ("cable pulled", FAST, 3.4, 3.75),
    ("gobgpd frozen", DEFAULT, 10.5, 10.8),
    ("gobgpd frozen", FAST, 10.5, 10.8),
    ("drain", DEFAULT, 0.6, 0.8),
    ("drain", FAST, 0.6, 0.8),
    ("stop", DEFAULT, 0.6, 0.8),
    ("stop", FAST, 0.6, 0.8),
]
"""Fault, profile, median and worst in seconds, on a LAN that loses nothing."""

LOSS_COSTS = 0.4
"""What a LAN that loses a third may add to the worst: a question of the claimant's comes a round later.

60 seeds of seven rows of the table exceeded it by 0.26 s at most. The median is the same.
"""


@pytest.mark.parametrize("loss", [0.0, 0.3], ids=["no loss", "30 % lost"])
@pytest.mark.parametrize(("fault", "timings", "median", "worst"), TABLE, ids=str)
def test_s21_another_node_has_the_address_in_time(
    fault: str, timings: Timings, median: float, worst: float, loss: float
) -> None:
    times = []
    for seed in SEEDS:
        world = cluster(seed=seed, timings=timings, loss=loss, nodes=2 + seed % 3, version=4 if seed % 3 else 6)
        holder = holder_of(world)
        FAULTS[fault](world, holder, FOR_GOOD)
        times.append(taken_over(world, holder, worst + (LOSS_COSTS if loss else 0.0)))
        assert not world.violations
    assert statistics.median(times) <= median
    assert max(times) + 4.0 < WORST_SECONDS  # 4 s for the session: what the restart time is checked against


def test_ten_addresses_of_a_dead_node_are_taken_within_seconds() -> None:
    world = cluster(nodes=2, addresses=4)
    for address in world.group:
        if holder_of(world, address) is not world.nodes[0]:
            break
    dead = holder_of(world)
    dead.power_off()
    lost = [address for address in world.group if world.holder(address) is None]
    assert lost
    seconds = world.run_until(lambda: all(world.holder(address) for address in world.group), 10.0)
    assert seconds < 5.5 + 4 * 0.75
