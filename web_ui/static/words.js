// Numbers and states as a person reads them. K = 1024 bytes.
"use strict";

const DASH = "–";
const NBSP = "\u00a0"; // keeps a number and its unit on one line

const STATES = {
  checking: "Checking files",
  downloading: "Downloading",
  seeding: "Seeding",
  stopped: "Stopped",
  error: "Error",
};

/** Bytes: "0 B", "999 B", "3.42 MiB", "34.2 MiB", "342 MiB". */
function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
  return `${bytes.toFixed(digits)}${NBSP}${units[unit]}`;
}

/** Bytes per second. */
function rate(bytes) {
  return `${size(bytes)}/s`;
}

/** Seconds, in two units at most: "42 s", "3 min 5 s", "2 h 10 min", "3 d 4 h". */
function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const two = (big, bigName, small, smallName) => small ? `${big} ${bigName} ${small} ${smallName}` : `${big} ${bigName}`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor(s % 3600 / 60), "min");
  return two(Math.floor(s / 86400), "d", Math.floor(s % 86400 / 3600), "h");
}

/** A fraction, rounded down, so that only all of it is 100%. */
function percent(fraction) {
  const p = Math.min(100, Math.max(0, fraction * 100));
  return p === 100 ? "100%" : `${(Math.floor(p * 10 + 1e-6) / 10).toFixed(1)}%`;
}

/** "1 peer", "3 peers". */
function count(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** What a connection does for us, from the choke and interest of both sides (BEP 3). */
function weTake(peer) {
  if (!peer.am_interested) return "I need nothing from them";
  return peer.peer_choking ? "I want pieces, they do not let me yet" : "I want pieces, they let me";
}

/** What a connection does for the other side. */
function theyTake(peer) {
  if (!peer.peer_interested) return "They need nothing from me";
  return peer.am_choking ? "They want pieces, I do not let them yet" : "They want pieces, I let them";
}
