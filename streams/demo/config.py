"""The demo's configuration: what a user would write, but for tiers of seconds and loopback addresses."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

import yaml

#: The share of a destination's events that its key lives for.
KEY_LIVES = 0.55
#: Waits of seconds, not minutes: the code is the same. An event's life ends within half a minute.
RETRY = {
    "tiers": ["1s", "2s", "4s"],
    "plan": ["1s"] * 3 + ["2s"] * 3 + ["4s"] * 3,
    "budget": "25s",
    "jitter": 0.15,
}
TYPES: Mapping[str, list[str]] = {
    "crm-hook": ["track", "identify", "page", "screen", "group", "alias"],
    "analytics-hook": ["track", "page"],
    "partner-hook": ["identify", "group"],  # the one whose key expires
    "legacy-hook": ["alias"],  # the one with a self-signed certificate
}
EXPIRES, SELF_SIGNED = "partner-hook", "legacy-hook"
#: Made up for the demo, so it may stand here; a real one comes from your secret store.
SECRET = "whsec_" + base64.b64encode(hashlib.sha256(b"distributary demo").digest()).decode()


def write(folder: Path, prefix: str, servers: str, url: str, tls_url: str) -> Path:
    """Write distributary.yaml for destinations at these base URLs; the secret comes from the environment."""
    config = {
        "inbound": {"topic": f"{prefix}events"},
        "kafka": {
            "bootstrap_servers": servers,
            "prefix": prefix,
            "group": f"{prefix}workers",
            "partitions": 4,
            "replication_factor": 1,
        },
        "worker": {"host": "127.0.0.1", "port": 0, "drain": "5s"},
        "retry": RETRY,
        "destinations": [
            {
                "name": name,
                "connector": "webhook",
                "settings": {
                    "url": f"{tls_url if name == SELF_SIGNED else url}/{name}",
                    "secret": "${DEMO_WEBHOOK_SECRET}",
                },
                "when": {"types": types},
                "limits": {"in_flight": 50, "timeout_s": 2},
                "network": {"allow_private": True},
            }
            for name, types in TYPES.items()
        ],
    }
    path = folder / "distributary.yaml"
    path.write_text("# Written by `distributary demo`.\n" + yaml.safe_dump(config, sort_keys=False))
    return path
