"""A check as one page that needs nothing else: no network, no file beside it, no colour to read it.

The order is that of a reader: what is wrong, the stack as a ladder, findings with commands to copy,
the proof, then every check. Texts of the machine are escaped; only https addresses become links.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmdoctor import __version__
from llmdoctor.diagnose import one_line
from llmdoctor.finding import SEVERITIES, Finding, Report
from llmdoctor.proof import Proof
from llmdoctor.render.ladder import Rung, rungs
from llmdoctor.render.page_parts import address, framed, prose, text, typed
from llmdoctor.render.page_proof import section
from llmdoctor.render.remarks import titles
from llmdoctor.render.terminal import command

_STATES = {"ok": "ok", "warning": "warning", "broken": "broken", "unknown": "not judged"}


def check(report: Report, proof: Proof | None = None) -> str:
    """A whole check, with the proof of its environment where there is one."""
    main = [
        '<section aria-labelledby="ladder"><h2 id="ladder">The stack, from the hardware up</h2>',
        '<ol class="ladder">',
        *map(_rung, rungs(report)),
        "</ol></section>",
        *_findings(report),
        *(section(proof) if proof is not None else ()),
        *_abilities(report),
        *_checks(report),
    ]
    return framed(one_line(report), _counts(report), main)


def _counts(report: Report) -> Iterator[str]:
    outcomes = [verdict.outcome for verdict in report.verdicts]
    words = [f"{n} {s}{'' if n == 1 else 's'}" for s in SEVERITIES for n in [report.count(s)]]
    words += [f"{outcomes.count('pass')} checks passed", f"{outcomes.count('skip')} skipped"]
    words += [f"{len(report.crashed)} crashed"] if report.crashed else []
    words += [f"{len(report.known)} known and left out"] if report.known else []
    yield f'<ul class="counts soft">{"".join(f"<li>{word}</li>" for word in words)}</ul>'
    taken = f", seen {text(report.machine.taken)}" if report.machine.taken else ""
    yield f'<p class="soft">llmdoctor {__version__}{taken}</p>'


def _rung(rung: Rung) -> str:
    state = "broken here" if rung.first else _STATES[rung.state]
    codes = ", ".join(f'<a href="#{code}">{code}</a>' for code in map(text, rung.codes))
    current = ' aria-current="step"' if rung.first else ""
    return (
        f'<li class="{rung.state}"{current}><b>{text(rung.name)}</b>'
        f'<span class="what">{text(rung.what)}{" · " if codes else ""}{codes}</span>'
        f'<span class="state">{state}</span></li>'
    )


def _findings(report: Report) -> Iterator[str]:
    yield '<section aria-labelledby="findings"><h2 id="findings">Findings</h2>'
    for verdict in report.verdicts:
        if verdict.outcome == "crash":
            told = text(f"{verdict.code} crashed: {verdict.reason or 'unknown'}")
            yield f'<p><strong class="word">{told}</strong></p>'
    if not report.findings and not report.crashed:
        yield "<p>Nothing is wrong as far as this machine was looked at.</p>"
    seen: set[str] = set()
    for item in report.findings:
        name = f' id="{text(item.code)}"' if item.code not in seen else ""
        seen.add(item.code)
        yield from _finding(item, name)
    yield "</section>"


def _finding(item: Finding, name: str) -> Iterator[str]:
    yield f'<article class="{item.severity}"{name}>'
    title = text(f"{item.code}: {item.title}")
    yield f'<h3><span class="word">{item.severity}</span> {title}</h3>'
    if item.detail:
        yield f"<p>{prose(item.detail)}</p>"
    if item.evidence:
        lines = "".join(f"<li><code>{text(line)}</code></li>" for line in item.evidence)
        yield f'<ul class="evidence" aria-label="What was seen">{lines}</ul>'
    if item.remedy:
        yield f"<p><strong>What to do:</strong> {prose(item.remedy.summary)}</p>"
        for argv in item.remedy.commands:
            yield typed(command(argv))
    if item.url:
        yield address(item.url)
    yield "</article>"


def _abilities(report: Report) -> Iterator[str]:
    lines = [("can", line) for line in report.can] + [("cannot", line) for line in report.cannot]
    if lines:
        yield '<section aria-labelledby="can">'
        yield '<h2 id="can">What this machine can and cannot do</h2><ul>'
        yield from (f"<li>{word}: {text(line)}</li>" for word, line in lines)
        yield "</ul></section>"


def _checks(report: Report) -> Iterator[str]:
    names = titles(report)
    yield f"<details><summary>All {len(report.verdicts)} checks</summary>"
    yield '<div class="scroll" role="region" aria-label="All checks" tabindex="0"><table>'
    heads = ("Check", "Looks for", "Outcome", "Why")
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    for verdict in report.verdicts:
        yield (
            f'<tr><th scope="row">{text(verdict.code)}</th>'
            f"<td>{text(names.get(verdict.code, ''))}</td>"
            f"<td>{verdict.outcome}</td><td>{text(verdict.reason or '')}</td></tr>"
        )
    yield "</tbody></table></div></details>"
