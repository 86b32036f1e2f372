"""What is promised decides whether an install is kept, and nothing else of a proof does."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from llmdoctor import profiles
from llmdoctor.errors import RolledBackError
from llmdoctor.execute import Done, execute
from llmdoctor.journal import Journal, entries
from llmdoctor.machine import Gpu
from llmdoctor.plan import Choice, Plan, Run, Smoke, Target
from llmdoctor.profile import Profile, Promise
from llmdoctor.promises import broken
from llmdoctor.proof import Outcome, SmokeRow
from llmdoctor.render import terminal
from llmdoctor.smoke import row_names
from llmdoctor.system.local import Local

EAGER = Promise("eager/default/*/fp32", "")
FLASH = Promise("flash_attention_2/*", "", on="gpu")


def row(name: str, outcome: Outcome = "pass", device: str = "cpu") -> SmokeRow:
    backend, kernel, mode, dtype = name.split("/")
    return SmokeRow(backend, kernel, mode, dtype, device, outcome, detail="because")


class TestBroken:
    def test_what_passed_is_kept(self) -> None:
        assert broken([EAGER], [row("eager/default/infer/fp32")]) == ()

    @pytest.mark.parametrize("outcome", ["fail", "crash", "timeout", "skip"])
    def test_a_mode_that_did_not_pass_is_named_with_its_reason(self, outcome: Outcome) -> None:
        rows = [row("eager/default/infer/fp32"), row("eager/default/lora/fp32", outcome)]
        (text,) = broken([EAGER], rows)
        assert text == (
            "eager/default/*/fp32 on the processor: "
            f"eager/default/lora/fp32 on cpu: {outcome}: because"
        )

    def test_rows_beside_a_promise_break_nothing(self) -> None:
        rows = [row("eager/default/infer/fp32"), row("eager/default/infer/bf16", "fail")]
        assert broken([EAGER], rows) == ()

    def test_a_dtype_that_the_hardware_lacks_breaks_nothing_where_another_passed(self) -> None:
        name = "flash_attention_2/default/infer"
        rows = [row(f"{name}/fp16", device="cuda:0"), row(f"{name}/bf16", "skip", "cuda:0")]
        assert broken([FLASH], rows) == ()
        rows[1] = row(f"{name}/bf16", "fail", "cuda:0")
        assert broken([FLASH], rows)

    def test_rows_that_were_not_run_keep_nothing(self) -> None:
        (text,) = broken([FLASH], [row("eager/default/infer/fp32")])
        assert text.endswith("on a GPU: no row ran")
        (text,) = broken([FLASH], [row("eager/default/infer/fp32", device="cuda:0")])
        assert text.endswith("on a GPU: no such row ran")

    def test_what_passed_on_the_processor_does_not_count_on_a_gpu(self) -> None:
        assert broken([FLASH], [row("flash_attention_2/default/infer/fp16")])

    def test_one_gpu_that_keeps_all_of_it_is_enough(self) -> None:
        good = row("flash_attention_2/default/infer/fp16", device="cuda:1")
        bad = row("flash_attention_2/default/infer/fp16", "fail", "cuda:0")
        assert broken([FLASH], [bad, good]) == ()
        assert broken([FLASH], [bad])


# An interpreter that speaks the protocol of the smoke test: each row passes but the named ones.
SPEAKER = """#!{python}
import fnmatch, json, sys
words = sys.argv[4:]  # -I -B PROGRAM
NAMES = ["eager/default/infer/fp32", "eager/default/lora/fp32", "sdpa/MATH/infer/fp32"]
device = words[words.index("--device") + 1] if "--device" in words else "cpu"
if device != "cpu":
    NAMES = ["flash_attention_2/default/infer/bf16", "flash_attention_2/default/lora/bf16"]
only = [words[n + 1] for n, word in enumerate(words) if word == "--only"]
chosen = [name for name in NAMES if not only or any(fnmatch.fnmatch(name, glob) for glob in only)]
if "--list" in words:
    sys.exit(print("\\n".join(chosen)))
with open(words[words.index("--out") + 1], "w") as out:
    def write(kind, **fields):
        out.write(json.dumps({{"type": kind, **fields}}) + "\\n")
        out.flush()
    write("environment", gpus={gpus})
    for name in chosen:
        identity = dict(zip(("backend", "kernel", "mode", "dtype"), name.split("/")), device=device)
        write("start", row=identity)
        outcome = {outcomes!r}.get(name, "pass")
        write("row", **identity, outcome=outcome, seconds=0.1, detail="so said the row")
    write("done")
"""


def carried_out(
    folder: Path,
    outcomes: dict[str, str],
    promises: tuple[Promise, ...] = (EAGER,),
    gpus: int = 0,
) -> Done:
    """A run that makes a file and then proves an environment whose rows have these outcomes."""
    python = folder / "speaker"
    python.write_text(SPEAKER.format(python=sys.executable, outcomes=outcomes, gpus=gpus))
    python.chmod(0o755)
    made = folder / "made"
    touch = "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir()"
    system = Local({"LLMDOCTOR_STATE_DIR": str(folder / "state"), "PATH": ""})
    steps = (
        Run("make", (sys.executable, "-I", "-c", touch, str(made)), creates=str(made)),
        Smoke("prove", str(python), promises),
    )
    plan = Plan(Choice(("cpu",), Target(), feasible=True), str(made), steps=steps)

    class Silent:
        def step(self, number: int, total: int, text: str) -> None: ...

        def line(self, text: str) -> None: ...

    done = execute(system, plan, Journal(system, "1"), Silent())
    assert [entry.outcome for entry in entries(system)] == ["kept"]
    assert made.exists()
    assert "other rows" in terminal.standing(plan, done) or done.proof is None or done.proof.passed
    return done


@pytest.mark.skipif(sys.platform == "win32", reason="an interpreter that is a script")
class TestGate:
    def test_a_broken_promise_takes_the_run_back_and_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(RolledBackError) as failed:
            carried_out(tmp_path, {"eager/default/lora/fp32": "fail"})
        assert "did not show what is promised" in failed.value.message
        assert "eager/default/*/fp32 on the processor" in failed.value.message
        assert "so said the row" in failed.value.message
        assert failed.value.proof is not None
        assert not (tmp_path / "made").exists()

    def test_a_promised_row_that_is_skipped_takes_the_run_back(self, tmp_path: Path) -> None:
        with pytest.raises(RolledBackError, match=r"lora/fp32 on cpu: skip"):
            carried_out(tmp_path, {"eager/default/lora/fp32": "skip"})

    def test_a_row_beside_the_promises_is_told_and_takes_nothing_back(self, tmp_path: Path) -> None:
        done = carried_out(tmp_path, {"sdpa/MATH/infer/fp32": "fail"})
        assert done.proof is not None
        assert [r.name for r in done.proof.rows if r.bad] == ["sdpa/MATH/infer/fp32"]
        assert not done.proof.passed

    def test_where_nothing_is_promised_whatever_ran_has_to_pass(self, tmp_path: Path) -> None:
        with pytest.raises(RolledBackError, match="failed in 1 of 3 rows"):
            carried_out(tmp_path, {"sdpa/MATH/infer/fp32": "fail"}, promises=())

    @pytest.mark.parametrize("outcome", ["fail", "skip", "crash"])
    def test_flash_attention_that_does_not_pass_on_the_gpu_is_no_install(
        self, outcome: str, tmp_path: Path
    ) -> None:
        promises = profiles.builtin()["flashattn"].promises
        bad = {"flash_attention_2/default/lora/bf16": outcome}
        with pytest.raises(RolledBackError, match=r"flash_attention_2/\* on a GPU.*on cuda:0"):
            carried_out(tmp_path, bad, promises, gpus=1)
        (tmp_path / "good").mkdir()
        done = carried_out(tmp_path / "good", {}, promises, gpus=1)
        assert done.proof is not None
        assert done.proof.devices == ("cpu", "cuda:0")

    def test_a_promise_on_a_gpu_that_torch_does_not_see_is_broken(self, tmp_path: Path) -> None:
        with pytest.raises(RolledBackError, match="on a GPU: no row ran"):
            carried_out(tmp_path, {}, (EAGER, FLASH))


class TestDue:
    """Which promises an install is held to."""

    def chosen(self, variant: str, *gpus: Gpu) -> Choice:
        stack = profiles.builtin()["cpu"]
        flash = Profile("own", "addon", "", "", promises=(FLASH, EAGER))
        choice = Choice(("cpu", "own"), Target(gpus=gpus), feasible=True, variant=variant)
        return profiles.combined(choice, [stack, flash])

    def test_those_of_every_profile_once(self) -> None:
        choice = self.chosen("cu126", Gpu(0, "RTX 4090"))
        assert choice.promises == (*profiles.builtin()["cpu"].promises, FLASH, EAGER)
        assert choice.due == choice.promises

    def test_without_a_gpu_what_is_promised_on_one_is_not_asked_for(self) -> None:
        choice = self.chosen("cu126")
        assert FLASH in choice.promises
        assert FLASH not in choice.due

    def test_a_build_for_the_processor_promises_nothing_on_a_gpu(self) -> None:
        assert FLASH not in self.chosen("cpu", Gpu(0, "RTX 4090")).promises


@pytest.mark.parametrize("profile", profiles.builtin().values(), ids=lambda profile: profile.name)
def test_what_a_profile_promises_is_there_to_be_run(profile: Profile) -> None:
    for promise in profile.promises:
        assert promise.reason
        names = row_names(
            Local(), sys.executable, device="cuda:0" if promise.on == "gpu" else "cpu"
        )
        assert [name for name in names if fnmatchcase(name, promise.rows)], promise.rows


def test_every_stack_promises_what_runs_on_every_machine_and_the_gpu_it_is_made_for() -> None:
    for stack in profiles.builtin().values():
        if stack.torch is not None:
            on_cpu = {promise.rows for promise in stack.promises if promise.on == "cpu"}
            assert {"eager/default/*/fp32", "sdpa/default/*/fp32"} <= on_cpu, stack.name
            on_gpu = [promise.rows for promise in stack.promises if promise.on == "gpu"]
            assert on_gpu == (["sdpa/default/infer/*"] if stack.name != "cpu" else []), stack.name
