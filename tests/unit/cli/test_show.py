from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from prism.cli.main import main
from prism.cli.show import svg
from prism.errors import PrismError
from prism.vm.term import dot as drawing
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load

pytestmark = pytest.mark.m1


def dot(graph: TermGraph) -> str:
    """Return a graph of the built-in theory, drawn."""
    return drawing.dot(load("peano").signature, graph)


def _run(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(arg) for arg in args])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_equal_subterms_are_drawn_once() -> None:
    """A tree of depth 20 over 1 has 21 nodes and one root; each binary node has two edges."""
    names = "".join(f"(def x{i + 1} (add x{i} x{i}))" for i in range(20))
    text = dot(read_text(f"(def x0 1){names} x20").graph)
    assert text.count('label="add"') == 20
    assert text.count('label="1"') == 2  # the numeral, and the number of the root
    assert text.count(" -> ") == 2 * 20 + 1


def test_operands_keep_their_order() -> None:
    """The first edge of a node is its first operand."""
    lines = dot(read_text("(mul (suc (add 0 0)) 7)").graph).splitlines()
    node = {line.split('label="')[1].split('"')[0]: line.split()[0] for line in lines if "shape=" in line}
    edges = [line.strip() for line in lines if line.startswith(f"  {node['mul']} ->")]
    assert edges == [f"{node['mul']} -> {node['suc']};", f"{node['mul']} -> {node['7']};"]


def test_output_is_a_whole_file(tmp_path: Path) -> None:
    """-o replaces the file at once, readable by everyone, and leaves nothing else in its folder."""
    source, out = tmp_path / "p.prism", tmp_path / "g.dot"
    source.write_text("(add 1 2)")
    out.write_text("old")
    assert _run("show", source, "-o", out) == 0
    assert out.read_text() == dot(read_text("(add 1 2)").graph)
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.dot", "p.prism"]


@pytest.mark.clause("TERMS-5")
def test_a_program_is_printed_with_its_sharing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--program prints what reads as the same shared graph, however large its terms are unfolded."""
    source = tmp_path / "p.prism"
    source.write_text(
        "(def x0 (suc (mul 2 3)))" + "".join(f"(def x{i + 1} (add x{i} x{i}))" for i in range(60)) + " x60"
    )
    assert _run("show", "--program", source) == 0
    printed = capsys.readouterr().out
    assert len(printed) < 5000
    assert dot(read_text(printed).graph) == dot(read_text(source.read_text()).graph)


def test_errors_have_remedies(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A large graph, a folder that is missing, a missing `dot` and a fault in the program are explained."""
    source = tmp_path / "p.prism"
    source.write_text("(add 1 (suc (mul 2 3)))")
    assert _run("show", source, "--max-nodes", "3") == 2
    assert "a drawing must have at most 3 nodes, got 7; raise --max-nodes" in capsys.readouterr().err
    assert _run("show", source, "-o", tmp_path / "no" / "g.dot") == 2
    assert "a picture must go to a file that can be written, got" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _run("show", "--svg", source) == 2
    assert "--svg must find the `dot` command of Graphviz" in capsys.readouterr().err
    source.write_text("(add 1")
    assert _run("show", source) == 2
    assert "p.prism:1:7: expected ')'" in capsys.readouterr().err


def test_svg_comes_from_the_dot_command(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--svg hands the text to `dot -Tsvg` and prints what it says; a failure is reported with its words."""
    command = tmp_path / "dot"
    command.write_text('#!/bin/sh\n[ "$1" = -Tsvg ] && grep -q digraph && echo "<svg/>"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    source = tmp_path / "p.prism"
    source.write_text("(add 1 1)")
    assert _run("show", "--svg", source) == 0
    assert capsys.readouterr().out == "<svg/>\n"
    command.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    with pytest.raises(PrismError, match="`dot -Tsvg` must succeed, but it said: broken; use --dot"):
        svg("digraph {}")


@pytest.mark.m7
@pytest.mark.clause("THEORY-7")
def test_programs_of_any_theory_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ops, free names and literals stand by name, and what --program prints reads as the same graph."""
    source, again = tmp_path / "p.prism", tmp_path / "q.prism"
    source.write_text("(symbols n7 b) (def w (m n7 (i b))) (m w (i w)) w")
    assert _run("show", source, "--theory", "group") == 0
    drawn = capsys.readouterr().out
    assert sorted(re.findall(r'shape=(?:ellipse|box), label="(.*?)"', drawn)) == ["b", "i", "i", "m", "m", "n7"]
    assert _run("show", "--program", source, "--theory", "group") == 0
    printed = capsys.readouterr().out
    assert re.fullmatch(r"\(symbols n7 b\)\n\(def n+(\d+) \(m n7 \(i b\)\)\)\n.*\nn+\1\n", printed, re.DOTALL)
    again.write_text(printed)
    assert _run("show", again, "--theory", "group") == 0
    assert capsys.readouterr().out == drawn
    source.write_text("(symbols a) (pow (add (par a) -19) 2)")
    assert _run("show", source, "--theory", "calculus") == 0
    assert 'label="-19"' in capsys.readouterr().out
    assert _run("show", source, "--theory", "group") == 2
    assert "an op of theory group" in capsys.readouterr().err
