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

    \b
    bash:  mboxio completion bash > ~/.local/share/bash-completion/completions/mboxio
    zsh:   mboxio completion zsh > DIRECTORY/_mboxio, of your $fpath
    fish:  mboxio completion fish > ~/.config/fish/completions/mboxio.fish
    """
    root = ctx.find_root().command
    click.echo(SHELLS[shell](root, {}, "mboxio", VARIABLE).source())
