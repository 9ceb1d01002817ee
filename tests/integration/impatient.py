"""`distributary` with waits that a test can wait for, of those that nobody can set.

python -m tests.integration.impatient worker --config ...
"""

from typing import Any

from streams import app, cli, membership, transport
from streams.settings import Settings

#: A member that does not poll for so long leaves the group; a worker's is a day.
POLL_INTERVAL_S = 1.5

#: How long one that ends waits for its last commit, and to leave the group.
END_S = 2.0

WAITS = {
    "broker_max_poll_interval": POLL_INTERVAL_S,
    "consumer_metadata_max_age_ms": 500,  # how soon new topics and partitions are noticed
}
_patient = app.faust_settings


def faust_settings(settings: Settings, instance_id: str | None) -> dict[str, Any]:
    return _patient(settings, instance_id) | WAITS


if __name__ == "__main__":
    app.faust_settings = faust_settings
    transport.COMMIT_S = membership.LEAVE_S = END_S
    cli.main()
