"""`spatialbot qa`: questions about space and depth, made from annotated pictures."""

import typer

from spatialbot_ros.cli.qa import benchmark, depth, generate, show

app = typer.Typer(
    no_args_is_help=True,
    help="Make questions about space and depth (SpatialQA) from pictures, and look at them.",
)
generate.register(app)
show.register(app)
depth.register(app)
benchmark.register(app)
