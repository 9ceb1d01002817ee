"""A producer that keeps to its timetable whatever happens: an open loop, in a process of its own.

    python -m bench.pacer <bootstrap> <topic> <events per second> <seconds> <number of the first event>

Event n is due n / rate seconds after the start, and that moment is what it carries as its time of sending: if
the producer itself is late, that counts as latency too (no coordinated omission). Prints, in JSON, how
many it sent and by how much it was late at worst.
"""

import json
import sys
import time

from confluent_kafka import Producer

from bench import events

#: Sent at once: waiting for company would be our latency, not the system's.
SETTINGS = {"acks": "all", "linger.ms": 0, "partitioner": "murmur2_random", "socket.nagle.disable": True}
#: It wakes so often at most, seconds.
TICK_S = 0.0005


def main(bootstrap: str, topic: str, rate: float, seconds: float, first: int) -> None:
    producer = Producer({**SETTINGS, "bootstrap.servers": bootstrap})
    producer.list_topics(topic, timeout=10)  # connects
    count, late = round(rate * seconds), 0.0
    began, began_ns = time.monotonic(), time.time_ns()
    for number in range(count):
        due = number / rate
        while (ahead := due - (time.monotonic() - began)) > 0:
            time.sleep(max(ahead, TICK_S))
        late = max(late, -ahead)
        value = events.sent_at(events.value(first + number), began_ns + round(due * 1e9))
        producer.produce(topic, value, events.key(first + number))
        producer.poll(0)
    left = producer.flush(30)
    print(json.dumps({"sent": count - left, "late_ms": round(late * 1000, 1)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
