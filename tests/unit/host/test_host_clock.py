"""When a packet came, whatever is done to the clock."""

from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.clock import ArrivalClock, boottime


class Machine:
    """A machine whose time of day can be set."""

    def __init__(self) -> None:
        self.boot = 1000.0
        self.offset = 1.7e9

    def realtime(self) -> float:
        return self.boot + self.offset

    def clock(self) -> ArrivalClock:
        return ArrivalClock(lambda: self.boot, self.realtime)


def test_a_packet_that_waited_counts_from_its_arrival() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.boot += 1.0
    stamp = machine.realtime()
    machine.boot += 30.0  # the program was stopped
    assert abs(clock.arrival(stamp) - 1001.0) < 1e-3


@given(
    before=st.floats(0, 10),
    waits=st.floats(0, 100),
    step=st.floats(-1e9, 1e9),
    step_after_arrival=st.booleans(),
)
def test_a_clock_that_is_set_never_makes_a_packet_newer_nor_older_than_it_can_be(
    before: float, waits: float, step: float, step_after_arrival: bool
) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.boot += before
    if not step_after_arrival:
        machine.offset += step
    arrived, stamp = machine.boot, machine.realtime()
    if step_after_arrival:
        machine.offset += step
    machine.boot += waits
    found = clock.arrival(stamp)
    assert 1000.0 <= found <= machine.boot
    assert found <= arrived + 0.02  # never taken for newer


def test_a_step_of_an_hour_changes_nothing_on_a_packet_just_come() -> None:
    for step in (3600.0, -3600.0):
        for after in (False, True):
            machine = Machine()
            clock = machine.clock()
            machine.boot += 0.5
            machine.offset += 0.0 if after else step
            stamp = machine.realtime()
            machine.offset += step if after else 0.0
            machine.boot += 0.001
            assert abs(clock.arrival(stamp) - 1000.5) < 0.01


def test_an_empty_socket_bounds_what_comes_after() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.boot += 50.0
    clock.found_empty(machine.boot)
    machine.boot += 2.0
    assert clock.arrival(None) == 1050.0
    assert clock.arrival(machine.realtime() - 40.0) == 1050.0


def test_boottime_goes_on() -> None:
    assert 0 < boottime() <= boottime()
