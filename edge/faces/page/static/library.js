// Library: every picture, by what is said of it, where it came from and when.

import * as api from "./api.js";
import { annotate, fileOf, image, remove, restore, showing } from "./pictures.js";
import { ask, bdi, button, complain, empty, fill, h, icon, own, plural, put, toast, when } from "./ui.js";

const STATES = {
  any: "any", labelled: "annotated", shown: "shows it", "not-shown": "does not show it", unlabelled: "nothing said", removed: "removed",
};
const PAGE = 60;
const wanted = { concept: "", state: "any", source: "", since: "", until: "" }; // kept from one visit to the next

export default { title: "Library", render };

async function render(root, app) {
  const pieces = { app, chosen: new Map(), inputs: [], total: 0, gone: false };
  const { sources } = await api.get("/sources");
  pieces.list = h("ul", { class: "grid small" });
  pieces.line = h("p", { class: "quiet", role: "status" });
  pieces.more = button("Show more", () => load(pieces), { hidden: true });
  pieces.bar = h("div", { class: "bulk", role: "toolbar", "aria-label": "Chosen pictures", hidden: true });
  pieces.last = null;
  root.append(h("div", { class: "stack" }, filters(pieces, sources), h("div", { class: "actions between" }, pieces.line, h("div", { class: "actions" },
    button("Choose all", () => all(pieces), { class: "small" }), button("Export all", () => exported(pieces, null), { class: "small", icon: "download" }))),
  pieces.list, pieces.more, pieces.bar));
  await again(pieces);
  return () => {
    pieces.gone = true;
  };
}

// --- filters ----------------------------------------------------------------------------------------------------

function filters(pieces, sources) {
  const change = (name) => (event) => {
    wanted[name] = event.target.value;
    again(pieces).catch(complain);
  };
  const select = (name, label, options) => h("label", { class: "field" }, label, h("select", { name, onchange: change(name) },
    options.map(([value, words]) => h("option", { value, selected: wanted[name] === value }, words))));
  const day = (name, label) => h("label", { class: "field" }, label, h("input", { type: "date", name, value: wanted[name], onchange: change(name) }));
  return h("form", { class: "card filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
    select("concept", "Concept", [["", "any"], ...pieces.app.state.concepts.map((one) => [one.id, one.name])]),
    select("state", "Annotation", Object.entries(STATES)),
    select("source", "From", [["", "anywhere"], ...sources.map(({ source, count }) => [source, `${place(source)} (${count})`])]),
    day("since", "Since"), day("until", "Until"));
}

function place(source) {
  const short = source.length > 40 ? `…${source.slice(-39)}` : source;
  return own({ upload: "this page", camera: "camera", bytes: "a program", array: "a program" }, source) || short;
}

// The filter as the device wants it: days begin and end where this browser is.
function parameters() {
  const begin = (text, more) => {
    if (!text) return undefined;
    const date = new Date(`${text}T00:00:00`);
    date.setDate(date.getDate() + more);
    return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
  };
  return { ...wanted, since: begin(wanted.since, 0), until: begin(wanted.until, 1) };
}

// --- the pictures -----------------------------------------------------------------------------------------------

async function again(pieces) {
  pieces.chosen.clear();
  pieces.inputs = [];
  pieces.list.replaceChildren();
  bulk(pieces);
  await load(pieces);
}

async function load(pieces) {
  const last = pieces.inputs[pieces.inputs.length - 1];
  const asked = (pieces.asked = {});
  const found = await api.get("/inputs", { ...parameters(), limit: PAGE, after: last && last.id });
  if (pieces.asked !== asked || pieces.gone) return; // another filter was chosen meanwhile
  pieces.inputs.push(...found.inputs);
  pieces.total = found.total;
  put(pieces.list, found.inputs.map((one) => cell(pieces, one)));
  pieces.more.hidden = pieces.inputs.length >= found.total || !found.inputs.length;
  pieces.line.textContent = pieces.total ? `${plural(pieces.total, "picture")}${pieces.inputs.length < pieces.total ? `, ${pieces.inputs.length} shown` : ""}` : "";
  if (!pieces.total) fill(pieces.list, h("li", { class: "wide" }, empty("No picture is like that.")));
}

function cell(pieces, input) {
  const element = h("li", { class: "pick", "data-input": input.id });
  const box = h("input", { type: "checkbox", checked: pieces.chosen.has(input.id), "aria-label": `Choose ${fileOf(input)}`, onclick: (event) => choose(pieces, input, box.checked, event.shiftKey) });
  const names = input.annotations.map((one) => h("li", { class: one.value ? "yes" : "no" }, icon(one.value ? "yes" : "no"), bdi(pieces.app.name(one.concept_id))));
  put(element, h("label", {}, box, image(input, 160, "")), h("ul", { class: "said" }, names.length ? names : h("li", { class: "quiet" }, "nothing said")),
    h("button", { type: "button", class: "plain look", "aria-label": `Look at ${fileOf(input)}`, onclick: () => look(pieces, input) }, icon("review")));
  return element;
}

function choose(pieces, input, on, range) {
  const ids = pieces.inputs.map((one) => one.id);
  const [from, to] = [ids.indexOf(pieces.last), ids.indexOf(input.id)].sort((a, b) => a - b);
  const some = range && from >= 0 ? pieces.inputs.slice(from, to + 1) : [input];
  for (const one of some) {
    if (on) pieces.chosen.set(one.id, one);
    else pieces.chosen.delete(one.id);
    pieces.list.querySelector(`[data-input="${CSS.escape(one.id)}"] input`).checked = on;
  }
  pieces.last = input.id;
  bulk(pieces);
}

function all(pieces) {
  const on = pieces.chosen.size < pieces.inputs.length;
  for (const one of pieces.inputs) {
    if (on) pieces.chosen.set(one.id, one);
    else pieces.chosen.delete(one.id);
  }
  for (const one of pieces.list.querySelectorAll("input")) one.checked = on;
  bulk(pieces);
}

function look(pieces, input) {
  const facts = [["Came", when(input.added_at)], ["From", input.source], ["Size", `${input.width} × ${input.height}, ${Math.ceil(input.size / 1024)} kB`], ["Id", input.id]];
  return ask({ title: bdi(fileOf(input)), yes: "Close", only: true, body: h("div", { class: "look" }, image(input, 1024), h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, bdi(value))]))) });
}

// --- many at once -----------------------------------------------------------------------------------------------

function bulk(pieces) {
  const { app, bar, chosen } = pieces;
  const inputs = [...chosen.values()];
  bar.hidden = inputs.length === 0;
  if (bar.hidden) return void bar.replaceChildren();
  const after = () => again(pieces).then(() => app.refresh());
  if (wanted.state === "removed") {
    fill(bar, h("strong", {}, `${inputs.length} chosen`), button("Bring back", async () => {
      await restore(inputs, after);
      toast(`Brought back ${plural(inputs.length, "picture")}.`);
    }, { class: "main" }));
    return;
  }
  const concept = h("select", { "aria-label": "Concept" }, app.state.concepts.map((one) => h("option", { value: one.id, selected: one.id === pieces.concept }, one.name)));
  concept.addEventListener("change", () => {
    pieces.concept = concept.value;
  });
  const said = (words, values) => button(words, () => annotate(inputs.map((one) => [one, values(one, concept.value)]), [`${plural(inputs.length, "picture")}: ${words.toLowerCase()} `, bdi(app.name(concept.value)), "."], after), { class: "small" });
  fill(bar, h("strong", {}, `${inputs.length} chosen`),
    app.state.concepts.length ? h("span", { class: "group" }, concept, said("Shows", (one, id) => showing(one, id, app.model)), said("Does not show", (_, id) => ({ [id]: 0 })), said("Forget", (_, id) => ({ [id]: null }))) : null,
    h("span", { class: "group" }, button("Export", () => exported(pieces, inputs), { class: "small", icon: "download" }), button("Remove", () => remove(inputs, after), { class: "small danger", icon: "remove" })));
}

async function exported(pieces, inputs) {
  const body = inputs ? { inputs: inputs.map((one) => one.id) } : {};
  const { url } = await api.post("/export", body, inputs ? {} : parameters());
  api.save(url);
  toast("Pictures and what is said of them are on their way, as a ZIP.");
}
