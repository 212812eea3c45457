// Keeps the mailbox live: the page is fetched again when something changed, and its live parts are exchanged. What is
// being read or written stays. Without this script every form and link works as well.
"use strict";

let turn = 0;
let waiting = false;

async function load() {
  const mine = ++turn;
  const response = await fetch(location.href, { credentials: "same-origin" });
  const html = await response.text();
  if (!response.ok || mine !== turn) return;
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue;
    part.replaceChildren(...other.childNodes);
  }
}

function refresh() {
  if (waiting || document.hidden) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    load().catch(() => {});
  }, 80);
}

document.addEventListener("visibilitychange", refresh);
new EventSource(document.body.dataset.stream).addEventListener("change", refresh);
