"""The Go Text Protocol both ways: a scripted session, and games against programs that behave and that do not."""

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from smuzero.envs.boards import make_board
from smuzero.evaluation.gtp import Command, NotAVertex, move_of, parse_command, respond, vertex_of
from smuzero.evaluation.gtp_client import play_gtp_match
from smuzero.evaluation.gtp_engine import Engine, Thought, area, serve
from smuzero.types import UserError

pytest.importorskip("pgx")
FAKE = f"{shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).parent / 'fake_gtp.py'))}"


@pytest.fixture(scope="module")
def board():
    return make_board("go:5x5")


def first_legal(observation, legal):
    return Thought(int(np.flatnonzero(legal)[0]), 0.0)


def engine_of(board, think=first_legal, **options):
    return Engine(board, think, version="0", **options)


def session(engine, *lines):
    """The responses to some lines, without `=` and the empty line."""
    return [engine.answer(line).removesuffix("\n\n") for line in lines]


def test_vertices_skip_the_letter_i_and_count_from_below():
    assert vertex_of(0, 19) == "A19" and vertex_of(8, 19) == "J19" and vertex_of(360, 19) == "T1"
    assert all(move_of(vertex_of(move, 9), 9) == move for move in range(82))
    assert move_of("q16", 19) == 3 * 19 + 15 and move_of("PASS", 9) == 81
    for wrong in ("I5", "A0", "A10", "F1x", "", "5A"):
        with pytest.raises(NotAVertex):
            move_of(wrong, 9)


def test_commands_are_read_with_ids_comments_and_control_characters():
    assert parse_command("  # nothing") is None and parse_command("\r\n") is None
    assert parse_command("12 play\tb \x07A1 # why\r") == ("12", "play", ["b", "A1"])
    assert respond(Command("7", "name", []), "x") == "=7 x\n\n"
    assert respond(Command("", "name", []), "", ok=False) == "?\n\n"


def test_a_session_answers_as_the_protocol_says(board):
    engine = engine_of(board)
    assert session(engine, "protocol_version", "1 name", "known_command genmove", "known_command x", "x", "3 x") == [
        "= 2",
        "=1 smuzero",
        "= true",
        "= false",
        "? unknown command",
        "?3 unknown command",
    ]
    listed = session(engine, "list_commands")[0].removeprefix("= ").split()
    assert {"boardsize", "clear_board", "komi", "play", "genmove", "undo", "showboard", "final_score"} <= set(listed)
    assert session(engine, "boardsize 5", "boardsize 9", "boardsize", "komi 0.5", "komi x", "komi") == [
        "=",
        "? unacceptable size",
        "? syntax error",
        "=",
        "? syntax error",
        "? syntax error",
    ]
    assert session(engine, "time_settings 0 5 1", "time_left b 3 0", "time_left x 3 0") == ["=", "=", "? syntax error"]
    assert session(engine, "quit") == ["="] and not engine.is_running


def test_moves_are_played_refused_and_taken_back(board):
    engine = engine_of(board)
    assert session(engine, "play b C3", "play w C3", "play w Z9", "play x A1", "play w") == [
        "=",
        "? illegal move",
        "? syntax error",
        "? syntax error",
        "? syntax error",
    ]
    assert engine.stones()[2, 2] == 1 and np.abs(engine.stones()).sum() == 1
    assert session(engine, "genmove w", "genmove B") == ["= A5", "= B5"]
    assert engine.stones()[0].tolist() == [-1, 1, 0, 0, 0]
    assert session(engine, "undo", "undo", "undo", "undo") == ["=", "=", "=", "? cannot undo"]
    assert not engine.stones().any()


def test_a_colour_may_move_twice_in_a_row(board):
    engine = engine_of(board)
    assert session(engine, "play b A1", "play b B1", "play w C1") == ["=", "=", "="]
    assert engine.stones()[4].tolist() == [1, 1, -1, 0, 0]
    assert session(engine, "undo", "undo") == ["=", "="]
    assert engine.stones()[4].tolist() == [1, 0, 0, 0, 0]


def test_the_board_and_its_score_are_shown(board):
    engine = engine_of(board)
    session(engine, "play b C5", "play w D4")
    shown = engine.answer("showboard").splitlines()
    assert shown[1].split() == list("ABCDE") and shown[2].split() == ["5", ".", ".", "X", ".", ".", "5"]
    assert shown[3].split()[4] == "O"
    # One stone each, and no point is anybody's alone.
    assert session(engine, "final_score", "komi -1", "final_score", "komi 0", "final_score") == [
        "= W+7.5",
        "=",
        "= B+1",
        "=",
        "= 0",
    ]


def test_area_counts_stones_and_what_one_colour_surrounds():
    stones = np.array([[0, 1, 0], [1, 1, -1], [0, -1, 0]])
    # Black: 3 stones and the corner. White: 2 stones and a corner. The other corners are shared.
    assert area(stones) == (3 + 1) - (2 + 1)
    assert area(np.zeros((3, 3), int)) == 0


def test_an_engine_that_sees_no_hope_resigns(board):
    engine = engine_of(board, lambda observation, legal: Thought(0, -0.99), resign_below=-0.95)
    assert session(engine, "genmove b") == ["= resign"]


def test_after_two_passes_nothing_but_passes_are_generated(board):
    engine = engine_of(board)
    assert session(engine, "play b pass", "play w pass", "genmove b", "play w A1") == [
        "=",
        "=",
        "= pass",
        "? illegal move",
    ]


def test_serving_ends_with_quit(board):
    out = []
    serve(engine_of(board), ["name\n", "\n", "quit\n", "name\n"], out.append)
    assert "".join(out) == "= smuzero\n\n=\n\n"


def passing(observation, legal):
    return Thought(25, 0.0)


@pytest.mark.parametrize(
    ("answers", "reason", "result"),
    [
        ("resign", "resigned", 1.0),
        ("Z9", "illegal", 1.0),
        ("C3 C3", "illegal", 1.0),
        ("die", "died", 1.0),
        ("garble", "garbled", 1.0),
        ("error", "garbled", 1.0),
    ],
)
def test_what_a_program_does_wrong_is_recorded_and_the_match_goes_on(board, answers, reason, result):
    think = passing if answers != "C3 C3" else first_legal
    records = play_gtp_match(board, think, f"{FAKE} {answers}", 2, 0, opening_moves=0, timeout=20.0)
    assert [(record.reason, record.result) for record in records] == [(reason, result)] * 2
    assert [record.agent_is_black for record in records] == [True, False]


def test_a_silent_program_loses_by_time(board):
    (record,) = play_gtp_match(board, passing, f"{FAKE} hang", 1, 0, opening_moves=0, timeout=3.0)
    assert (record.reason, record.result) == ("timeout", 1.0)


def test_two_passes_are_scored_by_the_rules_with_openings_in_pairs(board):
    records = play_gtp_match(board, passing, f"{FAKE} pass", 4, 0, opening_moves=1, timeout=20.0)
    # Black's one stone owns the board.
    assert [(record.reason, record.result) for record in records] == [("score", 1.0), ("score", -1.0)] * 2
    openings = [record.moves[0] for record in records]
    assert openings[0] == openings[1] and openings[2] == openings[3]


def test_a_program_that_cannot_be_started_is_named(board):
    with pytest.raises(UserError, match="no-such-program"):
        play_gtp_match(board, passing, "no-such-program --gtp", 1, 0)
