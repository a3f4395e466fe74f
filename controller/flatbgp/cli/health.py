"""``flatbgp health``."""

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.rolevalues import EndpointType, gobgp_option
from flatbgp.roles.health import problem_of
from flatbgp.roles.options import Endpoint


@click.command()
@gobgp_option("Ask the gobgpd that answers here (a gRPC call).", required=False)
@click.option(
    "--role",
    type=EndpointType(),
    envvar="FLATBGP_HEALTH",
    show_envvar=True,
    help="Ask the role whose --health-bind this is (HTTP).",
)
@click.option("--ready", is_flag=True, help="Ask a role whether its first plan is applied, not only whether it lives.")
def health(gobgp: str | None, role: Endpoint | None, ready: bool) -> None:
    """Ask a gobgpd, a role, or both, whether they work; exit 0 if so, for a container's health check.

    That the process is there proves nothing: a gobgpd may run without its API, and a loop may be stuck. So each is
    asked something that only a working one answers.
    """
    if gobgp is None and role is None:
        raise click.UsageError("name what to ask: --gobgp unix:///PATH, --role HOST:PORT, or both")
    if gobgp is not None:
        # gRPC takes longer to load than all the rest, and a role is asked without it.
        import asyncio  # noqa: PLC0415 - as above

        from flatbgp.engine.gobgp.health import ask  # noqa: PLC0415 - as above

        click.echo(asyncio.run(ask(gobgp)))
    if role is not None:
        problem = problem_of(role, "/readyz" if ready else "/healthz")
        if problem is not None:
            raise CommandFailed(f"error: {problem}")
        click.echo(f"the role on {role.host or '127.0.0.1'} port {role.port} {'is ready' if ready else 'works'}")
