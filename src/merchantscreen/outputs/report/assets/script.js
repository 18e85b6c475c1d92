"use strict";
(function () {
  const byId = (id) => document.getElementById(id);
  const find = byId("find"), live = byId("live"), watch = byId("watch-part");
  const changed = byId("changed");
  const tables = [byId("ranked"), byId("watch")].filter(Boolean);
  const tiers = ["T1", "T2", "T3", "watch"];
  const entries = tables.flatMap((table) => Array.from(table.tBodies[0].rows, (row) => {
    const link = row.querySelector("a");
    const body = link && byId(link.getAttribute("href").slice(1));
    return {row, text: row.textContent.toLowerCase(), tier: row.cells[1].textContent.trim(),
            changed: changed && row.cells[row.cells.length - 1].textContent.trim() !== "",
            section: body && body.closest("section")};
  }));

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set(tiers.filter((tier) => byId("show-" + tier).checked));
    let count = 0, onWatch = 0;
    for (const entry of entries) {
      const fits = shown.has(entry.tier) && words.every((word) => entry.text.includes(word))
                   && !(changed && changed.checked && !entry.changed);
      entry.row.hidden = !fits;
      if (entry.section) entry.section.hidden = !fits;
      count += fits ? 1 : 0;
      onWatch += fits && entry.tier === "watch" ? 1 : 0;
    }
    if (watch && words.length && onWatch) watch.open = true;
    live.textContent = count + " of " + entries.length + " accounts shown, " + onWatch + " of them on watch";
  }

  function value(row, column) {
    const text = row.cells[column].textContent.trim();
    const figure = Number(text.replace(/[=,]/g, "").replace("\u2212", "-"));
    return text !== "" && Number.isFinite(figure) && !/[A-Za-z]/.test(text) ? figure : text.toLowerCase();
  }

  function compare(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  function sort(table, column, heading) {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [value(row, column), row]);
    rows.sort((a, b) => (up ? 1 : -1) * compare(a[0], b[0]));
    body.append(...rows.map((pair) => pair[1]));
  }

  for (const table of tables) {
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => sort(table, column, heading));
    });
  }

  const cases = () => document.querySelectorAll("section.case:not([hidden]) > details");
  const reveal = () => {
    const body = location.hash.startsWith("#case-") && byId(location.hash.slice(1));
    if (!body) return;
    body.closest("section").hidden = false;
    body.closest("details").open = true;
    body.closest("section").scrollIntoView();
    body.focus({preventScroll: true});
  };
  addEventListener("hashchange", reveal);
  find.addEventListener("input", filter);
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  byId("tools").addEventListener("change", filter);
  byId("open-all").addEventListener("click", () => cases().forEach((part) => { part.open = true; }));
  byId("close-all").addEventListener("click", () => cases().forEach((part) => { part.open = false; }));
  byId("tools").hidden = false;
  byId("folding").hidden = false;
  filter();
  reveal();
})();
