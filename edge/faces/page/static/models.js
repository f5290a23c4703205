// Models: what each one tells apart, its versions, and files to take along.

import * as api from "./api.js";
import { conceptFields, read } from "./forms.js";
import { ask, bdi, button, fill, h, icon, percent, plural, toast, when } from "./ui.js";

export default { title: "Models", render };

async function render(root, app) {
  const draw = () => fill(root, h("div", { class: "stack" }, app.state.models.map((one) => card(app, one, again)), create(app, again), device(app)));
  const again = async () => {
    await app.refresh();
    draw();
  };
  draw();
}

const where = (model, ...rest) => api.path("/models/", [model.name], ...rest);

// --- one model --------------------------------------------------------------------------------------------------

function card(app, model, again) {
  const used = model.in_use;
  const share = used && used.evaluation && used.evaluation.accuracy;
  return h("section", { class: "card model", "aria-label": model.name }, h("h2", {}, bdi(model.name), " ", app.model.name === model.name ? h("span", { class: "badge" }, "chosen") : null),
    h("p", { class: "quiet" }, `Made ${when(model.created_at)}.`),
    settings(model, again),
    concepts(app, model, again),
    h("p", {}, used ? [h("strong", {}, used.id), " is in use", share ? `, ${percent(share)} accurate` : "", `; ${plural(model.trainings, "version")} in all.`] : "Not trained yet."),
    h("div", { class: "actions" },
      app.model.name === model.name ? null : button("Choose this model", async () => {
        app.choose(model.name);
        await again();
      }),
      h("a", { class: "button", href: "#train", onclick: () => app.choose(model.name) }, icon("train"), "Train, versions"),
      used ? button("Download .tflite", () => download(model), { icon: "download" }) : null,
      button("Delete", () => gone(model, again), { class: "danger", icon: "remove" })));
}

function settings(model, again) {
  const change = async (what) => {
    try {
      await api.patch(where(model), what);
      toast(["Changed ", bdi(model.name), ". Train it again for this to count."]);
    } catch (error) {
      toast(error.message, { bad: true });
    }
    await again();
  };
  const choice = (name, words, hint, value) => h("label", { class: "check" },
    h("input", { type: "checkbox", checked: value, onchange: (event) => change({ [name]: event.target.checked }) }),
    h("span", {}, words, h("small", {}, hint)));
  return h("fieldset", { class: "settings" }, h("legend", {}, "Settings"),
    choice("mutually_exclusive", "A picture shows one of them at most", "Leave it out where a picture may show several.", model.mutually_exclusive),
    choice("closed_environment", "Every picture shows one of them", "Then it never has to say that it sees none of these.", model.closed_environment));
}

function concepts(app, model, again) {
  const field = h("input", { "aria-label": `New concept of ${model.name}`, placeholder: "Add a concept", maxlength: "128", autocomplete: "off" });
  const add = async (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    await api.patch(where(model), { add: [field.value.trim()] });
    await again();
  };
  return h("div", { class: "options" }, model.concepts.map((id) => h("span", { class: "concept" }, bdi(app.name(id)),
    h("button", { type: "button", class: "plain", "aria-label": `Rename ${app.name(id)}`, title: "Rename", onclick: () => rename(app, id, again) }, "Aa"),
    button("", async () => {
      await api.patch(where(model), { remove: [id] });
      await again();
      toast(["Left out ", bdi(app.name(id)), " from the next training on."], { undo: async () => {
        await api.patch(where(model), { add: [id] });
        await again();
      } });
    }, { class: "plain", icon: "no", "aria-label": `Leave out ${app.name(id)}`, title: "Leave out" }))),
  h("form", { class: "inline", onsubmit: (event) => add(event).catch((error) => toast(error.message, { bad: true })) }, field, h("button", { type: "submit", "aria-label": "Add this concept" }, icon("plus"))));
}

async function rename(app, id, again) {
  const name = await ask({ title: "Rename a concept", yes: "Rename",
    body: h("label", { class: "field" }, "Name", h("input", { name: "name", value: app.name(id), maxlength: "128", required: true, autocomplete: "off" })),
    answer: (form) => form.elements.name.value.trim() || undefined });
  if (!name || name === app.name(id)) return;
  try {
    await api.post("/rename", { concept: id, name });
    await again();
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

async function download(model) {
  toast("Putting backbone and head together, and comparing them…", { seconds: 4 });
  const { url, name, size } = await api.post(where(model, "/export"));
  api.save(url);
  toast([bdi(name), `, ${(size / 2 ** 20).toFixed(1)} MiB: runs on its own wherever TensorFlow Lite does.`]);
}

async function gone(model, again) {
  const sure = await ask({ title: ["Delete ", bdi(model.name), "?"], yes: "Delete", danger: true,
    body: h("p", {}, `Its ${plural(model.trainings, "version")} cannot be brought back. Pictures and what is said of them stay.`) });
  if (!sure) return;
  await api.del(where(model));
  await again();
}

// --- a new one, and the device ----------------------------------------------------------------------------------

function create(app, again) {
  if (!app.state.concepts.length) return h("p", { class: "quiet" }, "Teach a concept first; then a model can be made of it.");
  const form = h("form", { onsubmit: (event) => event.preventDefault() }, conceptFields(app), button("Make it", async () => {
    const { model } = await api.post("/models", read(form));
    app.choose(model.name);
    await again();
    toast(["Made ", bdi(model.name), ". Train it next."]);
  }, { class: "main", icon: "plus" }));
  return h("details", { class: "card", open: app.state.models.length === 0 }, h("summary", {}, "Make a new model"), form);
}

function device(app) {
  const { state } = app;
  const facts = [["Store", state.store], ["Pictures", state.inputs], ["Network", state.backbone], ["Software", `Edge Concepts ${state.version}`], ["You are", state.caller]];
  return h("section", { class: "card", "aria-label": "This device" }, h("h2", {}, "This device"),
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, bdi(value))))),
    state.read_only ? h("p", { class: "bad" }, "The store can only be read. Make it writable, or free some space.") : null,
    h("div", { class: "actions" },
      button("Download all pictures", async () => {
        const { url } = await api.post("/export");
        api.save(url);
      }, { icon: "download" }),
      state.keyed ? button("Forget the key", () => {
        api.key.forget();
        window.dispatchEvent(new Event("edge:again"));
      }) : null));
}
