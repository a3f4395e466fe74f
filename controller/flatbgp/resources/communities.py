"""BGP communities as people write them: standard (RFC 1997) and large (RFC 8092)."""

import difflib

WELL_KNOWN = {
    "graceful-shutdown": 0xFFFF0000,  # RFC 8326
    "accept-own": 0xFFFF0001,  # RFC 7611
    "llgr-stale": 0xFFFF0006,  # RFC 9494
    "no-llgr": 0xFFFF0007,  # RFC 9494
    "blackhole": 0xFFFF029A,  # RFC 7999
    "no-export": 0xFFFFFF01,  # RFC 1997
    "no-advertise": 0xFFFFFF02,  # RFC 1997
    "no-export-subconfed": 0xFFFFFF03,  # RFC 1997
    "no-peer": 0xFFFFFF04,  # RFC 3765
}


def parse_community(text: str) -> int:
    """Return the 32-bit value of "ASN:value" or of a well-known name; ``ValueError`` if it is neither."""
    if text in WELL_KNOWN:
        return WELL_KNOWN[text]
    high, low = _numbers(text, 2, 0xFFFF)
    return high << 16 | low


def parse_large_community(text: str) -> tuple[int, int, int]:
    """Return the three 32-bit numbers of "ASN:value:value"; ``ValueError`` if it is no such text."""
    administrator, first, second = _numbers(text, 3, 0xFFFFFFFF)
    return administrator, first, second


def community_problem(text: str) -> str | None:
    """Return why a text is no standard community; ``None`` if it is one."""
    try:
        parse_community(text)
    except ValueError:
        near = difflib.get_close_matches(text.lower().replace("_", "-"), WELL_KNOWN, 1)
        if near:
            return f"is no community; did you mean {near[0]}?"
        if text.count(":") == 1 and _is_wide(text):
            return (
                "does not fit in a standard community (two numbers of 16 bits); use largeCommunities (ASN:value:value)"
            )
        return "is no community; write ASN:value with numbers of 0 to 65535, or one of " + ", ".join(sorted(WELL_KNOWN))
    return None


def large_community_problem(text: str) -> str | None:
    """Return why a text is no large community; ``None`` if it is one."""
    try:
        parse_large_community(text)
    except ValueError:
        return "is no large community; write ASN:value:value with numbers of 0 to 4294967295"
    return None


def _is_wide(text: str) -> bool:
    try:
        _numbers(text, 2, 0xFFFFFFFF)
    except ValueError:
        return False
    return True


def _numbers(text: str, count: int, limit: int) -> list[int]:
    """Split at colons into decimal numbers in their shortest spelling (RFC 8092 section 5)."""
    parts = text.split(":")
    if len(parts) != count or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        raise ValueError(text)
    numbers = [int(part) for part in parts]
    if any(number > limit for number in numbers) or parts != [str(number) for number in numbers]:
        raise ValueError(text)
    return numbers
