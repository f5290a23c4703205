// Teach: choose a concept, point, press. Or drop files.

import * as api from "./api.js";
import * as camera from "./camera.js";
import { remove, tile } from "./pictures.js";
import { bdi, button, complain, empty, fill, guarded, h, icon, plural, toast } from "./ui.js";

const HOLD = 350; // milliseconds after which a press is a burst
const EVERY = 280; // milliseconds from one picture of a burst to the next
const AT_ONCE = 2; // uploads
const RECENT = 24;

export default { title: "Teach", render };

let chosen = null; // kept from one visit to the next
let shows = true;

async function render(root, app) {
  const pieces = { app, recent: h("ul", { class: "grid", "aria-label": "Recent pictures" }), line: h("p", { class: "quiet", role: "status" }) };
  pieces.queue = queue(pieces);
  pick(app);
  const who = h("div", { class: "card what" });
  pieces.who = () => fill(who, concepts(pieces), sign(pieces));
  pieces.who();
  pieces.counts = () => counts(pieces, who);
  const view = finder(pieces);
  root.append(
    h("div", { class: "columns" },
      h("section", { class: "stack", "aria-label": "Take pictures" }, who, view.element, dropzone(pieces), pieces.progress = h("div", { class: "card uploads", hidden: true, role: "status" })),
      h("section", { class: "stack", "aria-label": "Recent pictures" }, h("h2", {}, "Recent pictures"), pieces.line, pieces.recent)),
  );
  const first = await api.get("/inputs", { limit: RECENT });
  pieces.total = first.total;
  pieces.inputs = first.inputs;
  drawRecent(pieces);
  return () => {
    view.stop();
    pieces.queue.stop();
  };
}

// --- what is taught ---------------------------------------------------------------------------------------------

function pick(app) {
  const ids = app.concepts.map((one) => one.id);
  if (!ids.includes(chosen)) chosen = ids[0] || null;
}

function concepts(pieces) {
  const { app } = pieces;
  const options = app.concepts.map((one) =>
    h("label", { class: "option" },
      h("input", { type: "radio", name: "concept", value: one.id, checked: one.id === chosen, onchange: () => {
        chosen = one.id;
        pieces.who();
        drawRecent(pieces);
        document.querySelector(`input[name=concept][value="${CSS.escape(one.id)}"]`).focus();
      } }),
      h("span", {}, bdi(one.name), h("small", { "data-concept": one.id, title: `${one.shown} show it, ${one.not_shown} do not` }, ` ${one.shown}`))));
  const field = h("input", { name: "new", "aria-label": "Name of a new concept", placeholder: app.concepts.length ? "New concept" : "Name a concept: ripe, cracked, otter …", maxlength: "128", autocomplete: "off", enterkeyhint: "done" });
  const form = h("form", { class: "inline", onsubmit: guarded(async (event) => {
    event.preventDefault();
    await name(pieces, field.value.trim());
  }) }, field, h("button", { type: "submit", "aria-label": "Add this concept", title: "Add this concept" }, icon("plus")));
  return h("fieldset", {}, h("legend", {}, "Concept"), h("div", { class: "options" }, options, form));
}

// New numbers where the concepts are the same: somebody may be typing beside them.
function counts(pieces, who) {
  const drawn = [...who.querySelectorAll("[data-concept]")];
  const now = pieces.app.concepts;
  if (drawn.length !== now.length || drawn.some((one, at) => one.dataset.concept !== now[at].id)) return void pieces.who();
  drawn.forEach((one, at) => {
    one.textContent = ` ${now[at].shown}`;
    one.title = `${now[at].shown} show it, ${now[at].not_shown} do not`;
  });
}

async function name(pieces, wanted) {
  const { app } = pieces;
  if (!wanted) return;
  const known = app.state.concepts.find((one) => one.name === wanted || one.id === wanted);
  const id = known ? known.id : wanted;
  if (app.model && !app.model.concepts.includes(id)) {
    await api.patch(api.path("/models/", [app.model.name]), { add: [wanted] });
    await app.refresh();
  } else if (!known) app.extra.push(wanted);
  chosen = id;
  pieces.who();
  if (pieces.inputs) drawRecent(pieces);
}

function sign(pieces) {
  const option = (value, words, mark) => h("label", { class: `option ${value ? "yes" : "no"}` },
    h("input", { type: "radio", name: "shows", checked: shows === value, onchange: () => {
      shows = value;
    } }), h("span", {}, icon(mark), h("span", {}, words)));
  if (chosen === null) return null;
  return h("fieldset", {}, h("legend", {}, "The next pictures"), h("div", { class: "options" },
    option(true, ["show ", bdi(pieces.app.name(chosen))], "yes"), option(false, ["do not show it"], "no")));
}

// --- the camera -------------------------------------------------------------------------------------------------

function finder(pieces) {
  const view = camera.viewer();
  const count = h("span", { class: "count", hidden: true });
  const shutter = h("button", { type: "button", class: "shutter", "aria-label": "Take a picture; hold for a burst", hidden: true }, count);
  const words = h("p", {}, camera.possible() ? "Point the camera at it, press for one picture, hold for many." : camera.WHY_NOT);
  const open = async (which) => {
    try {
      await view.open(which);
    } catch (error) {
      words.textContent = error.message;
      prompt.hidden = false;
      shutter.hidden = hint.hidden = true;
      throw error;
    }
    shutter.hidden = hint.hidden = other.hidden = false;
    prompt.hidden = true;
    shutter.focus();
  };
  const start = button("Start the camera", () => open(null), { class: "main", icon: "teach", hidden: !camera.possible() });
  const devices = pieces.app.state.cameras.map((name) => button(["Device: ", bdi(name)], () => open(name), { icon: "live" }));
  const prompt = h("div", { class: "prompt" }, words, h("div", { class: "actions" }, start, devices, photo(pieces)));
  const other = button("Another camera", () => {
    view.hide();
    prompt.hidden = false;
    shutter.hidden = hint.hidden = other.hidden = true;
  }, { class: "small", hidden: true });
  const hint = h("p", { class: "quiet hint", hidden: true }, "Press for one picture, hold for many. Move or turn between pictures: frames of one moment count as one.");
  const press = presses(pieces, view, shutter, count);
  if (camera.running()) open(camera.used()).catch(complain);
  return {
    element: h("div", {}, h("div", { class: "finder" }, view.elements, prompt, shutter), h("div", { class: "under" }, hint, devices.length ? other : null)),
    stop: () => {
      press.stop();
      view.hide();
    },
  };
}

// The file input that opens a phone's camera: works without a secure page.
function photo(pieces) {
  const input = h("input", { type: "file", accept: "image/*", capture: "environment", class: "hidden", "aria-label": "Take a photograph", onchange: () => take(pieces, input, "camera") });
  return h("label", { class: "button" }, input, icon("teach"), "Take a photograph");
}

function presses(pieces, view, shutter, count) {
  let timer = null;
  let taken = 0;
  const snap = async () => {
    if (pieces.queue.length > 12) return; // the device is slower than the finger
    try {
      const blob = await view.grab();
      taken += 1;
      count.hidden = false;
      count.textContent = String(taken);
      pieces.queue.add(blob, { from: "camera" });
    } catch (error) {
      stop();
      complain(error);
    }
  };
  const begin = () => {
    if (timer !== null) return;
    if (chosen === null) return void toast("Name a concept first.", { bad: true });
    taken = 0;
    pieces.pressing = true;
    shutter.classList.add("pressed");
    snap();
    timer = setTimeout(function again() {
      snap();
      timer = setTimeout(again, EVERY);
    }, HOLD);
  };
  const stop = () => {
    if (timer === null) return;
    pieces.pressing = false;
    pieces.queue.settle();
    clearTimeout(timer);
    timer = null;
    shutter.classList.remove("pressed");
    setTimeout(() => { if (timer === null) count.hidden = true; }, 900);
  };
  shutter.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    shutter.setPointerCapture(event.pointerId);
    begin();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) shutter.addEventListener(end, stop);
  shutter.addEventListener("contextmenu", (event) => event.preventDefault());
  shutter.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) begin();
  });
  shutter.addEventListener("keyup", (event) => {
    if (event.key === " " || event.key === "Enter") stop();
  });
  shutter.addEventListener("click", (event) => { // from a screen reader there is a click and nothing else
    if (event.detail === 0 && !shutter.matches(":active") && taken === 0) snap();
    taken = 0;
  });
  return { stop };
}

// --- files ------------------------------------------------------------------------------------------------------

function dropzone(pieces) {
  const input = h("input", { type: "file", accept: "image/*", multiple: true, class: "hidden", id: "files", onchange: () => take(pieces, input) });
  const zone = h("label", { class: "drop" }, input, icon("plus"), h("span", {}, h("strong", {}, "Choose pictures"), " or drop them here"));
  const over = (on) => (event) => {
    event.preventDefault();
    zone.classList.toggle("over", on);
  };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    add(pieces, [...event.dataTransfer.files]);
  });
  return zone;
}

function take(pieces, input, from) {
  const files = [...input.files];
  input.value = "";
  add(pieces, files, from);
}

function add(pieces, files, from) {
  if (chosen === null) return void toast("Name a concept first; then the pictures know what they show.", { bad: true });
  for (const file of files) pieces.queue.add(file, from ? { from } : { name: file.name });
}

// --- on their way to the device -----------------------------------------------------------------------------------

function queue(pieces) {
  const waiting = [];
  const stopped = new AbortController();
  let running = 0;
  let done = 0;
  let all = 0;
  let refused = [];
  const draw = () => {
    const box = pieces.progress;
    box.hidden = all === 0 && refused.length === 0;
    fill(box,
      all ? h("label", {}, `${done} of ${plural(all, "picture")} stored`, h("progress", { max: String(all), value: done })) : null,
      refused.length ? h("div", {}, h("p", { class: "bad" }, `${plural(refused.length, "picture")} refused:`),
        h("ul", {}, refused.slice(0, 5).map(([name, why]) => h("li", {}, h("strong", {}, bdi(name)), " ", why))),
        button("All right", () => {
          refused = [];
          draw();
        }, { class: "small" })) : null);
  };
  const next = async () => {
    if (running >= AT_ONCE || !waiting.length) return;
    running += 1;
    const { blob, how } = waiting.shift();
    try {
      if (blob.size > pieces.app.state.max_image) throw new Error(`is larger than ${Math.round(pieces.app.state.max_image / 2 ** 20)} MiB.`);
      stored(pieces, await api.upload("/inputs", blob, how, stopped.signal), how);
    } catch (error) {
      if (error.name === "AbortError") return;
      refused.push([how.name || "the photograph", error.message]);
    }
    running -= 1;
    done += 1;
    await settle();
    next();
  };
  // All are stored, and no burst goes on: one message for all of them.
  const settle = async () => {
    draw();
    if (done < all || all === 0 || pieces.pressing) return;
    done = all = 0;
    await settled(pieces).catch(complain);
    draw();
  };
  return {
    get length() {
      return waiting.length + running;
    },
    add(blob, how) {
      waiting.push({ blob, how: { ...how, [shows ? "show" : "not"]: chosen } });
      all += 1;
      draw();
      next();
    },
    settle,
    stop: () => stopped.abort(),
  };
}

function stored(pieces, { input, created }, how) {
  const at = pieces.inputs.findIndex((one) => one.id === input.id);
  if (at >= 0) pieces.inputs.splice(at, 1);
  else pieces.total += created ? 1 : 0;
  pieces.inputs.unshift(input);
  pieces.inputs.length = Math.min(pieces.inputs.length, RECENT);
  (pieces.new = pieces.new || []).push({ input, created, not: how.not !== undefined });
  drawRecent(pieces);
}

async function settled(pieces) {
  const added = pieces.new || [];
  pieces.new = [];
  await pieces.app.refresh();
  pieces.counts();
  if (!added.length) return;
  const fresh = added.filter((one) => one.created).map((one) => one.input);
  const words = [added[0].not ? "Not " : "", bdi(pieces.app.name(chosen)), `: ${plural(added.length, "picture")} stored.`];
  toast(words, fresh.length === added.length ? { undo: () => remove(fresh, (some, gone) => some.forEach((one) => removed(pieces, one, gone))) } : {});
}

// --- recent pictures --------------------------------------------------------------------------------------------

function drawRecent(pieces) {
  const { app, inputs, recent } = pieces;
  pieces.line.textContent = inputs.length ? `${plural(pieces.total, "picture")} in all. Tap to change what is said of one.` : "";
  if (!inputs.length) return void fill(recent, h("li", { class: "wide" }, empty("Nothing was taught yet. Ten pictures of each concept are a good start.")));
  const context = {
    app,
    concept: chosen,
    changed: (input) => {
      const at = inputs.findIndex((one) => one.id === input.id);
      if (at >= 0) inputs[at] = input;
      app.refresh().then(pieces.counts).catch(complain);
    },
    removed: (input, gone) => removed(pieces, input, gone),
  };
  const drawn = new Map([...recent.children].map((one) => [one.dataset.input, one]));
  const same = pieces.drawnFor === chosen;
  pieces.drawnFor = chosen;
  recent.replaceChildren(...inputs.map((input) => (same && drawn.get(input.id)) || tile(input, context)));
}

function removed(pieces, input, gone) {
  const at = pieces.inputs.findIndex((one) => one.id === input.id);
  if (gone && at >= 0) pieces.inputs.splice(at, 1);
  if (!gone && at < 0) pieces.inputs.unshift(input);
  pieces.total += gone ? -1 : 1;
  drawRecent(pieces);
  pieces.app.refresh().then(pieces.counts).catch(complain);
}
