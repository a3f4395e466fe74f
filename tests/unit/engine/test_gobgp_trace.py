"""A trace of calls, without a daemon: what is noted, written, bounded, hidden and read."""

import json
import os
import stat
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path as FilePath
from typing import Any

import pytest

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgp import GobgpEngine
from flatbgp.engine.gobgp.channel import DryChannel, Note, NotedChannel
from flatbgp.engine.gobgp.codec import Codec
from flatbgp.engine.gobgp.codec_v3 import CodecV3
from flatbgp.engine.gobgp.codec_v4 import CodecV4
from flatbgp.engine.gobgp.entries import Entry, entry_of
from flatbgp.engine.gobgp.methods import METHODS, SERVICES
from flatbgp.engine.gobgp.readable import message_of, readable
from flatbgp.engine.gobgp.replay import changing_calls
from flatbgp.engine.gobgp.tags import OURS
from flatbgp.engine.gobgp.tracefile import TraceFile, older
from flatbgp.engine.gobgp.transcript import Transcript, about
from flatbgp.engine.model import Neighbor, Path
from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.secrets import Password

ROUTER, OTHER = IPv4Address("10.0.1.254"), IPv4Address("10.0.3.254")
FOUR, SIX = ip_network("10.1.0.0/24"), ip_network("2001:db8:1::/64")
LIMIT = 1024 * 1024


@pytest.fixture(params=[CodecV3, CodecV4], ids=["v3", "v4"])
def codec(request: pytest.FixtureRequest) -> Codec:
    made: Codec = request.param()
    return made


def neighbor(address: IPv4Address = ROUTER) -> Neighbor:
    return Neighbor(address, ROUTER - 1, 65001, 65002, password=Password("sesame"))


def path(prefix: IPNetwork = FOUR) -> Path:
    return Path(prefix, ip_address("10.0.1.1" if prefix.version == 4 else "2001:db8::1"))


def batch(codec: Codec, *prefixes: IPNetwork) -> bytes:
    tagged = [(path(prefix), frozenset({OURS})) for prefix in prefixes]
    body: bytes = codec.path_request(tagged).SerializeToString()
    return body


def note(codec: Codec, method: str, number: int = 1, **parts: Any) -> Note:
    return Note(number, METHODS[codec.api, method].path, 1_000_000.0, 0.0015, **parts)


def fail(message: str) -> None:
    raise AssertionError(message)


def written(file: FilePath, *notes: Note, limit: int = LIMIT) -> list[dict[str, Any]]:
    trace = TraceFile(file, limit, {"node": "node-01"}, fail)
    for each in notes:
        trace.take(each)
    trace.close(30)
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def file(tmp_path: FilePath) -> FilePath:
    return tmp_path / "trace.jsonl"


class TestChannel:
    async def test_every_call_of_the_adapter_is_noted_with_its_bytes_and_its_end(self, codec: Codec) -> None:
        notes: list[Note] = []
        engine = GobgpEngine("unix:///nowhere", DryChannel(SERVICES[codec.api]))
        engine.trace(notes.append)
        await engine.start(IPv4Address("192.0.2.1"), "marker")
        await engine.announce([path(FOUR), path(SIX)])
        await engine.add_neighbor(neighbor())
        await engine.close()

        entries = [entry_of(each) for each in notes]
        ends = [(entry.method.name, entry.status) for entry in entries if entry.status]
        wrong_generation = [("GetBgp", "UNIMPLEMENTED")] if codec.api == "v3" else []
        assert ends == [
            *wrong_generation,
            ("GetBgp", "OK"),
            ("StartBgp", "OK"),
            ("SetPolicies", "OK"),
            ("SetPolicyAssignment", "OK"),
            ("SetPolicyAssignment", "OK"),
            ("SetPolicies", "OK"),
            ("AddPathStream", "OK"),
            ("SetPolicies", "OK"),
            ("AddPeer", "OK"),
        ]
        assert all(entry.method.api == codec.api for entry in entries[len(wrong_generation) :])

    async def test_notes_can_be_switched_on_and_off_while_it_runs(self, codec: Codec) -> None:
        notes: list[Note] = []
        engine = GobgpEngine("unix:///nowhere", DryChannel(SERVICES[codec.api]))
        await engine.info()
        engine.trace(notes.append)
        await engine.info()
        engine.trace(None)
        await engine.info()
        assert [entry_of(each).method.name for each in notes] == ["GetBgp"]

    async def test_an_answer_that_comes_later_is_noted_also_if_the_call_began_before(self) -> None:
        class Endless(DryChannel):
            def unary_stream(self, method: str) -> Any:  # noqa: ARG002 - the channel's signature
                return lambda _: Answer()

        class Answer:
            async def read(self) -> bytes:
                return b""

            def cancel(self) -> None:
                pass

        notes: list[Note] = []
        channel = NotedChannel(Endless(SERVICES["v4"]))
        call = channel.unary_stream("/x", bytes, bytes)(b"")
        channel.taker = notes.append
        await call.read()
        call.cancel()
        call.cancel()
        assert [(each.request, each.answer, each.status) for each in notes] == [
            (None, b"", ""),
            (None, None, "CANCELLED"),
        ]

    async def test_a_refused_call_is_noted_with_what_was_said(self) -> None:
        notes: list[Note] = []
        channel = NotedChannel(DryChannel(SERVICES["v4"]))
        channel.taker = notes.append
        with pytest.raises(Exception, match="unknown service"):
            await channel.unary_unary("/apipb.GobgpApi/GetBgp", bytes, bytes)(b"")

        async def one() -> AsyncIterator[bytes]:
            yield b"x"

        with pytest.raises(Exception, match="unknown service"):
            await channel.stream_unary("/apipb.GobgpApi/AddPathStream", bytes, bytes)(one())
        assert [each.status for each in notes] == ["UNIMPLEMENTED", "UNIMPLEMENTED"]
        assert {each.details for each in notes} == {"unknown service apipb.GobgpApi"}


class TestReadable:
    @pytest.mark.parametrize("prefix", [FOUR, SIX], ids=["IPv4", "IPv6"])
    def test_a_request_survives_the_way_to_plain_values_and_back(self, codec: Codec, prefix: IPNetwork) -> None:
        kind = METHODS[codec.api, "AddPathStream"].request
        message = kind.FromString(batch(codec, prefix))
        assert message_of(kind, readable(message)) == message
        assert message_of(kind, json.loads(json.dumps(readable(message)))) == message

    def test_what_our_part_of_the_api_does_not_know_is_shown_as_bytes(self) -> None:
        codec = CodecV3()
        message = codec.pb.Path()
        message.nlri.type_url, message.nlri.value = "type.googleapis.com/apipb.FlowSpecNLRI", b"\1\2"
        assert readable(message) == {"nlri": {"@type": "type.googleapis.com/apipb.FlowSpecNLRI", "value": "AQI="}}

    def test_values_that_are_no_message_are_refused_with_its_name(self, codec: Codec) -> None:
        with pytest.raises(ValueError, match="AddPeerRequest"):
            message_of(METHODS[codec.api, "AddPeer"].request, {"peer": {"nonsense": 1}})


class TestFile:
    def test_a_line_has_time_method_messages_status_and_duration(self, codec: Codec, file: FilePath) -> None:
        request = codec.pb.DeletePeerRequest(address=str(ROUTER)).SerializeToString()
        head, line = written(file, note(codec, "DeletePeer", 7, request=request, answer=b"", status="OK"))
        assert (head["format"], head["node"]) == ("flatbgp-rpc-trace", "node-01")
        assert line == {
            "time": "1970-01-12T13:46:40.000000Z",
            "call": 7,
            "api": codec.api,
            "method": "DeletePeer",
            "ms": 1.5,
            "request": {"address": "10.0.1.254"},
            "answer": {},
            "status": "OK",
        }

    def test_no_password_is_written_neither_asked_for_nor_answered(self, codec: Codec, file: FilePath) -> None:
        peer = codec.peer(neighbor())
        peer.conf.description = "x" * 5000  # large, which other messages are not decoded for
        request = codec.pb.AddPeerRequest(peer=peer).SerializeToString()
        event = codec.pb.WatchEventResponse(peer=codec.pb.WatchEventResponse.PeerEvent(peer=peer))
        answer = codec.pb.ListPeerResponse(peer=peer).SerializeToString()
        lines = written(
            file,
            note(codec, "AddPeer", 1, request=request, answer=b"", status="OK"),
            note(codec, "UpdatePeer", 2, request=request, answer=b"", status="OK"),
            note(codec, "WatchEvent", 3, answer=event.SerializeToString()),
            *(note(codec, "ListPeer", 4, answer=answer) for _ in range(200)),
            limit=16 * LIMIT,
        )
        text = file.read_text()
        assert "sesame" not in text
        assert "c2VzYW1l" not in text  # the same in base64
        assert lines[1]["request"]["peer"]["conf"]["authPassword"] == "***"
        assert lines[-1]["answer"]["peer"]["conf"]["authPassword"] == "***"

    def test_large_batches_are_kept_packed_and_read_as_if_they_were_not(self, codec: Codec, file: FilePath) -> None:
        blocks = [ip_network(f"10.{number}.0.0/24") for number in range(200)]
        body = batch(codec, *blocks)
        _, line = written(file, note(codec, "AddPathStream", request=body))
        [entry] = Transcript(file).entries()
        assert set(line["request"]) == {"packed"}
        assert replace(entry, run=0) == entry_of(note(codec, "AddPathStream", request=body))

    def test_of_a_call_with_thousands_of_messages_only_the_first_are_decoded(self, file: FilePath) -> None:
        codec = CodecV4()
        answer = codec.pb.ListPathResponse().SerializeToString()
        lines = written(file, *(note(codec, "ListPath", 5, answer=answer) for _ in range(150)))[1:]
        assert sum(line["answer"] == {} for line in lines) == 100
        assert sum("packed" in line["answer"] for line in lines) == 50

    def test_only_its_owner_may_read_it(self, file: FilePath) -> None:
        written(file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_it_stays_below_its_limit_and_the_newest_half_is_there(self, file: FilePath) -> None:
        codec, limit = CodecV4(), 64 * 1024
        request = codec.pb.DeletePeerRequest(address=str(ROUTER)).SerializeToString()
        count = 3000
        written(file, *(note(codec, "DeletePeer", n, request=request, status="OK") for n in range(count)), limit=limit)
        numbers = [entry.call for entry in Transcript(file).entries()]
        assert older(file).exists()
        assert file.stat().st_size + older(file).stat().st_size <= limit
        assert numbers == list(range(numbers[0], count))
        assert len(numbers) > 200

    def test_a_later_process_goes_on_in_the_same_file_and_its_calls_are_told_apart(self, file: FilePath) -> None:
        codec = CodecV4()
        one = note(codec, "AddPathStream", 1, request=batch(codec, FOUR))
        written(file, one)
        written(file, one, note(codec, "AddPathStream", 1, answer=b"", status="OK"))
        calls = list(changing_calls(Transcript(file).entries()))
        assert [(len(call.requests), call.status) for call in calls] == [(1, "OK"), (1, "")]

    @pytest.mark.parametrize("kind", ["directory", "fifo", "nowhere"])
    def test_a_path_that_is_no_file_is_refused_with_the_reason(self, file: FilePath, kind: str) -> None:
        match kind:
            case "directory":
                file.mkdir()
            case "fifo":
                os.mkfifo(file)
            case "nowhere":
                file = file / "deeper"
        with pytest.raises(EngineError, match=r"no trace in .*; name another file"):
            TraceFile(file, LIMIT, {}, fail)

    def test_a_device_is_not_taken_for_a_file(self) -> None:
        with pytest.raises(EngineError, match="it is no regular file"):
            TraceFile(FilePath("/dev/null"), LIMIT, {}, fail)

    def test_a_disk_that_refuses_ends_the_trace_and_nothing_else(self, tmp_path: FilePath) -> None:
        folder = tmp_path / "gone"
        folder.mkdir()
        told: list[str] = []
        failed = threading.Event()

        def failure(message: str) -> None:
            told.append(message)
            failed.set()

        codec = CodecV4()
        trace = TraceFile(folder / "trace", 2048, {}, failure)
        (folder / "trace").unlink()
        folder.rmdir()  # now the file cannot be put aside when it has become too large
        for number in range(100):
            trace.take(note(codec, "GetBgp", number, request=b"", answer=b"", status="OK"))
        assert failed.wait(30)
        trace.take(note(codec, "GetBgp", 101, request=b"", answer=b"", status="OK"))
        trace.close(30)
        [message] = told
        assert "ends here: No such file or directory" in message


class TestTranscript:
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.999])
    def test_a_trace_that_was_cut_off_is_read_up_to_the_cut(self, file: FilePath, share: float) -> None:
        codec = CodecV4()
        request = codec.pb.DeletePeerRequest(address=str(ROUTER)).SerializeToString()
        written(file, *(note(codec, "DeletePeer", n, request=request, answer=b"", status="OK") for n in range(40)))
        whole = file.read_bytes()
        cut = int(len(whole) * share)
        file.write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n") - 1
        transcript = Transcript(file)

        numbers = [entry.call for entry in transcript.entries()]

        assert numbers == list(range(complete))
        assert [remark for remark in transcript.remarks if f"cut off in line {complete + 2}" in remark]

    def test_a_line_that_cannot_be_read_is_passed_over_and_told(self, file: FilePath) -> None:
        codec = CodecV4()
        written(file, note(codec, "GetBgp", 1, request=b"", answer=b"", status="OK"))
        with file.open("a") as more:
            more.write('{"time": "now", "call": 2, "api": "v4", "method": "Nonsense", "ms": 1}\nnonsense\n[]\n')
            more.write(file.read_text().splitlines()[1].replace('"call":1', '"call":3') + "\n")
        transcript = Transcript(file)
        assert [entry.call for entry in transcript.entries()] == [1, 3]
        assert len(transcript.remarks) == 3
        assert "cannot be read at line 3" in transcript.remarks[0]

    @pytest.mark.parametrize("content", [b"", b"hello\n", b'{"kind": "Node"}\n', b"\x00\xff\xfe", b"[1]\n"])
    def test_another_file_is_refused_or_empty(self, file: FilePath, content: bytes) -> None:
        file.write_bytes(content)
        if content:
            with pytest.raises(EngineError, match="is no trace of gRPC calls"):
                list(Transcript(file).entries())
        else:
            assert list(Transcript(file).entries()) == []

    def test_a_trace_of_another_version_is_named(self, file: FilePath) -> None:
        file.write_text('{"format": "flatbgp-rpc-trace", "version": 99}\n')
        with pytest.raises(EngineError, match="another version"):
            list(Transcript(file).entries())

    def test_a_missing_file_is_named(self, file: FilePath) -> None:
        with pytest.raises(EngineError, match="No such file"):
            list(Transcript(file).entries())


class TestAbout:
    def entries(self, codec: Codec) -> list[Entry]:
        peer = codec.pb.AddPeerRequest(peer=codec.peer(neighbor(OTHER))).SerializeToString()
        policies = codec.policy.set_policies("m", {ROUTER: neighbor().export}).SerializeToString()
        return [
            entry_of(note(codec, "AddPathStream", 1, request=batch(codec, FOUR, SIX))),
            entry_of(note(codec, "SetPolicies", 2, request=policies)),
            entry_of(note(codec, "AddPeer", 3, request=peer)),
        ]

    def test_a_peer_is_found_by_its_address_and_in_our_names(self, codec: Codec) -> None:
        def found(peer: IPv4Address) -> list[str]:
            return [entry.method.name for entry in self.entries(codec) if about(entry, peer, None) is not None]

        assert found(ROUTER) == ["SetPolicies"]
        assert found(OTHER) == ["AddPeer"]
        assert found(OTHER + 1) == []

    @pytest.mark.parametrize("prefix", [FOUR, SIX], ids=["IPv4", "IPv6"])
    def test_of_a_batch_only_the_paths_of_a_prefix_are_left(self, codec: Codec, prefix: IPNetwork) -> None:
        found = [part for entry in self.entries(codec) if (part := about(entry, None, prefix)) is not None]
        [entry] = found
        assert entry.request is not None
        [left] = entry.request["paths"]
        assert str(prefix.network_address) in json.dumps(left)
        assert about(self.entries(codec)[0], None, ip_network("10.9.0.0/24")) is None
