"""Which machine, which speaker, which settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flatbgp.host.identity import machine_id
from flatbgp.host.lock import LockHeld, SpeakerLock
from flatbgp.host.model import HostError
from flatbgp.host.sysctls import findings, nonlocal_bind
from flatbgp.resources.ip import Family

MACHINE = "0123456789abcdef0123456789abcdef"


def test_the_machine_says_who_it_is(tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    path.write_text(MACHINE + "\n")
    assert machine_id(path) == MACHINE


@pytest.mark.parametrize("text", [None, "", "uninitialized\n", MACHINE[:31], "Ä" * 32])
def test_a_machine_without_identity_gets_advice(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "machine-id"
    if text is not None:
        path.write_text(text)
    with pytest.raises(HostError, match="--instance"):
        machine_id(path)


def test_a_second_speaker_is_told_who_the_first_is() -> None:
    with SpeakerLock("uid-of-the-store", "node-01"):
        with pytest.raises(LockHeld, match=rf"node-01.*process {os.getpid()} \(.*python.*\)"):
            SpeakerLock("uid-of-the-store", "node-01")
        for store, node in (("uid-of-the-store", "node-02"), ("another", "node-01")):
            SpeakerLock(store, node).close()


def test_a_lock_that_was_freed_can_be_taken() -> None:
    SpeakerLock("store", "node-03").close()
    SpeakerLock("store", "node-03").close()


def test_a_lock_dies_with_its_process_however_that_ends() -> None:
    program = (
        "import sys; from flatbgp.host.lock import SpeakerLock; "
        "lock = SpeakerLock('store', 'node-04'); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld, match=f"process {holder.pid} "):
            SpeakerLock("store", "node-04")
    finally:
        holder.kill()
        holder.communicate()
    SpeakerLock("store", "node-04").close()


@pytest.mark.parametrize(
    ("settings", "family", "said"),
    [
        ({}, Family.IPV4, []),
        ({"ipv4/conf/all/arp_ignore": "2", "ipv4/ip_nonlocal_bind": "0"}, Family.IPV4, []),
        ({"ipv4/conf/all/arp_ignore": "8"}, Family.IPV4, ["arp_ignore"]),
        ({"ipv4/conf/eth0/arp_ignore": "8", "ipv4/ip_nonlocal_bind": "1"}, Family.IPV4, ["arp_ignore", "nonlocal"]),
        ({"ipv4/conf/all/arp_ignore": "8"}, Family.IPV6, []),
        ({"ipv6/conf/eth0/disable_ipv6": "1"}, Family.IPV6, ["disable_ipv6"]),
        ({"ipv6/conf/eth0/disable_ipv6": "0"}, Family.IPV6, []),
    ],
)
def test_settings_that_floating_ips_cannot_live_with_are_named(
    tmp_path: Path, settings: dict[str, str], family: Family, said: list[str]
) -> None:
    for name, value in settings.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    found = findings("eth0", family, tmp_path)
    assert len(found) == len(said)
    for sentence, word in zip(found, said, strict=True):
        assert word in sentence


@pytest.mark.parametrize(("family", "other"), [(Family.IPV4, Family.IPV6), (Family.IPV6, Family.IPV4)])
def test_a_host_that_lets_programs_send_from_any_address_is_known(
    tmp_path: Path, family: Family, other: Family
) -> None:
    assert not nonlocal_bind(family, tmp_path), "a kernel without the setting"
    setting = tmp_path / ("ipv4" if family is Family.IPV4 else "ipv6") / "ip_nonlocal_bind"
    setting.parent.mkdir()
    setting.write_text("1\n")
    assert nonlocal_bind(family, tmp_path)
    assert not nonlocal_bind(other, tmp_path)
