"""The look of the report: light and dark by the reader's choice, and on paper."""

STYLE = """
:root{--paper:#fff;--ink:#1c2326;--dim:#5d6a70;--line:#d9e0e3;--soft:#f3f6f7;--good:#0a7d55;--bad:#c02626;--true:#0b6fa4;
--judged:#b45f06;--closed:#8fb7a8;--open:#dfe6e9;--warning:#e0a400;--fault:#e05a2b;--critical:#a8123a;--info:#69a7d6}
@media (prefers-color-scheme:dark){:root{--paper:#12181b;--ink:#e4eaec;--dim:#93a2a9;--line:#2c373c;--soft:#1a2226;
--good:#3ecf98;--bad:#ff7a70;--true:#5bb8e8;--judged:#f0a552;--closed:#2f6b57;--open:#2a3439;--warning:#d6a419;
--fault:#e26f43;--critical:#e0446c;--info:#5c93bd}}
@media print{:root{--paper:#fff;--ink:#000;--dim:#444;--line:#bbb;--soft:#fff}details>*{display:block!important}
details::details-content{content-visibility:visible;display:block}
section{break-inside:auto}figure,tr{break-inside:avoid}a{color:inherit}}
*{box-sizing:border-box}html{background:var(--paper)}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:1.7rem;margin:.2em 0;line-height:1.25}h2{font-size:1.2rem;margin:2.2em 0 .4em}
p{max-width:80ch;margin:.5em 0}a{color:inherit;text-decoration-color:var(--dim)}code{font-size:.88em;color:var(--dim)}
.dim{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}
.badge{font-size:.95rem;border:1.5px solid;border-radius:99px;padding:.1em .8em;vertical-align:middle;
white-space:nowrap}
.tiles{display:flex;flex-wrap:wrap;gap:10px;margin-top:14px}
.tile{flex:1 1 200px;background:var(--soft);border-left:4px solid currentColor;padding:10px 14px;border-radius:4px}
.tile b{display:block;font-size:1.35rem}.tile span{color:var(--ink)}
.wide{overflow-x:auto;margin:.6em 0}table{border-collapse:collapse;width:100%;font-size:.86rem}
th{text-align:left;color:var(--dim);font-weight:500;white-space:nowrap}
th,td{padding:4px 10px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
.wide td:last-child{min-width:13em}.small td:last-child{min-width:0}
.overview td:nth-child(n+3):not(:last-child){white-space:nowrap;font-variant-numeric:tabular-nums}
table.small{width:auto;min-width:min(100%,420px)}
.bar{width:150px;height:10px;background:var(--open);border-radius:5px;overflow:hidden;margin-top:6px}
.bar i{display:block;height:100%;background:currentColor}
details{border-bottom:1px solid var(--line);padding:8px 0}summary{cursor:pointer;font-weight:500}
figure{margin:.8em 0;overflow-x:auto}figcaption{font-size:.82rem;color:var(--dim)}
.plot{width:100%;min-width:540px;max-width:760px;height:auto;display:block}
.plot .tick{font-size:10px;fill:var(--dim)}.plot .grid{stroke:var(--line);stroke-width:.6}
.plot polyline{fill:none;stroke-width:1.8}.plot .true{stroke:var(--true)}.plot .judged{stroke:var(--judged)}
.plot .wall{stroke:var(--bad);stroke-width:1;stroke-dasharray:5 4}
.plot .mark{stroke:var(--ink);stroke-width:1}.plot .mark.budget{stroke:var(--bad)}
.plot .mark.stands{stroke-dasharray:2 3}
.plot .closed{fill:var(--closed)}.plot .open{fill:var(--open)}.plot .level0{fill:var(--open)}
.plot .level1{fill:var(--info)}.plot .level2{fill:var(--warning)}.plot .level3{fill:var(--fault)}
.plot .level4{fill:var(--critical)}
.key{white-space:nowrap;margin-right:10px}.key:before{content:"";display:inline-block;width:18px;height:0;
border-top:2px solid;vertical-align:middle;margin-right:5px}.key.true:before{border-color:var(--true)}
.key.judged:before{border-color:var(--judged)}.key.wall:before{border-color:var(--bad);border-top-style:dashed}
ul.plain{list-style:none;padding:0}
@media (max-width:520px){main{padding:14px 12px 40px}h1{font-size:1.35rem}.bar{width:90px}}
"""
