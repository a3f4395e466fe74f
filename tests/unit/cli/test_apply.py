"""``apply`` and ``validate``: all or nothing, each fault a line, never a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatbgp.resources import kinds
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.node import NODE

PEER = """\
apiVersion: networking.gke.io/v1
kind: BGPPeer
metadata: {{name: {name}, namespace: cluster-bm}}
spec: {{localASN: {asn}, peerASN: 65000, peerIP: {ip}}}
"""


def peer(name: str = "p1", asn: object = 65001, ip: str = "10.0.1.254") -> str:
    return PEER.format(name=name, asn=asn, ip=ip)


def names(on_store) -> list[str]:
    return [item.meta.name for item in on_store(lambda store: store.list(BGP_PEER)).items]


def is_empty(on_store) -> bool:
    return not any(on_store(lambda store, kind=kind: store.list(kind)).items for kind in kinds.ALL)


@pytest.mark.parametrize(
    "example", ["single-stack-ipv4", "ipv4-island-ipv6-flat", "dual-stack-flat", "step-by-step", "nodes", "node-04"]
)
def test_every_example_is_valid_and_is_applied(run, examples, example):
    file = str(examples / f"{example}.yaml")
    checked = run("validate", "-f", file, store=None)
    assert (checked.exit_code, checked.stderr) == (0, "")
    applied = run("apply", "-f", file)
    assert (applied.exit_code, applied.stderr) == (0, "")
    assert all(line.endswith(" created") for line in applied.stdout.splitlines())
    assert len(applied.stdout.splitlines()) == int(checked.stdout.split()[0])


def test_what_apply_did_is_told_in_kubectls_words(run, guide):
    assert run("apply", "-f", guide).stdout.splitlines() == [
        "cluster.baremetal.cluster.gke.io/bm created",
        "clustercidrconfig.baremetal.cluster.gke.io/cluster-wide-1 created",
        "networkgatewaygroup.networking.gke.io/default created",
        "flatipmode.baremetal.cluster.gke.io/default created",
        "bgppeer.networking.gke.io/bgppeer1 created",
        "bgppeer.networking.gke.io/bgppeer2 created",
    ]
    assert all(line.endswith(" unchanged") for line in run("apply", "-f", guide).stdout.splitlines())
    changed = run("apply", "-f", "-", stdin=peer("bgppeer1", 65009))
    assert changed.stdout == "bgppeer.networking.gke.io/bgppeer1 configured\n"


def test_a_core_kind_is_told_without_a_group(run, examples):
    assert run("apply", "-f", str(examples / "node-04.yaml")).stdout == "node/node-04 created\n"


def test_standard_input_files_and_directories_are_one_set(run, on_store, tmp_path):
    (tmp_path / "a.yaml").write_text(peer("from-directory", ip="10.0.1.1"))
    (tmp_path / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}))
    (tmp_path / "notes.txt").write_text("no manifest")
    applied = run("apply", "-f", str(tmp_path), "-f", "-", stdin=peer("from-stdin", ip="10.0.1.2"))
    assert applied.exit_code == 0
    assert len(applied.stdout.splitlines()) == 3
    assert names(on_store) == ["from-directory", "from-stdin"]


def test_one_fault_writes_nothing_at_all(run, on_store, guide):
    refused = run("apply", "-f", guide, "-f", "-", stdin=peer("bad", asn=0))
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr == (
        "-: document 1: BGPPeer cluster-bm/bad: spec.localASN: 0 is no AS number to use: 0 is reserved (RFC 7607); "
        "use 1 to 4294967294\n"
    )
    assert is_empty(on_store)


def test_each_fault_names_file_document_object_field_and_value(run, tmp_path):
    file = tmp_path / "peers.yaml"
    quoted = '"65001"'
    file.write_text(f"{peer('good')}---\n{peer('bad', asn=quoted, ip='10.0.1.0254')}")
    refused = run("apply", "-f", str(file))
    first, second = refused.stderr.splitlines()
    place = f"{file}: document 2: BGPPeer cluster-bm/bad: spec."
    assert first.startswith(f'{place}localASN: "65001" must be a whole number')
    assert second.startswith(f'{place}peerIP: "10.0.1.0254" ')


def test_faults_come_in_the_order_of_the_files(run, tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(peer(name, asn=0))
    refused = run("validate", "-f", str(tmp_path / "b.yaml"), "-f", str(tmp_path / "a.yaml"), store=None)
    files = [Path(line.split(":")[0]).name for line in refused.stderr.splitlines()]
    assert files == ["b.yaml", "a.yaml"]


def test_of_many_faults_the_first_20_are_shown_and_the_rest_is_counted(run, on_store):
    refused = run("apply", "-f", "-", stdin="---\n".join(peer(f"p{n}", asn=0, ip=f"10.0.1.{n}") for n in range(1, 31)))
    lines = refused.stderr.splitlines()
    assert len(lines) == 21
    assert lines[19].startswith("-: document 20: ")
    assert lines[20] == "... and 10 more"
    assert is_empty(on_store)


def test_a_long_value_is_cut(run):
    refused = run("validate", "-f", "-", stdin=peer(ip="1" * 5000), store=None)
    assert refused.exit_code == 1
    assert max(map(len, refused.stderr.splitlines())) < 400


def test_files_are_checked_against_what_is_stored(run, guide):
    run("apply", "-f", guide)
    refused = run("apply", "-f", "-", stdin=peer("clash", ip="10.0.1.100"))
    assert refused.exit_code == 1
    assert "10.0.1.100" in refused.stderr
    assert "NetworkGatewayGroup cluster-bm/default" in refused.stderr
    assert run("validate", "-f", "-", stdin=peer("clash", ip="10.0.1.100"), store=None).exit_code == 0


def test_validate_with_a_store_checks_against_it_and_writes_nothing(run, on_store, guide):
    run("apply", "-f", guide)
    assert run("validate", "-f", "-", stdin=peer("clash", ip="10.0.1.100")).exit_code == 1
    assert run("validate", "-f", "-", stdin=peer("fine", ip="10.0.1.253")).exit_code == 0
    assert names(on_store) == ["bgppeer1", "bgppeer2"]


def test_validate_does_not_make_a_store(run, tmp_path, guide):
    assert run("validate", "-f", guide).exit_code == 0
    assert not (tmp_path / "store.db").exists()


def test_what_never_changes_is_refused_in_the_files_own_terms(run, examples):
    text = (examples / "single-stack-ipv4.yaml").read_text()
    run("apply", "-f", "-", stdin=text)
    refused = run("apply", "-f", "-", stdin=text.replace("perNodeMaskSize: 24", "perNodeMaskSize: 25"))
    assert refused.exit_code == 1
    assert refused.stderr.startswith("-: document 2: ClusterCIDRConfig cluster-bm/cluster-wide-1: spec.ipv4: ")


def test_warnings_stop_nothing(run):
    cluster = (
        "apiVersion: baremetal.cluster.gke.io/v1\nkind: Cluster\nmetadata: {name: bm, namespace: cluster-bm}\n"
        "spec: {clusterNetwork: {flatIPV4: true, pods: {cidrBlocks: [192.168.0.0/16]}, "
        "services: {cidrBlocks: [10.96.0.0/12]}}}\n"
    )
    applied = run("apply", "-f", "-", stdin=cluster)
    assert applied.exit_code == 0
    assert applied.stdout == "cluster.baremetal.cluster.gke.io/bm created\n"
    assert applied.stderr.startswith("warning: -: document 1: Cluster cluster-bm/bm: ")
    assert "flatIPv4" in applied.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no object in it"),
        (b"---\n---\n", "has no object in it"),
        (b"# nothing\n", "has no object in it"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"a: b: c\n", "line 1"),
        (b"- 1\n", "must be an object"),
        (b"just text", "must be an object"),
        (b"[" * 100_000, "-: "),
        (b'{"a":' * 5000, "-: "),
        (b"a: &a [*a]\n", "-: "),
        (b"\0", "-: "),
        (b"kind: Pod\napiVersion: v1\nmetadata: {name: x}\n", "no kind that flatbgp knows"),
        (b"x" * (10 * 1024 * 1024 + 1), "larger than 10 MiB"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(run, on_store, content, said):
    for command in ("apply", "validate", "delete"):
        refused = run(command, "-f", "-", stdin=content)
        assert refused.exit_code == 1
        assert refused.stdout == ""
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
        assert len(refused.stderr.splitlines()) <= 21
    assert is_empty(on_store)


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("/nowhere/at/all.yaml", "No such file or directory"),
        ("{directory}/empty", "no *.yaml, *.yml or *.json in this directory"),
        ("/proc/self/mem", "cannot read /proc/self/mem"),
        ("nul\0byte", "null byte"),
        ("", "no *.yaml, *.yml or *.json in this directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(run, tmp_path, monkeypatch, filename, said):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for command in ("apply", "validate", "delete"):
        refused = run(command, "-f", filename.format(directory=tmp_path))
        assert refused.exit_code == 1
        assert len(refused.stderr.splitlines()) == 1
        assert said in refused.stderr


def test_a_file_without_end_is_refused_after_the_limit(run):
    refused = run("validate", "-f", "/dev/zero", store=None)
    assert refused.exit_code == 1
    assert refused.stderr == "/dev/zero: is larger than 10 MiB; split it into several files\n"


def test_a_store_that_is_something_else_is_one_line(program, tmp_path, guide):
    (tmp_path / "store.db").write_text("this is a letter to my aunt\n" * 100)
    done = program("apply", "-f", guide)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"sqlite:{tmp_path}/store.db" in done.stderr
    assert (tmp_path / "store.db").read_text().startswith("this is a letter")


@pytest.mark.parametrize("url", ["nonsense", "sqlite:", "oracle:x", "sqlite://host/x"])
def test_a_url_that_names_no_store_is_wrong_usage(run, guide, url):
    for arguments in (["apply", "-f", guide], ["get", "nodes"], ["drain", "n"]):
        refused = run(*arguments, store=url)
        assert refused.exit_code == 2
        assert "sqlite:PATH" in refused.stderr


def test_without_a_store_the_message_says_how_to_name_one(run, guide):
    for arguments in (["apply", "-f", guide], ["get", "nodes"], ["delete", "node", "n"], ["describe", "node", "n"]):
        refused = run(*arguments, store=None)
        assert refused.exit_code == 2
        assert "--store URL" in refused.stderr
        assert "FLATBGP_STORE" in refused.stderr


def test_the_option_wins_over_the_environment(run, tmp_path, guide):
    other = f"sqlite:{tmp_path / 'other.db'}"
    run("apply", "-f", guide, "--store", other)
    assert not (tmp_path / "store.db").exists()
    assert "bgppeer1" in run("get", "bgppeers", "-A", "--store", other).stdout


def test_a_secrets_value_is_never_shown(run):
    manifest = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: cluster-bm}\ntype: kubernetes.io/basic-auth\n"
        "stringData: {password: [hunter2], other: hunter2}\ndata: {password: hunter2!}\n"
    )
    refused = run("apply", "-f", "-", stdin=manifest)
    assert refused.exit_code == 1
    assert "hunter2" not in refused.output


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_manifest_never_ends_in_a_traceback(run, examples, data):
    text = bytearray((examples / "single-stack-ipv4.yaml").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 20))] = data.draw(
            st.one_of(
                st.binary(max_size=8), st.sampled_from([b"{", b"[", b": ", b"\n", b"&a ", b"*a", b"!!x ", b"1e999"])
            )
        )
    done = run("validate", "-f", "-", stdin=bytes(text), store=None)
    assert done.exit_code in (0, 1)
    assert (done.exit_code == 0) == bool(done.stdout)
    assert done.exit_code == 0 or done.stderr
    assert "nobody foresaw" not in done.stderr


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_are_answered_with_lines(run, content):
    done = run("validate", "-f", "-", stdin=content, store=None)
    assert done.exit_code == 1
    assert done.stderr
    assert all(line.startswith(("-:", "warning: -:", "...")) for line in done.stderr.rstrip("\n").split("\n"))


def test_two_who_apply_at_once_both_succeed(environment, guide):
    command = [sys.executable, "-m", "flatbgp.cli.main", "apply", "-f", guide]
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    verbs = sorted(output[0].split()[1] for output in outputs)
    assert verbs == ["created", "unchanged"]


def test_a_nodes_file_can_be_applied_again_once_the_controller_has_given_the_node_its_ranges(run, on_store):
    node = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: %s}]}\n"
    run("apply", "-f", "-", stdin=node % "10.0.1.11")
    ranges = ["222.2.0.0/24"]
    on_store(lambda store: store.patch(NODE, "n1", "", {"spec": {"podCIDR": ranges[0], "podCIDRs": ranges}}))

    assert run("apply", "-f", "-", stdin=node % "10.0.1.11").stdout == "node/n1 unchanged\n"
    assert run("apply", "-f", "-", stdin=node % "10.0.1.12").stdout == "node/n1 configured\n"

    (found,) = on_store(lambda store: store.list(NODE)).items
    assert [str(each) for each in found.spec.pod_cidrs] == ranges
