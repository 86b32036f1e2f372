"""A proof on a page: a matrix of backends and modes, what to use, and each row's time as a bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmdoctor import __version__
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render import proof as shown
from llmdoctor.render.page_parts import framed, prose, text


def page(proof: Proof) -> str:
    """A whole smoke test as one page."""
    heading = shown.verdict(proof)
    seen = " · ".join([f"llmdoctor {__version__}", *_seen(proof.environment)])
    return framed(heading, [f'<p class="soft">{text(seen)}</p>'], section(proof))


def _seen(environment: Mapping[str, object]) -> Iterator[str]:
    """The versions that ran, and on what; no path, since that could name somebody."""
    for what, name in (("python", "version"), ("packages", "torch"), ("packages", "transformers")):
        known = environment.get(what)
        if isinstance(known, Mapping) and known.get(name):
            yield f"{'Python' if what == 'python' else name} {known[name]}"
    device = environment.get("device")
    if isinstance(device, Mapping) and device.get("name"):
        yield str(device["name"])


def section(proof: Proof) -> Iterator[str]:
    """The proof as a section of a page."""
    yield '<section aria-labelledby="proof"><h2 id="proof">The proof</h2>'
    verdict = "passed" if proof.passed else "did not pass"
    why = f": {text(proof.problem)}" if proof.problem else ""
    yield f"<p>The smoke test {verdict}{why}.</p>"
    for device in proof.devices:
        yield from _matrix(device, [row for row in proof.rows if row.device == device])
    yield from (f"<p>{prose(line)}</p>" for line in shown.advised(proof))
    yield "</section>"
    if proof.rows:
        yield from _rows(proof)


def _matrix(device: str, rows: list[SmokeRow]) -> Iterator[str]:
    """Backends down, modes across, each dtype with its outcome in a cell."""
    modes = shown.modes(rows)
    name = text(device)
    yield f'<div class="scroll" role="region" aria-label="Matrix of {name}" tabindex="0"><table>'
    yield f"<caption>On {name}</caption><thead><tr>"
    yield from (f'<th scope="col">{head}</th>' for head in ("Backend", *modes.values()))
    yield "</tr></thead><tbody>"
    for backend, own in shown.backends(rows):
        cells = [[row for row in own if row.mode == mode] for mode in modes]
        yield f'<tr><th scope="row">{_breakable(backend)}</th>'
        yield from (f"<td>{' '.join(map(_cell, cell)) or '-'}</td>" for cell in cells)
        yield "</tr>"
    yield "</tbody></table></div>"


def _cell(row: SmokeRow) -> str:
    return f'<span class="cell {_class(row)}">{text(row.dtype)} {row.outcome}</span>'


def _breakable(name: str) -> str:
    """A backend's name that a phone may break: FLASH_ATTENTION alone is half as wide as one."""
    return text(name).replace("_", "_<wbr>")


def _class(row: SmokeRow) -> str:
    return "skip-row" if row.outcome == "skip" else row.outcome


def _rows(proof: Proof) -> Iterator[str]:
    """Each row with its time as a bar beside the others', and its number against its gate."""
    longest = max((row.seconds or 0 for row in proof.rows), default=0) or 1
    yield '<section aria-labelledby="times"><h2 id="times">Each row, and its time</h2>'
    yield '<div class="scroll" role="region" aria-label="Rows" tabindex="0"><table>'
    heads = ("Row", "Outcome", "Seconds")
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    yield from (_row(row, longest) for row in proof.rows)
    yield "</tbody></table></div></section>"


def _row(row: SmokeRow, longest: float) -> str:
    detail = ""
    if row.detail and row.outcome != "pass":
        detail = f'<br><span class="soft">{text(row.detail)}</span>'
    if row.error is not None:
        numbers = (f"error {row.error:.1e},", f"gate {row.tolerance:.0e}")
        whole = " ".join(f'<span class="number">{number}</span>' for number in numbers)
        detail += f'<br><span class="soft">{whole}</span>'
    time = ""
    if row.seconds is not None:
        width = 100 * row.seconds / longest
        time = f'{row.seconds:.2f}<span class="bar" style="width:{width:.1f}%"></span>'
    name = _breakable(shown.ran(row))
    what = text(f"{row.mode} {row.dtype} on {row.device}")
    return (
        f'<tr><th scope="row">{name}<span class="what">{what}</span></th>'
        f'<td><span class="{_class(row)}">{row.outcome}</span>{detail}</td>'
        f'<td class="time">{time}</td></tr>'
    )
