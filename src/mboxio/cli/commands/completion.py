"""``mboxio completion``: the script that a shell runs at the Tab key."""

import click

from mboxio.cli.completion.shells import SHELLS

__all__ = ["completion"]

VARIABLE = "_MBOXIO_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    For this session of bash, zsh or fish:

    \b
    source <(mboxio completion bash)
    source <(mboxio completion zsh)
    mboxio completion fish | source

    To keep it, write it to a file where your shell looks for completions.
    """
    root = ctx.find_root().command
    click.echo(SHELLS[shell](root, {}, "mboxio", VARIABLE).source())
