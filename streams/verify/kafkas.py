"""Which Kafka a scenario gets: somebody's own, or a local one. Of ours one runs at a time: they are large."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from streams import commands
from streams.config import configfile
from streams.config.kafka import Connection
from streams.demo import ports
from streams.demo.broker import KafkaUnavailable, LocalKafka
from streams.demo.kafka_cluster import LocalCluster
from streams.demo.kafka_settings import Listener
from streams.settings import load
from streams.verify.cluster import Cluster, Way
from streams.verify.proxy import Proxy

#: Who workers are that come as a user. Everybody else may do everything.
USER = "worker"
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


class Kafkas:
    """The clusters of one run."""

    def __init__(self, folder: Path, theirs: Cluster | None) -> None:
        self._folder = folder
        self._theirs = theirs
        self._ours: dict[int, Cluster] = {}

    @property
    def local(self) -> bool:
        """Whether the brokers are ours to stop, and to give listeners and rights to."""
        return self._theirs is None

    def of(self, brokers: int) -> Cluster:
        """A cluster of so many brokers, all running; of somebody else's: that one, as it is.

        Raises:
            Unusable: no local Kafka can run here.
        """
        if self._theirs is not None:
            return self._theirs
        self._stop_all_but(brokers)
        try:
            if brokers not in self._ours:
                self._ours[brokers] = one(self._folder) if brokers == 1 else three(self._folder)
            self._ours[brokers].revive()
        except KafkaUnavailable as missing:
            raise commands.Unusable(str(missing)) from None
        return self._ours[brokers]

    def close(self) -> None:
        self._stop_all_but(0)

    def _stop_all_but(self, brokers: int) -> None:
        """A cluster that is stopped is not started again: what it held is of scenarios that are over."""
        for count in [count for count in self._ours if count != brokers]:
            self._ours.pop(count).end()


@contextmanager
def found(config: Path | None, folder: Path) -> Iterator[Kafkas]:
    """The Kafka of this config file, of the environment, or else local ones that end with the block.

    References to secrets are copied as they stand: what they refer to is written nowhere.
    """
    given = _connection(config) if config else {}
    theirs = given.get("bootstrap_servers") or os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    kafkas = Kafkas(folder / "kafka", Cluster(given) if theirs else None)
    try:
        yield kafkas
    finally:
        kafkas.close()


def one(folder: Path) -> Cluster:
    """One broker, with a way in through a proxy and one for a user with TLS and a password; started."""
    from streams.demo import certificate  # its package is of the same extra as the local Kafka

    folder = folder / secrets.token_hex(2)
    folder.mkdir(parents=True)
    port, proxy_port, proxied_port, users_port = (ports.free() for _ in range(4))
    proxied = Listener("PROXIED", proxied_port, advertised=proxy_port)
    users = Listener("USERS", users_port, "SASL_SSL")
    password = secrets.token_urlsafe(16)
    chain, key = certificate.self_signed()
    for name, content in (("ca.pem", chain), ("server.pem", key + chain), ("password", password.encode())):
        (folder / name).write_bytes(content)
    rights = _rights(folder, password)
    broker = LocalKafka(folder, port, 384, rights, listeners=(proxied, users))
    broker.start()
    network = Proxy(proxy_port, proxied_port)
    network.start()
    ways = {
        Way.PROXIED: {"bootstrap_servers": proxied.bootstrap_servers},
        Way.USER: _user(users, folder),
    }
    connection = {"bootstrap_servers": broker.bootstrap_servers, "replication_factor": 1}
    return Cluster(connection, (broker,), ways, network)


def three(folder: Path) -> Cluster:
    """Three brokers with three copies of everything; started."""
    cluster = LocalCluster(folder / secrets.token_hex(2))
    cluster.start()
    connection = {"bootstrap_servers": cluster.bootstrap_servers, "replication_factor": 3}
    return Cluster(connection, cluster.brokers)


def _rights(folder: Path, password: str) -> dict[str, str]:
    """Whoever comes without a name may do everything; the user what rules say, and at first nothing."""
    return {
        "authorizer.class.name": _AUTHORIZER,
        "super.users": "User:ANONYMOUS",
        "listener.name.users.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.users.plain.sasl.jaas.config": f'{_LOGIN} required user_{USER}="{password}";',
        "listener.name.users.ssl.keystore.type": "PEM",
        "listener.name.users.ssl.keystore.location": str(folder / "server.pem"),
    }


def _user(listener: Listener, folder: Path) -> dict[str, str]:
    """What a config file says to come as the user."""
    return {
        "bootstrap_servers": listener.bootstrap_servers,
        "security_protocol": listener.protocol,
        "sasl_mechanism": "PLAIN",
        "sasl_username": USER,
        "sasl_password": f"${{file:{folder / 'password'}}}",
        "ssl_ca_location": str(folder / "ca.pem"),
    }


def _connection(config: Path) -> Mapping[str, Any]:
    load(config)  # says what is wrong with it, line by line
    section = (yaml.safe_load(configfile.read(config)) or {}).get("kafka") or {}
    wanted = {*Connection.model_fields, "replication_factor"}
    return {name: value for name, value in section.items() if name in wanted}
