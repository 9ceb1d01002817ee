"""A reader that brings nothing of what there is, without an error: another one takes its place."""

from pathlib import Path

from tests.broker import Broker
from tests.integration.group import assert_all_committed
from tests.integration.harness import assert_books_balance, track, wait_until, world
from tests.integration.load import load


def test_what_a_reader_does_not_bring_another_does_and_once(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, {"crm": {}, "ads": {}}) as w:
        deaf = tmp_path / "deaf"
        w.env["DEAF"] = str(deaf)
        worker = w.start_worker(module="tests.integration.deaf")

        # Given one that stands still in the midst of it all
        with load(w, 200, lambda number: track(f"e{number}", [503, 200] if number % 3 else [])) as coming:
            coming.wait_taken(200)
            deaf.touch()
            wait_until("a new reader", lambda: "reader.renewed" in worker.text())
            coming.wait_taken(200)

        # Then what lay there, was on its way and came later is delivered, and nothing twice
        assert_books_balance(w)
        assert_all_committed(w)
        assert f"topic={w.inbound}" in worker.text()
        assert worker.alive
