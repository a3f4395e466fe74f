"""Which machine this is: told apart from another one that was given the same node name."""

from pathlib import Path

from flatbgp.host.model import HostError

_MACHINE_ID = Path("/etc/machine-id")


def machine_id(path: Path = _MACHINE_ID) -> str:
    """Return the machine's own identity (machine-id(5)): 32 hexadecimal digits that outlive a reboot.

    Raises :class:`HostError` where there is none: minimal images have an empty file, and containers their own unless
    the host's is mounted.
    """
    advice = f"mount the host's {path} (read-only), run systemd-machine-id-setup, or set --instance"
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"cannot read the identity of this machine from {path}: {error}; {advice}") from error
    if len(text) != 32 or any(digit not in "0123456789abcdef" for digit in text):
        raise HostError(f"{path} holds no machine identity (32 hexadecimal digits): {advice}")
    return text
