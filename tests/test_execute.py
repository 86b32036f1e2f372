"""A plan is carried out, or the tree is exactly as before: whatever fails, wherever it fails."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmdoctor.errors import (
    InterruptedRunError,
    LlmdoctorError,
    RollbackIncompleteError,
    RolledBackError,
    UnreadableError,
    UsageError,
)
from llmdoctor.execute import Done, execute, recover
from llmdoctor.journal import Journal, entries
from llmdoctor.machine import MARK
from llmdoctor.plan import (
    Choice,
    Plan,
    Remove,
    Run,
    SetAside,
    Snapshot,
    Step,
    Target,
    Tell,
    Verify,
    Write,
)
from llmdoctor.rollback import keep, take_back, unclear
from llmdoctor.system import System
from llmdoctor.system.local import Local
from llmdoctor.undo import find, places, removes, undo
from support.tree import Entry as TreeEntry
from support.tree import assert_same_tree, snapshot, tree_difference
from support.venvs import install_fake_dist

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the plans here are POSIX")


# Identifiers of runs. Taking one back ends the programs that carry its mark on the whole machine:
# those of another worker of the tests as well, if it called its run the same.
ONE, TWO = f"{os.getpid()}-1", f"{os.getpid()}-2"


class KilledError(BaseException):
    """The process is gone: nothing of it runs any more, not even what takes back."""


class Silent:
    def step(self, number: int, total: int, text: str) -> None: ...

    def line(self, text: str) -> None: ...


class Faulty:
    """A door that fails at its N-th act: before it, when half of it is done, or after it."""

    ACTS = ("make_dir", "write_bytes", "append_line", "rename", "remove", "clone_tree", "run")

    def __init__(self, system: System, at: int, when: str, error: BaseException) -> None:
        self._system = system
        self._at = at
        self._when = when
        self._error = error
        self.acts = 0

    @property
    def struck(self) -> bool:
        return self.acts >= self._at

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._system, name)
        if name not in self.ACTS:
            return real

        def act(*args: Any, **options: Any) -> Any:
            self.acts += 1
            if self.acts != self._at:
                return real(*args, **options)
            if self._when == "half":
                half(name, *args)
            elif self._when == "after":
                real(*args, **options)
            raise self._error

        return act


class Broken(Faulty):
    """A door through which acts of some kind fail from the N-th act on."""

    def __init__(self, system: System, at: int, names: tuple[str, ...]) -> None:
        super().__init__(system, at, "before", OSError(errno.EIO, "input/output error"))
        self._names = names

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._system, name)
        if name not in self.ACTS:
            return real

        def act(*args: Any, **options: Any) -> Any:
            self.acts += 1
            if self.struck and name in self._names:
                raise self._error
            return real(*args, **options)

        return act


def half(name: str, *args: Any) -> None:
    """What may lie on disk when an act is cut off in its middle."""
    if name == "append_line":
        Path(args[0]).parent.mkdir(parents=True, exist_ok=True)
        with Path(args[0]).open("a") as file:
            file.write(args[1][: len(args[1]) // 2])
    elif name == "clone_tree":
        Path(args[1]).mkdir()
        shutil.copy(next(p for p in Path(args[0]).iterdir() if p.is_file()), args[1])
    elif name == "remove" and Path(args[0]).is_dir():
        next(path for path in Path(args[0]).rglob("*") if path.is_file()).unlink()


class World:
    """A project with an environment, a file of the user's, and plans that change both."""

    def __init__(self, folder: Path, *, there: bool) -> None:
        self.project = folder / "project"
        self.venv = self.project / ".venv"
        self.aside = self.project / ".venv.llmdoctor-1"
        self.project.mkdir(parents=True)
        self.settings = self.project / "settings.toml"
        self.settings.write_text("mine = 1\n")
        self.settings.chmod(0o640)
        if there:
            build(self.venv)
            install_fake_dist(self.venv, "old", "1.0")
            (self.venv / "link").symlink_to("pyvenv.cfg")
        self.system = Local({"LLMDOCTOR_STATE_DIR": str(folder / "state"), "PATH": ""})
        self.before = self.tree()

    def tree(self) -> dict[str, TreeEntry]:
        return snapshot(self.project)

    def plan(self, *steps: Step) -> Plan:
        return Plan(Choice(("cpu",), Target(), feasible=True), str(self.venv), steps=steps)

    def create(self) -> Run:
        return run("make", CREATE, str(self.venv), creates=str(self.venv))

    def install(self) -> tuple[Step, ...]:
        return (
            Write("mark", f"{self.venv}/{MARK}", "1\n"),
            Write("settings", str(self.settings), "mine = 2\n"),
            Write("new file", str(self.project / "new.toml"), "x = 1\n"),
            run("install", INSTALL, str(self.venv)),
            Tell("restart the notebook"),
        )

    def new(self) -> Plan:
        return self.plan(self.create(), *self.install())

    def existing(self) -> Plan:
        keep = Snapshot("snapshot", str(self.venv), str(self.aside))
        verify = Verify("verify", str(self.venv), {"pkg": "2.0"})
        return self.plan(keep, *self.install(), verify)

    def repair(self) -> Plan:
        """What a fix does: files of the project, and under a snapshot things in the environment."""
        return self.plan(
            Write("settings", str(self.settings), "mine = 2\n"),
            Write("new file", str(self.project / "new.toml"), "x = 1\n"),
            Snapshot("snapshot", str(self.venv), str(self.aside)),
            Write("mark", f"{self.venv}/{MARK}", "1\n"),
            Remove("remove", str(self.venv / "link")),
            run("install", INSTALL, str(self.venv)),
        )

    def fresh(self) -> Plan:
        keep = SetAside("set aside", str(self.venv), str(self.aside))
        return self.plan(keep, self.create(), *self.install())

    def carry_out(self, plan: Plan, system: object = None) -> Done:
        door: Any = system or self.system
        return execute(door, plan, Journal(door, ONE), Silent())

    def recover(self) -> None:
        recover(self.system, str(self.venv))

    def assert_a_later_run_stays(self, plan: Plan) -> None:
        execute(self.system, plan, Journal(self.system, TWO), Silent())
        after = self.tree()
        self.recover()
        assert_same_tree(after, self.tree())

    def assert_as_before(self) -> None:
        assert_same_tree(self.before, self.tree())

    def forget_unclear(self) -> bool:
        """Remove what a run left that was killed before its mark, when nobody could tell whose."""
        left = [path for run in entries(self.system) if (path := Path(unclear(run))).exists()]
        for path in left:
            shutil.rmtree(path)
        return bool(left)


def ending(world: World, plan: Plan, system: object) -> BaseException | None:
    """How carrying it out ended."""
    try:
        world.carry_out(plan, system)
    except BaseException as error:  # noqa: BLE001 - it is the answer
        return error
    return None


def run(text: str, code: str, *words: str, creates: str | None = None) -> Run:
    return Run(text, (sys.executable, "-I", "-S", "-c", code, *words), creates=creates)


# Environments that a look takes for one, in the fewest files.
CREATE = """
import os, sys
site = os.path.join(sys.argv[1], "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
os.makedirs(site)
os.mkdir(os.path.join(sys.argv[1], "bin"))
os.symlink(sys.executable, os.path.join(sys.argv[1], "bin", "python"))
with open(os.path.join(sys.argv[1], "pyvenv.cfg"), "w") as cfg:
    cfg.write("home = %s\\nversion = %d.%d.%d\\n"
              % (os.path.dirname(os.path.realpath(sys.executable)), *sys.version_info[:3]))
"""
# As installers do: files are replaced and added, never edited; a mode is the snapshot's as well.
INSTALL = """
import os, sys
site = os.path.join(sys.argv[1], "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
if os.path.isdir(os.path.join(site, "old")):
    os.unlink(os.path.join(site, "old", "__init__.py"))
    os.chmod(os.path.join(sys.argv[1], "pyvenv.cfg"), 0o600)
os.makedirs(os.path.join(site, "pkg"))
os.mkdir(os.path.join(site, "pkg-2.0.dist-info"))
def put(name, text):
    with open(os.path.join(site, name), "w") as file: file.write(text)
put("pkg/__init__.py", "x = 1\\n")
put("pkg-2.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: pkg\\nVersion: 2.0\\n")
put("pkg-2.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
put("pkg-2.0.dist-info/RECORD", "pkg/__init__.py,,6\\npkg-2.0.dist-info/RECORD,,\\n")
"""


def build(venv: Path) -> None:
    done = Local().run((sys.executable, "-I", "-S", "-c", CREATE, str(venv)))
    assert done.ok, done.err


SHAPES: dict[str, tuple[bool, Callable[[World], Plan]]] = {
    "new": (False, World.new),
    "existing": (True, World.existing),
    "fresh": (True, World.fresh),
    "repair": (True, World.repair),
}
FULL = OSError(errno.ENOSPC, "no space left on device")
ODD = ValueError("something that nobody thought of")
shapes = pytest.mark.parametrize("shape", SHAPES)
moments = pytest.mark.parametrize("when", ["before", "half", "after"])


@shapes
def test_a_plan_without_trouble_is_kept(shape: str, tmp_path: Path) -> None:
    there, plan = SHAPES[shape]
    world = World(tmp_path, there=there)
    done = world.carry_out(plan(world))
    assert done.backup == (str(world.aside) if there else None)
    assert world.settings.read_text() == "mine = 2\n"
    assert list(world.venv.glob("lib/*/site-packages/pkg/__init__.py"))
    if there:
        former = {name: entry for name, entry in world.before.items() if name.startswith(".venv/")}
        kept = {f".venv/{n}": e for n, e in snapshot(world.aside).items() if n != "."}
        # modes are those of the links' other names until it is put back
        without = ({n: replace(e, mode=0) for n, e in tree.items()} for tree in (former, kept))
        assert_same_tree(*without)
    assert [entry.outcome for entry in entries(world.system)] == ["kept"]


@shapes
@moments
@pytest.mark.parametrize(
    "error", [FULL, ODD, KeyboardInterrupt()], ids=["full", "odd", "interrupt"]
)
def test_one_act_that_fails_leaves_everything_as_before(
    shape: str, when: str, error: BaseException, tmp_path: Path
) -> None:
    """Every act of the door in turn fails once, until the plan goes through."""
    there, plan = SHAPES[shape]
    wanted = InterruptedRunError if isinstance(error, KeyboardInterrupt) else RolledBackError
    failures = 0
    for at in itertools.count(1):
        world = World(tmp_path / str(at), there=there)
        faulty = Faulty(world.system, at, when, error)
        ended = ending(world, plan(world), faulty)
        if isinstance(ended, LlmdoctorError):
            assert isinstance(ended, wanted), ended
            failures += 1
        elif ended is not None:
            assert at == 1, "only the journal's first line comes before everything else"
        elif not faulty.struck:
            break
        else:
            # a look at the result asks programs too, and takes a refusal for an answer
            assert not isinstance(error, KeyboardInterrupt)
            assert [entry.outcome for entry in entries(world.system)] == ["kept"]
            continue
        world.assert_as_before()
        world.recover()
        world.assert_as_before()
        assert all(entry.outcome == "restored" for entry in entries(world.system))
    assert failures > 10


@shapes
@moments
def test_a_run_killed_at_any_act_is_taken_back_by_the_next_one(
    shape: str, when: str, tmp_path: Path
) -> None:
    there, plan = SHAPES[shape]
    for at in itertools.count(1):
        world = World(tmp_path / str(at), there=there)
        faulty = Faulty(world.system, at, when, KilledError())
        try:
            world.carry_out(plan(world), faulty)
        except KilledError:
            pass
        else:
            break
        if [entry.outcome for entry in entries(world.system)] == ["kept"]:
            continue  # killed when everything was done
        marked = (world.venv / MARK).exists()
        world.recover()
        assert not (world.forget_unclear() and marked), "the mark says whose it is"
        world.assert_as_before()
        world.assert_a_later_run_stays(plan(world))
    assert at > 10


@shapes
@moments
def test_a_rollback_that_is_killed_is_finished_by_the_next_run(
    shape: str, when: str, tmp_path: Path
) -> None:
    there, plan = SHAPES[shape]
    rolled_back = 0
    for at in itertools.count(1):
        world = World(tmp_path / str(at), there=there)
        good = plan(world)
        bad = world.plan(*good.steps, run("fail", "raise SystemExit(1)"))
        faulty = Faulty(world.system, at, when, KilledError())
        try:
            world.carry_out(bad, faulty)
        except RolledBackError:
            break
        except KilledError:
            rolled_back += 1
        world.recover()
        world.forget_unclear()
        world.assert_as_before()
    world.assert_as_before()
    assert rolled_back > 15


@shapes
@pytest.mark.parametrize(
    "names", [("rename",), ("remove",), ("append_line", "write_bytes"), Faulty.ACTS]
)
def test_what_cannot_be_put_back_is_named_and_put_back_later(
    shape: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    """From some act on, acts of a kind fail for good: a disk that is full or has died."""
    there, plan = SHAPES[shape]
    for at in itertools.count(1):
        world = World(tmp_path / str(at), there=there)
        good = plan(world)
        bad = world.plan(*good.steps, run("fail", "raise SystemExit(1)"))
        broken = Broken(world.system, at, names)
        ended = ending(world, bad, broken)
        if isinstance(ended, RolledBackError):
            world.assert_as_before()
        elif isinstance(ended, RollbackIncompleteError):
            changed = {
                line.split()[1].strip(":") for line in tree_difference(world.before, world.tree())
            }
            places = {name.split("/")[0] for name in changed}
            assert places
            assert all(str(world.project / place) in ended.message for place in places)
        else:
            assert isinstance(ended, OSError)
            assert entries(world.system) == ()  # not even the journal could be opened
        if not broken.struck:
            break
        world.recover()
        world.forget_unclear()
        world.assert_as_before()


def test_a_step_that_fails_says_what_its_program_said(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    code = "import sys; print('no matching distribution', file=sys.stderr); sys.exit(7)"
    with pytest.raises(RolledBackError) as failed:
        world.carry_out(world.plan(run("install 3 packages", code)))
    assert "could not install 3 packages: exit code 7\nno matching distribution" in str(
        failed.value
    )
    assert failed.value.next_command == f"llmdoctor check --env {world.venv}"


def test_where_there_is_no_environment_again_none_is_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path / "a b", there=False)
    with pytest.raises(RolledBackError) as failed:
        world.carry_out(world.plan(world.create(), run("install", "raise SystemExit(7)")))
    assert failed.value.next_command == "llmdoctor check"
    spaced = World(tmp_path / "c d", there=True)
    with pytest.raises(RolledBackError) as failed:
        spaced.carry_out(spaced.plan(run("install", "raise SystemExit(7)")))
    assert failed.value.next_command == f"llmdoctor check --env '{spaced.venv}'"


def test_a_program_that_hangs_is_a_step_that_fails(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    hang = Run("wait", (sys.executable, "-c", "import time; time.sleep(60)"), timeout=0.5)
    with pytest.raises(RolledBackError, match="could not wait: timeout"):
        world.carry_out(world.plan(*world.existing().steps, hang))
    world.assert_as_before()


def test_an_environment_that_is_not_what_was_meant_goes_back(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    wrong = Verify("verify", str(world.venv), {"pkg": "2.1", "absent": "1.0"})
    with pytest.raises(RolledBackError) as failed:
        world.carry_out(world.plan(*world.existing().steps, wrong))
    assert "pkg is 2.0, 2.1 was meant" in str(failed.value)
    assert "absent 1.0 is not there" in str(failed.value)
    world.assert_as_before()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("pkg/__init__.py,sha256=x,7\n", "cut short"),
        ("pkg/gone.py,,\n", "missing"),
        ("pkg/__init__.py,sha256=x,many\n", "cut short"),
        (None, "no RECORD"),
    ],
)
def test_files_that_are_not_as_recorded_are_noticed(
    record: str | None, said: str, tmp_path: Path
) -> None:
    world = World(tmp_path, there=True)
    code = "import os, sys; os.unlink(sys.argv[1]); sys.argv[2:] and open(sys.argv[1], 'w').write(sys.argv[2])"
    (site,) = world.venv.glob("lib/*/site-packages")
    damage = run(
        "damage", code, f"{site}/pkg-2.0.dist-info/RECORD", *([] if record is None else [record])
    )
    keep, *install, verify = world.existing().steps
    with pytest.raises(RolledBackError, match=said):
        world.carry_out(world.plan(keep, *install, damage, verify))
    world.assert_as_before()


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("raise ImportError('no libcudart')", "ImportError: no libcudart"),
        ("import os; os.abort()", "killed by signal 6"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import atexit; atexit.register(print, 5); import absent_module", "ModuleNotFoundError"),
    ],
)
def test_a_module_that_does_not_import_is_noticed(module: str, said: str, tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    install_fake_dist(world.venv, "frail", "1.0", files={"frail.py": module + "\n"})
    world.before = world.tree()
    verify = Verify("verify", str(world.venv), {}, imports=("frail",))
    with pytest.raises(RolledBackError, match=said):
        world.carry_out(world.plan(verify))
    world.assert_as_before()


def test_a_module_that_talks_while_it_is_imported_is_still_imported(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    chatty = "import atexit; print('hello'); atexit.register(print, 5)\n"
    install_fake_dist(world.venv, "chatty", "1.0", files={"chatty.py": chatty})
    done = world.carry_out(world.plan(Verify("verify", str(world.venv), {}, imports=("chatty",))))
    assert done.proof is None


def test_bytecode_stays_where_an_undo_would_take_it_away_and_nowhere_else(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    install_fake_dist(world.venv, "mine", "1.0", files={"mine.py": "x = 1\n"})
    verify = Verify("verify", str(world.venv), {}, imports=("mine",))
    world.carry_out(world.plan(verify))
    assert not list(world.venv.rglob("mine.*.pyc"))
    world.carry_out(world.plan(Snapshot("snapshot", str(world.venv), str(world.aside)), verify))
    assert list(world.venv.rglob("mine.*.pyc"))


def test_only_the_runs_of_that_environment_are_taken_back(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    with pytest.raises(KilledError):
        world.carry_out(world.existing(), Faulty(world.system, 6, "after", KilledError()))
    changed = world.tree()
    assert recover(world.system, str(tmp_path / "another")) == ()
    assert_same_tree(changed, world.tree())
    assert [entry.id for entry in recover(world.system, str(world.venv))] == [ONE]
    world.assert_as_before()


def test_taking_back_twice_is_taking_back_once(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    world.carry_out(world.existing())
    (entry,) = entries(world.system)
    assert take_back(world.system, entry) == ()
    world.assert_as_before()
    take_back(world.system, entry)
    assert world.venv.is_dir()


@shapes
def test_undo_puts_everything_back_once(shape: str, tmp_path: Path) -> None:
    there, plan = SHAPES[shape]
    world = World(tmp_path, there=there)
    world.carry_out(plan(world))
    undo(world.system, find(world.system, None, str(world.venv)))
    world.assert_as_before()
    with pytest.raises(UsageError, match="nothing to undo"):
        find(world.system, None, str(world.venv))
    with pytest.raises(UsageError, match="already undone"):
        find(world.system, ONE, str(world.venv))


def test_a_run_that_a_later_one_builds_on_is_not_undone_first(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    for run_id in (ONE, TWO):
        keep = Snapshot("snapshot", str(world.venv), f"{world.aside}-{run_id}")
        execute(world.system, world.plan(keep), Journal(world.system, run_id), Silent())
    with pytest.raises(UsageError) as refused:
        find(world.system, ONE, str(world.venv))
    assert refused.value.next_command == f"llmdoctor undo {TWO}"


def test_a_run_that_changed_nothing_stands_in_nobodys_way(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    world.carry_out(world.existing())
    execute(world.system, world.plan(Tell("x")), Journal(world.system, TWO), Silent())
    assert find(world.system, None, str(world.venv)).id == ONE
    with pytest.raises(UsageError, match=f"run {TWO} changed nothing"):
        find(world.system, TWO, str(world.venv))


def test_undo_without_a_run_never_leaves_the_environment_that_was_named(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    world.carry_out(world.existing())
    with pytest.raises(UsageError, match="nothing to undo in") as refused:
        find(world.system, None, str(tmp_path / "another"))
    assert str(world.venv) in refused.value.message


def test_undo_without_the_former_environment_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    world.carry_out(world.existing())
    world.system.remove(str(world.aside))
    after = world.tree()
    with pytest.raises(UsageError, match="no longer there"):
        undo(world.system, find(world.system, ONE, str(world.venv)))
    assert_same_tree(after, world.tree())


def test_what_may_not_be_looked_at_while_taking_back_is_named(tmp_path: Path) -> None:
    class Blind(Local):
        def kind(self, path: str) -> Any:
            raise UnreadableError(path, "permission denied")

    world = World(tmp_path, there=True)
    world.carry_out(world.existing())
    (entry,) = entries(world.system)
    left = take_back(Blind(world.system.environ), entry)
    (told,) = [line for line in left if line.startswith("  snapshot: cannot be undone: ")]
    assert "permission denied" in told


@pytest.mark.parametrize("moment", ["while it is made", "before the mark", "after the mark"])
def test_an_environment_that_somebody_made_after_a_kill_is_never_removed(
    moment: str, tmp_path: Path
) -> None:
    world = World(tmp_path, there=False)
    plan = world.new()
    journal = Journal(world.system, ONE)
    journal.start(plan.environment, ())
    number = {"while it is made": 0, "before the mark": 1, "after the mark": 2}[moment]
    for done in range(number + 1):
        step = plan.steps[done]
        if isinstance(step, Write):
            keep(world.system, step, journal.id, done)
        journal.begin(done, step)
        if done < number:
            journal.done(done)
    build(world.venv)
    (world.venv / "mine.txt").write_text("hours of work")
    recover(world.system, plan.environment)
    places = [world.venv, Path(unclear(entries(world.system)[0]))]
    assert [p.read_text() for q in places if (p := q / "mine.txt").exists()] == ["hours of work"]


def test_an_environment_that_appears_while_the_plan_is_read_is_not_touched(tmp_path: Path) -> None:
    world = World(tmp_path, there=False)
    plan = world.new()
    build(world.venv)
    before = world.tree()
    with pytest.raises(RolledBackError, match="has appeared since"):
        world.carry_out(plan)
    assert_same_tree(before, world.tree())


def test_undo_sees_the_run_as_it_is_once_it_holds_the_lock(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    early = Journal(world.system, ONE)
    early.start(str(world.venv), ("cpu",))
    (stale,) = entries(world.system)
    (Path(early.folder) / "journal.jsonl").unlink()
    world.carry_out(world.existing())
    undo(world.system, stale)
    world.assert_as_before()


def repair(world: World) -> Plan:
    """What a fix does: files of the project alone."""
    return world.plan(
        Write("settings", str(world.settings), "mine = 2\n"),
        Write("new file", str(world.project / "new.toml"), "x = 1\n"),
    )


def test_a_run_that_wrote_files_alone_is_undone(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    world.carry_out(repair(world))
    entry = find(world.system, None, str(world.venv))
    assert places(world.system, entry) == (str(world.settings), str(world.project / "new.toml"))
    assert not removes(entry)
    undo(world.system, entry)
    world.assert_as_before()


def test_undo_refuses_where_the_user_went_on_writing_a_file(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    world.carry_out(repair(world))
    world.settings.write_text("mine = 3\n")
    after = world.tree()
    with pytest.raises(UsageError, match=r"settings\.toml was changed after run "):
        undo(world.system, find(world.system, None, str(world.venv)))
    assert_same_tree(after, world.tree())


def test_a_file_that_the_user_wrote_after_a_kill_stays(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    with pytest.raises(KilledError):
        world.carry_out(repair(world), Faulty(world.system, 4, "after", KilledError()))
    assert world.settings.read_text() == "mine = 2\n"
    world.settings.write_text("mine = 3\n")
    with pytest.raises(RollbackIncompleteError, match="changed by somebody else since"):
        world.recover()
    assert world.settings.read_text() == "mine = 3\n"


def test_what_is_removed_in_an_environment_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    gone = Remove("remove", str(world.venv / "link"))
    keep_it = Snapshot("snapshot", str(world.venv), str(world.aside))
    world.carry_out(world.plan(keep_it, Write("mark", f"{world.venv}/{MARK}", "1\n"), gone))
    assert not (world.venv / "link").is_symlink()
    undo(world.system, find(world.system, None, str(world.venv)))
    world.assert_as_before()


def test_nothing_in_an_environment_is_changed_without_a_snapshot(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    with pytest.raises(RolledBackError, match="under guard"):
        world.carry_out(world.plan(Remove("remove", str(world.venv / "link"))))
    world.assert_as_before()


def test_nothing_outside_the_environment_is_removed(tmp_path: Path) -> None:
    world = World(tmp_path, there=True)
    keep_it = Snapshot("snapshot", str(world.venv), str(world.aside))
    with pytest.raises(RolledBackError, match="and stays"):
        world.carry_out(world.plan(keep_it, Remove("remove", str(world.settings))))
    world.assert_as_before()
