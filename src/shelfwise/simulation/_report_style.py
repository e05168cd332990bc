"""How the report looks: one style sheet, light and dark."""

CSS = """\
:root {
  color-scheme: light dark; --paper: #faf6f0; --card: #fffdfa; --ink: #26211c; --soft: #6d645a;
  --line: #e6ddd1; --accent: #a8432b; --wash: #f6e4da; --first: #b9a88f; --second: #4d6f86; --good: #2f6b4f;
  --bad: #9a3412; --shade: rgb(60 40 20 / 13%); --radius: 14px;
  --display: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, "Liberation Serif", serif;
  --text: -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #191613; --card: #221e1a; --ink: #f2ebe2; --soft: #b3a799; --line: #3a332c; --accent: #e8896b;
    --wash: #3d2820; --first: #85775f; --second: #8fb3ca; --good: #85c7a3; --bad: #f0a58a; --shade: rgb(0 0 0 / 50%);
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 var(--text); }
h1, h2, h3, p, ul, dl, dd, figure { margin: 0; padding: 0; }
ul { list-style: none; }
h1, h2 {
  font-family: var(--display); font-weight: 600; line-height: 1.15; letter-spacing: -0.01em;
  text-wrap: balance;
}
h1 { font-size: clamp(1.9rem, 1.4rem + 2vw, 2.9rem); }
h2 { font-size: clamp(1.3rem, 1.15rem + 0.6vw, 1.6rem); }
h3 { font-size: 1rem; font-weight: 600; }
main, header, footer { max-width: 1120px; margin-inline: auto; padding-inline: clamp(16px, 4vw, 40px); }
header { padding-block: clamp(28px, 5vw, 56px) 8px; }
header p { margin-top: 12px; max-width: 66ch; color: var(--soft); }
.label {
  display: inline-block; margin-bottom: 14px; padding: 3px 13px; border-radius: 999px; background: var(--wash);
  color: var(--accent); font-size: 0.875rem; font-weight: 600;
}
main { display: grid; gap: 44px; padding-block: 28px 40px; }
main > section { display: grid; gap: 16px; min-width: 0; }
section > p { max-width: 70ch; color: var(--soft); }
.facts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(122px, 1fr)); gap: 16px;
  padding: 20px 24px; border: 1px solid var(--line); border-radius: var(--radius); background: var(--card);
}
.facts dt { color: var(--soft); font-size: 0.8125rem; }
.facts dd {
  white-space: nowrap; font-size: 1.1875rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums;
}
.funnel { display: grid; gap: 12px; }
.funnel li {
  display: grid; grid-template-columns: minmax(0, 13rem) minmax(0, 1fr) 6.5rem; align-items: center;
  gap: 2px 16px;
}
.funnel b { font-weight: 600; }
.funnel .bar { height: 26px; }
.funnel small { grid-column: 2; color: var(--soft); }
.funnel li > span:last-of-type { text-align: right; font-variant-numeric: tabular-nums; font-weight: 600; }
svg.bar { display: block; width: 100%; height: 10px; }
.track { fill: var(--line); opacity: 0.55; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 20px; }
figure {
  padding: 16px 16px 10px; border: 1px solid var(--line); border-radius: var(--radius);
  background: var(--card); min-width: 0;
}
figure svg { display: block; width: 100%; height: auto; margin-top: 8px; overflow: visible; }
figcaption { display: grid; gap: 4px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; color: var(--soft); font-size: 0.8125rem; }
.legend i { display: inline-block; width: 11px; height: 11px; margin-right: 6px; border-radius: 3px; }
i.stated, i.second { background: var(--second); }
i.first { background: var(--first); }
i.simulated { background: var(--accent); }
text { fill: var(--soft); font: 13px var(--text); }
text.up { text-anchor: end; }
text.across { text-anchor: middle; }
circle.stated { fill: none; stroke: var(--second); stroke-width: 1.5; }
.grid { stroke: var(--line); stroke-width: 1; }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
polyline.stated, polyline.second { stroke: var(--second); }
polyline.first { stroke: var(--first); stroke-dasharray: 5 4; }
polyline.simulated { stroke: var(--accent); }
.stated, .second { fill: var(--second); }
.first { fill: var(--first); }
.simulated { fill: var(--accent); }
.three { grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.three text { font-size: 18px; }
polyline.stated, polyline.first, polyline.second, polyline.simulated { fill: none; }
details summary { cursor: pointer; color: var(--soft); margin-bottom: 12px; }
.wide {
  overflow-x: auto; border: 1px solid var(--line); border-radius: var(--radius);
  /* a shadow at an edge beyond which there is more; the covers scroll along and hide it where there is not */
  background:
    linear-gradient(to right, var(--card) 40%, transparent) left / 48px 100% no-repeat local,
    linear-gradient(to left, var(--card) 40%, transparent) right / 48px 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) left / 16px 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) right / 16px 100% no-repeat scroll,
    var(--card);
}
table { width: 100%; border-collapse: collapse; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 16px; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-size: 0.8125rem; font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, .words { text-align: left; }
tbody th { font-weight: 400; }
td.words { color: var(--soft); font-size: 0.875rem; white-space: normal; min-width: 12rem; }
tr.group th { padding-top: 18px; color: var(--ink); font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.quiet { color: var(--soft); }
footer { padding-block: 20px 48px; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.875rem; }
footer p { max-width: 84ch; }
footer p + p { margin-top: 8px; }
@media (max-width: 640px) {
  text, .three text { font-size: 17px; }
  .funnel li { grid-template-columns: minmax(0, 1fr) auto; }
  .funnel .bar { grid-column: 1 / -1; grid-row: 2; height: 20px; }
  .funnel small { grid-column: 1 / -1; }
  th, td { padding: 8px 7px; }
  th:first-child, td:first-child { padding-left: 14px; }
  tbody th { white-space: normal; min-width: 6.75rem; }
}
"""
