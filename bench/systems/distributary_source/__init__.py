"""Ourselves, not compiled."""
