"""The benchmark: `make bench`. What is measured and how: docs/performance.md."""
