"""The command line. Nothing heavy is imported before a command runs: ``edgesim --help`` stays quick."""

from __future__ import annotations


def main() -> None:
    """Run the command line; the entry point of ``edgesim``."""
    from edgesim.cli.group import cli

    cli(prog_name="edgesim")


__all__ = ["main"]
