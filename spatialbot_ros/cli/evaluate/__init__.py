"""`spatialbot evaluate`: policies in closed loop, and models by their answers."""

import typer

from spatialbot_ros.cli.evaluate import compare, figure, ros, sim, spatialbench, vlm

app = typer.Typer(
    no_args_is_help=True, help="Judge policies in closed loop, and models by their answers."
)
app.command("sim", epilog=sim.EPILOG)(sim.evaluate_sim)
app.command("compare", epilog=compare.EPILOG)(compare.evaluate_compare)
app.command("figure", epilog=figure.EPILOG)(figure.evaluate_figure)
app.command("ros", epilog=ros.EPILOG)(ros.evaluate_ros)
app.command("spatialbench", epilog=spatialbench.EPILOG)(spatialbench.evaluate_spatialbench)
app.command("vlm", epilog=vlm.EPILOG)(vlm.evaluate_vlm)
