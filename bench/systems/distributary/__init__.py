"""Ourselves."""
