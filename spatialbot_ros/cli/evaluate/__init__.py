"""`spatialbot evaluate`: success rates in closed loop, and what may be concluded from them."""

import typer

from spatialbot_ros.cli.evaluate import compare, figure, ros, sim

app = typer.Typer(no_args_is_help=True, help="Judge policies in closed loop and compare them.")
app.command("sim", epilog=sim.EPILOG)(sim.evaluate_sim)
app.command("compare", epilog=compare.EPILOG)(compare.evaluate_compare)
app.command("figure", epilog=figure.EPILOG)(figure.evaluate_figure)
app.command("ros", epilog=ros.EPILOG)(ros.evaluate_ros)
