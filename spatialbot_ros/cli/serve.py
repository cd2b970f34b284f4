"""`spatialbot serve`: a policy for robots on other machines."""

from typing import Annotated

import typer

from spatialbot_ros.cli.console import make_console

EPILOG = (
    "Examples: `spatialbot serve --checkpoint out/models/mini` · on the robot:"
    " `spatialbot up policy:=remote url:=ws://127.0.0.1:8765 ssh:=me@gpu-box`"
)


def serve(
    policy: Annotated[str, typer.Option(help="Policy by name.")] = "local",
    checkpoint: Annotated[str, typer.Option(help="Its weights.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    host: Annotated[
        str, typer.Option(help="Others than loopback need token and TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free one.")] = 8765,
    token_file: Annotated[
        str, typer.Option(help="Secret of 16 characters or more, mode 600.")
    ] = "",
    certificate: Annotated[str, typer.Option(help="PEM file, for wss://.")] = "",
    private_key: Annotated[str, typer.Option(help="PEM file of its private key.")] = "",
    allow_unencrypted: Annotated[
        bool, typer.Option("--allow-unencrypted", help="Serve other machines without TLS.")
    ] = False,
    max_sessions: Annotated[int, typer.Option(min=1, help="Clients at a time.")] = 8,
    step_timeout: Annotated[float, typer.Option(help="Seconds a step may take.")] = 10.0,
    max_depth_queries: Annotated[int, typer.Option(min=0, help="Rounds per step.")] = 3,
    cell_file: Annotated[str, typer.Option(help="Cell YAML; empty = shipped.")] = "",
) -> None:
    """Serve a policy over WebSockets until Ctrl-C; /health and /metrics answer over HTTP."""
    from spatialbot_model.contracts.action_spec import ActionSpec
    from spatialbot_model.policies.base import Policy, PolicyConfig
    from spatialbot_model.policies.registry import make_policy
    from spatialbot_model.serving.credentials import read_token
    from spatialbot_model.serving.options import ServerOptions
    from spatialbot_model.serving.run import run_server
    from spatialbot_ros.configuration import load_action_spec, load_cell

    console = make_console()
    cell = load_cell(cell_file)

    def make(action_spec: ActionSpec) -> Policy:
        return make_policy(
            policy,
            PolicyConfig(
                action_spec=action_spec,
                cell=cell,
                checkpoint=checkpoint,
                device=device,
                max_depth_queries=max_depth_queries,
                timeout_s=step_timeout,
            ),
        )

    options = ServerOptions(
        host=host,
        port=port,
        policy_name=policy,
        token=read_token(token_file),
        certificate_file=certificate,
        private_key_file=private_key,
        allow_unencrypted=allow_unencrypted,
        max_sessions=max_sessions,
        step_timeout_s=step_timeout,
    )
    # a wrong checkpoint is told now, not to the first client; the weights stay loaded
    with console.status("loading"):
        first = make(load_action_spec())
    scheme = "wss" if certificate else "ws"

    def on_ready(bound_port: int) -> None:
        console.print(f"serving {policy} at {scheme}://{host}:{bound_port}; Ctrl-C ends it")

    try:
        run_server(options, make, on_ready)
    finally:
        first.close()
