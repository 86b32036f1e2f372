"""A check as one page that needs nothing else: no network, no file beside it, no colour to read it.

The order is that of a reader: what is wrong, the stack as a ladder, findings with commands to copy,
the proof, then every check. Texts of the machine are escaped; only https addresses become links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from llmdoctor import __version__
from llmdoctor.diagnose import catalogue, one_line
from llmdoctor.finding import SEVERITIES, Finding, Report
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render.ladder import Rung, rungs
from llmdoctor.render.page_style import SCRIPT, STYLE
from llmdoctor.render.remarks import clean
from llmdoctor.render.terminal import command

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_STATES = {"ok": "ok", "warning": "warning", "broken": "broken", "unknown": "not judged"}


def check(report: Report, proof: Proof | None = None) -> str:
    """A whole check, with the proof of its environment where there is one."""
    title = _text(f"llmdoctor: {one_line(report)}")
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#main">Skip to the findings</a>',
        "<header>",
        f"<h1>{_text(one_line(report))}</h1>",
        *_counts(report),
        "</header>",
        '<main id="main">',
        '<section aria-labelledby="ladder"><h2 id="ladder">The stack, from the hardware up</h2>',
        '<ol class="ladder">',
        *map(_rung, rungs(report)),
        "</ol></section>",
        *_findings(report),
        *(_proof(proof) if proof is not None else ()),
        *_abilities(report),
        *_checks(report),
        "</main>",
        '<p id="said" role="status" aria-live="polite" class="skip"></p>',
        f"<script>{SCRIPT}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts)


def _counts(report: Report) -> Iterator[str]:
    outcomes = [verdict.outcome for verdict in report.verdicts]
    words = [f"{n} {s}{'' if n == 1 else 's'}" for s in SEVERITIES for n in [report.count(s)]]
    words += [f"{outcomes.count('pass')} checks passed", f"{outcomes.count('skip')} skipped"]
    words += [f"{outcomes.count('crash')} crashed"] if "crash" in outcomes else []
    words += [f"{len(report.known)} known and left out"] if report.known else []
    yield f'<ul class="counts soft">{"".join(f"<li>{word}</li>" for word in words)}</ul>'
    taken = f", seen {_text(report.machine.taken)}" if report.machine.taken else ""
    yield f'<p class="soft">llmdoctor {__version__}{taken}</p>'


def _rung(rung: Rung) -> str:
    state = "broken here" if rung.first else _STATES[rung.state]
    codes = ", ".join(f'<a href="#{code}">{code}</a>' for code in map(_text, rung.codes))
    current = ' aria-current="step"' if rung.first else ""
    return (
        f'<li class="{rung.state}"{current}><b>{_text(rung.name)}</b>'
        f'<span class="what">{_text(rung.what)}{" · " if codes else ""}{codes}</span>'
        f'<span class="state">{state}</span></li>'
    )


def _findings(report: Report) -> Iterator[str]:
    yield '<section aria-labelledby="findings"><h2 id="findings">Findings</h2>'
    if not report.findings:
        yield "<p>Nothing is wrong as far as this machine was looked at.</p>"
    seen: set[str] = set()
    for item in report.findings:
        name = f' id="{_text(item.code)}"' if item.code not in seen else ""
        seen.add(item.code)
        yield from _finding(item, name)
    yield "</section>"


def _finding(item: Finding, name: str) -> Iterator[str]:
    yield f'<article class="{item.severity}"{name}>'
    title = _text(f"{item.code}: {item.title}")
    yield f'<h3><span class="word">{item.severity}</span> {title}</h3>'
    if item.detail:
        yield f"<p>{_prose(item.detail)}</p>"
    if item.evidence:
        lines = "".join(f"<li><code>{_text(line)}</code></li>" for line in item.evidence)
        yield f'<ul class="evidence" aria-label="What was seen">{lines}</ul>'
    if item.remedy:
        yield f"<p><strong>What to do:</strong> {_prose(item.remedy.summary)}</p>"
        for argv in item.remedy.commands:
            typed = _text(command(argv))
            yield (
                f'<div class="command"><pre tabindex="0"><code>{typed}</code></pre>'
                f'<button type="button" data-copy hidden aria-label="Copy: {typed}">Copy</button>'
                "</div>"
            )
    if item.url:
        url = _text(item.url)
        secure = item.url.startswith("https://")
        yield f'<p><a href="{url}">{url}</a></p>' if secure else f"<p><code>{url}</code></p>"
    yield "</article>"


def _proof(proof: Proof) -> Iterator[str]:
    yield '<section aria-labelledby="proof"><h2 id="proof">The proof</h2>'
    verdict = "passed" if proof.passed else "did not pass"
    why = f": {_text(proof.problem)}" if proof.problem else ""
    yield f"<p>The smoke test {verdict}{why}.</p>"
    if proof.rows:
        longest = max((row.seconds or 0 for row in proof.rows), default=0) or 1
        yield '<div class="scroll" role="region" aria-labelledby="proof" tabindex="0"><table>'
        heads = ("Backend", "Mode", "Numbers", "Outcome", "Seconds", "Error / gate", "Device")
        cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
        yield f"<thead><tr>{cells}</tr></thead><tbody>"
        yield from (_row(row, longest) for row in proof.rows)
        yield "</tbody></table></div>"
    yield "</section>"


def _row(row: SmokeRow, longest: float) -> str:
    ran = row.backend if row.kernel == "default" else f"{row.backend} {row.kernel}"
    if row.ran_as not in (None, row.backend, row.kernel):
        ran += f" → {row.ran_as}"
    measured = "" if row.error is None else f"{row.error:.1e} / {row.tolerance:.0e}"
    time = ""
    if row.seconds is not None:
        width = 100 * row.seconds / longest
        time = f'{row.seconds:.2f}<span class="bar" style="width:{width:.1f}%"></span>'
    detail = ""
    if row.detail and row.outcome != "pass":
        detail = f'<br><span class="soft">{_text(row.detail)}</span>'
    outcome = "skip-row" if row.outcome == "skip" else row.outcome
    cells = "".join(f"<td>{_text(text)}</td>" for text in (row.mode, row.dtype))
    return (
        f'<tr><th scope="row">{_text(ran)}</th>{cells}'
        f'<td><span class="{outcome}">{row.outcome}</span>{detail}</td>'
        f'<td class="time">{time}</td><td>{measured}</td><td>{_text(row.device)}</td></tr>'
    )


def _abilities(report: Report) -> Iterator[str]:
    lines = [("can", text) for text in report.can] + [("cannot", text) for text in report.cannot]
    if lines:
        yield '<section aria-labelledby="can"><h2 id="can">What this machine can do</h2><ul>'
        yield from (f"<li>{word}: {_text(text)}</li>" for word, text in lines)
        yield "</ul></section>"


def _checks(report: Report) -> Iterator[str]:
    titles = {declared.code: declared.title for declared in catalogue()}
    yield f"<details><summary>All {len(report.verdicts)} checks</summary>"
    yield '<div class="scroll" role="region" aria-label="All checks" tabindex="0"><table>'
    heads = ("Check", "Looks for", "Outcome", "Why")
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    for verdict in report.verdicts:
        yield (
            f'<tr><th scope="row">{_text(verdict.code)}</th>'
            f"<td>{_text(titles.get(verdict.code, ''))}</td>"
            f"<td>{verdict.outcome}</td><td>{_text(verdict.reason or '')}</td></tr>"
        )
    yield "</tbody></table></div></details>"


def _prose(text: str) -> str:
    """A sentence; what stands in backticks is typed."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _text(text))


def _text(text: str) -> str:
    return escape(clean(text))
