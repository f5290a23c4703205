// The fields of a new model.

import { bdi, h } from "./ui.js";

export function conceptFields(app) {
  const many = app.state.concepts.length > 1;
  return h("div", { class: "fields" },
    h("label", { class: "field" }, "Name", h("input", { name: "name", value: app.state.models.length ? "" : app.state.store, maxlength: "128", autocomplete: "off" })),
    h("fieldset", {}, h("legend", {}, "Concepts"), h("div", { class: "options" }, app.state.concepts.map((one) =>
      h("label", { class: "option" }, h("input", { type: "checkbox", name: "concept", value: one.id, checked: app.state.concepts.length <= 12 }),
        h("span", {}, bdi(one.name), h("small", {}, ` ${one.shown}`)))))),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "exclusive", checked: many }),
      h("span", {}, "A picture shows one of them at most", h("small", {}, "Leave it out where a picture may show several, or where there is only one concept."))),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "closed" }),
      h("span", {}, "Every picture shows one of them", h("small", {}, "Then it never has to say that it sees none of these."))));
}

// What stands in the fields, as the device wants it. Raises an Error that says what is missing.
export function read(form) {
  const name = form.elements.name.value.trim();
  const concepts = [...form.querySelectorAll("input[name=concept]:checked")].map((one) => one.value);
  if (!name) throw new Error("Give the model a name.");
  if (!concepts.length) throw new Error("Choose the concepts it is to tell apart.");
  return { name, concepts, mutually_exclusive: form.elements.exclusive.checked && concepts.length > 1, closed_environment: form.elements.closed.checked };
}
