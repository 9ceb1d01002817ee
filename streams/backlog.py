"""What was read of one partition and not handed out."""

from collections import deque
from collections.abc import Set

from streams.scan import Fetched

#: Records handed out at once of one partition.
MOST = 500
#: With so many lying here, or the bytes of four fetches, a partition is paused if another runs short, and
#: with this share of it doesn't run short itself. With so few it goes on.
ENOUGH, FEW = 4 * MOST, MOST
SUPPLIED = 0.5
#: The same for a destination that takes nothing now: what isn't fetched costs neither the broker nor us.
ENOUGH_FOR_NOTHING, FEW_FOR_NOTHING = 100, 25
#: Of those, one in so many goes on at a time, and then none for so long. A fetch brings hundreds of records
#: of each: 8,000 of forty at once, and behind these stood for half a second what others waited for.
ONE_IN, APART_S = 20, 0.05


class Backlog:
    """Records of one partition, in offset order."""

    __slots__ = ("bytes", "paused", "records")

    def __init__(self) -> None:
        self.records: deque[Fetched] = deque()
        self.bytes = 0  #: of their values
        self.paused = False  #: no more of them is fetched

    def add(self, record: Fetched) -> None:
        self.records.append(record)
        self.bytes += len(record.value or b"")

    def cut(self) -> list[Fetched]:
        """Hand out the first MOST."""
        records = self.records
        if len(records) <= MOST:
            found = list(records)
            records.clear()
            self.bytes = 0
        else:
            found = [records.popleft() for _ in range(MOST)]
            self.bytes -= sum(len(record.value or b"") for record in found)
        return found


class Patient:
    """Paused partitions of destinations that take nothing, which go on a few at a time."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], None] = {}
        self._at = 0.0

    def add(self, tp: tuple[str, int]) -> None:
        """Little lies here of this one; it waits for its turn, or until its destination takes something."""
        self._waiting[tp] = None

    def leave(self, tp: tuple[str, int]) -> None:
        """It goes on already."""
        self._waiting.pop(tp, None)

    def due(self, now: float, unwell: Set[str]) -> list[tuple[str, int]]:
        """Those that go on now, and wait no longer; `unwell` are the topics of such destinations."""
        if not self._waiting or now < self._at:
            return []
        self._at = now + APART_S
        share = 1 + len(self._waiting) // ONE_IN
        found = [tp for number, tp in enumerate(self._waiting) if number < share or tp[0] not in unwell]
        for tp in found:
            del self._waiting[tp]
        return found
