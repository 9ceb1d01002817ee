"""The settings: the sections of the config file, how they fit together, and how they are loaded.

    settings = load("distributary.yaml")

How the file is read: `streams.config.configfile`. What is said about mistakes: `streams.config.problems`.
"""

import os
from collections.abc import Mapping
from pathlib import Path as FilePath

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from streams import durations
from streams.config import configfile, kafka, problems
from streams.config.fields import Section, Wrong, secrets_in
from streams.config.problems import ConfigError
from streams.config.sections import OUTAGE_S, Destination, Inbound, Kafka, Retry, Worker

#: Shorter texts are not masked: a log would lose its ordinary words.
SHORTEST_MASKED = 4


class Settings(Section):
    """Distributary: every event from a Kafka topic to every HTTP destination that should have it."""

    inbound: Inbound
    destinations: tuple[Destination, ...] = Field(min_length=1)
    """Where events go. Each destination has a topic, limits and retries of its own."""
    retry: Retry = Retry()
    kafka: Kafka = Kafka()
    worker: Worker = Worker()

    @field_validator("kafka")
    @classmethod
    def _outlasts(cls, kafka: Kafka, info: ValidationInfo) -> Kafka:
        """What waits in a tier must still be there after an outage."""
        retry = info.data.get("retry")
        needed = max(retry.tiers) + OUTAGE_S if retry else 0
        if (kept := kafka.retention.delay) < needed:
            reason = f"less than the longest tier and a day of outage, {durations.name(needed)}"
            raise Wrong([(("retention", "delay"), f"{durations.name(kept)} is {reason}")])
        return kafka

    @field_validator("worker")
    @classmethod
    def _fits(cls, worker: Worker, info: ValidationInfo) -> Worker:
        timeouts = [destination.limits.timeout_s for destination in info.data.get("destinations", ())]
        return worker.fitting(max(timeouts)) if timeouts else worker

    @model_validator(mode="after")
    def _goes_one_way(self) -> "Settings":
        """The inbound topic is none of our own: events would go round for ever."""
        topic, prefix = self.inbound.topic, self.kafka.prefix
        kind = topic.removeprefix(prefix).partition(".")[0]
        if topic.startswith(prefix) and kind in ("deliver", "delay", "dlq", "attempts", "routed"):
            raise Wrong([(("inbound", "topic"), "is the name of one of our own topics")])
        return self

    def secrets(self) -> frozenset[str]:
        """Every text that must be masked wherever it turns up, in logs for instance."""
        found = secrets_in([dict(self.kafka), *(destination.settings for destination in self.destinations)])
        texts = {text for secret in found if secret.parts for text in (secret.reveal(), *secret.parts)}
        texts.update(*(destination.bound().secrets for destination in self.destinations))
        return frozenset(text for text in texts if len(text) >= SHORTEST_MASKED)


def load(path: str | FilePath, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings in a file. ConfigError has one line for each thing that is wrong with it."""
    return parse(configfile.read(path), str(path), env)


def parse(text: str, name: str = "distributary.yaml", env: Mapping[str, str] = os.environ) -> Settings:
    """The settings in the text of a file; `name` is what messages call it."""
    document = configfile.parse(text, name, env)
    variables = kafka.override(document.data, env)
    found = [problem for problem in document.problems if problem.path not in variables]
    found += problems.of_names(document.data)
    settings = None
    try:
        settings = Settings.model_validate(document.data)
    except ValidationError as error:
        found += problems.of_validation(error, Settings.model_json_schema(), document.data)
    if settings is None or found:  # raised out here: in there, pydantic's error and its values would go along
        found.sort(key=lambda problem: document.line(problem.path))
        where = (variables.get(problem.path) or document.where(problem.path) for problem in found)
        raise ConfigError(problem.line(place) for problem, place in zip(found, where, strict=True))
    return settings
