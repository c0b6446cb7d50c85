
"use strict";
// Everything folds and unfolds without this; it adds the search.
const at = (id) => document.getElementById(id);
const checks = [...document.querySelectorAll(".check")].map((box) => ({
  box,
  failed: box.dataset.passed === "false",
  text: [box.closest(".level").id, box.closest(".group").querySelector("b").textContent, box.dataset.host,
    box.textContent, at(box.id.replace("check", "failure"))?.textContent].join(" ").toLowerCase(),
}));
const groups = [...document.querySelectorAll(".group")].map((box) => ({ box, open: box.open }));
const narrow = () => {
  const words = at("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  const only = at("failing").checked;
  const narrowed = only || words.length > 0;
  let shown = 0;
  for (const { box, failed, text } of checks) {
    box.hidden = (only && !failed) || !words.every((word) => text.includes(word));
    shown += !box.hidden;
  }
  for (const { box, open } of groups) {
    box.hidden = !box.querySelector(".check:not([hidden])");
    box.open = narrowed || open;
  }
  at("shown").textContent = narrowed ? `${shown} of ${checks.length}` : "";
};
at("words").addEventListener("input", narrow);
at("failing").addEventListener("change", narrow);
at("filter").addEventListener("submit", (event) => event.preventDefault());
at("unfold").addEventListener("click", () => {
  const fold = at("unfold").textContent === "Fold all";
  for (const box of document.querySelectorAll("#checks details")) box.open = !fold;
  at("unfold").textContent = fold ? "Unfold all" : "Fold all";
});
const target = () => {
  for (let box = location.hash && at(decodeURIComponent(location.hash.slice(1))); box; box = box.parentElement) {
    if (box.tagName === "DETAILS") box.open = true;
  }
};
addEventListener("hashchange", target);
at("filter").hidden = false;
target();
