"""A worker with what a config file can't say: the router alone, and a connector of the bench's own.

python -m bench.systems.distributary.worker distributary.yaml [--only-route]
"""

import sys
from pathlib import Path

import connectors
from streams import commands, logs
from streams.app import build
from streams.settings import load
from streams.worker import run


def main() -> None:
    connectors.__path__.append(str(Path(__file__).parent / "connectors"))
    settings = load(sys.argv[1])
    logs.setup("warning", settings.secrets(), as_json=False)
    commands.topics_of(settings, create=True)
    app = build(settings, None)
    if "--only-route" in sys.argv:
        for name in ("deliver", "delay"):  # an agent subscribes when it starts, and these never do
            del app.agents[name]
    run(app)


if __name__ == "__main__":
    main()
