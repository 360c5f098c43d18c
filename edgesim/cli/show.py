"""``edgesim show``: shows a deployment."""

from __future__ import annotations

import json

import click


@click.command("show", short_help="Show a deployment: hosts, users, DNS, or every setting.")
@click.argument("deployment", metavar="DEPLOYMENT", required=False)
@click.option("--full", is_flag=True, help="Every setting as YAML, with the origin of each value.")
@click.option("--secrets", is_flag=True, help="Show passwords.")
@click.option("--schema", is_flag=True, help="The JSON Schema of deployment files, for an editor; needs no DEPLOYMENT.")
@click.option("--json", "as_json", is_flag=True, help="Every setting as one line of JSON.")
def command(deployment: str | None, full: bool, secrets: bool, schema: bool, as_json: bool) -> None:
    """Show and validate a deployment: a built-in one by its name, or a YAML file.

    An editor that supports JSON Schema completes and checks a deployment file while you type: run
    `edgesim show --schema > deployment.schema.json`, and make the file's first line
    `# yaml-language-server: $schema=deployment.schema.json`.

    The output of --full is itself a deployment file, to start your own from.
    """
    from edgesim.cli import deployment_views
    from edgesim.cli.problems import deployment_problems
    from edgesim.deployment import as_yaml, json_schema, load
    from edgesim.deployment.dump import as_data

    if schema:
        click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=1))
        return
    if deployment is None:
        raise click.UsageError("Name a deployment: a YAML file, or one of those that `edgesim list` shows.")
    with deployment_problems():
        loaded = load(deployment)
    if as_json:
        value = as_data(loaded, reveal=secrets)
        click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    elif full:
        click.echo(as_yaml(loaded, full=True, reveal=secrets), nl=False)
    else:
        deployment_views.show(loaded, secrets=secrets)
