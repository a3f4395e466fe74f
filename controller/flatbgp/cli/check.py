"""``flatbgp check``."""

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from flatbgp.cli.params import secret_namespace_option, store_option
from flatbgp.cli.rolevalues import gobgp_option

if TYPE_CHECKING:  # loaded to run, not for --help
    from flatbgp.planning.check.findings import Finding

ROLES = ("person", "controller", "speaker", "admin")


@click.command()
@click.option("--node", metavar="NAME", help="This machine is that Node: look at its kernel, its LAN, its routers.")
@gobgp_option("Look at the gobgpd that answers here: unix:///PATH.", required=False)
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="person",
    show_default=True,
    help="On a cluster: whose permissions are to be there.",
)
@secret_namespace_option
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="For programs.")
@store_option
def check(
    *, node: str | None, gobgp: str | None, role: str, secret_namespace: str, form: str | None, store: str
) -> None:
    """Say whether sessions can come up here, and what to do if not: one line a point. Changes nothing.

    Of a cluster: its version, the CustomResourceDefinitions and whose they are, permissions, other allocators of pod
    CIDRs. Of any store: what is configured, the nodes, the floating IPs. With --node also this machine, from which
    routers are tried on TCP port 179; with --gobgp the daemon. Exit 1 if something keeps sessions from coming up.
    """
    from flatbgp.cli.checkgather import gather  # noqa: PLC0415 - loaded to run, not for --help
    from flatbgp.planning.check.findings import Level  # noqa: PLC0415 - as above
    from flatbgp.planning.check.permissions import Who  # noqa: PLC0415 - as above

    findings = asyncio.run(gather(store, Who(role), secret_namespace, node, gobgp))
    click.echo(_as_json(findings) if form else "\n".join(map(str, findings)))
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise click.exceptions.Exit(1)


def _as_json(findings: "Sequence[Finding]") -> str:
    listed = [
        {"level": finding.level.value, "subject": finding.subject, "message": finding.message} for finding in findings
    ]
    return json.dumps({"findings": listed}, indent=4, ensure_ascii=False)
