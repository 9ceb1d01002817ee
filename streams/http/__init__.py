"""What `streams.request` stands on: addresses, hosts, certificates, and the names of faults."""
