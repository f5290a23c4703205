"""An evaluation as one HTML file: pictures inside, no script, nothing fetched, readable on a phone."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.faces.cli import text
from edge.faces.cli.report import correction, lacking

if TYPE_CHECKING:
    from edge.types import Confusion, Evaluation, Input, Remark, Review, Suspect

_MOST_CELLS = 40  # concepts beyond which a confusion matrix is no longer a picture
_GROUPS = 8
_EACH = 12
_KINDS = {
    "disagreeing": "Nearly the same, said to show different things",
    "near-duplicates": "Nearly the same",
    "blurred": "Blurred",
    "tiny": "Tiny",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page is about. ``pictures``: input id -> record and JPEG; ``names``: concept id -> name; ``made``:
    how it was measured."""

    title: str
    made: str
    evaluation: Evaluation
    review: Review
    pictures: Mapping[str, tuple[Input, bytes]]
    names: Mapping[str, str]

    def name(self, concept: str) -> str:
        """A concept as people read it: isolated, so that its direction does not turn what is around it."""
        return f"<bdi>{_safe(self.names.get(concept, concept))}</bdi>"


def wanted(review: Review) -> list[str]:
    """Ids of the inputs whose pictures ``page`` shows."""
    found = [id for one in review.suspects or () for id in (one.input_id, *one.nearest)]
    for kind in _KINDS:
        groups = [one for one in review.remarks if one.kind == kind][:_GROUPS]
        found += [id for one in groups for id in one.inputs[:_EACH]]
    return list(dict.fromkeys(found))


def page(shown: Shown) -> str:
    """The whole file."""
    body = [_head(shown), _next(shown), _suspects(shown), _remarks(shown), _concepts(shown), _confusion(shown)]
    return (
        '<!DOCTYPE html>\n<html lang="en" dir="ltr">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_safe(shown.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(one for one in body if one)
        + "\n</main>\n</body>\n</html>\n"
    )


def _safe(words: object) -> str:
    """Text that can be neither markup nor a command to the reader's direction."""
    return html.escape(text.safe(str(words)), quote=True)


# --- parts -----------------------------------------------------------------------------------------------------------


def _head(shown: Shown) -> str:
    found = shown.evaluation
    parts = [f'<header>\n<h1><bdi>{_safe(shown.title)}</bdi></h1>\n<p class="quiet">{_safe(shown.made)}</p>']
    if found.accuracy is None:
        parts.append(f"<p>Accuracy cannot be told: {_safe(lacking(found))}.</p>")
    else:
        parts.append(f'<p class="figure">{text.percent(found.accuracy)}<span>accuracy</span></p>')
        if found.accuracy_interval is not None:
            parts.append(_interval(found.accuracy, found.accuracy_interval))
    facts = [
        ("mean average precision", text.number(found.mean_average_precision)),
        ("told as known", text.percent(found.known_rate)),
        ("calibration error", text.number(found.calibration_error)),
        ("log loss", text.number(found.log_loss)),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts if value != "-")
    parts.append(f'<dl class="facts">{cells}</dl>')
    parts += [f'<p class="quiet">{_safe(note)}</p>' for note in found.notes]
    return "\n".join(parts) + "\n</header>"


def _interval(share: float, interval: tuple[float, float]) -> str:
    low, high = (100 * one for one in interval)
    return (
        f'<div class="interval" aria-hidden="true"><i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
        f'<b style="left:{100 * share:.1f}%"></b></div>\n'
        f'<p class="quiet">95 % interval: {text.percent(interval[0])} to {text.percent(interval[1])}</p>'
    )


def _next(shown: Shown) -> str:
    items = "".join(f"<li>{_sentence(one, shown)}</li>" for one in shown.review.next)
    return f"<section>\n<h2>What to do next</h2>\n<ol>{items}</ol>\n</section>"


def _sentence(words: str, shown: Shown) -> str:
    """A message as a sentence; its first letter may be that of a concept, which is not ours to change."""
    if not any(words.startswith(name) for name in shown.names.values()):
        words = words[:1].upper() + words[1:]
    return _isolated(_safe(words).replace(" %", "&nbsp;%") + ".", shown)


def _isolated(words: str, shown: Shown) -> str:
    """Names that read from right to left must not carry the numbers beside them along."""
    names = {_safe(name) for name in shown.names.values() if _leftward(name)}
    if not names:
        return words
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(either, lambda found: f"<bdi>{found[0]}</bdi>", words)


def _leftward(name: str) -> bool:
    return any(unicodedata.bidirectional(one) in ("R", "AL", "AN") for one in name)


def _suspects(shown: Shown) -> str:
    review = shown.review
    if review.suspects is None:
        return ""
    if not review.suspects:
        return "<section>\n<h2>Suspects</h2>\n<p>No annotation is contradicted by the others.</p>\n</section>"
    more = f"the {len(review.suspects)} worst of {review.suspect_count}"
    if review.suspect_count == len(review.suspects):
        more = text.plural(review.suspect_count, "annotation")
    cards = "\n".join(_card(one, shown) for one in review.suspects)
    return (
        f"<section>\n<h2>Suspects</h2>\n<p>What was said of these pictures is contradicted by the others: {more}, "
        "worst first. Some are wrong, some are only hard. The command below a picture corrects it.</p>\n"
        f'<div class="cards">{cards}</div>\n</section>'
    )


def _card(one: Suspect, shown: Shown) -> str:
    near = "".join(f"<li>{_picture(id, shown, _shows(id, one, shown))}</li>" for id in one.nearest)
    near = f'<p class="quiet">Most like it:</p><ul class="row">{near}</ul>' if near else ""
    said = f"said: {'' if one.given else 'not '}{shown.name(one.concept_id)}"
    return (
        f'<article>\n<div class="what">{_picture(one.input_id, shown, "")}\n<div><p class="said">{said}</p>\n'
        f"<p>{_sentence(_without_neighbours(one), shown)}</p>\n{_source(one, shown)}</div>"
        f"</div>\n{near}\n<code>{_isolated(_safe(correction(one, shown.names)), shown)}</code>\n</article>"
    )


def _without_neighbours(one: Suspect) -> str:
    """The reason less what the pictures below it show."""
    return one.reason.rpartition("; most like it")[0] or one.reason


def _source(one: Suspect, shown: Shown) -> str:
    if one.input_id not in shown.pictures:
        return ""
    source = shown.pictures[one.input_id][0].source.rpartition("/")[2]
    return f'<p class="quiet file"><bdi>{_safe(source)}</bdi></p>'


def _shows(id: str, one: Suspect, shown: Shown) -> str:
    """What a neighbour was said to show, as far as it bears on the suspect."""
    if id not in shown.pictures:
        return ""
    said = {each.concept_id: each.value for each in shown.pictures[id][0].annotations}
    ours = [concept.id for concept in shown.evaluation.concepts if said.get(concept.id) == 1]
    if one.concept_id in said and one.rival is None and one.concept_id not in ours:
        return f"not {shown.name(one.concept_id)}"
    return ", ".join(shown.name(concept) for concept in ours[:2]) or "none of these"


def _picture(id: str, shown: Shown, caption: str) -> str:
    under = f"<figcaption>{caption}</figcaption>" if caption else ""
    if id not in shown.pictures:
        return f'<figure><span class="gone">{_safe(id[:12])}</span>{under}</figure>'
    one, data = shown.pictures[id]
    encoded = base64.b64encode(data).decode("ascii")
    name = _safe(f"{one.source.rpartition('/')[2]} ({id[:12]})")
    return f'<figure><img src="data:image/jpeg;base64,{encoded}" alt="{name}" title="{name}">{under}</figure>'


def _remarks(shown: Shown) -> str:
    parts = []
    for kind, head in _KINDS.items():
        groups = [one for one in shown.review.remarks if one.kind == kind]
        if groups:
            parts.append(f"<h3>{head}</h3>")
            parts += [_group(one, shown) for one in groups[:_GROUPS]]
        if len(groups) > _GROUPS:
            parts.append(f'<p class="quiet">and {text.plural(len(groups) - _GROUPS, "more group")}</p>')
    return "<section>\n<h2>Pictures</h2>\n" + "\n".join(parts) + "\n</section>" if parts else ""


def _group(one: Remark, shown: Shown) -> str:
    items = "".join(f"<li>{_picture(id, shown, _said(id, shown))}</li>" for id in one.inputs[:_EACH])
    rest = len(one.inputs) - _EACH
    more = f'<li class="quiet">and {rest} more</li>' if rest > 0 else ""
    return f'<p>{_sentence(one.message, shown)}</p>\n<ul class="row">{items}{more}</ul>'


def _said(id: str, shown: Shown) -> str:
    if id not in shown.pictures:
        return ""
    ours = {one.id for one in shown.evaluation.concepts}
    said = [one.concept_id for one in shown.pictures[id][0].annotations if one.value and one.concept_id in ours]
    return ", ".join(shown.name(one) for one in said[:2])


def _concepts(shown: Shown) -> str:
    found = shown.evaluation.concepts
    alarms = any(one.false_alarm_rate is not None for one in found)
    heads = ["concept", "shown", "not shown", "precision", "recall", "average precision"]
    heads += ["false alarms"] if alarms else []
    rows = []
    for one in found:
        cells = [one.positives, one.negatives, text.percent(one.precision), text.percent(one.recall)]
        cells += [text.number(one.average_precision), *([text.percent(one.false_alarm_rate)] if alarms else [])]
        inner = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{shown.name(one.id)}</th>{inner}</tr>')
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    others = [one for one in shown.review.remarks if one.kind not in _KINDS]
    said = "<ul>" + "".join(f"<li>{_sentence(one.message, shown)}</li>" for one in others) + "</ul>\n" if others else ""
    return f'<section>\n<h2>Concepts</h2>\n<div class="wide">{table}</div>\n{said}</section>'


def _confusion(shown: Shown) -> str:
    found = shown.evaluation.confusion
    if found is None or not found.labels or len(found.labels) > _MOST_CELLS:
        return ""
    head = "".join(f'<th scope="col"><span>{shown.name(one)}</span></th>' for one in found.labels)
    rows = "".join(_cells(found, shown))
    return (
        "<section>\n<h2>Which is taken for which</h2>\n"
        '<p class="quiet">Rows: what the pictures show. Columns: what was answered.</p>\n'
        f'<div class="wide"><table class="matrix"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div>\n</section>"
    )


def _cells(found: Confusion, shown: Shown) -> Iterator[str]:
    for index, (label, row) in enumerate(zip(found.labels, found.rows, strict=True)):
        total = max(sum(row), 1)
        cells = "".join(
            f'<td class="{"right" if column == index else "wrong"}" style="--share:{count / total:.2f}">'
            f"{count or ''}</td>"
            for column, count in enumerate(row)
        )
        yield f'<tr><th scope="row">{shown.name(label)}</th>{cells}</tr>'


_STYLE = """
:root{--back:#fbfaf8;--paper:#fff;--ink:#1d2125;--quiet:#626b73;--line:#e3e1dc;--good:32,125,85;--bad:196,72,36}
@media (prefers-color-scheme:dark){
:root{--back:#15181b;--paper:#1e2226;--ink:#e8e8e6;--quiet:#9aa4ad;--line:#33393f;--good:70,180,130;--bad:235,120,80}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.5rem;margin:0;line-height:1.2;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.5rem 0 .5rem}
h3{font-size:1rem;margin:1.5rem 0 .25rem}
p{margin:.25rem 0 .5rem;overflow-wrap:anywhere}
li{overflow-wrap:anywhere}
ol,ul{padding-left:1.4rem;margin:.5rem 0}
ol li{margin:.4rem 0}
.quiet{color:var(--quiet);font-size:.875rem}
.figure{font-size:3rem;font-weight:650;line-height:1.1;margin:1.25rem 0 .5rem;font-variant-numeric:tabular-nums}
.figure span{font-size:1rem;font-weight:400;color:var(--quiet);margin-left:.6rem}
.interval{position:relative;height:.5rem;max-width:32rem;border-radius:.25rem;background:var(--line)}
.interval i,.interval b{position:absolute;top:0;bottom:0;border-radius:.25rem}
.interval i{background:rgba(var(--good),.45)}
.interval b{width:.25rem;margin-left:-.125rem;top:-.2rem;bottom:-.2rem;background:rgb(var(--good))}
.facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1rem 0}
.facts dt{color:var(--quiet);font-size:.8rem}
.facts dd{margin:0;font-variant-numeric:tabular-nums}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:1rem}
article{background:var(--paper);border:1px solid var(--line);border-radius:.6rem;padding:.8rem;min-width:0;
display:flex;flex-direction:column}
.what{display:flex;gap:.8rem;align-items:flex-start;margin-bottom:.25rem}
.what>div{min-width:0}
.what img{width:7.5rem;height:7.5rem}
.said{font-weight:650;color:rgb(var(--bad))}
figure{margin:0}
img{display:block;width:5rem;height:5rem;object-fit:cover;border-radius:.35rem;background:var(--line)}
.gone{display:block;width:5rem;height:5rem;border-radius:.35rem;background:var(--line);font-size:.7rem;padding:.3rem;
overflow:hidden}
figcaption{font-size:.75rem;color:var(--quiet);max-width:5rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.row{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;padding:0;margin:0 0 .5rem}
code{display:block;margin-top:auto;padding:.4rem .5rem;border-radius:.35rem;background:var(--back);
border:1px solid var(--line);font:.75rem/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere;
user-select:all;-webkit-user-select:all}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
thead th{font-weight:400;color:var(--quiet);vertical-align:bottom}
th:first-child{text-align:left}
tbody th{font-weight:600;max-width:14rem;overflow:hidden;text-overflow:ellipsis}
.matrix td{text-align:center;min-width:2.4rem;padding:.3rem .2rem;border:1px solid var(--line)}
.matrix thead td{border:0}
.matrix thead th{text-align:left;padding:.3rem .2rem}
.matrix thead span{display:inline-block;writing-mode:vertical-rl;transform:rotate(180deg);max-height:9rem;
overflow:hidden;text-overflow:ellipsis}
.right{background:rgba(var(--good),calc(var(--share)*.6))}
.wrong{background:rgba(var(--bad),calc(var(--share)*1.2))}
@media print{article{break-inside:avoid}}
"""
