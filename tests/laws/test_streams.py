"""The laws of streams of nodes [spec/streams.md]: cut, stops, refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from prism.cli.main import main
from prism.errors import CapacityError, CorruptError, UsageError
from prism.vm.ledger.checkpoint import load
from prism.vm.ledger.columns import ColumnsError, node_file
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.stream import IDS, PROGRESS, Keeping, Plan, intern_files, resumed
from prism.vm.term.ops import ADD, SUC

pytestmark = pytest.mark.m1

ROWS = 3000


def table(seed: int = 0) -> np.ndarray:
    """Return rows of sums, operands naming rows before by number: int64[ROWS, 3]."""
    random = np.random.default_rng(seed)
    last = np.arange(ROWS) + 1
    a, b = (random.integers(np.maximum(last - 900, 1), last + 1) for _ in range(2))
    return np.stack(
        [np.full(ROWS, ADD.code), np.where(random.random(ROWS) < 0.8, a % 40 % last + 1, a), b % 60 % last + 1], 1
    )


def expected(rows: np.ndarray, batch: int) -> list[int]:
    """Return the ids of rows, a batch ending where a row names one of it; a loop over rows."""
    ledger, ids, start = HostLedger(), np.zeros(len(rows), np.int64), 0
    while start < len(rows):
        end = start + 1
        limit = min(len(rows), (start // batch + 1) * batch)
        while end < limit and rows[end, 1:].max() < start + 2:
            end += 1
        operands = [[v if v < 2 else ids[v - 2] for v in rows[start:end, column]] for column in (1, 2)]
        ids[start:end] = ledger.intern(rows[start:end, 0], *operands)
        start = end
    return ids.tolist()


def plan_of(path: Path, batch: int = 700) -> Plan:
    """Return the plan of one file by rows."""
    return Plan((node_file(path, WIDE),), batch, by_row=True)


def saved(folder: Path, rows: np.ndarray) -> Path:
    """Save rows as a table, and return the file."""
    path = folder / "nodes.npy"
    np.save(path, rows)
    return path


@pytest.mark.parametrize("batch", [1, 64, 700, 5000])
@pytest.mark.clause("STREAM-1")
def test_ids_are_those_of_the_batches(tmp_path, batch):
    """Whatever the batch, the ids are those of a loop that cuts and interns row by row."""
    plan = plan_of(saved(tmp_path, table()), batch)
    ids = np.zeros(ROWS, np.int32)
    told: list[int] = []
    intern_files(HostLedger(), plan, ids, tick=told.append)
    assert ids.tolist() == expected(table(), batch)
    assert told == sorted(told)
    assert told[-1] == ROWS


def formats(folder: Path, nodes: list[np.ndarray]) -> list[Path]:
    """Write the same nodes in every format that is installed, and return the files."""
    fields = np.zeros(len(nodes[0]), [("op", "u1"), ("a", "i4"), ("b", "i8")])
    fields["op"], fields["a"], fields["b"] = nodes
    np.save(folder / "fields.npy", fields)
    np.save(folder / "table.npy", np.stack(nodes, 1))
    np.save(folder / "keys.npy", WIDE.pack(*nodes))
    paths = [folder / name for name in ("fields.npy", "table.npy", "keys.npy")]
    try:
        import pyarrow
        from pyarrow import feather, parquet
    except ImportError:
        return paths
    made = pyarrow.table({"op": nodes[0], "x": nodes[1], "a": nodes[1], "b": nodes[2]})
    parquet.write_table(made, folder / "nodes.parquet", row_group_size=1000)
    feather.write_feather(made, str(folder / "nodes.feather"), compression="uncompressed", chunksize=777)
    with pyarrow.OSFile(str(folder / "keys.arrow"), "wb") as sink:
        keys = pyarrow.table({"key": WIDE.pack(*nodes)})
        with pyarrow.ipc.new_file(sink, keys.schema) as writer:
            writer.write_table(keys, max_chunksize=500)
    return [*paths, *(folder / name for name in ("nodes.parquet", "nodes.feather", "keys.arrow"))]


@pytest.mark.parametrize("first", [0, 1, 999, 2500])
@pytest.mark.clause("STREAM-1")
def test_every_format_holds_the_same_batches(tmp_path, first):
    """A file's batches from any row on are its rows, whatever the format and however it is cut inside."""
    nodes = [column.astype(np.int32) for column in table().T]
    for path in formats(tmp_path, nodes):
        file = node_file(path, WIDE)
        parts = list(file.batches(first, 400))
        assert file.rows == ROWS
        assert {len(part[0]) for part in parts[:-1]} <= {400}
        for column, of_file in zip(nodes, zip(*parts, strict=True), strict=True):
            assert np.concatenate(of_file).tolist() == column[first:].tolist(), path.name


class Stop(Exception):  # noqa: N818 (a moment, not an error)
    """The run is stopped."""


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("lost", ["nothing", "progress"])
@pytest.mark.clause("STREAM-2")
def test_a_stopped_run_goes_on(tmp_path, after, lost):
    """Stopped after any batch, also between the ledger's save and the count's, a run ends with the same ids."""
    plan, folder = plan_of(saved(tmp_path, table())), tmp_path / "kept"
    ids, _ = resumed(plan, folder)
    batches = iter(range(100))

    def stop(_: int) -> None:
        if next(batches) == after:
            raise Stop

    with pytest.raises(Stop):
        intern_files(HostLedger(), plan, ids, keeping=Keeping(folder, 0), tick=stop)
    if lost == "progress":
        (folder / PROGRESS).unlink(missing_ok=True)
    ids, done = resumed(plan, folder)
    assert done == (0 if lost == "progress" else 700 * after)
    ledger = load(folder) if after else HostLedger()
    intern_files(ledger, plan, ids, done=done, keeping=Keeping(folder))
    assert ids.tolist() == expected(table(), 700)
    assert resumed(plan, folder)[1] == ROWS


@pytest.mark.clause("STREAM-2")
def test_a_folder_of_another_run_is_refused(tmp_path):
    """Other files, another batch, a record or ids that are none: the run does not go on."""
    plan, folder = plan_of(saved(tmp_path, table())), tmp_path / "kept"
    intern_files(HostLedger(), plan, resumed(plan, folder)[0], keeping=Keeping(folder))
    with pytest.raises(UsageError, match="a run goes on with the files and the cut that it began with, got others"):
        resumed(plan_of(tmp_path / "nodes.npy", 800), folder)
    np.save(folder / IDS, np.zeros(5, np.int32))
    with pytest.raises(UsageError, match="rows must be there, got int32"):
        resumed(plan, folder)
    for text in ("[]", "{", json.dumps({"done": 5})):
        (folder / PROGRESS).write_text(text)
        with pytest.raises(UsageError, match=r"it must be the JSON of a run, got|a run goes on with the files"):
            resumed(plan, folder)


@pytest.mark.clause("STREAM-3")
def test_rows_that_no_ledger_takes_are_named(tmp_path):
    """A wrong operand is named by file and row, a ledger that is full by its rows; rows before it keep their ids."""
    rows = np.array([[ADD.code, 1, 1], [SUC.code, 1, 0], [ADD.code, 9, 1]])
    plan, ids = plan_of(saved(tmp_path, rows)), np.zeros(3, np.int32)
    with pytest.raises(CorruptError, match=r"nodes.npy: row 2: a node must be an op of the theory on nodes of earlier"):
        intern_files(HostLedger(), plan, ids)
    plan = plan_of(saved(tmp_path, table()))
    with pytest.raises(CapacityError, match=r"rows \d+ to \d+: a ledger must hold all nodes, got more than 50; raise"):
        intern_files(HostLedger(capacity=50), plan, np.zeros(ROWS, np.int32))
    with pytest.raises(CorruptError, match="ids must fit the layout tiny, got more nodes; take one with more bits"):
        intern_files(HostLedger(KeyLayout("tiny", 8)), plan, np.zeros(ROWS, np.int32))


@pytest.mark.clause("STREAM-3")
def test_files_that_hold_no_nodes_are_named(tmp_path):
    """Another suffix, damage, other columns, gaps: the file is named, and what must hold is said."""
    (tmp_path / "x.csv").write_text("1,2,3")
    with pytest.raises(UsageError, match=r"nodes are read from .npy, .arrow, .feather, .parquet files, got '.csv'"):
        node_file(tmp_path / "x.csv", WIDE)
    whole = saved(tmp_path, table()).read_bytes()
    for broken in (b"", whole[:50], whole[:-9], b"\x93NUMPY" + whole[9:]):
        (tmp_path / "bad.npy").write_bytes(broken)
        with pytest.raises(ColumnsError, match=r"bad.npy: a file must be whole and of the format of its name, got"):
            node_file(tmp_path / "bad.npy", WIDE)
    for held in (np.zeros(4), np.zeros((4, 2), int), np.zeros((4, 3)), np.zeros(3, [("op", "u1"), ("a", "i4")])):
        with pytest.raises(ColumnsError, match="nodes must be integer columns op, a and b, or a uint64 column"):
            node_file(saved(tmp_path, held), WIDE)


@pytest.mark.clause("STREAM-3")
def test_files_of_arrow_that_hold_no_nodes_are_named(tmp_path, monkeypatch):
    """Without pyarrow it is named; with it, gaps, other columns and damage are."""
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match="a file of this format is read by pyarrow, which is missing; install"):
        node_file(tmp_path / "bad.parquet", WIDE)
    monkeypatch.undo()
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    with pytest.raises(ColumnsError, match=r"bad.parquet: a file must be whole"):
        node_file(tmp_path / "bad.parquet", WIDE)
    parquet.write_table(pyarrow.table({"op": [10], "left": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ColumnsError, match="columns of nodes must be op, a and b, or key, got op, left; rename"):
        node_file(tmp_path / "other.parquet", WIDE)
    parquet.write_table(pyarrow.table({"op": [10, None], "a": [1, 1], "b": [1, 1]}), tmp_path / "gaps.parquet")
    with pytest.raises(ColumnsError, match="a column of nodes must have no gaps, got 1 in op"):
        list(node_file(tmp_path / "gaps.parquet", WIDE).batches(0, 5))


@pytest.mark.clause("STREAM-1")
@pytest.mark.clause("STREAM-3")
def test_the_command(tmp_path, capsys):
    """`prism intern` writes the ids whole, goes on from its checkpoint, and leaves nothing after a refusal."""
    source, out, kept = saved(tmp_path, table()), tmp_path / "ids.npy", tmp_path / "kept"
    with pytest.raises(SystemExit) as left:
        main(["intern", str(source), "--rows", "--batch", "700", "--out", str(out)])
    assert (left.value.code or 0, np.load(out).tolist()) == (0, expected(table(), 700))
    assert capsys.readouterr().out.startswith(f"{ROWS} rows, ")
    for _ in range(2):
        with pytest.raises(SystemExit):
            main(["intern", str(source), "--rows", "--batch", "700", "--out", str(out), "--checkpoint", str(kept)])
    assert f"{ROWS} rows ({ROWS} of them before), " in capsys.readouterr().out
    for wrong in (["--out", str(tmp_path / "none.npy")], ["--rows", "--out", str(tmp_path / "ids.txt")]):
        with pytest.raises(SystemExit) as left:
            main(["intern", str(source), *wrong])
        assert left.value.code in (2, 4)
    assert "ids are written as a .npy file, got '.txt'" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.npy", "kept", "nodes.npy"]
