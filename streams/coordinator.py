"""What is asked of the group's coordinator, with an ear on what it answers about us.

All of aiokafka's requests to the coordinator go through its `_send_req`; this stands before it. Which
answers are a sign that we are known, and since when, is told to `streams.standing`.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import errors
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from streams.clock import steady
from streams.standing import Standing

log = logging.getLogger(__name__)

#: What the coordinator says to one that it does not know (any more); 82 has no class in aiokafka.
EXPELLED = {errors.UnknownMemberIdError.errno, errors.IllegalGenerationError.errno, 82}
REBALANCING = errors.RebalanceInProgressError.errno

Send = Callable[[Any], Awaitable[Any]]


class Coordinator:
    """Stands before aiokafka's own: from now on that asks through this."""

    def __init__(self, aiokafka: Any, standing: Standing) -> None:
        self._aiokafka = aiokafka
        self._standing = standing
        self._send: Send = aiokafka._send_req
        aiokafka._send_req = self.ask

    async def ask(self, request: Any) -> Any:
        """Send the request and return the response.

        Raises:
            IllegalGenerationError, RebalanceInProgressError: the group refuses a commit, which aiokafka
                would log once per partition; or we refuse the commit of one that was expelled. aiokafka
                would send that without a generation, and a group without members takes it from anybody:
                over what a successor has committed before it stopped.
        """
        standing, life = self._standing, self._standing.life
        commits = isinstance(request, OffsetCommitRequest)
        if commits and not (standing.member and self._aiokafka.generation > 0):
            raise errors.IllegalGenerationError(self._aiokafka.group_id)
        asked_at, generation = steady(), self._aiokafka.generation
        response = await self._send(request)
        codes = _codes(request, response)
        if codes & EXPELLED:
            if generation == self._aiokafka.generation:  # else it is about what we were before we joined anew
                standing.expelled()
            if commits:
                if not standing.member:
                    self._aiokafka.reset_generation()
                raise errors.IllegalGenerationError(self._aiokafka.group_id)
        elif commits and REBALANCING in codes:
            log.warning("commit.refused: the group is in the middle of a rebalance; it is done again")
            self._aiokafka.request_rejoin()
            raise errors.RebalanceInProgressError(self._aiokafka.group_id)
        elif not commits and life == standing.life and codes & _signs(request):
            standing.heard(asked_at)
        return response


def _codes(request: Any, response: Any) -> set[int]:
    """What the response says of our membership; nothing for requests that are not about it."""
    if isinstance(request, OffsetCommitRequest):
        return {code for _, partitions in response.topics for _, code in partitions}
    return {response.error_code} if isinstance(request, HeartbeatRequest | SyncGroupRequest) else set()


def _signs(request: Any) -> set[int]:
    """By which codes the coordinator shows that it knows us: also when it asks us to join again."""
    return {0, REBALANCING} if isinstance(request, HeartbeatRequest) else {0}
