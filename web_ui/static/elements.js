// Elements of a page, made and kept up to date. Every text is set as text, never as HTML: names come from strangers.
"use strict";

const $ = (id) => document.getElementById(id);

/** A new element; strings among `children` become text. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Change a text only when it differs, so that selections and screen readers are left in peace. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A sentence or nothing. */
function setNote(node, text) {
  setText(node, text);
  node.hidden = !text;
}

/** A number with a sign for the eye and a word for the ear: "↓ 3.4 MiB/s". */
function signed(sign, word) {
  const value = make("span");
  return [make("span", {}, make("span", {"aria-hidden": "true"}, sign), " ", make("span", {class: "unseen"}, word), value), value];
}

/** A name and its value, in a description list. */
function fact(list, name) {
  const value = make("dd");
  list.append(make("div", {}, make("dt", {}, name), value));
  return value;
}

/**
 * Rows of a table, kept in step with `items`; `columns` are [heading, text of one item, style].
 * On a phone a row becomes a block: its first cell is the title, "number" cells stand side by side. The roles keep it a table.
 */
class Table {
  constructor(label, columns) {
    this.columns = columns;
    this.body = make("tbody", {role: "rowgroup"});
    const headings = columns.map(([name]) => make("th", {role: "columnheader", scope: "col"}, name));
    const head = make("thead", {role: "rowgroup"}, make("tr", {role: "row"}, ...headings));
    this.node = make("table", {role: "table", "aria-label": label}, head, this.body);
  }

  draw(items) {
    const rows = this.body.rows;
    while (rows.length > items.length) rows[rows.length - 1].remove();
    while (rows.length < items.length) {
      const cells = this.columns.map(([name, , style = ""]) =>
        make("td", {role: "cell", class: style, "data-name": name}, make("bdi")));
      this.body.append(make("tr", {role: "row"}, ...cells));
    }
    items.forEach((item, i) => this.columns.forEach(([, text], j) => setText(rows[i].cells[j].firstChild, text(item))));
    this.node.hidden = items.length === 0;
  }
}
