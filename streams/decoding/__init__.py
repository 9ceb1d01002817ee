"""What the decoder of `streams.codec` stands on: Avro by any schema, the shape of an event, the registry."""
