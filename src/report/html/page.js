"use strict";
(() => {
  // Rows beyond this many are laid out only when asked for: that keeps a large account quick.
  const SHOWN = 200;
  const table = document.getElementById("table");
  if (!table) return;
  const body = table.tBodies[0];
  const form = document.getElementById("filter");
  const text = document.getElementById("text");
  const status = document.getElementById("count");
  const more = document.getElementById("more");
  const order = ["bad", "exc", "good"];
  const words = new Intl.Collator("en", { numeric: true });
  const number = new Intl.NumberFormat("en");

  const rows = Array.from(body.rows, (tr) => ({ tr, verdict: order.indexOf(tr.className), text: null, shown: null }));
  let sorted = rows;
  // Whether the page has all rows in that order. Else only those shown are, at its top.
  let arranged = true;
  let all = false;

  const haystack = (row) => (row.text ??= row.tr.textContent.toLowerCase());
  const cell = (row, column) => row.tr.cells[column];
  // What a column is sorted by. A user without a key comes last, whichever way the column is sorted.
  const values = [
    (row) => cell(row, 0).firstChild.data,
    (row) => row.verdict,
    (row) => cell(row, 2).getElementsByTagName("i").length,
    (row) => (cell(row, 3).dataset.s === undefined ? null : Number(cell(row, 3).dataset.s)),
    (row) => cell(row, 4).dataset.s || null,
    (row) => cell(row, 5).textContent,
  ];

  const place = (first) => {
    const moved = document.createDocumentFragment();
    for (const row of first) moved.append(row.tr);
    body.prepend(moved);
    arranged ||= first === sorted;
  };

  const show = () => {
    const wanted = text.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const verdict = order.indexOf(form.elements.verdict.value);
    let matches = 0;
    const shown = [];
    for (const row of sorted) {
      const match = (verdict < 0 || row.verdict === verdict) && wanted.every((word) => haystack(row).includes(word));
      if (match) matches += 1;
      const state = !match ? "out" : all || matches <= SHOWN ? "" : "later";
      if (!state) shown.push(row);
      if (row.shown !== state) {
        row.shown = state;
        row.tr.className = state ? `${order[row.verdict]} ${state}` : order[row.verdict];
      }
    }
    if (!arranged) place(all ? sorted : shown);
    const cut = !all && matches > SHOWN;
    more.hidden = !cut;
    more.firstElementChild.textContent = `Show all ${number.format(matches)}`;
    const first = cut ? `, the first ${SHOWN} shown` : "";
    status.textContent = `${number.format(matches)} of ${number.format(rows.length)} users${first}`;
  };

  const sort = (header, column) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = values[column];
    const keyed = rows.map((row) => ({ row, value: value(row) }));
    const compare = typeof keyed[0].value === "string" && column !== 4 ? words.compare : (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    keyed.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      return down ? compare(b.value, a.value) : compare(a.value, b.value);
    });
    sorted = keyed.map((each) => each.row);
    arranged = false;
    show();
  };

  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header, column));
    header.append(button);
  });
  table.tHead.rows[0].cells[1].setAttribute("aria-sort", "ascending");

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", show);
  addEventListener("beforeprint", () => arranged || place(sorted));
  more.addEventListener("click", () => {
    all = true;
    show();
    // The button is gone: the place in the page is kept.
    table.tHead.querySelector("button").focus({ preventScroll: true });
  });
  form.hidden = false;
  show();
})();
