"""Simulated clients: a folder or file a family."""
