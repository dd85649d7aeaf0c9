"""Formats other than the official one."""
