"""The command line: a thin skin over `sparsefacs.api`. Results on stdout, progress and problems on stderr."""

import io
import os
import sys
import warnings
from typing import Annotated

import typer

from ..errors import InputError
from ..extras import needs_extra
from ..version import VERSION
from . import coding, encoders, labelling, many, observation, reproducing, stores, training

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich takes a quarter of a second to load
    context_settings={"max_content_width": 120},
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Learn to code facial action units (AUs) from few labels; code photos and videos with what was learned.\n\n"
    "The way: predict codes videos at once, by the packaged coder. To learn from labels of your own, synth or prepare "
    "makes a STORE of aligned faces; train makes a RUN; evaluate scores it; predict RUN codes with it; export makes it "
    "one file that predicts alone; report makes a web page of RUNs.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"sparsefacs {VERSION}")
        raise typer.Exit


@app.callback()
def _(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and end.")
    ] = False,
) -> None:
    del version


app.command()(coding.demo)
app.command()(stores.synth)
app.command()(stores.prepare)
app.command()(stores.flow)
app.command()(stores.inspect)
app.command()(labelling.label)
app.command("next")(labelling.next_faces)
app.command()(training.methods)
app.command("protocol")(training.show_protocol)
app.command()(encoders.pretrain)
app.command()(training.train)
app.command()(training.evaluate)
app.command()(encoders.probe)
app.command()(encoders.features)
app.command()(coding.export)
app.command()(coding.predict)
app.command()(many.gather)
app.command()(coding.coders)
app.command()(observation.events)
app.command()(observation.summary)
app.command()(observation.agreement)
app.command("make-coder")(coding.make_coder)
app.command()(coding.pictures)
app.command()(training.published)
app.command()(reproducing.reproduce)
app.command()(coding.report)


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr and exit code 2."""
    if not sys.warnoptions:  # what libraries tell programmers; asked for by python -W or PYTHONWARNINGS
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"  # for the processes that this one starts
    if isinstance(sys.stdout, io.TextIOWrapper):  # κ and α, where a pipe on Windows takes no more than its code page
        sys.stdout.reconfigure(errors="replace")
    try:
        needs_extra(app)(prog_name="sparsefacs")
    except InputError as error:
        print(f"sparsefacs: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
