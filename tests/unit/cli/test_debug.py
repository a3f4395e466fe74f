"""``debug``: what can be shown without any daemon, and wrong usage."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from flatbgp.engine.gobgp.channel import Note
from flatbgp.engine.gobgp.codec_v4 import CodecV4
from flatbgp.engine.gobgp.methods import METHODS
from flatbgp.engine.gobgp.tracefile import TraceFile

OF_THE_ROUTERS = """\
---
apiVersion: v1
kind: Secret
metadata: {name: bgp, namespace: cluster-bm}
type: kubernetes.io/basic-auth
stringData: {username: bgp, password: open-sesame}
"""


@pytest.fixture
def from_manifests(run, guide, examples):
    def invoke(*arguments: str, files: tuple[str, ...] = ()):
        chosen = files or (guide, str(examples / "nodes.yaml"))
        options = [option for name in chosen for option in ("--from-manifests", name)]
        return run("debug", "rpc", *options, *arguments, store=None)

    return invoke


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace of a heartbeat, of a neighbour that was removed, and of one that was not there."""
    codec, path = CodecV4(), tmp_path / "trace.jsonl"

    def failed(message: str) -> None:
        raise AssertionError(message)

    def note(number: int, method: str, request: bytes, status: str, details: str = "") -> Note:
        answer = b"" if status == "OK" else None
        return Note(number, METHODS["v4", method].path, 0.0, 0.001, request, answer, status, details)

    file = TraceFile(path, 1024 * 1024, {"node": "node-01"}, failed)
    file.take(note(1, "GetBgp", b"", "OK"))
    for number, address, status in ((2, "10.0.1.254", "OK"), (3, "10.0.3.254", "UNKNOWN")):
        request = codec.pb.DeletePeerRequest(address=address).SerializeToString()
        file.take(note(number, "DeletePeer", request, status, "neighbor is not there" if status == "UNKNOWN" else ""))
    file.close(30)
    return path


class TestManifests:
    @pytest.mark.parametrize(("api", "service"), [("v3", "apipb.GobgpApi"), ("v4", "api.GoBgpService")])
    def test_the_calls_for_a_node_are_shown_in_the_form_of_each_generation(self, from_manifests, api, service):
        shown = from_manifests("--node", "node-01", "--api", api)
        assert shown.exit_code == 0
        calls = re.findall(r"^(\S+/\w+)$", shown.stdout, re.MULTILINE)
        assert calls[0] == f"{service}/StartBgp"
        assert calls[-1] == f"{service}/AddPeer"
        assert "> 222.2.1.0/24  via 10.0.3.12  tags 4290000179:0:0" in shown.stdout
        assert "note: assumed that node-01 holds 10.0.1.100 (--hold says otherwise)" in shown.stderr

    def test_json_and_a_script_are_for_programs(self, from_manifests):
        lines = [json.loads(line) for line in from_manifests("--node", "node-01", "-o", "json").stdout.splitlines()]
        assert lines[0]["path"] == "/api.GoBgpService/StartBgp"
        script = from_manifests("--node", "node-01", "-o", "grpcurl").stdout
        assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0

    def test_a_peer_or_a_prefix_narrows_them(self, from_manifests):
        of_peer = from_manifests("--node", "node-01", "--peer", "10.0.3.254").stdout
        assert of_peer.count("/AddPeer") == 1
        of_prefix = from_manifests("--node", "node-01", "--prefix", "222.2.1.0/24").stdout
        assert of_prefix.splitlines() == [
            "api.GoBgpService/AddPathStream",
            "  > 222.2.1.0/24  via 10.0.3.12  tags 4290000179:0:0",
        ]

    def test_passwords_are_in_no_form(self, from_manifests, guide, examples, tmp_path):
        text = Path(guide).read_text().replace("peerASN: 65002", "peerASN: 65002\n  passwordSecretRef: {name: bgp}")
        file = tmp_path / "with-secret.yaml"
        file.write_text(text + OF_THE_ROUTERS)
        files = (str(file), str(examples / "nodes.yaml"))
        for form in ((), ("-o", "json"), ("-o", "grpcurl")):
            shown = from_manifests("--node", "node-01", *form, files=files)
            assert shown.exit_code == 0, shown.stderr
            assert shown.stdout.count("10.0.1.254") > 0
            assert "AddPeer" in shown.stdout
            assert "sesame" not in shown.stdout + shown.stderr

    def test_a_node_that_holds_nothing_is_said_so(self, from_manifests):
        shown = from_manifests("--node", "node-09")
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert "node-09 holds no floating IP" in shown.stderr
        assert from_manifests("--node", "node-09", "--hold", "10.0.1.100").exit_code == 0

    def test_faults_are_told_as_by_apply(self, from_manifests, tmp_path):
        bad = tmp_path / "bad.yaml"
        bad.write_text("kind: Nonsense\napiVersion: v1\nmetadata: {name: x}\n")
        shown = from_manifests("--node", "n", files=(str(bad),))
        assert shown.exit_code == 1
        assert "Nonsense" in shown.stderr


class TestTrace:
    def test_reading_calls_that_succeeded_are_left_out_unless_asked_for(self, run, trace):
        shown = run("debug", "rpc", str(trace)).stdout
        assert "#1 GetBgp" not in shown
        assert "#2 DeletePeer (v4)  OK  1.0 ms" in shown
        assert '> {"address": "10.0.1.254"}' in shown
        assert "#3 DeletePeer (v4)  UNKNOWN: neighbor is not there" in shown
        assert "#1 GetBgp" in run("debug", "rpc", str(trace), "--all").stdout

    def test_a_peer_narrows_it(self, run, trace):
        shown = run("debug", "rpc", str(trace), "--peer", "10.0.3.254").stdout
        assert "#3 " in shown
        assert "#2 " not in shown

    def test_json_lines_are_those_of_the_trace(self, run, trace):
        shown = [
            json.loads(line) for line in run("debug", "rpc", str(trace), "--all", "-o", "json").stdout.splitlines()
        ]
        assert shown == [json.loads(line) for line in trace.read_text().splitlines()[1:]]

    def test_a_trace_can_be_a_script(self, run, trace):
        script = run("debug", "rpc", str(trace), "-o", "grpcurl").stdout
        assert script.count("call DeletePeer <<") == 2

    def test_one_that_was_cut_off_is_shown_up_to_the_cut(self, run, trace):
        trace.write_bytes(trace.read_bytes()[:-20])
        shown = run("debug", "rpc", str(trace))
        assert shown.exit_code == 0
        assert "#2 DeletePeer" in shown.stdout
        assert "is cut off in line 4" in shown.stderr

    @pytest.mark.parametrize("content", [None, b"hello\n"])
    def test_what_is_no_trace_is_one_line_on_stderr(self, program, tmp_path, content):
        file = tmp_path / "x"
        if content is not None:
            file.write_bytes(content)
        done = program("debug", "rpc", str(file))
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert str(file) in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_replay_without_a_daemon_says_that_it_is_not_there(self, program, trace, tmp_path):
        done = program("debug", "rpc", str(trace), "--replay", f"unix://{tmp_path}/nobody.sock")
        assert done.returncode == 1
        assert "is not there" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["debug", "rpc"], "name a trace, or manifests"),
        (["debug", "rpc", "x", "--from-manifests", "y"], "name a trace, or manifests"),
        (["debug", "rpc", "--from-manifests", "y"], "needs --node NAME"),
        (["debug", "rpc", "--from-manifests", "y", "--node", "n", "--replay", "unix:///x"], "are for traces"),
        (["debug", "rpc", "x", "--peer", "router"], "'router' is no IP address"),
        (["debug", "rpc", "x", "--prefix", "10.0.0.1/24"], "has host bits set"),
        (["debug", "engine"], "'--gobgp'"),
        (["debug", "engine", "--gobgp", "unix:///x", "--node", "n"], "give --store URL"),
        (["speaker", "--node", "n", "--gobgp", "unix:///x", "--trace-limit", "1KiB"], "no size of at least 64KiB"),
        (["debug", "nonsense"], "there are engine, rpc"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(run, arguments, said):
    done = run(*arguments, store=None)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_daemon_that_is_not_there_is_one_line_on_stderr(program, tmp_path):
    done = program("debug", "engine", "--gobgp", f"unix://{tmp_path}/nobody.sock")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "is not there" in done.stderr
