"""``flatbgp plan``."""

import json
from collections.abc import Sequence

import click

from flatbgp.cli.checking import checked
from flatbgp.cli.params import files_option, secret_namespace_option, store_option
from flatbgp.cli.stores import list_kinds, with_store
from flatbgp.planning.elsewhere import sources_of
from flatbgp.planning.explain import Explanation, explain
from flatbgp.resources import kinds
from flatbgp.store.protocol import Store


@click.command()
@files_option(required=False)
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="For programs.")
@secret_namespace_option
@store_option
def plan(filenames: tuple[str, ...], form: str | None, secret_namespace: str, store: str) -> None:
    """Say what would change: one sentence an action, with its cost. Nothing is changed.

    Without files it is what the roles have left to do, with files what follows once they are applied. The cost is that
    to the sessions that exist: none, a route update, or a session reset.
    """
    explanation = with_store(store, lambda opened: _explained(opened, filenames, secret_namespace))
    click.echo(_as_json(explanation) if form else as_text(explanation))


async def _explained(store: Store, filenames: Sequence[str], secret_namespace: str) -> Explanation:
    manifests = await checked(filenames, store, beside=sources_of) if filenames else ()
    before = {(item.kind, item.key): item for item in await list_kinds(store, kinds.ALL)}
    changed = {(item.kind, item.key): item for item in await store.preview(manifests)}
    return explain(before.values(), (before | changed).values(), secret_namespace=secret_namespace)


def as_text(explanation: Explanation) -> str:
    """Return an explanation for a person: a line an action, then the notes."""
    lines = [str(step) for step in explanation.steps] or ["Nothing would change."]
    return "\n".join([*lines, *(f"Note: {note}" for note in explanation.notes)])


def _as_json(explanation: Explanation) -> str:
    document = {
        "actions": [
            {"about": step.about, "action": step.sentence, "cost": step.cost.value} for step in explanation.steps
        ],
        "cost": explanation.cost.value,
        "notes": list(explanation.notes),
    }
    return json.dumps(document, indent=4, ensure_ascii=False)
