// The page: asks the client once a second, keeps the cards in step with its answer, and adds torrents.
"use strict";

const VISIBLE_MS = 1000;
const HIDDEN_MS = 10000;
const ANSWER_MS = 5000; // how long the client may take before it counts as gone
const NEWS_MS = 4000; // a screen reader hears changes at most this often
const API = "/api/v1";
const TOKEN = "X-GoTorrent-Token";

const byName = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"});
const cards = new Map(); // info-hash -> Card
const dismissed = new Set(); // notices that were read

let token = "";
let version = null; // of the client that drew this page first
let polling = false;
let timer = 0;
let expected = null; // info-hash that was just added: shown when it appears
let news = [];

// Asking the client

async function poll() {
  if (polling) return;
  polling = true;
  clearTimeout(timer);
  let snapshot = null;
  try {
    const response = await fetch(`${API}/snapshot`, {cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS)});
    if (response.ok) {
      snapshot = await response.json();
      token = response.headers.get(TOKEN);
    }
  } catch {
    snapshot = null; // no connection, no answer in time, or not JSON: the next poll tries again
  }
  polling = false;
  timer = setTimeout(poll, document.hidden ? HIDDEN_MS : VISIBLE_MS);
  setAlive(snapshot !== null);
  if (snapshot) draw(snapshot);
}

function setAlive(alive) {
  const lost = $("lost");
  if (lost.hidden === alive) return;
  lost.hidden = alive;
  setText(lost, alive ? "" : "The client does not answer. If it was stopped, start it again with python client.py: "
    + "this page keeps trying and goes on by itself.");
  document.body.classList.toggle("stale", !alive);
}

// Drawing its answer

function draw(snapshot) {
  version ??= snapshot.version;
  if (snapshot.version !== version) { // another version was started meanwhile: this page is too old for it
    location.reload();
    return;
  }
  const torrents = [...snapshot.torrents].sort((a, b) => byName.compare(a.name, b.name) || (a.info_hash < b.info_hash ? -1 : 1));
  drawCards(torrents);
  drawNotices(snapshot.notices);
  setText($("down"), rate(snapshot.down_rate));
  setText($("up"), rate(snapshot.up_rate));
  setText($("count"), torrents.length ? String(torrents.length) : "");
  $("empty").hidden = torrents.length > 0;
  setText($("about"), `GoTorrent ${snapshot.version} · peers reach this client on port ${snapshot.peer_port}`);
  document.title = title(torrents);
}

function drawCards(torrents) {
  const list = $("torrents");
  const present = new Set(torrents.map((t) => t.info_hash));
  for (const [hash, card] of cards) {
    if (present.has(hash)) continue;
    card.node.remove();
    cards.delete(hash);
  }
  torrents.forEach((torrent, i) => {
    const known = cards.get(torrent.info_hash);
    const card = known ?? new Card(torrent.info_hash);
    cards.set(torrent.info_hash, card);
    if (known) tellChange(known.torrent, torrent);
    card.draw(torrent);
    if (list.children[i] !== card.node) list.insertBefore(card.node, list.children[i] ?? null);
  });
  if (expected && cards.has(expected)) {
    show(cards.get(expected).node);
    expected = null;
  }
}

function show(node) {
  node.scrollIntoView({block: "nearest"});
  node.classList.add("new");
  setTimeout(() => node.classList.remove("new"), 2500);
}

function drawNotices(sentences) {
  const list = $("notices");
  for (const item of [...list.children]) {
    if (!sentences.includes(item.firstChild.textContent)) item.remove();
  }
  const shown = new Set([...list.children].map((item) => item.firstChild.textContent));
  for (const sentence of sentences) {
    if (shown.has(sentence) || dismissed.has(sentence)) continue;
    const button = make("button", {type: "button", class: "quiet", "aria-label": `Dismiss: ${sentence}`}, "Dismiss");
    const item = make("li", {class: "notice"}, make("span", {}, sentence), button);
    button.addEventListener("click", () => {
      dismissed.add(sentence);
      item.remove();
    });
    list.append(item);
  }
}

function title(torrents) {
  const running = torrents.filter((t) => t.state === "downloading");
  if (!running.length) return "GoTorrent";
  const total = running.reduce((sum, t) => sum + t.total, 0);
  const left = running.reduce((sum, t) => sum + t.left, 0);
  return `${Math.floor(100 * (1 - left / (total || 1)))}% · GoTorrent`;
}

/** A change that a person who does not see the page should hear of. */
function tellChange(before, now) {
  if (before.state === now.state) return;
  if (now.state === "error") news.push(`${now.name}: ${now.error}`);
  else if (now.state === "seeding" && before.state === "downloading") news.push(`${now.name} is complete.`);
}

setInterval(() => {
  if (!news.length) return;
  setText($("news"), news.join(" "));
  news = [];
}, NEWS_MS);

// Adding torrents

/** POST to the client; its answer, or an Error with a sentence for the person. */
async function post(body, headers = {}) {
  let response;
  try {
    response = await fetch(`${API}/torrents`, {method: "POST", body, headers: {[TOKEN]: token, ...headers}});
  } catch {
    throw new Error("The client does not answer.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Error(answer.error ?? (response.status === 413 ? tooBig() : `The client answered with error ${response.status}.`));
}

function tooBig() {
  return `It is too big for a .torrent file: at most ${size(Number(document.body.dataset.maxTorrent))}.`;
}

async function addFile(file) {
  if (file.size > Number(document.body.dataset.maxTorrent)) throw new Error(tooBig());
  const form = new FormData();
  form.append("file", file);
  return post(form);
}

function addUrl(url) {
  return post(JSON.stringify({url}), {"Content-Type": "application/json"});
}

/** Run `add` for each of [label, function], one after the other, and say what came of each. Whether all went well. */
async function addAll(jobs) {
  const lines = [];
  say([["Adding…", false]]);
  for (const [label, add] of jobs) {
    try {
      const answer = await add();
      expected = answer.info_hash;
      lines.push([answer.already ? `${label} is already in the list.` : `${label} was added.`, false]);
    } catch (error) {
      lines.push([`${label} was not added. ${error.message}`, true]);
    }
  }
  say(lines);
  poll();
  return !lines.some(([, failed]) => failed);
}

/** Show [sentence, whether it tells of a failure] lines below the form. */
function say(lines) {
  $("answer").replaceChildren(...lines.map(([text, failed]) => make("p", {class: failed ? "failed" : ""}, text)));
}

function addFiles(files) {
  return addAll([...files].map((file) => [file.name, () => addFile(file)]));
}

$("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = $("url");
  const url = field.value.trim();
  field.focus();
  if (!url) say([["Paste the link of a .torrent file first, or choose a file.", true]]);
  else if (await addAll([["The link", () => addUrl(url)]]) && field.value.trim() === url) field.value = "";
});

$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => {
  const files = [...$("file").files];
  $("file").value = ""; // so that the same file can be chosen again
  if (files.length) await addFiles(files);
});

// The whole page takes what is dropped on it

let dragDepth = 0;

function setDragging(depth) {
  dragDepth = Math.max(0, depth);
  $("drop").hidden = dragDepth === 0;
}

/** Listen for a drag event of files or links; dragged text is left to the browser. */
function onDrag(name, act) {
  document.addEventListener(name, (event) => {
    const {types} = event.dataTransfer;
    if (!types.includes("Files") && !types.includes("text/uri-list")) return;
    event.preventDefault();
    act(event);
  });
}

onDrag("dragenter", () => setDragging(dragDepth + 1));
onDrag("dragleave", () => setDragging(dragDepth - 1));
onDrag("dragover", () => {});
onDrag("drop", (event) => {
  setDragging(0);
  const {files} = event.dataTransfer;
  const url = event.dataTransfer.getData("text/uri-list").split("\n").find((line) => line && !line.startsWith("#"));
  if (files.length) addFiles(files);
  else if (url) addAll([["The link", () => addUrl(url.trim())]]);
});

document.addEventListener("visibilitychange", poll);
poll();
