// Review: what is probably wrong, what would teach most, what is taken for what.

import * as api from "./api.js";
import { annotate, choices, confirm, fileOf, image, remove, said, showing, tile } from "./pictures.js";
import { bdi, button, capital, complain, empty, fill, h, icon, own, plural, put, sentence, spinner, toast } from "./ui.js";

export default { title: "Review", render };

async function render(root, app) {
  if (!app.model) {
    root.append(empty("There is no model to look after yet.", h("a", { class: "button main", href: "#train" }, icon("train"), "Make one")));
    return undefined;
  }
  const pieces = { app, gone: false };
  const [advice, matrix] = [h("div", { class: "stack" }), h("section", { class: "card", "aria-label": "Which is taken for which" })];
  fill(advice, spinner("Looking at what was taught…"));
  fill(matrix, h("h2", {}, "Which is taken for which"), spinner("Leaving each picture out once…"));
  root.append(h("div", { class: "stack" }, advice, matrix));
  const name = app.model.name;
  (async () => {
    const found = await api.get(api.path("/models/", [name], "/review"));
    if (pieces.gone) return;
    const { head, tail } = sections(pieces, found);
    fill(advice, head);
    matrix.after(...tail);
    const cells = await api.get(api.path("/models/", [name], "/confusions"));
    if (!pieces.gone) fill(matrix, h("h2", {}, "Which is taken for which"), confusions(pieces, cells));
  })().catch((error) => {
    fill(advice, empty(error.message));
    matrix.remove();
    if (error.status === undefined) complain(error);
  });
  return () => {
    pieces.gone = true;
  };
}

function sections(pieces, found) {
  const of = (...kinds) => found.remarks.filter((one) => kinds.includes(one.kind));
  return {
    head: [next(pieces, found), suspects(pieces, found), uncertain(pieces, found)],
    tail: [
      alike(pieces, found, of("disagreeing", "near-duplicates")),
      ...of("blurred", "tiny").map((one) => gallery(pieces, found, one)),
    ].filter(Boolean),
  };
}

function next(pieces, found) {
  return h("section", { class: "card", "aria-label": "What to do next" }, h("h2", {}, "What to do next"),
    h("ol", { class: "steps" }, found.next.map((one) => h("li", {}, sentence(one, pieces.app.state.concepts)))));
}

// --- suspects ---------------------------------------------------------------------------------------------------

function suspects(pieces, found) {
  const open = (found.suspects || []).filter((one) => own(found.inputs, one.input_id));
  const head = h("h2", {}, "Suspects", " ", h("small", {}, open.length ? String(open.length) : ""));
  if (!open.length) return h("section", { class: "card", "aria-label": "Suspects" }, head, h("p", { class: "quiet" }, "No annotation is contradicted by the others."));
  return h("section", { class: "card", "aria-label": "Suspects" }, head,
    h("p", { class: "quiet" }, "What was said of these pictures is contradicted by the others, worst first. Some are wrong, some are only hard."),
    h("ul", { class: "cards" }, open.map((one) => suspect(pieces, found, one))));
}

function suspect(pieces, found, one) {
  const { app } = pieces;
  const input = own(found.inputs, one.input_id);
  const name = app.name(one.concept_id);
  const element = h("li", { class: "case", "data-input": input.id });
  const near = one.nearest.map((id) => own(found.inputs, id)).filter(Boolean);
  const settle = async ([now], words) => {
    const back = said(now, one.concept_id) === one.given;
    if (back) draw();
    else done(element, words || "Corrected.");
  };
  const draw = () => fill(element,
    h("div", { class: "row" }, image(input, 160), h("div", {},
      h("p", { class: "said" }, one.given ? "said to show " : "said not to show ", bdi(name)),
      h("p", {}, sentence(one.reason.split("; most like it")[0], app.state.concepts)), h("p", { class: "quiet" }, bdi(fileOf(input))))),
    near.length ? h("div", { class: "near" }, h("span", { class: "quiet" }, "Most like it"), near.map((other) => h("figure", {}, image(other, 160), h("figcaption", {}, shown(app, other))))) : null,
    h("div", { class: "choices" }, fixes()));
  const fixes = () => [
    one.given && one.rival ? button(["Is ", bdi(app.name(one.rival))], () => annotate([[input, showing(input, one.rival, app.model)]], ["Said to show ", bdi(app.name(one.rival)), "."], settle), { class: "small main" }) : null,
    one.given && !one.rival ? button("Does not show it", () => annotate([[input, { [one.concept_id]: 0 }]], ["Said not to show ", bdi(name), "."], settle), { class: "small main" }) : null,
    one.given ? null : button("Shows it", () => annotate([[input, showing(input, one.concept_id, app.model)]], ["Said to show ", bdi(name), "."], settle), { class: "small main" }),
    button("It is right", () => confirm(input, one.concept_id, one.given, (settled) => (settled ? done(element, "It is right.") : draw())), { class: "small" }),
    button("Forget", () => annotate([[input, { [one.concept_id]: null }]], ["Forgot ", bdi(name), "."], settle), { class: "small" }),
    button("Remove", () => remove([input], (_, gone) => (gone ? done(element, "Removed.") : draw())), { class: "small" }),
  ];
  draw();
  return element;
}

function done(element, words) {
  fill(element, h("p", { class: "quiet done" }, icon("yes"), words));
}

function shown(app, input) {
  const ids = input.annotations.filter((one) => one.value === 1).map((one) => one.concept_id);
  const ours = ids.filter((id) => app.model.concepts.includes(id));
  return ours.length ? ours.map((id, at) => [at ? ", " : "", bdi(app.name(id))]) : "none of these";
}

// --- uncertain pictures -----------------------------------------------------------------------------------------

function uncertain(pieces, found) {
  const { inputs, unlabelled } = found.uncertain;
  if (!inputs.length) return null;
  return h("section", { class: "card", "aria-label": "Pictures that would teach most" }, h("h2", {}, "Would teach most"),
    h("p", { class: "quiet" }, `Nothing is said yet of ${plural(unlabelled, "picture")}. These are the ones to begin with.`),
    h("ul", { class: "cards" }, inputs.map((one) => {
      const element = h("li", { class: "case", "data-input": one.input.id });
      const draw = () => fill(element, h("div", { class: "row" }, image(one.input, 160), h("div", {}, h("p", {}, sentence(one.reason, pieces.app.state.concepts)),
        choices(one.input, pieces.app, async ([now]) => (now.annotations.some((each) => pieces.app.model.concepts.includes(each.concept_id)) ? done(element, "Taught.") : draw())))));
      draw();
      return element;
    })));
}

// --- the matrix -------------------------------------------------------------------------------------------------

const OUTCOMES = { seen: "shown, seen", missed: "shown, missed", passed: "not shown, not seen", "false-alarm": "not shown, but seen" };

function confusions(pieces, found) {
  if (found.missing) return h("p", { class: "quiet" }, sentence(found.missing));
  const { app } = pieces;
  const exclusive = found.mutually_exclusive;
  const columns = exclusive ? found.concepts : Object.keys(OUTCOMES);
  const at = new Map(found.cells.map((one) => [JSON.stringify([one.concept, one.outcome]), one]));
  const cell = (concept, outcome) => at.get(JSON.stringify([concept, outcome]));
  const detail = h("div", { class: "detail", role: "status" });
  const title = (outcome) => (exclusive ? bdi(app.name(outcome)) : OUTCOMES[outcome]);
  const rows = found.concepts.map((concept) => {
    const total = columns.reduce((sum, one) => sum + (cell(concept, one)?.count || 0), 0) || 1;
    return h("tr", {}, h("th", { scope: "row" }, bdi(app.name(concept))), columns.map((outcome) => {
      const one = cell(concept, outcome);
      const good = exclusive ? concept === outcome : ["seen", "passed"].includes(outcome);
      if (!one) return h("td", { class: "none" }, "");
      const words = exclusive ? `${one.count} that show ${app.name(concept)}, answered ${app.name(outcome)}` : `${one.count}: ${app.name(concept)} ${OUTCOMES[outcome]}`;
      return h("td", { class: good ? "right" : "wrong", style: { "--share": String(one.count / total) } },
        h("button", { type: "button", "aria-label": words, onclick: (event) => {
          for (const each of detail.parentNode.querySelectorAll("[aria-pressed]")) each.removeAttribute("aria-pressed");
          event.currentTarget.setAttribute("aria-pressed", "true");
          open(pieces, detail, found, one, exclusive);
        } }, one.count));
    }));
  });
  return [h("p", { class: "quiet" }, exclusive ? "Rows: what the pictures show. Columns: what a head that has not seen them answers. Tap a number to see the pictures." : "Tap a number to see the pictures."),
    h("div", { class: "scroll" }, h("table", { class: exclusive ? "matrix" : "matrix plain" },
      h("thead", {}, h("tr", {}, h("td"), columns.map((one) => h("th", { scope: "col" }, h("span", {}, title(one)))))), h("tbody", {}, rows))), detail];
}

function open(pieces, detail, found, cell, exclusive) {
  const { app } = pieces;
  const inputs = cell.inputs.map((id) => own(found.inputs, id)).filter(Boolean);
  const words = exclusive ? ["Show ", bdi(app.name(cell.concept)), ", answered ", bdi(app.name(cell.outcome))] : [bdi(app.name(cell.concept)), ": ", OUTCOMES[cell.outcome]];
  const context = { app, concept: cell.concept, changed: (input) => { found.inputs[input.id] = input; }, removed: (input, gone) => {
    if (gone) detail.querySelector(`[data-input="${CSS.escape(input.id)}"]`)?.remove();
    else put(detail.querySelector("ul.grid"), tile(input, context));
  } };
  fill(detail, h("h3", {}, words), inputs.length < cell.count ? h("p", { class: "quiet" }, `${inputs.length} of ${cell.count}`) : null,
    h("ul", { class: "grid" }, inputs.map((one) => tile(one, context))));
}

// --- pictures that are nearly the same --------------------------------------------------------------------------

function alike(pieces, found, groups) {
  if (!groups.length) return null;
  return h("section", { class: "card", "aria-label": "Nearly the same" }, h("h2", {}, "Nearly the same"),
    h("p", { class: "quiet" }, "Frames of one moment count as one picture. Keeping one of them loses next to nothing."),
    groups.slice(0, 20).map((one) => {
      const inputs = one.inputs.map((id) => own(found.inputs, id)).filter(Boolean);
      const element = h("div", { class: "group" });
      const draw = () => fill(element, h("p", { class: one.kind === "disagreeing" ? "bad" : "" }, sentence(one.message)),
        h("ul", { class: "strip" }, inputs.map((input) => h("li", {}, image(input, 160), h("span", { class: "quiet" }, shown(pieces.app, input))))),
        one.count > inputs.length ? h("p", { class: "quiet" }, `and ${one.count - inputs.length} more`) : null,
        button(`Keep the first, remove ${inputs.length - 1}`, () => remove(inputs.slice(1), (_, gone) => (gone ? done(element, `Removed ${inputs.length - 1}.`) : draw())), { class: "small" }));
      draw();
      return element;
    }));
}

function gallery(pieces, found, remark) {
  const inputs = remark.inputs.map((id) => own(found.inputs, id)).filter(Boolean);
  const list = h("ul", { class: "grid" });
  const context = { app: pieces.app, concept: null, changed: () => {}, removed: (input, gone) => {
    if (gone) list.querySelector(`[data-input="${CSS.escape(input.id)}"]`)?.remove();
    else put(list, tile(input, context));
  } };
  put(list, inputs.map((one) => tile(one, context)));
  return h("section", { class: "card", "aria-label": capital(remark.kind) }, h("h2", {}, capital(remark.kind)), h("p", { class: "quiet" }, sentence(remark.message)), list);
}
