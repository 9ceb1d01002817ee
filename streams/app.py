"""The Faust app: its agents, and the rooms that they hand their batches to.

    route    inbound topic            streams.route
    deliver  deliver.<destination>    streams.deliver -> streams.request -> streams.settle
    delay    delay.<tier>             streams.delay

An agent does nothing but pass batches on; what a batch's records became is said record by record
through the batch itself (streams.flight), and Faust's own acknowledgements mean nothing here.
"""

import asyncio
import contextlib
import logging
import os
import socket
import zlib
from collections.abc import Sequence, Set
from typing import Any

import faust

from streams import clock, topics, web
from streams.batches import Batches
from streams.brokers import Brokers
from streams.bulk import Bulk
from streams.codec import Decoder
from streams.decoding.registry import Registry
from streams.delay import Delay
from streams.deliver import Delivery, Lane
from streams.destinations import Audience, Destination, configured
from streams.dispatch import Dispatcher
from streams.express import Express
from streams.flight import Window
from streams.health import Health, Ward
from streams.inflow import Inflow
from streams.letters import Letters
from streams.listening import Listening
from streams.masking import Masking
from streams.producer import Producer
from streams.refusals import Refusals
from streams.request import Client
from streams.route import Router
from streams.settings import Settings
from streams.settle import Settler
from streams.settling import Settling
from streams.slots import Slots
from streams.topics import Names

log = logging.getLogger(__name__)

#: Batches of one partition in hand at once: one being worked on and one ready behind it, more while they are
#: small, for they would mostly wait for each other's writes; a delayed one waits.
WINDOW = Window(2, records=50)
WINDOW_OF_DELAY = Window(1)
#: Of an inbound partition, while some of what is routed is written in bulk and small batches wait for it:
#: with the one that fills it, no more records than in two large ones.
WINDOW_WHILE_LATE = Window(2, records=500)
#: How long a record waits for others to be written with. What an event waits for on its way is sent at once,
#: over a connection of its own; what is noted of it when it is there may wait, and costs less for it.
PROMPT_MS, PATIENT_MS = 1, 5


def build(settings: Settings, instance_id: str | None = None) -> "App":
    """The app of one worker; `instance_id` makes it a static member of the group."""
    app = App(settings, instance_id)

    @app.agent(app.topic(settings.inbound.topic, schema=Batches()), name="route")
    async def route(stream: Any) -> None:
        async for event in stream.noack().events():
            for batch in event.value:
                app.route.take(batch)

    @app.agent(app.topic(*app.names.all_deliver, schema=Batches()), name="deliver")
    async def deliver(stream: Any) -> None:
        async for event in stream.noack().events():
            for batch in event.value:
                app.deliver.take(batch)

    @app.agent(app.topic(*app.names.all_delay, schema=Batches()), name="delay")
    async def delay(stream: Any) -> None:
        async for event in stream.noack().events():
            for batch in event.value:
                app.delay.take(batch)

    web.pages(app)
    return app


class App(faust.App):
    """One worker: a Faust app with our transport and our rooms."""

    logger = logging.getLogger("faust.app")

    route: Dispatcher
    deliver: Dispatcher
    delay: Dispatcher
    ward: Ward
    _held: Sequence[Bulk | Settling] = ()

    def __init__(self, settings: Settings, instance_id: str | None) -> None:
        self.settings = settings
        self.names = Names.of(settings)
        self._agents = {
            settings.inbound.topic: "route",
            **dict.fromkeys(self.names.all_deliver, "deliver"),
            **dict.fromkeys(self.names.all_delay, "delay"),
        }
        self.worker_id = instance_id or f"{socket.gethostname()}-{os.getpid()}"
        self.drain_s = settings.worker.drain
        self._clients: list[Client] = []
        self._producers: list[Producer] = []
        self._refusals = Refusals()
        super().__init__(settings.kafka.group, **faust_settings(settings, self._member(instance_id)))

    def _member(self, instance_id: str | None) -> str | None:
        """The static member's name: another one when other topics are read.

        Kafka gives a static member that comes back its old partitions, whatever it subscribes to now; a
        destination that was added would be read by nobody (seen on Apache Kafka 4.3.1).
        """
        topics = sorted([self.settings.inbound.topic, *self.names.all_deliver, *self.names.all_delay])
        return instance_id and f"{instance_id}.{zlib.crc32(' '.join(topics).encode()):08x}"

    def agent_of(self, topic: str) -> str:
        """The name of the agent that is given what comes from this topic."""
        return self._agents[topic]

    def window(self, topic: str) -> Window:
        """Batches of one partition of this topic in hand at once."""
        agent = self._agents[topic]
        if agent == "delay":
            return WINDOW_OF_DELAY
        return WINDOW_WHILE_LATE if agent == "route" and self.ward.unwell() else WINDOW

    def _unwell(self) -> Set[str]:
        """The topics of destinations that take nothing, and for which there is time."""
        return frozenset() if self.consumer.draining.is_set() else self.ward.unwell()

    def hurry(self) -> None:
        """A drain begins: what is held to be written later is written now."""
        for held in self._held:
            held.begin_all()

    def new_inflow(self) -> Inflow:
        """What reads the partitions that this worker is given."""
        planned = sum(topic.partitions for topic in topics.plan(self.settings))
        config = self.settings.kafka.confluent(f"{self.worker_id}-consumer")
        return Inflow(config, self.settings.kafka.group, planned, self.ward.unwell)

    def refused(self) -> dict[str, str]:
        """Topic -> error of what Kafka does not let us write until somebody mends it."""
        return self._refusals.lasting()

    # -- life ----------------------------------------------------------------------------------

    async def on_start(self) -> None:
        await super().on_start()
        settings, names, policy = self.settings, self.names, self.settings.retry.policy
        prompt, quiet = self._writer("forward", PROMPT_MS), self._writer("outcome", PATIENT_MS)
        aloud = self._writer("clock", PATIENT_MS, aloud=True)
        patient = Listening(quiet, aloud)
        letters, later = Letters(prompt, names.dlq), Letters(patient, names.dlq)
        self._express = Express(Brokers(settings.kafka, f"{self.worker_id}-express", names.all_deliver))
        decoder = Decoder(Registry.of(settings.kafka), settings.kafka.max_record_bytes)
        settler = Settler(later, names, self.worker_id)
        audience = Audience(configured(settings))
        lanes = {one.topic: self._lane(one) for one in audience.destinations}
        self.ward = Ward({topic: lane.health for topic, lane in lanes.items()})
        delivery = Delivery(lanes, decoder, settler, policy, clock.word)
        router = Router(decoder, audience, letters, names, later, self._express, self._unwell)
        releases = Letters(Listening(prompt, aloud), names.dlq)
        delay = Delay(releases, settler, names, policy, lambda: self.consumer.draining, checked=clock.checked)
        self._held = (router.bulk, delivery.settling)
        self._under_way = (router.tasks, delivery.tasks, delay.tasks)
        self.route = Dispatcher("route", router.begin)
        self.deliver = Dispatcher("deliver", delivery.begin)
        self.delay = Dispatcher("delay", delay.begin)
        self._express.open()
        await asyncio.gather(*(one.learn_topics() for one in self._producers))

    def _writer(self, what: str, linger_ms: int, *, aloud: bool = False) -> Producer:
        config = self.settings.kafka.confluent(f"{self.worker_id}-{what}") | {"linger.ms": linger_ms}
        self._producers.append(Producer(config, aloud=aloud, refusals=self._refusals))
        return self._producers[-1]

    def _lane(self, one: Destination) -> Lane:
        client = Client(
            timeout_s=one.limits.timeout_s,
            connect_timeout_s=one.limits.connect_timeout_s,
            in_flight=one.limits.in_flight,
            allow_private=one.network.allow_private,
            ca_file=one.network.ca_file,
            body_limit=one.bound.connector.answer_bytes,
        )
        self._clients.append(client)
        slots = Slots(one.limits.in_flight)
        health = Health(slots, one.limits.timeout_s)
        return Lane(one.bound, client, slots, Masking(one.bound.secrets), health, one.name)

    async def on_stop(self) -> None:
        await super().on_stop()  # drains and commits
        for dispatcher in (self.route, self.deliver, self.delay):
            await dispatcher.close()
        for held in self._held:
            held.close()
        for tasks in self._under_way:  # what the drain did not wait for: its next owner does it again
            await tasks.cancel()
        for client in self._clients:
            with contextlib.suppress(Exception):
                await client.close()
        await self._express.close()
        await asyncio.gather(*(one.close(timeout_s=5.0) for one in self._producers))

    def _create_directories(self) -> None:
        """Faust makes a data folder for tables; there are none, and the file system may be read-only."""


def faust_settings(settings: Settings, instance_id: str | None) -> dict[str, Any]:
    """Faust's settings; what is not here keeps Faust's default."""
    kafka, worker = settings.kafka, settings.worker
    return {
        "broker": kafka.faust_broker_url(),
        "broker_credentials": kafka.faust_credentials(),
        "broker_client_id": "distributary",
        "broker_commit_interval": worker.commit_interval,
        "broker_session_timeout": worker.session_timeout,
        "broker_heartbeat_interval": worker.session_timeout / 10,
        "broker_rebalance_timeout": worker.rebalance_timeout,
        "broker_request_timeout": worker.rebalance_timeout + 30.0,  # a join waits for the slowest member
        "broker_max_poll_interval": 86_400.0,  # see membership.fetch_nothing
        "consumer_metadata_max_age_ms": 30_000,  # new partitions of a topic are found within this
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": instance_id,
        "stream_buffer_maxsize": 1_000_000,  # never the limit: the windows are
        "stream_wait_empty": True,
        "stream_recovery_delay": 0.0,
        "table_standby_replicas": 0,  # else Faust's own assignor is used, which is uneven
        "topic_allow_declare": False,  # topics are made by `distributary topics create`
        "topic_disable_leader": True,
        "web_enabled": worker.port > 0,
        "web_host": worker.host,
        "web_bind": worker.host,
        "web_port": worker.port or 6066,  # Faust refuses 0, enabled or not
        "web_tables_enabled": False,
        "web_router_enabled": False,
        "web_metrics_enabled": False,
        "worker_redirect_stdouts": False,
    }
