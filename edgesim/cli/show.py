"""``edgesim show``: a deployment."""

from __future__ import annotations

import json

import click


@click.command("show", short_help="Show a deployment: hosts, users, DNS, or every setting.")
@click.argument("deployment", metavar="DEPLOYMENT", required=False)
@click.option("--full", is_flag=True, help="Every setting as YAML, with where each value comes from.")
@click.option("--secrets", is_flag=True, help="Show passwords.")
@click.option("--schema", is_flag=True, help="The JSON Schema of deployment files, for an editor; needs no DEPLOYMENT.")
@click.option("--json", "as_json", is_flag=True, help="Every setting as one line of JSON.")
def command(deployment: str | None, full: bool, secrets: bool, schema: bool, as_json: bool) -> None:
    """Show a deployment, by the name of a built-in one or by its YAML file, and check it on the way.

    An editor that knows JSON Schema completes and checks a deployment file while you type: write
    `edgesim show --schema > deployment.schema.json`, and into the file's first line
    `# yaml-language-server: $schema=deployment.schema.json`.

    With --full the output is itself a deployment file: a start for one of your own.
    """
    from edgesim.cli import deployment_views
    from edgesim.cli.problems import deployments_told
    from edgesim.deployment import as_yaml, json_schema, load
    from edgesim.deployment.dump import as_data

    if schema:
        click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=1))
        return
    if deployment is None:
        raise click.UsageError("Which deployment? A YAML file, or one of those that `edgesim list` names.")
    with deployments_told():
        loaded = load(deployment)
    if as_json:
        value = as_data(loaded, reveal=secrets)
        click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    elif full:
        click.echo(as_yaml(loaded, full=True, reveal=secrets), nl=False)
    else:
        deployment_views.show(loaded, secrets=secrets)
