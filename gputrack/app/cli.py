"""The command line: gputrack demo, info, twiss, match, track and doctor."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gputrack.app import commands
from gputrack.app.terminal import INTERRUPTED, USAGE, note
from gputrack.base.errors import GputrackError

#: ClickException, which typer raises for wrong options and does not export: from click, or from typer's copy of click
WRONG_USAGE: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="gputrack",
    help="Beam dynamics in particle accelerators, on CPUs and GPUs, with exact gradients.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (commands.doctor, commands.demo, commands.info, commands.twiss, commands.match, commands.track):
    app.command()(_command)


def show_version(requested: bool) -> None:
    """Print the version and exit."""
    if requested:
        from gputrack import __version__

        typer.echo(f"gputrack {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before a command; show the help if there is no command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; expected errors give one line on standard error and exit status 2."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            status = app(
                prog_name="gputrack", args=None if arguments is None else list(arguments), standalone_mode=False
            )
    except GputrackError as error:
        status = note(str(error), USAGE)
    except WRONG_USAGE as error:
        status = note(error.format_message(), USAGE)
    except (KeyboardInterrupt, typer.Abort):
        status = note("interrupted", INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def show_warning(message: Warning | str, *place: Any, **more: Any) -> None:
    """Print a warning on one line, without its place in the source."""
    note(f"warning: {message}")
