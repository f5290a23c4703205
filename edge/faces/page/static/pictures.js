// Pictures and what is said of them: shown, changed in one tap, taken back in another.

import * as api from "./api.js";
import { bdi, button, guarded, h, icon, plural, put, toast } from "./ui.js";

// --- showing ----------------------------------------------------------------------------------------------------

const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    api.picture(target.dataset.input, target.dataset.side).then(
      (url) => { target.src = url; },
      () => target.classList.add("gone"),
    );
  }
}, { rootMargin: "300px" });

// A small picture of an input; it is fetched when it comes near the screen.
export function image(input, side = 160, alt = undefined) {
  const one = h("img", { alt: alt === undefined ? described(input) : alt, width: side, height: side,
    "data-input": input.id, "data-side": String(side), decoding: "async" });
  watcher.observe(one);
  return one;
}

export const fileOf = (input) => input.source.split("/").pop();

function described(input) {
  return `Picture ${fileOf(input)}, ${input.width} by ${input.height}`;
}

export function said(input, concept) {
  const found = input.annotations.find((one) => one.concept_id === concept);
  return found ? found.value : null;
}

// --- changing ---------------------------------------------------------------------------------------------------

// ``changes``: [[input, {concept id: 1, 0 or null}]]. Together, with a way back. Gives the inputs as they are now.
export async function annotate(changes, words, after = () => {}) {
  const back = changes.map(([input, values]) => ({
    input: input.id, values: Object.fromEntries(Object.keys(values).map((one) => [one, said(input, one)])),
  }));
  const found = await send(changes.map(([input, values]) => ({ input: input.id, values })));
  await after(found);
  toast(words, { undo: async () => {
    await after(await send(back));
    toast("Taken back.", { seconds: 3 });
  } });
  return found;
}

// What is said was looked at and is right: it is no suspect any more until somebody changes it.
export async function confirm(input, concept, value, after) {
  const say = (values) => values.map((one) => ({ input: input.id, values: { [concept]: one } }));
  await api.post("/annotations", { changes: say([value]), confirm: true });
  after(true);
  toast("It is right: no suspect any more until somebody changes it.", { undo: async () => {
    await api.post("/annotations", { changes: say([null, value]) }); // said as if for the first time
    after(false);
  } });
}

async function send(changes) {
  const found = [];
  for (let start = 0; start < changes.length; start += 500) {
    found.push(...(await api.post("/annotations", { changes: changes.slice(start, start + 500) })).inputs);
  }
  return found;
}

// What to change so that an input shows a concept; in a model whose concepts exclude each other no other is shown then.
export function showing(input, concept, model) {
  const values = Object.assign(Object.create(null), { [concept]: 1 });
  if (model && model.mutually_exclusive && model.concepts.includes(concept)) {
    for (const one of input.annotations) {
      if (one.value === 1 && one.concept_id !== concept && model.concepts.includes(one.concept_id)) values[one.concept_id] = null;
    }
  }
  return values;
}

export async function remove(inputs, after = () => {}) {
  const ids = inputs.map((one) => one.id);
  for (let start = 0; start < ids.length; start += 500) await api.post("/remove", { inputs: ids.slice(start, start + 500) });
  await after(inputs, true);
  toast(`Removed ${plural(ids.length, "picture")}. They can be brought back for 30 days.`, { undo: () => restore(inputs, after) });
}

export async function restore(inputs, after = () => {}) {
  const ids = inputs.map((one) => one.id);
  for (let start = 0; start < ids.length; start += 500) await api.post("/restore", { inputs: ids.slice(start, start + 500) });
  await after(inputs, false);
}

// --- a picture with its buttons ---------------------------------------------------------------------------------

// ``context``: {app, concept: the one the two buttons are about, or null, changed(input), removed(input, gone)}.
export function tile(input, context) {
  const element = h("li", { class: "tile", "data-input": input.id });
  const draw = (one) => {
    const focused = element.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    element.replaceChildren();
    put(element, image(one, 160), chips(one), about(one), bin(one));
    if (focused) [...element.querySelectorAll("button")].find((each) => each.getAttribute("aria-label") === focused)?.focus();
  };
  const update = async ([one]) => {
    draw(one);
    context.changed(one);
  };

  function chips(one) {
    const list = one.annotations.filter((each) => each.concept_id !== context.concept);
    if (!list.length) return null;
    return h("ul", { class: "chips", "aria-label": "Annotations" }, list.map((each) => {
      const name = context.app.name(each.concept_id);
      const label = `Forget that it ${each.value ? "shows" : "does not show"} ${name}`;
      return h("li", {}, h("button", { type: "button", class: each.value ? "chip yes" : "chip no", "aria-label": label, title: label,
        onclick: guarded(() => annotate([[one, { [each.concept_id]: null }]], ["Forgot ", bdi(name), "."], update)) },
      icon(each.value ? "yes" : "no"), bdi(name)));
    }));
  }

  function about(one) {
    if (context.concept === null) return null;
    const name = context.app.name(context.concept);
    const value = said(one, context.concept);
    const choice = (wanted, words, sign) => h("button", { type: "button", class: wanted ? "yes" : "no", "aria-pressed": String(value === wanted),
      title: `${words} ${name}`, "aria-label": `${words} ${name}`,
      onclick: guarded(() => {
        if (value === wanted) return annotate([[one, { [context.concept]: null }]], ["Forgot ", bdi(name), "."], update);
        const values = wanted ? showing(one, context.concept, context.app.model) : { [context.concept]: 0 };
        return annotate([[one, values]], [words, " ", bdi(name), "."], update);
      }) }, icon(sign), h("span", {}, wanted ? bdi(name) : "not"));
    return h("div", { class: "about", role: "group", "aria-label": `Does it show ${name}?` },
      choice(1, "Shows", "yes"), choice(0, "Does not show", "no"));
  }

  function bin(one) {
    return h("button", { type: "button", class: "bin", "aria-label": `Remove ${fileOf(one)}`, title: "Remove",
      onclick: guarded(() => remove([one], (_, gone) => context.removed(one, gone))) }, icon("remove"));
  }

  draw(input);
  return element;
}

// A row of buttons "it is this concept", for pictures nobody or somebody wrong has said anything of.
export function choices(input, app, done, { only = null } = {}) {
  const model = app.model;
  const ids = only || model.concepts;
  return h("div", { class: "choices" }, ids.slice(0, 12).map((id) => {
    const name = app.name(id);
    const yes = button(["Is ", bdi(name)], () => annotate([[input, showing(input, id, model)]], ["Said to show ", bdi(name), "."], done), { class: "small" });
    if (model.mutually_exclusive) return yes;
    return [yes, button(["Not ", bdi(name)], () => annotate([[input, { [id]: 0 }]], ["Said not to show ", bdi(name), "."], done), { class: "small" })];
  }));
}
