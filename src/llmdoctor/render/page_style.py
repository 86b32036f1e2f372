"""How the page looks and what its buttons do: light and dark, wide and narrow, on paper too.

Colour is never all that tells things apart: every state has its word. Contrasts are at least 4.5:1,
those of bars and borders that tell something 3:1.
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--back:#fbfbf9;--card:#fff;--ink:#1d2126;--soft:#59616b;
--line:#d9dcdf;--bad:#b3261e;--warn:#8a5300;--good:#1a6b3c;--none:#59616b;--code:#f1f2f0;
--bar:#5a8fc7;--link:#1c5fae}
@media (prefers-color-scheme:dark){:root{--back:#14171b;--card:#1c2026;--ink:#e7e9ec;
--soft:#a4acb6;--line:#353b44;--bad:#ff8a80;--warn:#ffc46b;--good:#7fd6a0;--none:#a4acb6;
--code:#262b32;--bar:#3d6a99;--link:#8fc1ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main{max-width:56rem;margin:0 auto;padding:1rem}
header{padding-bottom:0}main{padding-top:0}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.2rem;margin:1.75rem 0 .75rem}
h3{font-size:1.05rem;margin:0 0 .5rem}
p{margin:.4rem 0;overflow-wrap:anywhere}a{color:var(--link)}
.soft{color:var(--soft)}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:var(--card)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.ladder{list-style:none;margin:0;padding:0}
.ladder li{display:grid;grid-template-columns:9rem 1fr auto;gap:.25rem 1rem;align-items:baseline;
background:var(--card);border:1px solid var(--line);border-left:.4rem solid var(--none);
padding:.6rem .9rem;margin-bottom:.4rem}
.ladder b{font-weight:600}.ladder span{overflow-wrap:anywhere}
.state{font-weight:600;color:var(--none);white-space:nowrap}
li.ok{border-left-color:var(--good)}li.ok .state{color:var(--good)}
li.warning{border-left-color:var(--warn)}li.warning .state{color:var(--warn)}
li.broken{border:2px solid var(--bad);border-left:.4rem solid var(--bad)}
li.broken .state{color:var(--bad)}
article{background:var(--card);border:1px solid var(--line);border-left:.4rem solid var(--none);
padding:1rem;margin-bottom:1rem}
article.error{border-left-color:var(--bad)}article.warning{border-left-color:var(--warn)}
.error .word{color:var(--bad)}.warning .word{color:var(--warn)}.note .word{color:var(--none)}
.evidence{margin:.5rem 0;padding-left:1.2rem;color:var(--soft)}
.evidence code{overflow-wrap:anywhere}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.9rem}
.command{display:flex;gap:.5rem;align-items:stretch;margin:.5rem 0}
pre{background:var(--code);margin:0;padding:.6rem .8rem;white-space:pre-wrap;
overflow-wrap:anywhere;flex:1;min-width:0}
button{font:inherit;font-size:.9rem;color:var(--ink);background:var(--card);
border:1px solid var(--soft);border-radius:.25rem;padding:.3rem .8rem;cursor:pointer;
min-width:5.2rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.time{min-width:4rem}.number{white-space:nowrap}.scroll+p{margin-top:.8rem}
caption{text-align:left;font-weight:600;padding:1rem .6rem .35rem}
.cell{display:block;white-space:nowrap}
th .what{display:block;font-weight:400;color:var(--soft)}
.plain{list-style:none;padding-left:0}.within{padding-left:1.2rem}.plain li{margin:.3rem 0}
.bar{display:block;height:.5rem;background:var(--bar);margin-top:.2rem;min-width:1px}
.pass{color:var(--good)}.fail,.crash,.timeout{color:var(--bad)}.skip-row{color:var(--none)}
summary{cursor:pointer;padding:.3rem 0}
.counts{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;padding:0;margin:.5rem 0;list-style:none}
@media (max-width:38rem){th,td{padding:.35rem .4rem}
caption{padding-left:.4rem}.ladder li{grid-template-columns:1fr auto}
.ladder .what{grid-column:1/-1;grid-row:2}.command{flex-direction:column}
button{align-self:flex-start}}
@media print{button,.skip{display:none}article,.ladder li{break-inside:avoid}}
"""

SCRIPT = """
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    let done = true;
    try { await navigator.clipboard.writeText(code.textContent); }
    catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      const chosen = getSelection();
      chosen.removeAllRanges();
      chosen.addRange(range);
      done = false;
    }
    const word = done ? "Copied" : "Selected";
    button.textContent = word;
    document.getElementById("said").textContent = word + ": " + code.textContent;
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
"""
