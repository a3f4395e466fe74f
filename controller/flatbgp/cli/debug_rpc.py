"""``flatbgp debug rpc``."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.rolevalues import AddressType, GobgpTargetType, PrefixType
from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.namespaces import USER_NAMESPACE

if TYPE_CHECKING:  # loaded to run, not for --help
    from flatbgp.engine.gobgp.entries import Entry
    from flatbgp.engine.gobgp.replay import Call
    from flatbgp.resources.resource import Resource
    from flatbgp.store.protocol import Store


@click.command()
@click.argument("trace", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from-manifests",
    "manifests",
    metavar="FILE",
    multiple=True,
    help="Not a trace, but the calls that these manifests lead to; may be repeated (Nodes belong to them).",
)
@click.option("--node", metavar="NAME", help="Whose daemon is called (with --from-manifests).")
@click.option(
    "--hold",
    "held",
    type=AddressType(),
    multiple=True,
    help="A floating IP that the node holds (default: those nearest to its own address); may be repeated.",
)
@click.option(
    "--api",
    type=click.Choice(["v3", "v4"]),
    default="v4",
    show_default=True,
    help="In the form of GoBGP 3 or 4 (with --from-manifests).",
)
@click.option("--peer", type=AddressType(), help="Only what names this router.")
@click.option("--prefix", type=PrefixType(), help="Only paths of this prefix.")
@click.option("--all", "everything", is_flag=True, help="Reading calls that succeeded as well (there is one a second).")
@click.option(
    "--replay", "target", type=GobgpTargetType(), help="Make the changing calls to this gobgpd, unix:///PATH."
)
@click.option("--in-use", is_flag=True, help="Replay also into a gobgpd that runs BGP already.")
@click.option("--sessions", is_flag=True, help="Let replayed neighbours open sessions (from this host's addresses).")
@click.option("-o", "--output", "form", type=click.Choice(["json", "grpcurl"]), help="JSON lines, or a shell script.")
def rpc(
    *,
    trace: Path | None,
    manifests: tuple[str, ...],
    node: str | None,
    held: tuple[IPAddress, ...],
    api: str,
    peer: IPAddress | None,
    prefix: IPNetwork | None,
    everything: bool,
    target: str | None,
    in_use: bool,
    sessions: bool,
    form: str | None,
) -> None:
    """Show the gRPC calls of a trace ('speaker --trace-rpc'), or those that manifests lead to, without any daemon.

    A trace that was cut off is shown up to the cut. With --replay the changing calls are made again, in order, to a
    gobgpd of the same generation that nobody uses; its neighbours stay administratively down unless --sessions.
    """
    if (trace is None) == (not manifests):
        raise click.UsageError("name a trace, or manifests with --from-manifests")
    if manifests:
        if node is None:
            raise click.UsageError("--from-manifests needs --node NAME: each node has a daemon of its own")
        if target is not None or everything:
            raise click.UsageError("--replay and --all are for traces")
        _from_manifests(manifests, node, held=held, api=api, peer=peer, prefix=prefix, form=form)
    elif target is not None:
        _replay(trace or Path(), target, in_use=in_use, sessions=sessions)
    else:
        _show(trace or Path(), peer, prefix, everything=everything, form=form)


def _show(trace: Path, peer: IPAddress | None, prefix: IPNetwork | None, *, everything: bool, form: str | None) -> None:
    from flatbgp.engine.gobgp.replay import changing_calls  # noqa: PLC0415 - loaded to run, not for --help
    from flatbgp.engine.gobgp.script import grpcurl_script  # noqa: PLC0415 - as above
    from flatbgp.engine.gobgp.transcript import Transcript, about  # noqa: PLC0415 - as above
    from flatbgp.engine.gobgp.words import entry_lines  # noqa: PLC0415 - as above

    transcript = Transcript(trace)
    found = (part for entry in transcript.entries() if (part := about(entry, peer, prefix)) is not None)
    if form == "grpcurl":
        calls = list(changing_calls(found))
        if len(apis := {call.method.api for call in calls}) > 1:
            raise CommandFailed(f"error: {trace}: the daemon changed its API within the trace; show parts of it")
        click.echo(grpcurl_script(calls, apis.pop() if apis else "v4", f"The changing calls of {trace}."))
    else:
        for entry in found:
            if everything or _worth_showing(entry):
                click.echo(json.dumps(_document(entry)) if form else "\n".join(entry_lines(entry)))
    for remark in transcript.remarks:
        click.echo(f"note: {remark}", err=True)


def _worth_showing(entry: "Entry") -> bool:
    return not entry.method.reads or entry.status not in ("", "OK") or entry.method.name == "WatchEvent"


def _document(entry: "Entry") -> dict[str, Any]:
    """Return an entry in the form of a line of a trace, with all messages decoded."""
    parts = {"request": entry.request, "answer": entry.answer, "status": entry.status, "details": entry.details}
    return {
        "time": entry.time,
        "call": entry.call,
        "api": entry.method.api,
        "method": entry.method.name,
        "ms": entry.ms,
        **{name: part for name, part in parts.items() if part or (part is not None and name in {"request", "answer"})},
    }


def _replay(trace: Path, target: str, *, in_use: bool, sessions: bool) -> None:
    from flatbgp.engine.gobgp.replay import replay  # noqa: PLC0415 - loaded to run, not for --help
    from flatbgp.engine.gobgp.transcript import Transcript  # noqa: PLC0415 - as above

    transcript = Transcript(trace)
    failures = []

    async def make() -> int:
        made = 0
        async for done in replay(transcript.entries(), target, in_use=in_use, sessions=sessions):
            made += 1
            name, before = done.call.method.name, done.call.status
            if done.remark:
                click.echo(f"note: {done.remark}", err=True)
            if done.error:
                failures.append(name)
                expected = f" (in the trace: {before}{f', {done.call.details}' if done.call.details else ''})"
                click.echo(f"{name}: {done.error}{expected}")
            else:
                click.echo(f"{name}: OK{'' if before in ('OK', '') else f' (in the trace: {before})'}")
        return made

    made = asyncio.run(make())
    for remark in transcript.remarks:
        click.echo(f"note: {remark}", err=True)
    click.echo(f"{made} calls replayed, {len(failures)} refused")
    if failures:
        raise click.exceptions.Exit(1)


def _from_manifests(
    filenames: Sequence[str],
    node: str,
    *,
    held: Sequence[IPAddress],
    api: str,
    peer: IPAddress | None,
    prefix: IPNetwork | None,
    form: str | None,
) -> None:
    from flatbgp.cli.checking import checked  # noqa: PLC0415 - loaded to run, not for --help
    from flatbgp.cli.stores import with_store  # noqa: PLC0415 - as above
    from flatbgp.engine.gobgp.dry import dry_calls  # noqa: PLC0415 - as above
    from flatbgp.engine.gobgp.script import grpcurl_script  # noqa: PLC0415 - as above
    from flatbgp.roles.speaker.assumed import with_assumed_leases  # noqa: PLC0415 - as above
    from flatbgp.roles.speaker.expected import expected_of_manifests  # noqa: PLC0415 - as above

    async def applied(store: "Store") -> "Sequence[Resource[Any, Any]]":
        return await store.preview(await checked(filenames, store))

    resources = with_store("sqlite::memory:", applied)
    complete, holders = with_assumed_leases(resources, node, held, USER_NAMESPACE)
    for address, holder in holders.items():
        if address not in held:
            click.echo(f"note: assumed that {holder} holds {address} (--hold says otherwise)", err=True)
    expected = expected_of_manifests(complete, node, USER_NAMESPACE)
    if not expected.held:
        raise CommandFailed(
            f"error: {node} holds no floating IP in these manifests, so nothing is said to its daemon: give the Node's "
            "manifest as well, or --hold ADDRESS"
        )
    for session in expected.sessions:
        if session.waits is not None:
            click.echo(f"note: no session with {session.peer_ip}: {session.message}", err=True)
    calls = _about(asyncio.run(dry_calls(expected.desired, api)), peer, prefix)
    if form == "grpcurl":
        click.echo(grpcurl_script(calls, api, f"What flatbgp says to the gobgpd of {node} for {', '.join(filenames)}."))
    else:
        for call in calls:
            click.echo(_call_json(call) if form else _call_text(call))


def _about(calls: Iterable["Call"], peer: IPAddress | None, prefix: IPNetwork | None) -> list["Call"]:
    from flatbgp.engine.gobgp.replay import Call  # noqa: PLC0415 - loaded to run, not for --help
    from flatbgp.engine.gobgp.transcript import part_about  # noqa: PLC0415 - as above

    kept = []
    for call in calls:
        parts = [part_about(request, peer, prefix) for request in call.requests]
        if requests := [part for part in parts if part is not None]:
            kept.append(Call(call.method, requests))
    return kept


def _call_json(call: "Call") -> str:
    document: Mapping[str, Any] = {"method": call.method.name, "path": call.method.path, "requests": call.requests}
    return json.dumps(document, ensure_ascii=False)


def _call_text(call: "Call") -> str:
    from flatbgp.engine.gobgp.words import message_lines  # noqa: PLC0415 - loaded to run, not for --help

    lines = [line for request in call.requests for line in message_lines(request)]
    return "\n".join([call.method.path.removeprefix("/"), *(f"  > {line}" for line in lines)])
