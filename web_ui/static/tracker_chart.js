// Announces per second over time as an SVG: two areas, one upon the other, and what they were where the pointer is.
"use strict";

const CHART_HEIGHT = 190;
const MARGIN = {top: 10, right: 2, bottom: 24, left: 44};

/** A new SVG element. */
function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** The first of 1, 2, 4, 6, 8, 10, 20, 40, ... that is not below `value`: its half is a round number too. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value * (1 - 1e-9));
}

/** Announces per second: "0", "0.25", "3.4", "120", "12,345". */
function perSecond(value) {
  const digits = value >= 10 ? 0 : value >= 1 ? 1 : 2;
  return value.toLocaleString("en", {maximumFractionDigits: digits});
}

class Chart {
  constructor(home) {
    this.svg = draw("svg", {role: "img", class: "chart"});
    this.legend = make("p", {class: "legend"});
    this.points = [];
    this.span = 600;
    this.at = null; // age in seconds below the pointer
    home.append(this.legend, this.svg);
    new ResizeObserver(() => this.redraw()).observe(home);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.point(null));
  }

  /** `points` are [age, HTTP, UDP], oldest first; `span` is the age at the left edge. */
  draw(points, span) {
    this.points = points;
    this.span = span;
    this.redraw();
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const share = event && (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
    this.at = event && share >= 0 ? this.span * (1 - share) : null;
    this.redraw();
  }

  redraw() {
    const width = this.svg.parentNode.clientWidth;
    const top = roundUp(Math.max(1, ...this.points.map(([, http, udp]) => http + udp)));
    const x = (age) => MARGIN.left + (width - MARGIN.left - MARGIN.right) * (1 - Math.min(age, this.span) / this.span);
    const y = (value) => CHART_HEIGHT - MARGIN.bottom - (CHART_HEIGHT - MARGIN.top - MARGIN.bottom) * value / top;
    const marked = this.marked();
    this.svg.setAttribute("viewBox", `0 0 ${width} ${CHART_HEIGHT}`);
    this.svg.setAttribute("height", CHART_HEIGHT);
    this.svg.replaceChildren(
      ...[0, top / 2, top].flatMap((value) => [
        draw("line", {class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value)}),
        draw("text", {x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end"}, perSecond(value)),
      ]),
      ...[[this.span, "start"], [this.span / 2, "middle"], [0, "end"]].map(([age, anchor]) =>
        draw("text", {x: x(age), y: CHART_HEIGHT - 4, "text-anchor": anchor}, age ? `${duration(age)} ago` : "now")),
      this.area("udp", x, y, () => 0, ([, , udp]) => udp),
      this.area("http", x, y, ([, , udp]) => udp, ([, http, udp]) => http + udp),
      ...(marked ? [draw("line", {class: "mark", x1: x(marked[0]), x2: x(marked[0]), y1: y(0), y2: y(top)})] : []));
    this.tell(marked ?? this.points.at(-1), marked !== null);
  }

  area(name, x, y, low, high) {
    const line = (value, points) => points.map((point) => `${x(point[0]).toFixed(1)},${y(value(point)).toFixed(1)}`);
    const shape = [...line(high, this.points), ...line(low, [...this.points].reverse())];
    return draw("polygon", {class: name, points: shape.join(" ")});
  }

  /** The point that is nearest to the pointer. */
  marked() {
    if (this.at === null || !this.points.length) return null;
    const distance = ([age]) => Math.abs(age - this.at);
    return this.points.reduce((best, point) => distance(point) < distance(best) ? point : best);
  }

  tell(point, past) {
    const [age, http, udp] = point ?? [0, 0, 0];
    const when = !point ? "measuring…" : past && age > 5 ? `${duration(age)} ago` : "now";
    this.legend.replaceChildren(
      make("span", {class: "key http"}, "HTTP ", make("b", {}, perSecond(http))),
      make("span", {class: "key udp"}, "UDP ", make("b", {}, perSecond(udp))),
      make("span", {class: "muted"}, when));
    const most = Math.max(0, ...this.points.map(([, h, u]) => h + u));
    if (!past) this.svg.setAttribute("aria-label", `${perSecond(http + udp)} announces per second now, at most ${perSecond(most)} in the last ${duration(this.span)}`);
  }
}

/** How a whole divides in two: "IPv4 75% · IPv6 25%" over a bar. */
class Share {
  constructor(home, [firstName, secondName], [firstClass, secondClass]) {
    this.first = make("b");
    this.second = make("b");
    this.bar = draw("svg", {class: "share", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true"});
    this.part = draw("rect", {class: firstClass, height: 1});
    this.rest = draw("rect", {class: secondClass, height: 1});
    this.bar.append(this.part, this.rest);
    home.append(make("div", {},
      make("p", {class: "legend"},
        make("span", {class: `key ${firstClass}`}, `${firstName} `, this.first),
        make("span", {class: `key ${secondClass}`}, `${secondName} `, this.second)),
      this.bar));
  }

  draw(first, second) {
    const all = first + second;
    const part = all ? 100 * first / all : 0;
    setText(this.first, all ? shareOf(first, all) : DASH);
    setText(this.second, all ? shareOf(second, all) : DASH);
    this.part.setAttribute("width", part);
    this.rest.setAttribute("x", part);
    this.rest.setAttribute("width", all ? 100 - part : 0);
  }
}

/** A part in whole percent; never 0% or 100% unless it is exactly that. */
function shareOf(part, all) {
  const rounded = Math.round(100 * part / all);
  return part === 0 || part === all ? `${rounded}%` : rounded === 0 ? "<1%" : rounded === 100 ? ">99%" : `${rounded}%`;
}
