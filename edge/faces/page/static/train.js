// Train: one button, then what it changed; and a way back.

import * as api from "./api.js";
import { conceptFields, read } from "./forms.js";
import { bdi, button, empty, fill, h, icon, interval, own, percent, plural, sentence, spinner, toast, when } from "./ui.js";

const ASK_EVERY = 300;

export default { title: "Train", render };

async function render(root, app) {
  if (!app.model) return void root.append(first(app));
  const pieces = { app, root, gone: false };
  await draw(pieces);
  const { newest } = app.model;
  if (newest && !newest.finished) follow(pieces, newest);
  return () => {
    pieces.gone = true;
  };
}

const where = (pieces, ...rest) => api.path("/models/", [pieces.app.model.name], ...rest);

async function draw(pieces) {
  const { versions } = await api.get(where(pieces));
  if (pieces.gone) return;
  pieces.versions = versions;
  pieces.status = h("div", { class: "status" });
  pieces.train = button("Train", () => train(pieces), { class: "main large", icon: "train" });
  const used = pieces.app.model.in_use;
  const before = used && versions.find((one) => one.number < used.number && one.status === "MODEL_TRAINED");
  fill(pieces.root, h("div", { class: "columns" },
    h("section", { class: "stack", "aria-label": "Training" },
      h("div", { class: "card" }, h("h2", {}, bdi(pieces.app.model.name)), material(pieces, used), pieces.train, pieces.status),
      used ? h("div", { class: "card" }, figures(pieces.app, used)) : null),
    h("section", { class: "stack", "aria-label": "Versions" },
      used && before ? h("div", { class: "card" }, changes(pieces, before, used)) : null,
      h("div", { class: "card" }, h("h2", {}, "Versions"), list(pieces)))));
}

// --- training ---------------------------------------------------------------------------------------------------

function material(pieces, used) {
  let changed = false;
  const rows = pieces.app.concepts.map((one) => {
    const then = (used && own(used.counts, one.id) || [0])[0];
    const more = used ? one.shown - then : 0;
    changed = changed || more !== 0;
    return h("li", {}, h("span", {}, bdi(one.name)), h("span", { class: "quiet" }, plural(one.shown, "picture"),
      more ? h("strong", {}, ` ${more > 0 ? "+" : "−"}${Math.abs(more)}`) : null));
  });
  return h("div", {}, h("ul", { class: "lines" }, rows),
    h("p", { class: "quiet" }, !used ? "Not trained yet." : changed ? `In bold: since ${used.id} was trained.` : `No more pictures than when ${used.id} was trained.`));
}

async function train(pieces) {
  pieces.train.disabled = true;
  const { version } = await api.start(where(pieces, "/train")).catch((error) => {
    pieces.train.disabled = false;
    throw error;
  });
  await follow(pieces, version);
}

async function follow(pieces, started) {
  let version = started;
  pieces.train.disabled = true;
  while (!version.finished && !pieces.gone) {
    const words = version.status === "MODEL_TRAINING" ? `Training ${version.id}` : `${version.id} waits for its turn`;
    if (pieces.status.dataset.words !== words) fill(pieces.status, spinner(words));
    pieces.status.dataset.words = words;
    await new Promise((go) => setTimeout(go, ASK_EVERY));
    ({ version } = await api.get(where(pieces, "/versions/", [version.id])));
  }
  if (pieces.gone) return;
  await pieces.app.refresh();
  await draw(pieces);
  if (version.status === "MODEL_TRAINED") {
    fill(pieces.status, h("p", { class: "good", role: "status" }, icon("yes"), `${version.id} is trained and in use.`));
  } else {
    fill(pieces.status, h("p", { class: "bad", role: "status" }, `${version.id} failed. `, sentence(version.reason || "nobody knows why")),
      h("a", { class: "button", href: "#teach" }, "Add pictures"));
  }
}

// --- figures ----------------------------------------------------------------------------------------------------

function figures(app, version) {
  const found = version.evaluation;
  const head = h("h2", {}, version.id, " ", h("small", {}, "in use"));
  if (!found) return [head, h("p", {}, "It was installed and has no evaluation of its own.")];
  const share = found.accuracy;
  return [head,
    share === null
      ? h("p", {}, "Accuracy cannot be told yet: that takes pictures that show a concept and pictures that do not.")
      : [h("p", { class: "figure" }, percent(share), h("span", {}, "accuracy")),
        interval(share, ...found.accuracy_interval, `95 % interval from ${percent(found.accuracy_interval[0])} to ${percent(found.accuracy_interval[1])}`),
        h("p", { class: "quiet" }, `95 % interval: ${percent(found.accuracy_interval[0])} to ${percent(found.accuracy_interval[1])}, each of ${plural(found.inputs, "picture")} judged by a head that has not seen it.`)],
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Concept", "Shown", "Found", "Right"].map((one) => h("th", { scope: "col" }, one)))),
      h("tbody", {}, found.concepts.map((one) => h("tr", {}, h("th", { scope: "row" }, bdi(app.name(one.id))), h("td", {}, one.positives), h("td", {}, percent(one.recall)), h("td", {}, percent(one.precision))))))),
    h("p", { class: "quiet" }, "Found: how many of the pictures that show it were recognised. Right: how often it is there when it is seen."),
    found.notes.map((one) => h("p", { class: "quiet" }, sentence(one)))];
}

// Difference of two shares with its 95 % interval, from theirs (Newcombe 1998, method 10). They were measured on mostly
// the same pictures, which makes it wider than it need be.
export function difference([p, [pl, ph]], [q, [ql, qh]]) {
  const d = q - p;
  return [d, d - Math.hypot(q - ql, ph - p), d + Math.hypot(qh - q, p - pl)];
}

function signed(share) {
  const points = Math.round(100 * share);
  return `${points > 0 ? "+" : points < 0 ? "−" : "±"}${Math.abs(points)}`;
}

function changes(pieces, before, after) {
  const [a, b] = [before.evaluation, after.evaluation];
  const head = h("h2", {}, `What changed from ${before.id} to ${after.id}`);
  if (!a || !b) return [head, h("p", {}, "One of them has no evaluation of its own.")];
  const parts = [head];
  if (a.accuracy !== null && b.accuracy !== null) {
    const [d, low, high] = difference([a.accuracy, a.accuracy_interval], [b.accuracy, b.accuracy_interval]);
    const verdict = low > 0 ? "It is better." : high < 0 ? "It is worse: look at Review, or go back." : "So few pictures cannot tell whether it is better or worse.";
    parts.push(h("p", { class: "change" }, h("strong", { class: d > 0 ? "good" : d < 0 ? "bad" : "" }, `${signed(d)} points`), ` accuracy, ${percent(a.accuracy)} to ${percent(b.accuracy)}`),
      h("p", { class: "quiet" }, `95 % interval of the difference: ${signed(low)} to ${signed(high)} points. ${verdict}`));
  }
  const had = new Map(a.concepts.map((one) => [one.id, one]));
  parts.push(h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Concept", "Shown", "Found", "Right"].map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, b.concepts.map((one) => {
      const old = had.get(one.id);
      return h("tr", {}, h("th", { scope: "row" }, bdi(pieces.app.name(one.id))), old
        ? [h("td", {}, `${old.positives} → ${one.positives}`), step(old.recall, one.recall), step(old.precision, one.precision)]
        : [h("td", {}, `new: ${one.positives}`), h("td", {}, percent(one.recall)), h("td", {}, percent(one.precision))]);
    })))));
  const lost = a.concepts.filter((one) => !b.concepts.some((other) => other.id === one.id));
  if (lost.length) parts.push(h("p", { class: "quiet" }, "No longer taught: ", lost.map((one, at) => [at ? ", " : "", bdi(pieces.app.name(one.id))])));
  return parts;
}

function step(before, after) {
  const better = before !== null && after !== null && Math.round(100 * after) - Math.round(100 * before);
  return h("td", { class: better > 0 ? "good" : better < 0 ? "bad" : "" }, before === after ? percent(after) : `${percent(before)} → ${percent(after)}`);
}

// --- versions ---------------------------------------------------------------------------------------------------

function list(pieces) {
  const { app, versions } = pieces;
  if (!versions.length) return empty("None yet.");
  const used = app.model.in_use ? app.model.in_use.id : null;
  return h("ol", { class: "versions" }, versions.map((one) => h("li", { class: one.id === used ? "used" : "" },
    h("div", {}, h("strong", {}, one.id), " ", state(one), h("p", { class: "quiet" }, when(one.created_at), one.reason ? `: ${one.reason}` : "")),
    one.id === used ? h("span", { class: "badge" }, app.model.pinned_version ? "in use, chosen" : "in use")
      : one.status === "MODEL_TRAINED" ? button("Use this one", () => rollback(pieces, one.id, used), { class: "small", "aria-label": `Use ${one.id}` }) : null)));
}

function state(version) {
  if (version.status === "MODEL_TRAINING_FAILED") return h("span", { class: "bad" }, "failed");
  if (!version.finished) return h("span", {}, "training");
  const found = version.evaluation;
  return h("span", {}, found && found.accuracy !== null ? percent(found.accuracy) : "");
}

async function rollback(pieces, wanted, used) {
  await api.post(where(pieces, "/rollback"), { version: wanted });
  await pieces.app.refresh();
  await draw(pieces);
  toast(`${wanted} is in use until the model is trained again.`, { undo: async () => {
    await api.post(where(pieces, "/rollback"), { version: used });
    await pieces.app.refresh();
    if (!pieces.gone) await draw(pieces);
  } });
}

// --- the first model --------------------------------------------------------------------------------------------

function first(app) {
  if (!app.state.concepts.length) {
    return empty("There is nothing to train yet. Teach a concept first.", h("a", { class: "button main", href: "#teach" }, icon("teach"), "Teach"));
  }
  const form = h("form", { class: "card narrow", onsubmit: (event) => event.preventDefault() },
    h("h2", {}, "Make a model"), h("p", { class: "quiet" }, "A model is a set of concepts to tell apart. There can be several."),
    conceptFields(app), button("Make and train", async () => {
      const wanted = read(form);
      const { model } = await api.post("/models", wanted);
      app.choose(model.name);
      await api.start(api.path("/models/", [model.name], "/train"));
      app.go("train");
    }, { class: "main", icon: "train" }));
  return form;
}
