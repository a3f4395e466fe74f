"""A simulated machine's kernel: addresses with a lifetime, a cable, power, suspension."""

from __future__ import annotations

from ipaddress import ip_interface

from simulation import Host, World

from flatbgp.planning.gateway.actions import PutAddress
from flatbgp.planning.gateway.events import HostAddress, Interface, InterfacesSeen
from flatbgp.planning.gateway.timings import LIFETIME_MARGIN
from flatbgp.resources.ip import IPAddress


class Kernel(Host):
    """``addresses`` are its own and the floating IPs that it has; ``expiry`` when those end.

    ``powered`` (off: all is forgotten), ``suspended`` (the machine stands still; CLOCK_BOOTTIME goes on, the kernel's
    timers don't), ``carrier``; ``claimed_at`` when its speaker last asked for an address's Lease.
    """

    def __init__(self, world: World, number: int, own: IPAddress) -> None:
        super().__init__(f"node-{number}", f"02:00:00:00:00:{number:02x}", {own})
        self.world = world
        self.own = own
        self.expiry: dict[IPAddress, float] = {}
        self.powered = True
        self.suspended_at: float | None = None
        self.carrier = True
        self.claimed_at: dict[IPAddress, float] = {}

    @property
    def suspended(self) -> bool:
        return self.suspended_at is not None

    def put(self, action: PutAddress, lifetime: int | None = None) -> float | None:
        """Do as the host shell does; return until when the address is there.

        ``lifetime`` was computed some time ago, when the process was stopped in between.
        """
        now, late = self.world.now, lifetime is not None
        lifetime = action.lifetime(now) if lifetime is None else lifetime
        if not lifetime:
            return action.expires if action.expires is not None and action.expires > now else None
        if now + lifetime > action.deadline - LIFETIME_MARGIN + 1e-6 and not late:
            self.world.violate("P1", f"{self.name} puts {action.address} for longer than its Lease")
        new = action.address not in self.addresses
        self.addresses.add(action.address)
        self._expire_at(action.address, now + lifetime)
        if new:
            self.world.appeared(action.address, self, self.claimed_at.get(action.address, now))
        return now + lifetime

    def _expire_at(self, address: IPAddress, when: float) -> None:
        self.expiry[address] = when
        self.world.clock.at(when + self.world.rng.uniform(0.01, 0.4), self._expire, address, when)

    def _expire(self, address: IPAddress, when: float) -> None:
        if self.expiry.get(address) == when and not self.suspended:
            self.world.log(self.name, f"kernel takes {address} off")
            self.drop(address)
            self.interfaces_changed()

    def drop(self, address: IPAddress) -> None:
        """Take a floating IP off."""
        if address != self.own:
            self.addresses.discard(address)
            self.expiry.pop(address, None)

    def snatch(self, address: IPAddress) -> None:
        """Something else on the host takes the address away."""
        if address in self.expiry:
            self.drop(address)
            self.interfaces_changed()

    def interfaces_changed(self) -> None:
        """Tell whoever listens to netlink."""

    def interfaces(self) -> InterfacesSeen:
        """Return what a listing would show."""
        subnet = self.world.subnet.network
        own = HostAddress(ip_interface(f"{self.own}/{subnet.prefixlen}"))
        floating = [
            HostAddress(ip_interface(f"{address}/{address.max_prefixlen}"), True, expiry)
            for address, expiry in self.expiry.items()
        ]
        eth0 = Interface("eth0", self.mac, self.carrier, (own, *floating))
        return InterfacesSeen(self.world.now, (eth0,))

    def power_off(self) -> None:
        """Lose everything that is not on disk."""
        self.world.log(self.name, "power off")
        self.powered = self.up = False
        self.addresses, self.expiry = {self.own}, {}

    def power_on(self) -> None:
        """Boot."""
        self.world.log(self.name, "power on")
        self.powered = self.up = self.carrier = True
        self.suspended_at = None

    def suspend(self) -> None:
        """Stand still."""
        self.suspended_at, self.up = self.world.now, False

    def resume(self) -> None:
        """Go on: the kernel's timers stood still, the boot-time clock did not."""
        if self.suspended_at is None or not self.powered:
            return
        stood, self.suspended_at, self.up = self.world.now - self.suspended_at, None, self.carrier
        for address, expiry in list(self.expiry.items()):
            self._expire_at(address, expiry + stood)
        self.world.joined(f"{self.name} resumed")

    def cut_lan(self, *, carrier: bool) -> None:
        """Lose the LAN, with or without noticing it on the link."""
        self.up = False
        if not carrier:
            self.carrier = False
            self.interfaces_changed()

    def mend_lan(self) -> None:
        """Be on the LAN again."""
        if not self.powered or self.suspended:
            self.carrier = True
            return
        self.up = True
        if not self.carrier:
            self.carrier = True
            self.interfaces_changed()
        self.world.joined(f"{self.name} back on the LAN")
