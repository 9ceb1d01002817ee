"""The consumer group of a world's workers: who holds which partition, and how far it is committed."""

from collections.abc import Iterator
from contextlib import contextmanager

from streams.flight import Partition
from streams.scan import Scanner
from tests.integration.processes import wait_until
from tests.integration.world import World

#: Member id (of a static member its instance id) -> what it holds.
Assignment = dict[str, frozenset[Partition]]


def assignment(world: World) -> Assignment:
    """Who holds what, as the broker sees it."""
    asked = world.admin.describe_consumer_groups([world.settings.kafka.group], request_timeout=10)
    members = asked[world.settings.kafka.group].result().members
    return {
        member.group_instance_id or member.member_id: frozenset(
            Partition(tp.topic, tp.partition) for tp in member.assignment.topic_partitions
        )
        for member in members
    }


def moved(before: Assignment, after: Assignment) -> int:
    """How many partitions have another owner than before."""
    owner = {tp: member for member, held in before.items() for tp in held}
    return sum(owner.get(tp) != member for member, held in after.items() for tp in held)


def committed(world: World) -> dict[Partition, int]:
    """How far everything that is consumed is committed; from the start where nothing is."""
    with _scanner(world) as scanner:
        return scanner.committed(_consumed(world, scanner))


def lag(world: World) -> dict[Partition, int]:
    """Records that are not committed, where there are any."""
    with _scanner(world) as scanner:
        consumed = _consumed(world, scanner)
        done, ends = scanner.committed(consumed), scanner.ends(consumed)
    return {tp: end - done[tp] for tp, end in ends.items() if end != done[tp]}


def assert_all_committed(world: World) -> None:
    """Nothing is stuck: every partition is committed up to its end, as soon as the workers had time to."""
    wait_until(f"all committed, but for {lag(world)}", lambda: not lag(world))


def _consumed(world: World, scanner: Scanner) -> list[Partition]:
    names = world.names
    return scanner.partitions([world.inbound, *names.all_deliver, *names.all_delay])


@contextmanager
def _scanner(world: World) -> Iterator[Scanner]:
    scanner = Scanner(world.settings.kafka.confluent("test-group"), world.settings.kafka.group)
    try:
        yield scanner
    finally:
        scanner.close()
