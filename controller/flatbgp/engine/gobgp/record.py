"""What we know of the daemon's paths without asking it. Pure."""

from collections import Counter
from collections.abc import Collection

from flatbgp.engine.gobgp.tags import OURS, Tag, withheld_from
from flatbgp.engine.model import Path
from flatbgp.resources.ip import Family, IPAddress, IPNetwork

Tagged = tuple[Path, frozenset[Tag]]


class Record:
    """The paths that the daemon holds, with their tags.

    Listing 20,000 paths keeps a daemon busy for seconds, so it is done once, when a filled daemon is met; afterwards
    this record is what we compare with, guarded by the number of paths.
    """

    def __init__(self) -> None:
        self.paths: dict[IPNetwork, Path] = {}
        self._tagged: dict[IPNetwork, Tagged] = {}
        self._counts: Counter[tuple[frozenset[Tag], Family]] = Counter()

    def __len__(self) -> int:
        return len(self.paths)

    def add(self, tagged: Tagged) -> None:
        """Note a path that the daemon has taken."""
        path, tags = tagged
        self.remove(path.prefix)
        self.paths[path.prefix] = path
        self._tagged[path.prefix] = tagged
        self._counts[tags, Family.of(path.prefix)] += 1

    def remove(self, prefix: IPNetwork) -> None:
        """Note that the daemon no longer has a path of this prefix."""
        if (tagged := self._tagged.pop(prefix, None)) is not None:
            del self.paths[prefix]
            self._counts[tagged[1], Family.of(prefix)] -= 1

    def advertised(self, address: IPAddress, family: Family) -> int:
        """Return how many paths of a family are meant for a neighbour."""
        tag = withheld_from(address)
        return sum(n for (tags, of), n in self._counts.items() if of is family and OURS in tags and tag not in tags)

    def withheld(self, address: IPAddress) -> list[Tagged]:
        """Return the paths that a neighbour doesn't get, as they are when it does."""
        tag = withheld_from(address)
        return [(path, tags - {tag}) for path, tags in self._tagged.values() if tag in tags]

    def withhold(self, address: IPAddress) -> list[Tagged]:
        """Return the paths that a neighbour gets, as they are when it doesn't.

        Tags of neighbours that left earlier are dropped on the way.
        """
        tag = withheld_from(address)
        return [(path, frozenset({OURS, tag})) for path, tags in self._tagged.values() if tag not in tags]

    def unreached(self, addresses: Collection[IPAddress]) -> frozenset[IPNetwork]:
        """Return the prefixes of paths that some of these neighbours don't get."""
        tags_of = {withheld_from(address) for address in addresses}
        lacking = {tags for (tags, _), n in self._counts.items() if n and (OURS not in tags or tags & tags_of)}
        if not lacking:
            return frozenset()
        return frozenset(path.prefix for path, tags in self._tagged.values() if tags in lacking)
