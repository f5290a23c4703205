// Elements, messages and words. Text from outside becomes text nodes only: there is no innerHTML on this page.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  teach: "M4 8h3l2-3h6l2 3h3v11H4zM12 17a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  live: "M3 12h4l3-7 4 14 3-7h4",
  train: "M4 19V11M10 19V5M16 19v-6M21 19H3",
  review: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 21 21",
  library: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  yes: "M5 13l4.5 4.5L19 7",
  no: "M6 6l12 12M18 6 6 18",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  plus: "M12 5v14M5 12h14",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", ICONS[name]);
  svg.append(line);
  return svg;
}

// h("button", {class: "main", onclick: go, "aria-pressed": "true"}, "Go"): an element; null children are left out.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [one, given] of Object.entries(value)) element.style.setProperty(one, given);
    else if (["value", "checked", "disabled", "selected", "multiple", "muted"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  put(element, ...children);
  return element;
}

export function put(element, ...children) {
  for (const one of children.flat(4)) {
    if (one === null || one === undefined || one === false) continue;
    element.append(one instanceof Node ? one : document.createTextNode(String(one)));
  }
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

// A name that somebody chose: isolated, so that its direction does not turn what is around it.
export const bdi = (text) => h("bdi", {}, text);

export function button(words, onclick, more = {}) {
  const { icon: sign, ...rest } = more;
  return h("button", { type: "button", ...rest, onclick: guarded(onclick) }, sign ? icon(sign) : null, words === "" ? null : h("span", {}, words));
}

// Runs what a button does, once at a time, and says what went wrong.
export function guarded(action) {
  return async (event) => {
    const target = event && event.currentTarget;
    if (target && target.getAttribute("aria-busy") === "true") return;
    if (target && target.setAttribute) target.setAttribute("aria-busy", "true");
    try {
      await action(event);
    } catch (error) {
      complain(error);
    } finally {
      if (target && target.removeAttribute) target.removeAttribute("aria-busy");
    }
  };
}

// --- messages ---------------------------------------------------------------------------------------------------

export function toast(words, { undo, bad, seconds = 8 } = {}) {
  const box = document.getElementById("toasts");
  const close = () => one.remove();
  const one = h("div", { class: bad ? "toast bad" : "toast" }, h("span", {}, words));
  if (undo) {
    put(one, button("Undo", async () => {
      close();
      await undo();
    }, { class: "undo" }));
  }
  put(one, h("button", { type: "button", class: "plain", "aria-label": "Close this message", onclick: close }, icon("no")));
  while (box.children.length > 2) box.firstChild.remove();
  box.append(one);
  let timer = setTimeout(close, seconds * 1000);
  for (const stay of ["pointerenter", "focusin"]) one.addEventListener(stay, () => clearTimeout(timer));
  for (const go of ["pointerleave", "focusout"]) {
    one.addEventListener(go, () => {
      clearTimeout(timer);
      timer = setTimeout(close, seconds * 1000);
    });
  }
}

export function complain(error) {
  if (error.name === "AbortError") return;
  if (error.status === undefined) console.error(error);
  toast(error.message || String(error), { bad: true, seconds: 12 });
}

// A question in the page's one dialog; gives what ``answer`` gives, or null when it was closed.
export function ask({ title, body, yes, answer = () => true, danger = false, required = false, only = required }) {
  const dialog = document.getElementById("dialog");
  return new Promise((done) => {
    let found = null;
    const cancel = only ? null : h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const form = h("form", { onsubmit: (event) => {
      event.preventDefault();
      found = answer(form);
      if (found !== undefined) dialog.close();
    } }, h("h2", { id: "dialog-title" }, title), body,
    h("p", { class: "actions" }, cancel, h("button", { type: "submit", class: danger ? "main danger" : "main" }, yes)));
    fill(dialog, form);
    dialog.oncancel = required ? (event) => event.preventDefault() : null;
    dialog.onclose = () => done(found);
    dialog.showModal();
  });
}

// What an object from the device has under a name that may be "constructor".
export const own = (object, name) => (object && Object.hasOwn(object, name) ? object[name] : undefined);

// --- words ------------------------------------------------------------------------------------------------------

export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(100 * share)}\u00a0%`);
export const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export function when(text) {
  const date = new Date(text);
  const today = new Date().toDateString() === date.toDateString();
  return date.toLocaleString(undefined, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// What the device says in words, as a sentence; its first letter may be that of a concept, which is not ours to change.
export function sentence(text, concepts = []) {
  const named = concepts.some((one) => text.startsWith(one.name) || text.startsWith(one.id));
  const one = (named ? text : capital(text)).replaceAll(" %", "\u00a0%");
  return /[.?!]$/.test(one) ? one : `${one}.`;
}

// An accuracy as a bar: the band is its 95 % interval.
export function interval(share, low, high, label) {
  return h("div", { class: "interval", role: "img", "aria-label": label },
    h("i", { style: { left: `${100 * low}%`, width: `${100 * (high - low)}%` } }),
    h("b", { style: { left: `${100 * share}%` } }));
}

export function empty(words, ...more) {
  return h("div", { class: "empty" }, h("p", {}, words), more);
}

export function spinner(words) {
  return h("p", { class: "working", role: "status" }, h("progress", { "aria-label": words }), words);
}
