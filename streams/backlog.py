"""What was read and not handed out, and of which partitions enough of it lies here."""

from collections import deque
from collections.abc import Container, Iterable, Mapping, Set

from streams.flight import Record

#: Records handed out at once of one partition.
MOST = 500
#: With so many lying here, or the bytes of four fetches, a partition is paused if another runs short, and
#: with this share of it doesn't run short itself. With so few it goes on.
ENOUGH, FEW = 4 * MOST, MOST
SUPPLIED = 0.5
#: A pause throws away what librdkafka has of a partition, mostly thousands of records. So it waits until all
#: has been taken, but for a partition of which FAR_TOO_MUCH lies here, and unless ALL_BYTES lie here in all.
FAR_TOO_MUCH, ALL_BYTES = 4, 64 * 1024 * 1024
#: Of the memory of a record, without its key, value and headers; and of a header. A delayed record has ten.
RECORD_BYTES, HEADER_BYTES = 500, 200
#: The same for a destination that takes nothing now: what isn't fetched costs neither the broker nor us.
ENOUGH_FOR_NOTHING, FEW_FOR_NOTHING = 100, 25
#: Of those, one in so many goes on at a time, and then none for so long. A fetch brings hundreds of records
#: of each: 8,000 of forty at once, and behind these stood for half a second what others waited for.
ONE_IN, APART_S = 20, 0.05

#: A topic and the number of its partition.
Place = tuple[str, int]


class Backlog:
    """Records of one partition, in offset order."""

    __slots__ = ("bytes", "next", "paused", "records")

    def __init__(self, start: int) -> None:
        self.records: deque[Record] = deque()
        self.bytes = 0  #: of their keys, values and headers
        self.paused = False  #: no more of them is fetched
        self.next = start  #: the offset after the last that came; where reading began, while nothing has

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.bytes += _bytes(record)

    @property
    def memory(self) -> int:
        """Bytes, about."""
        return self.bytes + RECORD_BYTES * len(self.records)

    def cut(self) -> list[Record]:
        """Hand out the first MOST."""
        records = self.records
        if len(records) <= MOST:
            found = list(records)
            records.clear()
            self.bytes = 0
        else:
            found = [records.popleft() for _ in range(MOST)]
            self.bytes -= sum([_bytes(record) for record in found])
        return found


def _bytes(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"") + HEADER_BYTES * len(record.headers)


class Patient:
    """Paused partitions of destinations that take nothing, which go on a few at a time."""

    def __init__(self) -> None:
        self._waiting: dict[Place, None] = {}
        self._at = 0.0

    def add(self, tp: Place) -> None:
        """Little lies here of this one; it waits for its turn, or until its destination takes something."""
        self._waiting[tp] = None

    def leave(self, tp: Place) -> None:
        """It goes on already."""
        self._waiting.pop(tp, None)

    def due(self, now: float, unwell: Set[str]) -> list[Place]:
        """Those that go on now, and wait no longer; `unwell` are the topics of such destinations."""
        if not self._waiting or now < self._at:
            return []
        self._at = now + APART_S
        share = 1 + len(self._waiting) // ONE_IN
        found = [tp for number, tp in enumerate(self._waiting) if number < share or tp[0] not in unwell]
        for tp in found:
            del self._waiting[tp]
        return found


class Backlogs:
    """All that lies here of one assignment. Says what to pause and what to resume, and takes it as done.

    `starts` are the offsets where reading begins, of every partition that is read; `most` are the bytes of a
    partition that are plenty.
    """

    def __init__(self, starts: Mapping[Place, int], most: int) -> None:
        self._there = {place: Backlog(start) for place, start in starts.items()}
        self._most = most
        self.ready: set[Place] = set()  #: those of which something lies here
        #: Those of which there will be something to hand out for a while, be they paused or not.
        self._supplied: set[Place] = set()
        self._plenty: set[Place] = set()  #: those to be paused when all has been taken
        self._far_too_much: set[Place] = set()  #: those to be paused now
        self._patient = Patient()

    @property
    def short(self) -> bool:
        """Whether there is one of which too little lies here. Without any, errors and logs may still come."""
        return not self._there or len(self._supplied) < len(self._there)

    @property
    def paused(self) -> list[Place]:
        return [place for place, lying in self._there.items() if lying.paused]

    @property
    def next(self) -> dict[Place, int]:
        """Where reading goes on, of every partition."""
        return {place: lying.next for place, lying in self._there.items()}

    @property
    def empty(self) -> dict[Place, int]:
        """The same of those of which nothing lies here, and anything would be taken."""
        there = self._there.items()
        return {place: lying.next for place, lying in there if not (lying.records or lying.paused)}

    def keep(self, records: Iterable[Record], unwell: Container[str]) -> Set[Place]:
        """Returns the partitions that they are of; those of an assignment before are dropped."""
        touched: dict[Place, Backlog] = {}
        for record in records:
            place = record.topic, record.partition
            lying = self._there.get(place)
            if lying is not None:
                lying.add(record)
                touched[place] = lying
        self.ready.update(touched)
        for place, lying in touched.items():
            lying.next = lying.records[-1].offset + 1
            self._weigh(place, lying, place[0] in unwell)
        return touched.keys()

    def _weigh(self, place: Place, lying: Backlog, unwell: bool) -> None:
        enough = ENOUGH_FOR_NOTHING if unwell else ENOUGH
        share = max(len(lying.records) / enough, lying.bytes / self._most)
        if share >= SUPPLIED:
            self._supplied.add(place)
        if share >= 1 and not lying.paused:
            (self._far_too_much if unwell or share >= FAR_TOO_MUCH else self._plenty).add(place)

    def pause(self, all_taken: bool) -> list[Place]:
        """Those of which enough lies here, while there is less of another."""
        if not (self._plenty or self._far_too_much) or not self.short:
            return []
        found = self._far_too_much
        if all_taken or sum([self._there[place].memory for place in self.ready]) > ALL_BYTES:
            found = found | self._plenty
        for place in found:
            self._there[place].paused = True
        self._plenty, self._far_too_much = self._plenty - found, set()
        return list(found)

    def cut(self, place: Place, unwell: Container[str]) -> tuple[list[Record], bool]:
        """Hand out the first of one that is ready; and whether it is to be resumed."""
        lying = self._there[place]
        found = lying.cut()
        if not lying.records:
            self.ready.discard(place)
        self._plenty.discard(place)  # until more comes
        self._far_too_much.discard(place)
        nothing = place[0] in unwell
        if place not in self._supplied or len(lying.records) >= (FEW_FOR_NOTHING if nothing else FEW):
            return found, False
        if not lying.paused:
            self._supplied.discard(place)
        elif nothing:
            self._patient.add(place)
        else:
            self._patient.leave(place)
            self._go_on([place])
            return found, True
        return found, False

    def due(self, now: float, unwell: Set[str]) -> list[Place]:
        """Those that have waited for their turn to be resumed, which is now."""
        found = self._patient.due(now, unwell)
        self._go_on(found)
        return found

    def _go_on(self, places: Iterable[Place]) -> None:
        for place in places:
            self._there[place].paused = False
            self._supplied.discard(place)
