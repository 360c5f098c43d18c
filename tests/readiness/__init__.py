"""Tests of the readiness rules."""
