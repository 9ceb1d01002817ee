"""The connections to the brokers for produce requests of our own: aiokafka's, with all that it knows of TLS,
SASL, leaders and versions. Not compiled (setup.py): it reaches into what is not.
"""

import asyncio
import contextlib
import struct
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError
from aiokafka.protocol.api import RequestHeader_v1, ResponseHeader_v0
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import TopicPartition
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.config.kafka import Connection
from streams.produce import Refusal, Unanswered

#: How long one request may take, and how old what is known of leaders may be.
REQUEST_MS, METADATA_MS = 10_000, 30_000
LONGEST_INT32 = 2**31 - 1
#: Whoever gives out producers' ids is loading, not there, or somebody else; or took too long.
NOT_NOW = frozenset({7, 14, 15, 16})


class Answer:
    """A produce response, past its header: for aiokafka, which asks a class to decode it."""

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read()


class Produce:
    """A produce request that is written already: for aiokafka, which asks it to prepare itself."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 0, 7, Answer

    def __init__(self, body: bytes) -> None:
        self._body = body

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> "Produce":
        lowest, highest = versions.get(self.API_KEY, (0, -1))
        if not lowest <= self.API_VERSION <= highest:
            raise IncompatibleBrokerVersion(f"Produce {lowest} to {highest}")
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> RequestHeader_v1:
        return RequestHeader_v1(self, correlation_id=correlation_id, client_id=client_id)

    def encode(self) -> bytes:
        return self._body

    def parse_response_header(self, data: BytesIO) -> ResponseHeader_v0:
        return ResponseHeader_v0.decode(data)

    def __repr__(self) -> str:
        return f"Produce({len(self._body)} bytes)"


class Brokers:
    """What can be asked of them; made and used on the event loop."""

    def __init__(self, connection: Connection, client_id: str, topics: Iterable[str]) -> None:
        self._topics = sorted(topics)
        self._client = AIOKafkaClient(
            bootstrap_servers=connection.servers(), client_id=client_id, request_timeout_ms=REQUEST_MS,
            metadata_max_age_ms=METADATA_MS,
            **credentials_to_aiokafka_auth(connection.faust_credentials()),
        )  # fmt: skip

    async def open(self) -> None:
        """Learn who leads what.

        Raises:
            Unanswered: nobody is there.
        """
        try:
            await self._client.bootstrap()
            await self._client.set_topics(self._topics)
        except (TimeoutError, KafkaError, OSError) as error:
            raise Unanswered(type(error).__name__) from None

    def partitions(self, topic: str) -> int:
        """How many; 0: it is not known."""
        return len(self._client.cluster.partitions_for_topic(topic) or ())

    def leader(self, topic: str, partition: int) -> int | None:
        """The node that leads it."""
        node = self._client.cluster.leader_for_partition(TopicPartition(topic, partition))
        return None if node is None or node < 0 else node

    def learn(self) -> None:
        """What is known is wrong: ask again who leads what."""
        self._client.force_metadata_update().add_done_callback(_heard)

    async def identity(self) -> tuple[int, int]:
        """A new producer's id and epoch.

        Raises:
            Refusal, Unanswered: there is none.
        """
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=LONGEST_INT32)
        response = await self._ask(self._client.get_random_node(), request)
        if response.error_code in NOT_NOW:
            raise Unanswered(f"error {response.error_code}")
        if response.error_code:
            raise Refusal(f"error {response.error_code}")
        return response.producer_id, response.producer_epoch

    async def produce(self, node: int, body: bytes) -> bytes:
        """Send the body of a produce request, version 7; returns that of the response.

        Raises:
            Refusal, Unanswered: there is none.
        """
        answer: bytes = await self._ask(node, Produce(body))
        return answer

    async def _ask(self, node: int, request: Any) -> Any:
        try:
            return await self._client.send(node, request)
        except IncompatibleBrokerVersion as error:
            raise Refusal(str(error)) from None
        except (TimeoutError, KafkaError, OSError, LookupError, struct.error) as error:
            raise Unanswered(type(error).__name__) from None

    async def close(self) -> None:
        with contextlib.suppress(Exception):
            await self._client.close()


def _heard(future: "asyncio.Future[Any]") -> None:
    """Whatever became of it: nobody waits for it."""
    if not future.cancelled():
        future.exception()
