"""The books as a person reads them."""

from collections.abc import Mapping

from rich.table import Table

from streams.ledger.books import Books, Bucket, Closing
from streams.ledger.sums import Sums
from streams.show import console, harmless, table


def status(books: Books) -> None:
    """The sums, how deliveries went, the inbound topic, and what else was asked for."""
    if books.closing:
        console.print(_closing(books.closing), markup=False)
    console.print(sums(books.destinations))
    console.print(rates(books.destinations))
    if books.buckets:
        console.print(by_time(books.buckets))
    console.print(harmless(_duplicates(books.destinations)))
    inbound = books.inbound
    text = (
        f"inbound: {inbound.records} records, {inbound.queued} not routed yet, "
        f"{inbound.undecodable.total()} undecodable{_named(inbound.undecodable)}, "
        f"{inbound.unaccounted} unaccounted"
    )
    console.print(harmless(text))
    for place in books.missing:
        console.print(f"unaccounted: {place}", style="red", markup=False)


def unaccounted(books: Books) -> list[str]:
    """One line for each event and destination: `events/3/1234<tab>crm-hook`; `-`: it was never routed."""
    lines = [f"{place}\t-" for place in books.inbound.missing]
    for name, line in sorted(books.destinations.items()):
        lines += [f"{place}\t{name}" for place in line.missing]
    return lines


def _closing(closing: Closing) -> str:
    state = "closed" if closing.closed else f"open: {'; '.join(closing.still)}"
    return "\n".join([f"accepted from {closing.period}: {state}", *closing.unsure])


def by_time(buckets: tuple[Bucket, ...]) -> Table:
    """The sums by the time of acceptance: a line for each span and destination."""
    made = table(
        "accepted from", "<destination", "accepted", "delivered", "filtered", "dead", "waiting", "queued",
        "unaccounted",
    )  # fmt: skip
    for bucket in buckets:
        for name, line in sorted(bucket.destinations.items()):
            made.add_row(bucket.begin, harmless(name), *_row(line))
    return made


def _duplicates(lines: Mapping[str, Sums]) -> str:
    proved = sum(line.duplicates for line in lines.values())
    at_most = sum(line.duplicates_at_most for line in lines.values())
    each = ", ".join(
        f"{name} {line.duplicates} to {line.duplicates_at_most}"
        for name, line in sorted(lines.items())
        if line.duplicates_at_most
    )
    return f"sent twice: {proved} for certain, at most {at_most}" + (f" ({each})" if each else "")


def sums(lines: dict[str, Sums]) -> Table:
    """accepted = delivered + filtered + dead + waiting + queued + unaccounted"""
    made = table(
        "destination", "accepted", "delivered", "filtered", "dead", "waiting", "queued", "unaccounted"
    )
    for name, line in sorted(lines.items()):
        made.add_row(harmless(name), *_row(line))
    return made


def _row(line: Sums) -> list[str]:
    totals = (line.accepted, line.delivered, line.filtered.total(), line.dead.total())
    lost = f"[red]{line.unaccounted}" if line.unaccounted else "0"
    return [*map(str, (*totals, line.waiting.total(), line.queued)), lost]


def rates(lines: dict[str, Sums]) -> Table:
    """Delivered at the first attempt and in the end, as a share of what is over; and what the others are."""
    made = table("destination", "at first", "after retries", "first rate", "final rate", "<the others")
    for name, line in sorted(lines.items()):
        made.add_row(
            harmless(name),
            str(line.delivered_first),
            str(line.delivered - line.delivered_first),
            _rate(line.delivered_first, line),
            _rate(line.delivered, line),
            harmless(_others(line)),
        )
    return made


def _others(line: Sums) -> str:
    kinds = {"dead": line.dead, "waiting": line.waiting, "filtered": line.filtered}
    said = (f"{kind}: {_counts(counts)}" for kind, counts in kinds.items() if counts.total())
    return "; ".join(said)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count)


def _named(counts: Mapping[str, int]) -> str:
    return f" ({_counts(counts)})" if counts else ""


def _rate(part: int, line: Sums) -> str:
    over = line.delivered + sum(line.dead.values())
    return f"{part / over:.2%}" if over else "-"
