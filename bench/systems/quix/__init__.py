"""Quix Streams with an HTTP sink."""
