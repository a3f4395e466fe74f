"""``get``: kubectl's tables, spellings, namespaces, forms and watches."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from flatbgp.cli.tables import TableWriter
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.node import NODE

ENCODED = "c2VjcmV0"


def session(peer_ip: str, node: str, local_ip: str) -> dict[str, object]:
    return {
        "metadata": {"name": f"{peer_ip}-{node}", "namespace": "kube-system"},
        "spec": {
            "localASN": 65500,
            "peerASN": 65000,
            "localIP": local_ip,
            "peerIP": peer_ip,
            "nodeName": node,
            "peer": "bgppeer1",
        },
    }


def route(next_hop: str, prefix: str) -> dict[str, object]:
    return {
        "metadata": {"name": f"route-via-{next_hop.replace('.', '-')}", "namespace": "kube-system"},
        "spec": {"prefix": prefix, "nextHop": next_hop, "nodeName": "node"},
    }


@pytest.fixture
def _guide_sessions(on_store):
    """The sessions of the guide's sample, reported two seconds ago."""

    async def fill(store):
        reported = (datetime.now(UTC) - timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for peer_ip, node, local_ip, state in (
            ("10.0.1.254", "node-01", "10.0.1.100", "Established"),
            ("10.0.1.254", "node-02", "10.0.3.100", "NotEstablished"),
        ):
            made = await store.create(BGP_SESSION, session(peer_ip, node, local_ip))
            status = {"status": {"state": state, "lastReport": reported}}
            await store.patch(BGP_SESSION, made.meta.name, "kube-system", status, subresource="status")

    on_store(fill)


@pytest.mark.usefixtures("_guide_sessions")
def test_sessions_look_as_in_the_guide(run):
    listed = run("get", "bgpsessions", "-A")
    assert listed.exit_code == 0
    head, *rows = listed.stdout.splitlines()
    assert head.split("   ")[0] == "NAMESPACE"
    assert " ".join(head.split()) == "NAMESPACE NAME LOCAL ASN PEER ASN LOCAL IP PEER IP STATE LAST REPORT"
    cells = [row.split() for row in rows]
    assert [row[:-1] for row in cells] == [
        ["kube-system", "10.0.1.254-node-01", "65500", "65000", "10.0.1.100", "10.0.1.254", "Established"],
        ["kube-system", "10.0.1.254-node-02", "65500", "65000", "10.0.3.100", "10.0.1.254", "NotEstablished"],
    ]
    assert {row[-1] for row in cells} <= {"2s", "3s", "4s"}
    for title in ("LOCAL ASN", "PEER IP", "STATE", "LAST REPORT"):
        place = head.index(title)
        assert all(row[place - 1] == " " and row[place] != " " for row in rows)


def test_routes_look_as_in_the_guide(run, on_store):
    on_store(lambda store: store.create(BGP_ADVERTISED_ROUTE, route("222.22.208.240", "222.2.0.0/24")))
    assert run("get", "bgpadvertisedroutes", "-A").stdout == (
        "NAMESPACE     NAME                       PREFIX         METRIC\n"
        "kube-system   route-via-222-22-208-240   222.2.0.0/24\n"
    )
    assert run("get", "bgpadvertisedroutes", "-n", "kube-system").stdout.startswith("NAME ")
    wide = run("get", "bgpadvertisedroutes", "-A", "-o", "wide").stdout
    assert "NEXT HOP" in wide
    assert "222.22.208.240" in wide.splitlines()[1].split()


def test_a_bare_flatipmodes_means_the_group_that_has_objects(run, on_store, guide):
    assert run("get", "flatipmodes", "-A").stderr == "No resources found\n"
    copy = {"metadata": {"name": "default"}, "spec": {"enableBGPIPv4": True, "peerSelector": {"a": "b"}}}
    on_store(lambda store: store.create(FLAT_IP_MODE, copy))
    assert run("get", "flatipmodes").stdout.splitlines()[0].split() == ["NAME", "AGE"]
    assert run("get", "flatipmodes", "-A").stdout.splitlines()[0].split() == ["NAME", "AGE"]
    run("apply", "-f", guide)
    assert run("get", "flatipmodes", "-A").stdout.splitlines()[0].split() == ["NAMESPACE", "NAME", "AGE"]
    assert run("get", "flatipmodes.networking.gke.io").stdout.splitlines()[0].split() == ["NAME", "AGE"]


@pytest.mark.parametrize(
    "word",
    ["bgppeers", "bgppeer", "BGPPeer", "BGPPEERS", "bgppeers.networking.gke.io", "bgppeer.networking.gke.io",
     "bgppeers.v1.networking.gke.io"],
)  # fmt: skip
def test_a_kind_has_many_spellings(run, guide, word):
    run("apply", "-f", guide)
    assert "bgppeer1" in run("get", word, "-n", "cluster-bm").stdout


def test_ccc_is_the_copy_on_the_user_cluster(run, guide):
    run("apply", "-f", guide)
    assert run("get", "ccc").stderr == "No resources found\n"
    assert "cluster-wide-1" in run("get", "clustercidrconfigs", "-A").stdout


@pytest.mark.parametrize(
    ("word", "said"), [("bgpers", "did you mean bgppeers?"), ("frobnicators", "there are clusters, ")]
)
def test_a_word_that_is_no_kind_is_wrong_usage(run, word, said):
    refused = run("get", word)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_missing_name_exits_1_and_says_where_one_is(run, guide):
    run("apply", "-f", guide)
    missing = run("get", "bgppeer", "nobody", "-n", "cluster-bm")
    assert missing.exit_code == 1
    assert missing.stdout == ""
    assert missing.stderr == 'error: bgppeers.networking.gke.io "nobody" not found in namespace cluster-bm\n'
    elsewhere = run("get", "bgppeer", "bgppeer1")
    assert elsewhere.exit_code == 1
    assert elsewhere.stderr == (
        'error: bgppeers.networking.gke.io "bgppeer1" not found in namespace default '
        "(there is one in cluster-bm: add -n cluster-bm)\n"
    )
    assert run("get", "node", "nobody").stderr == 'error: nodes "nobody" not found\n'
    assert run("get", "node", "nobody", "-w").exit_code == 1
    assert run("describe", "node", "nobody").exit_code == 1


def test_nothing_found_is_said_on_stderr_and_is_no_failure(run, guide):
    empty = run("get", "bgppeers", "-n", "kube-system")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert empty.stderr == "No resources found in kube-system namespace.\n"
    assert run("get", "bgppeers", "-A").stderr == "No resources found\n"
    assert run("get", "nodes").stderr == "No resources found\n"
    run("apply", "-f", guide)
    assert run("get", "bgppeers").stderr.splitlines() == [
        "No resources found in default namespace.",
        "There are some in cluster-bm: add -A, or -n NS.",
    ]


def test_reading_does_not_make_a_store(run, tmp_path):
    assert run("get", "bgppeers", "-A").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_name_across_all_namespaces_is_wrong_usage(run):
    assert run("get", "bgppeer", "bgppeer1", "-A").exit_code == 2
    assert run("get", "node", "n", "-A").exit_code == 1


def test_json_of_many_is_a_list_and_of_one_the_object(run, guide):
    run("apply", "-f", guide)
    many = json.loads(run("get", "bgppeers", "-A", "-o", "json").stdout)
    assert (many["apiVersion"], many["kind"]) == ("v1", "List")
    assert [item["metadata"]["name"] for item in many["items"]] == ["bgppeer1", "bgppeer2"]
    one = json.loads(run("get", "bgppeer", "bgppeer1", "-n", "cluster-bm", "-o", "json").stdout)
    assert one == many["items"][0]
    assert (one["apiVersion"], one["kind"]) == ("networking.gke.io/v1", "BGPPeer")
    empty = run("get", "nodes", "-o", "json")
    assert json.loads(empty.stdout)["items"] == []
    assert empty.stderr == ""


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_get_prints_can_be_applied_again(run, guide, form):
    run("apply", "-f", guide)
    for kind in ("clusters", "flatipmodes", "clustercidrconfigs", "networkgatewaygroups", "bgppeers"):
        again = run("apply", "-f", "-", stdin=run("get", kind, "-A", "-o", form).stdout)
        assert again.exit_code == 0, again.stderr
        assert all(line.endswith(" unchanged") for line in again.stdout.splitlines())


@pytest.mark.parametrize(
    "text", ["1e3", "0x1F", "yes", "null", "1_000", "0o17", ".5", "12:30:45", "2001-01-01", "~", "1."]
)
def test_yaml_quotes_what_another_reader_could_take_for_something_else(run, on_store, text):
    node = {"metadata": {"name": "n", "annotations": {"a": text}}}
    on_store(lambda store: store.create(NODE, node))
    printed = run("get", "node", "n", "-o", "yaml").stdout
    assert f"a: '{text}'" in printed
    assert yaml.safe_load(printed)["metadata"]["annotations"]["a"] == text


def test_addresses_are_not_quoted_in_yaml(run, guide):
    run("apply", "-f", guide)
    assert "peerIP: 10.0.1.254\n" in run("get", "bgppeer", "bgppeer1", "-n", "cluster-bm", "-o", "yaml").stdout


@pytest.mark.parametrize("form", ["json", "yaml", "wide", None])
def test_a_secrets_data_prints_as_stars(run, form):
    manifest = (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: kube-system\n  annotations:\n"
        f'    kubectl.kubernetes.io/last-applied-configuration: \'{{"data":{{"password":"{ENCODED}"}}}}\'\n'
        f"type: kubernetes.io/basic-auth\ndata: {{password: {ENCODED}}}\n"
    )
    assert run("apply", "-f", "-", stdin=manifest).exit_code == 0
    for arguments in (["get", "secret", "s"], ["get", "secrets"]):
        shown = run(*arguments, "-n", "kube-system", *(["-o", form] if form else []))
        assert shown.exit_code == 0
        assert ENCODED not in shown.output
        assert form not in ("json", "yaml") or "***" in shown.output
    described = run("describe", "secret", "s", "-n", "kube-system").stdout
    assert ENCODED not in described
    assert "password: '***'" in described


def test_leases_are_a_kind_too(run):
    lease = (
        "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: l, namespace: kube-system}\n"
        "spec: {holderIdentity: node-01, leaseDurationSeconds: 5}\n"
    )
    assert run("apply", "-f", "-", stdin=lease).exit_code == 0
    assert run("get", "leases", "-A").stdout.splitlines()[1].split()[:3] == ["kube-system", "l", "node-01"]


def test_a_table_that_grows_stays_aligned_and_never_gets_narrower(run, on_store, guide, capsys):
    run("apply", "-f", guide)
    first, second = on_store(lambda store: store.list(BGP_PEER)).items
    writer = TableWriter(BGP_PEER, wide=False, namespaces=True)
    now = datetime.now(UTC)
    writer.write([], now)
    assert capsys.readouterr().out == ""
    writer.write([first, second], now)
    head, *rows = capsys.readouterr().out.splitlines()
    writer.write([second], now)
    assert capsys.readouterr().out.splitlines() == [rows[1]]
    assert head.startswith("NAMESPACE ")


class Watcher:
    """A running ``get -w`` whose lines can be waited for."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flatbgp.cli.main", "get", *arguments, "-w"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._text = b""

    def line(self) -> str:
        assert self.process.stdout is not None
        deadline = time.monotonic() + 20
        while b"\n" not in self._text:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            assert ready, "no line within 20 s"
            chunk = os.read(self.process.stdout.fileno(), 65536)
            assert chunk, self.process.communicate()[1].decode()
            self._text += chunk
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors.decode()


@pytest.fixture
def watch(environment) -> Iterator[object]:
    running: list[Watcher] = []

    def start(*arguments: str) -> Watcher:
        running.append(Watcher(environment, *arguments))
        return running[-1]

    yield start
    for watcher in running:
        watcher.process.kill()
        watcher.process.communicate()


def test_watch_shows_what_is_there_then_each_change_until_ctrl_c(run, watch, guide):
    run("apply", "-f", guide)
    watcher = watch("bgppeers", "-n", "cluster-bm")
    assert watcher.line().split()[:3] == ["NAME", "LOCAL", "ASN"]
    assert [watcher.line().split()[0] for _ in range(2)] == ["bgppeer1", "bgppeer2"]
    assert run("delete", "bgppeer", "bgppeer2", "-n", "cluster-bm").exit_code == 0
    assert watcher.line().split()[0] == "bgppeer2"
    run("apply", "-f", guide)
    assert watcher.line().split()[0] == "bgppeer2"
    assert watcher.end() == (130, "\n")


def test_watch_of_one_name_shows_no_other(run, watch, guide):
    run("apply", "-f", guide)
    watcher = watch("bgppeer", "bgppeer1", "-n", "cluster-bm", "-o", "json")
    assert watcher.line() == "{"
    while watcher.line() != "}":
        pass
    run("delete", "bgppeer", "bgppeer2", "-n", "cluster-bm")
    run("delete", "bgppeer", "bgppeer1", "-n", "cluster-bm")
    lines = [watcher.line()]
    while lines[-1] != "}":
        lines.append(watcher.line())
    assert json.loads("\n".join(lines))["metadata"]["name"] == "bgppeer1"


def test_watch_waits_for_the_first_object_of_a_store_that_does_not_exist_yet(run, watch, examples):
    watcher = watch("nodes")
    run("apply", "-f", str(examples / "node-04.yaml"))
    assert watcher.line().split()[0] == "NAME"
    assert watcher.line().split()[0] == "node-04"


def test_a_terminal_that_lacks_a_character_is_no_error(on_store, program, environment):
    on_store(lambda store: store.create(NODE, {"metadata": {"name": "n", "annotations": {"a": "\N{SNOWMAN}"}}}))
    environment |= {"PYTHONIOENCODING": "ascii:strict"}
    done = program("get", "node", "n", "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["metadata"]["annotations"]["a"] == "\N{SNOWMAN}"


def test_a_reader_that_goes_away_ends_get_without_a_word(run, program, examples):
    run("apply", "-f", str(examples / "nodes.yaml"))
    reading, writing = os.pipe()
    os.close(reading)
    done = program("get", "nodes", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
