/** The style of the page: its own, so that it loads nothing from elsewhere. */
export const PAGE_CSS = `:root {
  --back: #fff; --text: #1b1f24; --faint: #5b6570; --line: #d9dee3; --code: #f3f5f7; --link: #0757b5;
  --get: #0b6b3a; --post: #0757b5; --put: #8a4b00; --delete: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171a; --text: #e3e7eb; --faint: #9aa4ae; --line: #30363d; --code: #1e2327; --link: #7db7ff;
    --get: #6fd49b; --post: #7db7ff; --put: #f0b35e; --delete: #ff8f87;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.55 system-ui, sans-serif; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
code, pre, .kind { font: 13px/1.5 ui-monospace, monospace; }
code { background: var(--code); border-radius: 3px; padding: 0 .25em; overflow-wrap: anywhere; }
pre { background: var(--code); border-radius: 6px; padding: .7rem .9rem; overflow-x: auto; }
pre code { padding: 0; user-select: all; white-space: pre-wrap; }
nav { padding: 1rem 1.2rem; border-bottom: 1px solid var(--line); }
nav h2 { font-size: 12px; letter-spacing: .04em; margin: 1rem 0 .2rem; }
nav h2 a { color: var(--faint); }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; color: var(--text); font: 12.5px/1.7 ui-monospace, monospace; overflow-wrap: anywhere; }
.home { font-weight: 700; font-size: 1.2rem; }
main { padding: 1rem 1.2rem 6rem; max-width: 62rem; }
h1 { margin: .3rem 0 1rem; }
section > h2 { margin: 3rem 0 0; border-bottom: 1px solid var(--line); }
article { margin: 2rem 0 2.6rem; }
h3 { margin: 0 0 .3rem; font-size: 1rem; }
h3 code { background: none; padding: 0; font-size: 15px; }
h4 { margin: 1rem 0 .2rem; font-size: .85rem; color: var(--faint); }
.need, small { color: var(--faint); font-size: .85rem; font-weight: 400; }
.GET { color: var(--get); } .POST { color: var(--post); } .PUT { color: var(--put); } .DELETE { color: var(--delete); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-top: 1px solid var(--line); }
th { font-weight: 400; white-space: nowrap; }
th b { color: var(--faint); font-size: .75rem; }
td { overflow-wrap: anywhere; }
td .fields th { padding-left: .6rem; }
@media (min-width: 60rem) {
  body { display: grid; grid-template-columns: 19rem minmax(0, 1fr); }
  nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; border: 0; border-right: 1px solid var(--line); }
  main { padding: 1rem 2.5rem 6rem; }
}
@media (max-width: 40rem) {
  tr, th, td { display: block; border: 0; padding: 0; }
  tr { border-top: 1px solid var(--line); padding: .4rem 0; }
}
`
