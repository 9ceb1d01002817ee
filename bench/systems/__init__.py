"""The systems that are compared, one folder each; found by its name (`bench.systems.base.find`)."""
