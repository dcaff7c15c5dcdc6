// The tracker's page: asks for its numbers every two seconds and keeps what is shown in step with them.
"use strict";

const VISIBLE_MS = 2000;
const HIDDEN_MS = 15000;
const ANSWER_MS = 5000; // how long the tracker may take before it counts as gone
const COPIED_MS = 1500;

const DOORS = {http4: "HTTP, IPv4", http6: "HTTP, IPv6", udp4: "UDP, IPv4", udp6: "UDP, IPv6"};

/** What an event says. */
function what(event) {
  if (event.event === "completed") return "A download completed";
  return `A ${event.seed ? "seed" : "leecher"} ${event.event === "stopped" ? "left" : "joined"}`;
}

const TORRENT_COLUMNS = [
  ["Info-hash", (t) => t.info_hash, "code"],
  ["Seeds", (t) => whole(t.seeds), "number"],
  ["Leechers", (t) => whole(t.leechers), "number"],
  ["Completed", (t) => whole(t.downloaded), "number"],
];

const chart = new Chart($("chart"));
const doors = new Share($("shares"), ["HTTP", "UDP"], ["http", "udp"]);
const families = new Share($("shares"), ["IPv4", "IPv6"], ["four", "six"]);
const largest = new Table("Largest torrents", TORRENT_COLUMNS);
$("largest").append(largest.node);

let version = null; // of the tracker that drew this page first
let polling = false;
let timer = 0;

async function poll() {
  if (polling) return;
  polling = true;
  clearTimeout(timer);
  let seen = null;
  try {
    const response = await fetch("/dashboard.json", {cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS)});
    if (response.ok) seen = await response.json();
  } catch {
    seen = null; // no connection, no answer in time, or not JSON: the next poll tries again
  }
  polling = false;
  timer = setTimeout(poll, document.hidden ? HIDDEN_MS : VISIBLE_MS);
  setAlive(seen !== null);
  if (seen) show(seen);
}

function setAlive(alive) {
  setNote($("lost"), alive ? "" : "The tracker does not answer. This page keeps trying and goes on by itself.");
  document.body.classList.toggle("stale", !alive);
}

function show(seen) {
  version ??= seen.version;
  if (seen.version !== version) { // another version was started meanwhile: this page is too old for it
    location.reload();
    return;
  }
  for (const name of ["torrents", "seeds", "leechers", "downloaded"]) setText($(name), whole(seen[name]));
  setNote($("trouble"), seen.trouble);
  setNote($("advice"), seen.advice);
  const [, http, udp] = seen.points.at(-1) ?? [0, 0, 0];
  setText($("rate"), perSecond(http + udp));
  chart.draw(seen.points, seen.span);
  const {http4, http6, udp4, udp6} = seen.announces;
  doors.draw(http4 + http6, udp4 + udp6);
  families.draw(http4 + udp4, http6 + udp6);
  largest.draw(seen.largest);
  $("no-torrents").hidden = seen.largest.length > 0;
  showEvents(seen.events);
  const announces = http4 + http6 + udp4 + udp6;
  setText($("about"), `GoTorrent ${seen.version} · running for ${duration(seen.uptime)} · ${whole(announces)} announces answered, `
    + `${whole(seen.refused)} refused`);
}

function showEvents(events) {
  const list = $("events");
  $("no-events").hidden = events.length > 0;
  while (list.children.length > events.length) list.lastChild.remove();
  while (list.children.length < events.length) {
    list.append(make("li", {}, make("span", {class: "what"}), make("span", {class: "code"}), make("span", {class: "muted"}),
      make("time", {class: "muted"})));
  }
  events.forEach((event, i) => {
    const item = list.children[i];
    const [title, hash, how, when] = item.children;
    item.dataset.event = event.event;
    setText(title, what(event));
    setText(hash, event.info_hash);
    setText(how, [event.address, DOORS[event.door]].filter(Boolean).join(" · "));
    setText(when, ago(event.age));
  });
}

/** Seconds since something, in one unit: "now", "42 s ago", "3 min ago". */
function ago(seconds) {
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => seconds >= size) ?? [1, ""];
  return unit ? `${Math.floor(seconds / size)}${NBSP}${unit} ago` : "now";
}

/** "1,234,567". */
function whole(number) {
  return number.toLocaleString("en");
}

// Copying an announce URL. Browsers give the clipboard to https and localhost only; elsewhere the old way still works.

async function copy(code) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(code.textContent);
    return;
  }
  getSelection().selectAllChildren(code);
  if (!document.execCommand("copy")) throw new Error("not allowed");
}

for (const item of $("urls").children) {
  const code = item.querySelector("code");
  const button = make("button", {type: "button", class: "quiet", "aria-label": `Copy ${code.textContent}`}, "Copy");
  item.append(button);
  button.addEventListener("click", async () => {
    try {
      await copy(code);
      setText(button, "Copied");
    } catch {
      getSelection().selectAllChildren(code);
      setText(button, "Press Ctrl-C");
    }
    setTimeout(() => setText(button, "Copy"), COPIED_MS);
  });
}

document.body.classList.add("moves");
document.addEventListener("visibilitychange", poll);
poll();
