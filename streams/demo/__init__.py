"""The demonstration: a local Kafka, a destination with the habits of real ones, and events to send."""
