"""Declaring, running and judging scenarios."""
