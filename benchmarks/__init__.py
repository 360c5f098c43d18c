"""How fast the testbed is: commands that print a table. ``python -m benchmarks`` runs all, each module also alone."""
