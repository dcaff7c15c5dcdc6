// One torrent as a card that is made once and then kept up to date, and the details that open below it.
"use strict";

const PEER_COLUMNS = [
  ["Address", (p) => p.address, "code"],
  ["Client", (p) => p.client || "unknown"],
  ["Has", (p) => percent(p.progress), "number"],
  ["Down", (p) => rate(p.down_rate), "number"],
  ["Up", (p) => rate(p.up_rate), "number"],
  ["From them", weTake],
  ["To them", theyTake],
  ["Connected by", (p) => p.incoming ? "them" : "me"],
];

const TRACKER_COLUMNS = [
  ["Tracker", (t) => t.url, "code"],
  ["Status", (t) => t.status],
  ["Seeds", (t) => String(t.seeds ?? DASH), "number"],
  ["Leechers", (t) => String(t.leechers ?? DASH), "number"],
  ["Next announce", (t) => t.next_announce === null ? DASH : `in ${duration(t.next_announce)}`, "number"],
];

/** What opens below a torrent: where it lies, its peers, its trackers. */
class Details {
  constructor(id) {
    const facts = make("dl", {class: "facts"});
    this.path = fact(facts, "On disk");
    this.pieces = fact(facts, "Pieces");
    this.moved = fact(facts, "Transferred");
    this.hash = fact(facts, "Info-hash");
    this.path.className = this.hash.className = "code";
    this.peersTitle = make("h4");
    this.peers = new Table("Peers", PEER_COLUMNS);
    this.noPeers = make("p", {class: "muted"}, "No peer is connected.");
    this.trackers = new Table("Trackers", TRACKER_COLUMNS);
    this.noTrackers = make("p", {class: "muted"}, "This torrent names no tracker.");
    this.node = make("div", {id, class: "details"}, facts,
      this.peersTitle, this.peers.node, this.noPeers, make("h4", {}, "Trackers"), this.trackers.node, this.noTrackers);
    this.node.hidden = true;
  }

  draw(torrent) {
    setText(this.path, torrent.path);
    setText(this.pieces, `${torrent.have_count} of ${torrent.piece_count}`);
    setText(this.moved, `${size(torrent.downloaded)} down, ${size(torrent.uploaded)} up`);
    setText(this.hash, torrent.info_hash);
    setText(this.peersTitle, `Peers (${torrent.peers.length})`);
    this.peers.draw(torrent.peers);
    this.noPeers.hidden = torrent.peers.length > 0;
    this.trackers.draw(torrent.trackers);
    this.noTrackers.hidden = torrent.trackers.length > 0;
  }
}

/** One torrent in the list. */
class Card {
  constructor(hash) {
    this.details = new Details(`details-${hash}`);
    this.name = make("bdi");
    this.button = make("button", {type: "button", class: "name", "aria-expanded": "false", "aria-controls": `details-${hash}`}, this.name);
    this.state = make("span", {class: "state"});
    this.bar = make("progress", {max: "1"});
    this.percent = make("span", {class: "percent"});
    this.note = make("p", {class: "note"});
    this.size = make("span");
    this.eta = make("span", {class: "eta"});
    this.peers = make("span");
    const [down, downValue] = signed("↓", "down ");
    const [up, upValue] = signed("↑", "up ");
    [this.down, this.downValue, this.up, this.upValue] = [down, downValue, up, upValue];
    this.node = make("li", {class: "torrent card"},
      make("div", {class: "head"}, make("h3", {}, this.button), this.state),
      make("div", {class: "bar"}, this.bar, this.percent),
      make("div", {class: "numbers"}, this.size, down, up, this.peers, this.eta),
      this.note, this.details.node);
    this.button.addEventListener("click", () => this.open(this.details.node.hidden));
  }

  open(wanted) {
    this.details.node.hidden = !wanted;
    this.button.setAttribute("aria-expanded", String(wanted));
    if (wanted) this.details.draw(this.torrent);
  }

  draw(torrent) {
    this.torrent = torrent;
    const done = torrent.state === "checking" ? torrent.checked : torrent.progress;
    const have = torrent.total - torrent.left;
    this.node.dataset.state = torrent.state;
    setText(this.name, torrent.name);
    setText(this.state, STATES[torrent.state] ?? torrent.state);
    this.bar.value = done;
    this.bar.setAttribute("aria-label", `${torrent.state === "checking" ? "Checked" : "Downloaded"}: ${torrent.name}`);
    setText(this.percent, percent(done));
    setText(this.size, torrent.left ? `${size(have)} of ${size(torrent.total)}` : size(torrent.total));
    setText(this.downValue, rate(torrent.down_rate));
    setText(this.upValue, rate(torrent.up_rate));
    this.down.hidden = torrent.state !== "downloading";
    this.up.hidden = torrent.state !== "downloading" && torrent.state !== "seeding";
    setText(this.peers, count(torrent.peers.length, "peer"));
    setText(this.eta, torrent.eta === null ? "" : `${duration(torrent.eta)} left`);
    setNote(this.note, torrent.error || torrent.waiting_for);
    if (!this.details.node.hidden) this.details.draw(torrent);
  }
}
