"""The protocol that FRR's vtysh speaks with a daemon."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.lab.commands import LabError
from flatbgp.lab.vty import Reply, ReplyParser, Vty

texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40)
replies = st.lists(st.builds(Reply, texts, st.integers(0, 255)), max_size=5)


@given(replies, st.lists(st.integers(0, 300), max_size=12))
def test_replies_are_found_however_the_bytes_arrive(sent: list[Reply], cuts: list[int]) -> None:
    stream = b"".join(reply.text.encode() + b"\0\0\0" + bytes([reply.status]) for reply in sent)
    parser = ReplyParser()

    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    received = [reply for start, end in pairwise(edges) for reply in parser.feed(stream[start:end])]

    assert received == sent


def test_an_unfinished_reply_is_none_yet() -> None:
    assert ReplyParser().feed(b"text\0\0\0") == []


@contextmanager
def daemon(path: Path, answer: Callable[[str], bytes]) -> Iterator[list[str]]:
    """Serve one connection after the other on ``path``; yields the commands that came in."""
    commands: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    pending = b""
                    while data := connection.recv(4096):
                        pending += data
                        *lines, pending = pending.split(b"\0")
                        for line in lines:
                            commands.append(line.decode())
                            connection.sendall(answer(line.decode()))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield commands
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_the_connection_stays_open_between_commands(tmp_path: Path) -> None:
    with daemon(tmp_path / "vty", lambda line: line.encode() + b"\0\0\0\0") as commands, Vty(tmp_path / "vty") as vty:
        assert vty.execute("show one") == "show one"
        assert vty.execute("show two") == "show two"
        assert commands == ["enable", "show one", "show two"]


def test_a_refused_command_is_an_error_with_the_daemon_s_own_words(tmp_path: Path) -> None:
    def answer(line: str) -> bytes:
        return b"\0\0\0\0" if line == "enable" else b"% Unknown command\n\0\0\0\x02"

    with (
        daemon(tmp_path / "vty", answer),
        Vty(tmp_path / "vty") as vty,
        pytest.raises(LabError, match=r"'bogus' was refused .*Unknown command"),
    ):
        vty.execute("bogus")


def test_configuration_mode_is_left_also_after_a_refused_line(tmp_path: Path) -> None:
    def answer(line: str) -> bytes:
        return b"no\0\0\0\x02" if line == "bad" else b"\0\0\0\0"

    with daemon(tmp_path / "vty", answer) as commands, Vty(tmp_path / "vty") as vty:
        with pytest.raises(LabError, match="'bad' was refused"):
            vty.configure("good", "bad", "never")
        assert commands == ["enable", "configure terminal", "good", "bad", "end"]


def test_what_is_not_json_is_an_error(tmp_path: Path) -> None:
    with (
        daemon(tmp_path / "vty", lambda _: b"% Malformed\0\0\0\0"),
        Vty(tmp_path / "vty") as vty,
        pytest.raises(LabError, match="did not print JSON"),
    ):
        vty.json("show bgp json")


def test_a_daemon_that_does_not_answer_is_an_error_and_its_successor_is_connected_to(tmp_path: Path) -> None:
    with Vty(tmp_path / "vty", deadline=0.05) as vty:
        with pytest.raises(LabError, match="no answer to 'show version'"):
            vty.execute("show version")
        with daemon(tmp_path / "vty", lambda _: b"8.4\0\0\0\0"):
            assert vty.execute("show version") == "8.4"
            vty.close()
