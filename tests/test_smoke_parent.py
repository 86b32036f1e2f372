"""The smoke test's parent: a child that dies, hangs or talks nonsense costs one row, or is named.

The programs here speak the protocol of `llmdoctor/inside/smoke/__main__.py` and need no torch.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmdoctor.proof import Proof
from llmdoctor.smoke import Limits, prove
from llmdoctor.system.local import Local

HEAD = """
import argparse, fnmatch, json, os, sys, tempfile, time
parser = argparse.ArgumentParser()
parser.add_argument("--out")
parser.add_argument("--only", action="append", default=[])
parser.add_argument("--list", action="store_true")
options = parser.parse_args()
NAMES = ["sdpa/math/infer/fp32", "sdpa/flash/infer/bf16", "eager/default/lora/fp32"]
chosen = [n for n in NAMES if not options.only or any(fnmatch.fnmatch(n, g) for g in options.only)]
if options.list:
    if not chosen:
        sys.exit("no row matches")
    print("\\n".join(chosen))
    sys.exit()
out = open(options.out, "w")
def write(kind, **fields):
    out.write(json.dumps({"type": kind, **fields}) + "\\n")
    out.flush()
def identity(name):
    return dict(zip(("backend", "kernel", "mode", "dtype"), name.split("/")), device="cpu")
def start(name):
    write("start", row=identity(name))
def row(name, outcome="pass", **more):
    write("row", **identity(name), outcome=outcome, seconds=0.1, peak_bytes=None, error=1e-7,
          tolerance=1e-5, ran_as=None, detail="", **more)
def imports(*packages):
    for package in packages:
        write("importing", package=package)
        write("import", package=package, outcome="ok", version="1", error=None, message=None,
              seconds=0.1)
def environment():
    write("environment", python={"version": "3.12"}, device={"type": "cpu"})
def done():
    write("done", rows=len(chosen), seconds=1.0, cpu_seconds=1.0)
"""
WELL = """
imports("torch", "transformers")
environment()
for name in chosen:
    start(name)
    {body}
    row(name)
done()
"""


def program(folder: Path, body: str) -> Path:
    path = folder / "program.py"
    path.write_text(HEAD + body)
    return path


def proof_of(folder: Path, body: str, *only: str, seconds: float = 60.0) -> Proof:
    where = program(folder, body)
    limits = Limits(imports=seconds, row=seconds, leaving=seconds)
    return prove(Local(), sys.executable, only, program=where, limits=limits)


def outcomes(proof: Proof) -> dict[str, str]:
    return {f"{row.backend}/{row.kernel}": row.outcome for row in proof.rows}


def test_a_child_that_does_it_all_is_a_proof(tmp_path: Path) -> None:
    proof = proof_of(tmp_path, WELL.format(body=""))
    assert proof.passed
    assert outcomes(proof) == {"sdpa/math": "pass", "sdpa/flash": "pass", "eager/default": "pass"}
    assert proof.environment == {"python": {"version": "3.12"}, "device": {"type": "cpu"}}
    assert (proof.rows[0].error, proof.rows[0].tolerance) == (1e-7, 1e-5)


def test_only_the_rows_that_were_asked_for_run(tmp_path: Path) -> None:
    proof = proof_of(tmp_path, WELL.format(body=""), "sdpa/*/infer/*", "none/*")
    assert [row.backend for row in proof.rows] == ["sdpa", "sdpa"]


def test_only_the_backends_that_were_asked_for_run(tmp_path: Path) -> None:
    where = program(tmp_path, WELL.format(body=""))
    proof = prove(Local(), sys.executable, backends=("eager",), program=where)
    assert [row.name for row in proof.rows] == ["eager/default/lora/fp32"]
    none = prove(Local(), sys.executable, ("sdpa/*",), backends=("eager",), program=where)
    assert (none.rows, none.problem) == ((), "no row matches")


@pytest.mark.parametrize(
    ("death", "said"),
    [
        ("os.abort()", "killed by signal 6"),
        ("os._exit(3)", "exit code 3"),
        ("sys.stderr.write('Illegal instruction\\n'); os._exit(4)", "Illegal instruction"),
        ("os.kill(os.getpid(), 11)", "killed by signal 11"),
    ],
)
def test_a_row_that_kills_the_child_hides_no_other_row(
    death: str, said: str, tmp_path: Path
) -> None:
    proof = proof_of(tmp_path, WELL.format(body=f"if 'flash' in name: {death}"))
    assert outcomes(proof) == {"sdpa/math": "pass", "sdpa/flash": "crash", "eager/default": "pass"}
    assert not proof.passed
    (crashed,) = [row for row in proof.rows if row.outcome == "crash"]
    assert (crashed.mode, crashed.dtype, crashed.device) == ("infer", "bf16", "cpu")
    assert said in str(crashed.detail)


def test_every_row_may_kill_its_child(tmp_path: Path) -> None:
    proof = proof_of(tmp_path, WELL.format(body="os.abort()"))
    assert set(outcomes(proof).values()) == {"crash"}
    assert len(proof.rows) == 3


def test_a_row_that_hangs_is_ended_and_hides_no_other_row(tmp_path: Path) -> None:
    proof = proof_of(tmp_path, WELL.format(body="'flash' in name and time.sleep(60)"), seconds=1.5)
    assert outcomes(proof) == {
        "sdpa/math": "pass",
        "sdpa/flash": "timeout",
        "eager/default": "pass",
    }


POISONED = "CUDA error: an illegal memory access was encountered"


def test_a_poisoned_gpu_costs_one_row_and_its_echo_is_not_reported(tmp_path: Path) -> None:
    """The rows after it fail in the same process, and pass in a fresh one."""
    body = f"""
imports("torch", "transformers")
environment()
poisoned = False
for name in chosen:
    start(name)
    poisoned = poisoned or "math" in name
    write("row", **{{**identity(name), "device": "cuda:0"}}, seconds=0.1,
          outcome="fail" if poisoned else "pass", detail={POISONED!r} if poisoned else "")
done()
"""
    proof = proof_of(tmp_path, body)
    assert outcomes(proof) == {"sdpa/math": "fail", "sdpa/flash": "pass", "eager/default": "pass"}


def test_a_child_that_does_not_leave_after_its_last_word_has_proven_all(tmp_path: Path) -> None:
    proof = proof_of(tmp_path, WELL.format(body="") + "time.sleep(60)\n", seconds=1.0)
    assert proof.passed
    assert len(proof.rows) == 3


def test_every_gpu_has_its_turn(tmp_path: Path) -> None:
    body = HEAD.replace(
        'parser.add_argument("--list"',
        'parser.add_argument("--device", default="cpu")\nparser.add_argument("--list"',
    ).replace('device="cpu")', "device=options.device)")
    body = body.replace('device={"type": "cpu"}', 'device={"name": options.device}, gpus=2')
    path = tmp_path / "program.py"
    path.write_text(body + WELL.format(body="if name[:3] + options.device == 'eagcuda:0': 1 / 0"))
    proof = prove(Local(), sys.executable, program=path)
    assert proof.devices == ("cpu", "cuda:0", "cuda:1")
    bad = [(row.device, row.backend) for row in proof.rows if row.bad]
    assert bad == [("cuda:0", "eager")]
    assert proof.environment["devices"] == {name: name for name in proof.devices}


def test_gpus_that_the_program_has_no_rows_for_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(
        HEAD.replace('device={"type": "cpu"}', 'device={"type": "cpu"}, gpus=2')
        + WELL.format(body="")
    )
    proof = prove(Local(), sys.executable, program=path)
    assert proof.environment["gpus"] == 2
    assert proof.devices == ("cpu",)
    assert proof.passed


def test_a_package_that_kills_the_child_while_it_is_imported_is_named(tmp_path: Path) -> None:
    body = 'imports("torch")\nwrite("importing", package="transformers")\nos.abort()\n'
    proof = proof_of(tmp_path, body)
    assert proof.rows == ()
    assert proof.problem is not None
    assert "while importing transformers" in proof.problem
    assert "killed by signal 6" in proof.problem


def test_a_package_that_hangs_while_it_is_imported_is_named(tmp_path: Path) -> None:
    body = 'write("importing", package="torch")\ntime.sleep(60)\n'
    proof = proof_of(tmp_path, body, seconds=1.0)
    assert proof.problem is not None
    assert "while importing torch: took longer than 1 s" in proof.problem


def test_a_child_that_dies_before_its_first_word_is_a_problem(tmp_path: Path) -> None:
    proof = proof_of(tmp_path, "sys.exit('libcudart.so.12: cannot open shared object file')\n")
    assert proof.problem is not None
    assert "libcudart.so.12" in proof.problem


@pytest.mark.parametrize(
    ("outcome", "error", "said"),
    [
        ("missing", "None", "torch is not installed"),
        ("broken", "'ImportError'", "torch cannot be imported: ImportError: no such symbol"),
        ("ok", "None", "it ran no row"),
    ],
)
def test_a_child_without_rows_says_why(outcome: str, error: str, said: str, tmp_path: Path) -> None:
    body = f"""
write("importing", package="torch")
write("import", package="torch", outcome={outcome!r}, version=None, error={error},
      message="no such symbol", seconds=0.1)
environment()
done()
"""
    proof = proof_of(tmp_path, body)
    assert not proof.passed
    assert proof.problem is not None
    assert said in proof.problem


def test_what_libraries_print_is_no_part_of_the_report(tmp_path: Path) -> None:
    noise = 'print(\'{"type": "row"}\', flush=True); sys.stderr.write("warning\\n" * 10_000)'
    proof = proof_of(tmp_path, WELL.format(body=noise))
    assert proof.passed
    assert len(proof.rows) == 3


def test_what_an_environment_prints_when_its_python_starts_is_no_row(tmp_path: Path) -> None:
    body = HEAD.replace("    print(", '    print("a site hook says hello / welcome")\n    print(')
    path = tmp_path / "program.py"
    path.write_text(body + WELL.format(body="if 'flash' in name: os.abort()"))
    proof = prove(Local(), sys.executable, program=path)
    assert [row.outcome for row in proof.rows] == ["pass", "crash", "pass"]


def test_half_a_last_line_is_the_row_that_was_being_written(tmp_path: Path) -> None:
    cut = """'flash' in name and (out.write('{"type": "row", "backe'), out.flush(), os._exit(1))"""
    proof = proof_of(tmp_path, WELL.format(body=cut))
    assert outcomes(proof)["sdpa/flash"] == "crash"
    assert outcomes(proof)["eager/default"] == "pass"


def test_a_child_that_dies_between_two_rows_is_a_problem_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    proof = proof_of(tmp_path, WELL.format(body="").replace("row(name)", "row(name); os._exit(9)"))
    assert [row.outcome for row in proof.rows] == ["pass", "pass", "pass"]
    assert proof.problem == "the smoke test ended outside any row: exit code 9"
    assert not proof.passed


def test_nothing_selected_is_said(tmp_path: Path) -> None:
    proof = proof_of(tmp_path, WELL.format(body=""), "sdpa/none/*")
    assert not proof.passed
    assert proof.problem is not None
    assert "no row matches" in proof.problem


def test_an_interpreter_that_does_not_start_is_said(tmp_path: Path) -> None:
    proof = prove(Local(), str(tmp_path / "no-python"))
    assert not proof.passed
    assert proof.problem == f"{tmp_path / 'no-python'} cannot run the smoke test: not found"


def test_temporary_files_of_a_child_that_died_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    note = tmp_path / "note"
    litter = (
        f"open({str(note)!r}, 'w').write(tempfile.mkdtemp());"
        f" open(os.path.join(open({str(note)!r}).read(), 'adapter.bin'), 'w').close(); os.abort()"
    )
    proof = proof_of(tmp_path, WELL.format(body=litter), "sdpa/math/*")
    assert outcomes(proof) == {"sdpa/math": "crash"}
    left = Path(note.read_text())
    assert left.is_relative_to(temporary)
    assert not left.exists()
    assert list(temporary.iterdir()) == []


def test_variables_that_turn_python_elsewhere_do_not_reach_the_child(tmp_path: Path) -> None:
    here = Local({**dict(Local().environ), "PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere"})
    body = WELL.format(body="assert 'PYTHONPATH' not in os.environ")
    proof = prove(here, sys.executable, program=program(tmp_path, body))
    assert proof.passed, proof.problem
