"""Random faults from a seed, with everything that must always hold asserted throughout.

``make soak`` runs it for as long as one likes on a seed of one's own; the same seed draws the same faults. The routers
want passwords here, so that there is a secret that must not show up in anything that the roles say or write.
"""

import faulthandler
import os
import secrets
import sys
import time
from contextlib import ExitStack
from random import Random

import pytest

from flatbgp.lab.waiting import wait_until
from support.faultcluster import SETTLED_SECONDS, FaultCluster
from support.randomfaults import Step, draw
from support.setups import Setup, on
from support.takeover import let_pass
from support.watch import Watch, watching

SEED = os.environ.get("FLATBGP_SOAK_SEED", "20261124") or secrets.token_hex(4)
MINUTES = float(os.environ.get("FLATBGP_SOAK_MINUTES") or 2)
SHOWN_NOWHERE = "never-show-this-one"
REPORTS = 25.0
"""Two and a half report periods: until then the status of a session must say what its router says."""


@on(Setup(password=SHOWN_NOWHERE), profiles=())
@pytest.mark.timeout(int(MINUTES * 60) + 400)
def test_random_faults_break_no_promise(cluster: FaultCluster) -> None:
    faulthandler.cancel_dump_traceback_later()  # it is to take longer than other tests
    rng = Random(SEED)  # noqa: S311 - to be replayed
    say(f"soak: seed {SEED}, {MINUTES:g} minutes (SEED={SEED} MINUTES={MINUTES:g} make soak replays it)")
    end = time.monotonic() + MINUTES * 60
    number = 0
    while time.monotonic() < end:
        number += 1
        step = draw(rng, tuple(cluster.nodes))
        say(f"soak: {number}. {step}")
        try:
            suffer(cluster, step)
            recover(cluster)
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}, step {number}: {step}: {error}") from error
    assert SHOWN_NOWHERE not in cluster.everything_said()


def suffer(cluster: FaultCluster, step: Step) -> None:
    """Cause the faults of a step under watch, and end them."""
    with watching(cluster, without=step.out_of_reach(cluster)) as watch:
        for address in cluster.floating_ips:
            watch.may_drop_routes_from(address)
        with ExitStack() as faults:
            for fault, node in step.faults:
                faults.enter_context(fault.cause(cluster, node))
            let_pass(step.seconds, watch)
        cluster.heal()
        cluster.await_whole()
        await_honest(cluster, watch)


def recover(cluster: FaultCluster) -> None:
    """Assert that a fault that is over leaves nothing behind that moves an address (P5)."""
    with watching(cluster) as watch:
        let_pass(cluster.lease_seconds() / 2, watch)
        assert watch.moved() == []


def await_honest(cluster: FaultCluster, watch: Watch) -> None:
    """Wait until no BGPSession is said to be Established that its router does not know, and the reverse."""
    wait_until(
        "the status of every session to be what the routers say",
        lambda: (cluster.said_established(), known(cluster)),
        lambda seen: seen[0] == seen[1] or watch.violations(),
        deadline=max(REPORTS, SETTLED_SECONDS),
        interval=0.3,
    )


def known(cluster: FaultCluster) -> set[tuple[str, str]]:
    """Return the sessions that are Established according to the routers."""
    found = set()
    for router, peer in zip(cluster.router_names, cluster.peers, strict=True):
        view = cluster.view(router)
        try:
            found |= {(str(peer), str(address)) for address in view.generations()}
        finally:
            view.close()
    return found


def say(line: str) -> None:
    """Tell whoever watches; pytest shows it after a failure."""
    sys.stderr.write(line + "\n")
