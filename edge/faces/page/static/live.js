// Live: what the model makes of the picture of now.

import * as api from "./api.js";
import * as camera from "./camera.js";
import { bdi, button, complain, empty, fill, h, icon, percent, toast } from "./ui.js";
import { remove } from "./pictures.js";

const SIDE = 320; // pixels of the shorter side that are sent: the network looks at fewer
const PAUSE = 60; // milliseconds between an answer and the next picture, for the phone's sake

export default { title: "Live", render };

async function render(root, app) {
  const { model } = app;
  if (!model || !model.in_use) {
    root.append(empty(model ? "This model was not trained yet." : "There is no model yet.", h("a", { class: "button main", href: "#train" }, icon("train"), "Train one")));
    return undefined;
  }
  const pieces = { app, model, running: false, last: null, times: [] };
  root.append(h("div", { class: "columns" }, left(pieces), right(pieces)));
  if (camera.running()) pieces.start(camera.used()).catch(complain);
  return () => {
    pieces.view.hide();
    pieces.running = false;
    if (pieces.stop) pieces.stop.abort();
  };
}

// --- the picture ------------------------------------------------------------------------------------------------

function left(pieces) {
  const view = (pieces.view = camera.viewer());
  const still = (pieces.still = h("img", { alt: "The picture that was asked about", hidden: true }));
  const words = h("p", {}, camera.possible() ? "Point the camera at something and see what the model makes of it." : camera.WHY_NOT);
  pieces.start = async (which) => {
    try {
      await view.open(which);
    } catch (error) {
      words.textContent = error.message;
      throw error;
    }
    begin(pieces);
  };
  const starts = (pieces.starts = [
    button("Start", () => pieces.start(null), { class: "main", hidden: !camera.possible() }),
    ...pieces.app.state.cameras.map((name) => button(["Device: ", bdi(name)], () => pieces.start(name), { icon: "live" })),
  ]);
  pieces.toggle = button("Stop", () => stop(pieces), { class: "main", hidden: true });
  const file = h("input", { type: "file", accept: "image/*", class: "hidden", "aria-label": "Ask about a picture", onchange: () => {
    const [one] = file.files;
    file.value = "";
    if (one) about(pieces, one).catch(complain);
  } });
  pieces.prompt = h("div", { class: "prompt" }, words);
  pieces.rate = h("p", { class: "quiet rate" }, " ");
  return h("section", { class: "stack", "aria-label": "Picture" },
    h("div", { class: "finder" }, view.elements, still, pieces.prompt),
    h("div", { class: "actions" }, pieces.toggle, starts, h("label", { class: "button" }, file, icon("library"), "Ask about a picture")),
    pieces.rate);
}

function begin(pieces) {
  pieces.running = true;
  pieces.times = [];
  pieces.stop = new AbortController();
  pieces.prompt.hidden = pieces.still.hidden = true;
  pieces.toggle.hidden = false;
  pieces.hidden = pieces.starts.map((one) => one.hidden);
  pieces.starts.forEach((one) => { one.hidden = true; });
  loop(pieces);
}

function stop(pieces) {
  pieces.running = false;
  pieces.stop.abort();
  pieces.toggle.hidden = true;
  pieces.starts.forEach((one, at) => { one.hidden = pieces.hidden[at]; });
  pieces.view.close();
  pieces.prompt.hidden = false;
}

async function loop(pieces) {
  let wait = PAUSE;
  while (pieces.running) {
    if (document.hidden) {
      await new Promise((go) => setTimeout(go, 300));
      continue;
    }
    try {
      await ask(pieces, await pieces.view.grab(SIDE, 0.85), pieces.stop.signal);
      wait = PAUSE;
    } catch (error) {
      if (!pieces.running) return;
      if (wait === PAUSE) complain(error);
      if (error.status === 404 || error.status === 409) return void stop(pieces);
      wait = Math.min(8000, wait * 3);
    }
    await new Promise((go) => setTimeout(go, wait));
  }
}

async function about(pieces, file) {
  if (pieces.running) stop(pieces);
  URL.revokeObjectURL(pieces.still.src);
  pieces.still.src = URL.createObjectURL(file);
  pieces.still.hidden = false;
  pieces.prompt.hidden = true;
  pieces.times = [];
  await ask(pieces, file);
}

async function ask(pieces, blob, signal) {
  const started = performance.now();
  const found = await api.upload(api.path("/models/", [pieces.model.name], "/predict"), blob, {}, signal);
  const now = performance.now();
  pieces.times.push([now, now - started, found.milliseconds]);
  while (pieces.times[0][0] < now - 3000) pieces.times.shift();
  pieces.last = blob;
  answer(pieces, found.prediction);
}

// --- the answer -------------------------------------------------------------------------------------------------

function right(pieces) {
  pieces.known = h("p", { class: "known", role: "status" }, "No picture yet.");
  pieces.bars = h("ul", { class: "bars" });
  pieces.rows = new Map();
  pieces.keep = h("div", { class: "card", hidden: true }, h("h2", {}, "Teach with this picture"),
    h("p", { class: "quiet" }, "Was the answer wrong, or right and new? Store what the camera shows as:"),
    h("div", { class: "choices" }, pieces.model.concepts.map((id) => keep(pieces, id))));
  return h("section", { class: "stack", "aria-label": "Answer" },
    h("div", { class: "card" }, h("h2", {}, bdi(pieces.model.name), " ", h("small", {}, pieces.model.in_use.id)), pieces.known, pieces.bars),
    pieces.keep);
}

function keep(pieces, id) {
  const name = pieces.app.name(id);
  return button(bdi(name), async () => {
    const { input, created } = await api.upload("/inputs", pieces.last, { from: "camera", show: id });
    toast(["Stored as ", bdi(name), ". Train again to learn from it."], created ? { undo: () => remove([input]) } : {});
  }, { class: "small", icon: "plus" });
}

function answer(pieces, found) {
  const known = found.is_known ? "Resembles what was taught" : "Resembles nothing that was taught";
  if (pieces.known.dataset.words !== known) {
    pieces.known.dataset.words = known;
    pieces.known.className = found.is_known ? "known yes" : "known no";
    fill(pieces.known, icon(found.is_known ? "yes" : "no"), known, " ", pieces.share = h("small", { "aria-hidden": "true" }));
  }
  pieces.share.textContent = `known ${percent(found.known)}`;
  pieces.keep.hidden = false;
  pieces.bars.classList.toggle("doubtful", !found.is_known);
  const best = found.concepts.length ? found.concepts[0].id : null;
  for (const one of found.concepts) {
    if (!pieces.rows.has(one.id)) row(pieces, one);
    const { element, fill: bar, value } = pieces.rows.get(one.id);
    bar.style.width = `${100 * one.value}%`;
    value.textContent = percent(one.value);
    element.classList.toggle("best", pieces.model.mutually_exclusive ? one.id === best : one.value >= 0.5);
  }
  const rate = pieces.times;
  const mean = (at) => rate.reduce((sum, one) => sum + one[at], 0) / rate.length;
  const span = (rate[rate.length - 1][0] - rate[0][0]) / 1000;
  const frames = rate.length > 1 && span > 0 ? `${((rate.length - 1) / span).toFixed(1)} pictures a second · ` : "";
  pieces.rate.textContent = `${frames}${mean(1).toFixed(0)} ms from picture to answer, ${mean(2).toFixed(1)} ms of them on the device`;
}

// Rows keep their place, in the model's order: bars that jump cannot be read.
function row(pieces, one) {
  const made = { fill: h("i"), value: h("span", { class: "value" }) };
  made.element = h("li", {}, h("span", { class: "name" }, bdi(one.name || one.id)), h("span", { class: "bar", "aria-hidden": "true" }, made.fill), made.value);
  pieces.rows.set(one.id, made);
  const order = [...pieces.rows.keys()].sort((a, b) => pieces.model.concepts.indexOf(a) - pieces.model.concepts.indexOf(b));
  fill(pieces.bars, order.map((id) => pieces.rows.get(id).element));
}
