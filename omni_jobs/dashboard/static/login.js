// All that is shown without a valid key.
import { h } from "./dom.js";

export function login(error, given, enter) {
  const field = h("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const form = h("form", { class: "login", onsubmit: (event) => { event.preventDefault(); if (field.value.trim()) enter(field.value.trim()); } },
    h("h1", null, "omni-jobs"),
    given && h("p", { role: "alert", class: "bad" }, error.message),
    h("label", { for: "key" }, "API key"), field,
    h("button", { class: "primary" }, "Log in"),
    h("p", { class: "note" }, "It is kept until this tab closes. An operator makes keys with ", h("code", null, "omni-jobs keys create"), "."));
  queueMicrotask(() => field.focus());
  return h("main", { id: "main", class: "alone" }, form);
}
