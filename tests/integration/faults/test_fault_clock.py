"""Wall clocks that are set, on one machine after the other: nothing moves, and what is to move later does in time."""

from datetime import UTC, datetime, timedelta

from flatbgp.lab.topology import CONTROL
from flatbgp.resources.names import lease_name
from flatbgp.resources.parsing import parse_time
from flatbgp.roles.controller import LEASE_NAME
from support.faultcluster import FaultCluster
from support.joining import join
from support.setups import Setup, on
from support.takeover import HOLDER_DEAD, gateway, let_pass
from support.watch import watching

HOUR = 3600.0

NOTICED = 4.0
"""Seconds after which a clock that counts would have shown: a holder without LAN evidence lets go after 3 s."""

CLOSE = timedelta(minutes=1)


@on(Setup(clocks=True), profiles=())
def test_p3_wall_clocks_that_are_set_by_an_hour_move_nothing_and_delay_no_take_over(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        for ahead in (HOUR, -HOUR):
            for place in (kept.holder, kept.other, CONTROL):
                cluster.clocks[place].set_ahead(ahead)
                let_pass(NOTICED, watch)
            assert _is_ahead(cluster, lease_name(kept.address), ahead), "the holder lives by this clock"
            assert _is_ahead(cluster, LEASE_NAME, ahead), "the controller lives by this clock"
            join(cluster, kept)
            kept.assert_stayed()

        cluster.clocks[kept.holder].set_ahead(HOUR)
        let_pass(NOTICED, watch)
        kept.assert_stayed()
        cluster.speaker(kept.holder).kill()
        kept.await_taken_over(HOLDER_DEAD[cluster.setup.profile])
        assert _is_ahead(cluster, lease_name(kept.address), -HOUR), "the claimant lives by this clock"


def _is_ahead(cluster: FaultCluster, lease: str, seconds: float) -> bool:
    """Whether a Lease was renewed by a clock that is so much ahead."""
    renewed = parse_time(cluster.objects("leases")[lease]["spec"]["renewTime"])
    return abs(renewed - datetime.now(UTC) - timedelta(seconds=seconds)) < CLOSE
