"""Bento, the MIT fork of what is now Redpanda Connect: `kafka_franz` to `http_client`."""
