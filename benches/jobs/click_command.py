"""A command of click."""

import click


@click.command()
@click.option("--count", default=1, show_default=True, help="How many times.")
@click.argument("name")
def greet(count, name):
    """Greets NAME."""
    for _ in range(count):
        click.echo(f"Hello, {name}.")


greet()
