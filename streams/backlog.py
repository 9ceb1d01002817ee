"""What was read of one partition and not handed out."""

from collections import deque

from streams.scan import Fetched

#: Records handed out at once of one partition.
MOST = 500
#: With so many lying here, or the bytes of four fetches, a partition is paused if another runs short, and
#: with this share of it doesn't run short itself. With so few it goes on.
ENOUGH, FEW = 4 * MOST, MOST
SUPPLIED = 0.5
#: The same for a destination that takes nothing now: what isn't fetched costs neither the broker nor us.
ENOUGH_FOR_NOTHING, FEW_FOR_NOTHING = 100, 25


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
