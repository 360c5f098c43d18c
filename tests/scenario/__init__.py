"""Tests of scenarios: verdicts, actors, leaks, scripts, the plugin, sweeps."""
