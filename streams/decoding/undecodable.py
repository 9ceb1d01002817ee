"""Why bytes are no event. Such a record goes to the dlq, whole, with the reason."""

from enum import StrEnum

#: The longest detail, in characters: it travels in a Kafka header and is shown in tables.
LONGEST_DETAIL = 200


class Reason(StrEnum):
    """What is wrong with the bytes, in one word for headers, metrics and tables."""

    #: No value at all (a tombstone), or one without bytes.
    EMPTY = "empty"
    #: More bytes than a worker takes.
    TOO_LARGE = "too-large"
    #: Neither a JSON object nor Avro, to judge from the first bytes.
    UNSUPPORTED_FORMAT = "unsupported-format"
    #: It begins like JSON but is not, or a field that holds JSON as text does not.
    NOT_JSON = "not-json"
    #: Valid JSON, nested deeper than anything that reads it downstream can be trusted with.
    TOO_DEEP = "too-deep"
    #: Avro that ends too early, goes on too long or fits no value of its schema.
    CORRUPT_AVRO = "corrupt-avro"
    #: Avro by a schema that nobody knows: neither we nor the schema registry.
    UNKNOWN_SCHEMA = "unknown-schema"
    #: The schema is known, but we don't read data of such a schema.
    UNSUPPORTED_SCHEMA = "unsupported-schema"
    #: It can be read, but the common spec knows no such event.
    INVALID_EVENT = "invalid-event"
    #: Nobody foresaw these bytes: a mistake of ours, worth a report.
    UNEXPECTED = "unexpected"


class Undecodable(Exception):
    """The bytes are no event, and never will be.

    `detail` says where and what in at most 200 characters, in names of fields and positions. It never
    holds values of the event: they are personal data, and details end in logs and headers.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail[:LONGEST_DETAIL]
        super().__init__(f"{reason}: {self.detail}")
