"""Simulated clients: one folder per family."""
