"""How the page looks, and the one script it has: what is typed narrows what is shown.

Both are written into the page, and its Content-Security-Policy names their hashes: nothing else
is run, and nothing is fetched but the requests that wait, from here.
"""

from __future__ import annotations

from arcrun_auth.landing import COLOURS

STYLE = (
    COLOURS
    + """
:root{--good:var(--mark);--warn:#8a5300;--warn-tint:#fcefd8;--bad-tint:#fde4e1}
@media(prefers-color-scheme:dark){:root{--warn:#f2bd6b;--warn-tint:#3a2c14;--bad-tint:#44201d}}
*{box-sizing:border-box}
html{scroll-padding-top:76px}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
a{color:var(--go)}
h1,h2,h3,p,ul,dl,dd{margin:0;padding:0}
ul{list-style:none}
h2{font-size:15px;line-height:1.4}
h3{font-size:15px;font-weight:600;overflow-wrap:anywhere}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Consolas,monospace;overflow-wrap:anywhere}
.soft{color:var(--soft)}
.small{font-size:13px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}
:focus-visible{outline:3px solid var(--go);outline-offset:2px}
.skip{position:absolute;left:8px;top:-60px;z-index:2;padding:8px 12px;border-radius:8px;
background:var(--go);color:var(--on-go)}
.skip:focus{top:8px}
.top{position:sticky;top:0;z-index:1;border-bottom:1px solid var(--line);background:var(--card)}
.top>div{display:flex;flex-wrap:wrap;align-items:center;gap:8px 20px;max-width:1240px;
margin:0 auto;padding:10px 20px}
h1{font-size:17px;letter-spacing:-.01em}
.search{display:flex;flex:1 1 260px;gap:8px;max-width:460px}
.search input{flex:1;min-width:0}
nav{display:flex;gap:16px;margin-left:auto}
nav a{color:var(--soft);text-decoration:none}
nav a:hover{color:var(--ink);text-decoration:underline}
input,select,button,.button{padding:7px 11px;border:1px solid var(--edge);border-radius:8px;
background:var(--card);color:var(--ink);font:inherit;line-height:1.4}
input,select{background:var(--code)}
button,.button{display:inline-flex;align-items:center;justify-content:center;min-height:36px;font-size:14px;font-weight:600;cursor:pointer;
text-decoration:none;white-space:nowrap}
button:hover,.button:hover{border-color:var(--ink)}
button.go{border-color:var(--go);background:var(--go);color:var(--on-go)}
button.plain{border-color:transparent;background:none;color:var(--soft);font-weight:400}
button.plain:hover{color:var(--ink);text-decoration:underline}
main{display:grid;grid-template-columns:minmax(0,1fr) 344px;grid-template-rows:auto auto auto 1fr;
grid-template-areas:"said said" "waiting waiting" "connected agents" "services agents";
align-items:start;gap:0 28px;max-width:1240px;margin:0 auto;padding:20px 20px 60px}
#said{grid-area:said;outline:none}
#waiting{grid-area:waiting}
#connected{grid-area:connected}
aside{grid-area:agents}
#services{grid-area:services}
section{margin-bottom:28px}
.head{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 10px;margin-bottom:8px}
.head .soft{font-size:13px}
.card{border:1px solid var(--line);border-radius:12px;background:var(--card)}
.card:not(:has(>:not([hidden]))){border:0}
.card>li:first-child{border-radius:11px 11px 0 0}
.card>li:last-child{border-radius:0 0 11px 11px}
.card>li:only-child{border-radius:11px}
.card>li+li{border-top:1px solid var(--line)}
.note{display:flex;flex-wrap:wrap;gap:2px 10px;margin-bottom:18px;padding:10px 14px;
border-radius:10px;background:var(--tint);overflow-wrap:anywhere}
.note.warn{background:var(--warn-tint)}
.note.bad{background:var(--bad-tint)}
.note code{flex-basis:100%}
.row{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,4fr) 236px;align-items:center;
gap:6px 16px;padding:12px 16px}
.row .do{display:flex;gap:8px;justify-content:flex-end}
.row .more{grid-column:1/-1}
.row{scroll-margin-top:40vh}
.row:target{box-shadow:inset 3px 0 var(--go)}
.badge{display:inline-block;padding:1px 9px;border-radius:99px;background:var(--tint);
color:var(--good);font-size:13px;font-weight:600}
.badge.warn{background:var(--warn-tint);color:var(--warn)}
.badge.bad{background:var(--bad-tint);color:var(--bad)}
.told{font-size:14px;overflow-wrap:anywhere}
.told.good{color:var(--good)}
.told.warn{color:var(--warn)}
.told.bad{color:var(--bad)}
summary{width:fit-content;color:var(--soft);font-size:13px;cursor:pointer}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:2px 14px;margin-top:6px;
font-size:13px}
dt{color:var(--soft)}
dd{overflow-wrap:anywhere}
.ask{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:10px 20px;align-items:center;
padding:14px 16px;border-left:4px solid var(--go);border-radius:12px}
.ask+.ask{margin-top:10px}
.ask .do{display:flex;gap:8px;grid-row:1;grid-column:2}
.ask pre{grid-column:1/-1;margin:0;padding:8px 10px;border-radius:8px;background:var(--code);
white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,Consolas,monospace}
.rule{display:flex;gap:10px;align-items:center;justify-content:space-between;
padding:8px 6px 8px 14px}
.rule p{min-width:0;overflow-wrap:anywhere}
.line{display:flex;gap:10px;justify-content:space-between;padding:6px 14px;font-size:13px}
.line p{min-width:0;overflow-wrap:anywhere}
.line time{flex:none;color:var(--soft)}
aside details{padding:8px 14px}
details.deny{margin-top:8px}
aside form{display:grid;gap:8px;margin-top:10px}
aside form label{display:grid;grid-template-columns:70px minmax(0,1fr);align-items:center;
font-size:13px}
.pad{padding:12px 14px}
.pad code{display:block;margin-top:4px;padding:7px 10px;border-radius:8px;background:var(--code)}
.offers{display:grid;grid-template-columns:1fr 1fr;gap:8px}
.offers li{min-width:0;display:flex;gap:10px;align-items:center;justify-content:space-between;
padding:7px 8px 7px 14px;border:1px solid var(--line);border-radius:10px;background:var(--card)}
.offers li div{min-width:0}
.offers p{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
[hidden]{display:none!important}
@media(max-width:900px){
main{display:block;padding:16px 12px 40px}
.top{position:static}
.top>div{padding:10px 12px}
html{scroll-padding-top:8px}
.searching aside{display:none}
.search{flex-basis:100%;order:3;max-width:none}
nav{flex-basis:100%;order:2;flex-wrap:wrap;gap:4px 16px;margin:0}
.top .plain{margin-left:auto}
}
@media(max-width:620px){
.row,.ask{grid-template-columns:minmax(0,1fr)}
.row .do,.ask .do{grid-row:auto;grid-column:1;justify-content:flex-start}
.offers{grid-template-columns:1fr}
button,.button{min-height:42px}
}
"""
)

SCRIPT = """
const field = document.getElementById('q'), items = [...document.querySelectorAll('[data-text]')];
const found = document.getElementById('found'), body = document.body;
let services = items.length;
function narrow() {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
  services = 0;
  for (const item of items) {
    item.hidden = !words.every((word) => item.dataset.text.includes(word));
    if (!item.hidden && item.parentNode.classList.contains('offers')) services += 1;
  }
  found.textContent = services === 1 ? '1 service' : `${services} services`;
  body.classList.toggle('searching', words.length > 0);
}
if (!body.classList.contains('searching')) {
  field.addEventListener('input', narrow);
  // Where nothing fits, the server may know what was meant.
  field.form.addEventListener('submit', (event) => { if (services) event.preventDefault(); });
  if (field.value) narrow();
}
const waiting = document.getElementById('waiting');
let touched = Date.now();
for (const what of ['pointermove', 'keydown', 'focus']) {
  addEventListener(what, () => { touched = Date.now(); });
}
async function look() {
  const gone = document.hidden || Date.now() - touched > 300000;
  if (gone || waiting.contains(document.activeElement)) return;
  const answer = await fetch(waiting.dataset.from);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const cards = fresh.getElementById('waiting');
  if (cards.dataset.ids === waiting.dataset.ids) return;
  waiting.dataset.ids = cards.dataset.ids;
  waiting.replaceChildren(...cards.childNodes);
}
setInterval(() => look().catch(() => {}), 3000);
"""
"""Narrows what is shown while somebody types, and looks for requests that have come meanwhile,
as long as somebody is there: a page that nobody looks at must not keep its server alive."""
