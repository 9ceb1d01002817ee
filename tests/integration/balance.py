"""The judgement at the end of every test: nothing is lost, nothing is made up, and all who count agree."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from streams.commands import Books
from tests.integration.reading import Way
from tests.integration.world import World


def assert_books_balance(world: World, within_s: float = 60, *, once: bool = True) -> Books:
    """Wait until nothing is on its way; then the sums, the topics and the destination must agree.

    `once`: and nothing was taken twice; after a crash or an ambiguous attempt it may have been.
    """
    books = world.wait_settled(within_s)
    fates = world.fates()
    wrong = [
        f"{way}: expected {world.expected.get(way)}, found {fates.get(way)}"
        for way in world.expected.keys() | fates.keys()
        if world.expected.get(way) != fates.get(way)
    ]
    assert not wrong, (len(wrong), wrong[:10])
    assert_sums(world, books, fates)
    taken = world.there.taken()
    delivered = Counter(
        (way.destination, world.sent[way.source]["messageId"])
        for way, became in fates.items()
        if became == "delivered"
    )
    assert set(taken) == set(delivered)
    assert not once or taken == delivered, taken - delivered
    return books


def assert_sums(world: World, books: Books, fates: Mapping[Way, str]) -> None:
    """`distributary status` says the same as the topics, and nothing is unaccounted for."""
    assert books.inbound.records == len(world.sources)
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for way, became in fates.items():
        counted[way.destination][became] += 1
    for name, line in books.destinations.items():
        ends = Counter({"delivered": line.delivered})
        ends.update({f"filtered {rule}": count for rule, count in line.filtered.items()})
        ends.update({f"dead {reason}": count for reason, count in line.dead.items()})
        assert +ends == counted[name], (name, line)
        assert line.accepted == ends.total() + line.waiting.total() + line.queued, (name, line)
        assert line.unaccounted == 0, (name, line)
    assert books.inbound.undecodable.total() == counted[""].total(), books.inbound
    assert books.inbound.unaccounted == 0, books.inbound
