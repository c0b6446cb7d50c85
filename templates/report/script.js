"use strict";
// The page works without this script, which adds the filter and the "Expand all" button.
const element = (id) => document.getElementById(id);
const checks = [...document.querySelectorAll(".check")].map((details) => ({
  details,
  failed: details.dataset.state === "failed",
  text: [details.closest(".level").id, details.closest(".group").querySelector("b").textContent, details.dataset.host,
    details.textContent, element(details.id.replace("check", "failure"))?.textContent].join(" ").toLowerCase(),
}));
const groups = [...document.querySelectorAll(".group")].map((details) => ({ details, open: details.open }));
const applyFilter = () => {
  const terms = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const failuresOnly = element("failures-only").checked;
  const filtered = failuresOnly || terms.length > 0;
  let shown = 0;
  for (const { details, failed, text } of checks) {
    details.hidden = (failuresOnly && !failed) || !terms.every((term) => text.includes(term));
    shown += !details.hidden;
  }
  for (const { details, open } of groups) {
    details.hidden = !details.querySelector(".check:not([hidden])");
    details.open = filtered || open;
  }
  element("shown").textContent = filtered ? `${shown} of ${checks.length}` : "";
};
element("search").addEventListener("input", applyFilter);
element("failures-only").addEventListener("change", applyFilter);
element("filter").addEventListener("submit", (event) => event.preventDefault());
element("expand").addEventListener("click", () => {
  const expanded = element("expand").textContent === "Collapse all";
  for (const details of document.querySelectorAll("#checks details")) details.open = !expanded;
  element("expand").textContent = expanded ? "Expand all" : "Collapse all";
});
const openTarget = () => {
  const target = location.hash && element(decodeURIComponent(location.hash.slice(1)));
  for (let ancestor = target; ancestor; ancestor = ancestor.parentElement) {
    if (ancestor.tagName === "DETAILS") ancestor.open = true;
  }
};
addEventListener("hashchange", openTarget);
element("filter").hidden = false;
openTarget();
