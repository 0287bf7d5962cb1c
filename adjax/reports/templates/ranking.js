// Sorts a ranking by the column whose heading is pressed; pressed again, the other way.
"use strict";
(() => {
  const value = (row, place) => row.cells[place].dataset.value ?? "";
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");  // what is absent comes last
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  };
  document.querySelectorAll("table.ranking").forEach((table) => {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, place) => {
      heading.querySelector("button")?.addEventListener("click", () => {
        const isMetric = table.tBodies[0].rows[0].cells[place].classList.contains("metric");
        const before = heading.getAttribute("aria-sort");
        const falls = before === "none" ? isMetric : before === "ascending";  // of metrics the best first
        headings.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", falls ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const [x, y] = [value(a, place), value(b, place)];
          return compare(x, y) * (falls && x !== "" && y !== "" ? -1 : 1);
        });
        table.tBodies[0].append(...rows);
      });
    });
  });
})();
