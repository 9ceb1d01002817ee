"""`python -m bench`: see docs/performance.md.

python -m bench                                            everything, about half an hour
python -m bench --quick                                    everything, smaller and once
python -m bench --only deliver,latency --systems distributary,loop --runs 5
python -m bench --tables                                   the tables and plots again, from results.json
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from subprocess import SubprocessError

from confluent_kafka import KafkaException

from bench import machine, plots, stage, table
from bench.experiments import isolation, latency, memory, recovery, scale, throughput
from bench.results import Results
from bench.session import QUICK, Order, Session
from bench.systems import base
from bench.systems.base import System, Unavailable, Workload

HERE = Path(__file__).parent
EXPERIMENTS: dict[str, Callable[[Session], None]] = {
    **{str(workload): partial(throughput.conduct, workload=workload) for workload in Workload},
    "latency": latency.conduct,
    "isolation": isolation.beside_dead,
    "destinations": isolation.many,
    "memory": memory.conduct,
    "recovery": recovery.conduct,
    "scale": scale.conduct,
}


def main() -> None:
    options = arguments()
    if options.tables:
        publish(Results.read(options.results / "results.json"), options.results, options.home)
        return
    order = QUICK if options.quick else Order()
    given = {name: getattr(options, name) for name in ("runs", "seconds", "events")}
    order = replace(order, **{name: value for name, value in given.items() if value is not None})
    results = Results(machine=machine.described(), settings=machine.settings(order))
    systems = installed(options.systems, options.home, results)
    with stage.opened(options.home, print) as opened:
        results.sink = opened.capacity
        session = Session(order, options.home, opened, systems, results, options.results / "results.json")
        throughput.warm_up(session)
        for name in options.only:
            try:
                EXPERIMENTS[name](session)
            except (KafkaException, OSError, SubprocessError) as error:  # the others go on
                results.broken.append(f"{name}: {type(error).__name__}: {error}")
                session.say(f"{name} broke off: {error}")
    results.write(options.results / "results.json")
    publish(results, options.results, options.home)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Distributary beside its peers.")
    known = {"only": list(EXPERIMENTS), "systems": base.names()}
    for name, all_ in known.items():
        parser.add_argument(
            f"--{name}", type=partial(chosen, all_), default=all_, metavar="A,B", help=f"of {', '.join(all_)}"
        )
    parser.add_argument("--runs", type=int, help="of each system at each workload (default 3)")
    parser.add_argument("--seconds", type=float, help="that a run should last (default 5)")
    parser.add_argument("--events", type=int, help="records of each run, instead")
    parser.add_argument("--quick", action="store_true", help="one short run of everything")
    parser.add_argument("--tables", action="store_true", help="only write tables and plots again")
    parser.add_argument("--home", type=absolute, default=".bench", help="installations, broker, logs")
    parser.add_argument("--results", type=absolute, default=str(HERE / "results"), help="where results go")
    return parser.parse_args()


def absolute(path: str) -> Path:
    return Path(path).resolve()


def chosen(known: list[str], words: str) -> list[str]:
    found = [word for word in words.split(",") if word]
    if strange := [word for word in found if word not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(strange)}: there are {', '.join(known)}")
    return [name for name in known if name in found]


def installed(names: list[str], home: Path, results: Results) -> list[System]:
    """The systems that can be had here; why the others can't is part of the results."""
    found = []
    for name in names:
        system = base.find(name)
        folder = home / "systems" / name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            system.install(folder)
        except Unavailable as missing:
            results.missing[name] = str(missing)
            print(f"{system.title} can't be had here: {missing}", file=sys.stderr)
            continue
        results.versions[name], results.titles[name] = system.version, system.title
        found.append(system)
    return found


def publish(results: Results, folder: Path, home: Path) -> None:
    """Write the tables and, where the registry gives us matplotlib, the plots."""
    drawn = plots.draw(folder, home / "plots")
    (folder / "README.md").write_text(table.document(results, drawn))
    print(f"results: {folder / 'README.md'}")


if __name__ == "__main__":
    main()
