"""`watchbell completion`: the script by which a shell completes our commands, options and tasks."""

import click
from click.shell_completion import get_completion_class

from watchbell_cli.output import print_text

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), metavar="SHELL")
def completion(shell: str) -> None:
    """Print the completion script of a SHELL: bash, zsh or fish.

    \b
    Example:
      bash:  watchbell completion bash > ~/.local/share/bash-completion/completions/watchbell
      zsh:   watchbell completion zsh > ~/.zfunc/_watchbell     (a folder in fpath)
      fish:  watchbell completion fish > ~/.config/fish/completions/watchbell.fish
    """
    from watchbell_cli.main import COMPLETE, PROGRAM, watchbell

    script = get_completion_class(shell)
    assert script is not None
    print_text(script(watchbell, {}, PROGRAM, COMPLETE).source().rstrip("\n"))
