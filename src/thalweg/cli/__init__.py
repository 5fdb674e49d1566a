"""The command line: one file per verb.

Exit codes: 0 done; 1 ran, but the answer is no; 2 bad input, with one line on stderr.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .._errors import InputError, MissingExtraError
from .certify import certify
from .check import check
from .demo import demo
from .descend import descend
from .doctor import doctor
from .figure import figure
from .flow import flow
from .report import report
from .study import study

__all__ = ["app", "main"]


# The library keeps the class of all wrong arguments to itself.
_UsageError: Any = typer.BadParameter.__base__


@contextmanager
def _one_line() -> Iterator[None]:
    """End on bad input with one line on stderr and exit code 2."""
    try:
        yield
    except (InputError, MissingExtraError) as error:
        said = str(error)
    except _UsageError as error:
        said = error.format_message()
        if error.ctx and said == error.ctx.get_help():  # nothing was asked for: all of it is printed
            raise
        said = said.replace("Value error, ", "").rstrip(".")  # what pydantic puts before the reason
        said += f". See {error.ctx.command_path if error.ctx else 'thalweg'} --help."
    except MemoryError:
        said = "that takes more memory than there is. Ask for less."
    else:
        return
    typer.echo(f"thalweg: {' '.join(said.split())}", err=True)
    raise typer.Exit(2)


class _Verbs(TyperGroup):
    """The verbs, all of which refuse bad input alike."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _one_line():
            return super().invoke(ctx)


app = typer.Typer(
    name="thalweg",
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(flow)
app.command()(descend)
app.command()(check)
app.command()(certify)
app.command()(figure)
app.command()(report)
app.add_typer(study, name="study")
app.command()(doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"thalweg {version('thalweg')}")
        raise typer.Exit


@app.callback()
def _thalweg(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The exact gradient flow of neural networks, with its curvature.

    Examples:

      thalweg demo

      thalweg check genes.csv --target relapse --width 60

      thalweg flow --data genes.csv --target relapse --width 60 --out run.npz --report run.html

      thalweg certify run.npz

    Every command has a --help with examples, and takes --json. Exit codes: 0 done, 1 ran but the answer is no, 2 bad
    input.
    """


def main() -> None:
    """Run the command line."""
    app()
