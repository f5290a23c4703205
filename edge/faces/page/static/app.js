// The frame around the views: which one is open, which model is meant, the key.

import * as api from "./api.js";
import * as camera from "./camera.js";
import { ask, complain, fill, h, icon, put, spinner } from "./ui.js";
import library from "./library.js";
import live from "./live.js";
import models from "./models.js";
import review from "./review.js";
import teach from "./teach.js";
import train from "./train.js";

const VIEWS = { teach, live, train, review, library, models };
const MODEL = "edge.model";

export const app = {
  state: null,
  extra: [], // concepts that were named here and that no picture shows yet

  get model() {
    const wanted = localStorage.getItem(MODEL);
    const found = this.state.models;
    return found.find((one) => one.name === wanted) || found[0] || null;
  },
  choose(name) {
    localStorage.setItem(MODEL, name);
  },
  // Concepts to teach: those of the model, or all there are, as {id, name, shown, not_shown}.
  get concepts() {
    const every = this.state.concepts;
    const chosen = this.model ? this.model.concepts.map((id) => every.find((one) => one.id === id)) : every;
    const known = new Set(every.flatMap((one) => [one.id, one.name]));
    const extra = this.extra.filter((name) => !known.has(name)).map((name) => ({ id: name, name, shown: 0, not_shown: 0 }));
    return [...chosen.filter(Boolean), ...(this.model ? [] : extra)];
  },
  name(id) {
    const found = this.state.concepts.find((one) => one.id === id);
    return found ? found.name : id;
  },
  // Asks the device how things stand, and shows it in the frame; views show their own part.
  async refresh() {
    this.state = await api.get("/state");
    frame();
    return this.state;
  },
  go(view) {
    if (location.hash === `#${view}`) return show();
    location.hash = view;
    return undefined;
  },
};

// --- the frame --------------------------------------------------------------------------------------------------

function frame() {
  const picker = document.getElementById("model");
  const names = app.state.models.map((one) => one.name);
  fill(picker, names.map((name) => h("option", { value: name, selected: app.model && name === app.model.name }, name)));
  picker.closest("label").hidden = names.length === 0;
  document.title = app.state.store ? `${app.state.store} · Edge Concepts` : "Edge Concepts";
}

function tabs() {
  const open = current();
  fill(document.getElementById("tabs"), Object.entries(VIEWS).map(([name, view]) =>
    h("a", { href: `#${name}`, "aria-current": name === open ? "page" : null }, icon(name), h("span", {}, view.title))));
}

function current() {
  const wanted = location.hash.slice(1);
  return wanted in VIEWS ? wanted : "teach";
}

let leave = () => {};
let shown = 0;

async function show({ focus = true } = {}) {
  const mine = (shown += 1);
  leave();
  leave = () => {};
  tabs();
  const view = VIEWS[current()];
  const main = document.getElementById("main");
  const root = h("div", { class: `view ${current()}` });
  fill(main, h("h1", {}, view.title), root);
  document.querySelectorAll(".toast.bad").forEach((one) => one.remove());
  if (!["teach", "live"].includes(current())) camera.close();
  if (focus) main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  put(root, spinner("Asking the device…"));
  try {
    await app.refresh();
    if (mine !== shown) return;
    root.replaceChildren();
    const done = await view.render(root, app);
    if (mine !== shown) (done || (() => {}))();
    else leave = done || (() => {});
  } catch (error) {
    if (mine !== shown) return;
    fill(root, h("div", { class: "empty" }, h("p", {}, error.message),
      h("button", { type: "button", class: "main", onclick: () => show() }, "Try again")));
    if (error.status === undefined) complain(error);
  }
}

// --- the key ----------------------------------------------------------------------------------------------------

let asking = null;

function wanted(again) {
  if (!asking) {
    asking = ask({
      title: "This device wants a key",
      body: h("div", {},
        again ? h("p", { class: "bad" }, "The key was not accepted. It may be revoked, or mistyped.") : null,
        h("p", {}, "Make one on the device with ", h("code", {}, "edge key create phone"), ". It is kept in this browser."),
        h("label", { class: "field" }, "Key", h("input", { name: "key", type: "password", autocomplete: "current-password", required: true }))),
      yes: "Use this key",
      required: true,
      answer: (form) => form.elements.key.value.trim() || undefined,
    }).then((secret) => {
      api.key.set(secret);
      asking = null;
    });
  }
  return asking;
}

api.onKeyWanted(wanted);
document.getElementById("model").addEventListener("change", (event) => {
  app.choose(event.target.value);
  show({ focus: false });
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
window.addEventListener("hashchange", () => show());
window.addEventListener("edge:again", () => show({ focus: false }));
show({ focus: false });
