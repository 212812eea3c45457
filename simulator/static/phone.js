// Keeps the phone live: the page is fetched again when something changed, and its live parts are exchanged.
// Without this script every form and link works as well.
"use strict";

const talk = () => document.getElementById("percakapan");
const form = document.querySelector("[data-send]");
const text = form.elements.pesan;
let turn = 0;

function toEnd() {
  talk().scrollTop = talk().scrollHeight;
}

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const log = talk();
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("aria-describedby") : null;
    if (part === log) exchange(log, other);
    else part.replaceChildren(...other.childNodes);
    if (focused) part.querySelector(`[aria-describedby="${focused}"]`)?.focus();
  }
  if (atEnd) toEnd();
}

// Only what differs is exchanged, so that a screen reader announces what is new and nothing else.
function exchange(log, other) {
  const now = [...log.children];
  [...other.children].forEach((child, index) => {
    if (!now[index]) log.append(child);
    else if (now[index].outerHTML !== child.outerHTML) now[index].replaceWith(child);
  });
  now.slice(other.children.length).forEach((child) => child.remove());
}

async function load(address, options) {
  const mine = ++turn;
  const response = await fetch(address, { ...options, credentials: "same-origin" });
  const html = await response.text();
  if (response.ok && mine === turn) show(html);
  return response;
}

function here() {
  const address = new URL(location.href);
  address.searchParams.delete("contoh");
  address.searchParams.delete("galat");
  address.hash = "";
  return address;
}

let waiting = false;
function refresh() {
  if (waiting || document.hidden) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    load(here()).catch(() => {});
  }, 80);
}

async function post(target, button) {
  const data = new FormData(target, button);
  return load(target.action, { method: "POST", body: data });
}

// The message may have arrived all the same: it is not sent again, the person looks and decides.
function lost() {
  const problem = document.createElement("p");
  problem.className = "problem";
  problem.setAttribute("role", "alert");
  problem.textContent = document.body.dataset.lost;
  document.getElementById("galat").replaceChildren(problem);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector(".send");
  if (button.hasAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  try {
    const response = await post(form, event.submitter);
    if (response.ok && !new URL(response.url).searchParams.has("galat")) {
      form.reset();
      named();
    }
    toEnd();
  } catch {
    lost();
  } finally {
    button.removeAttribute("aria-disabled");
    text.focus();
  }
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-switch]")) return;
  event.preventDefault();
  post(event.target, event.submitter).catch(lost);
});

text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector(".send"));
});

function named() {
  const name = form.querySelector(".file");
  const file = form.elements.gambar?.files[0];
  name.hidden = !file;
  name.textContent = file ? `Lampiran: ${file.name}` : "";
}
form.elements.gambar?.addEventListener("change", named);

for (const example of document.querySelectorAll("[data-example]")) {
  example.addEventListener("click", (event) => {
    event.preventDefault();
    text.value = example.textContent;
    text.focus({ preventScroll: true });
    form.scrollIntoView({ block: "end" });
    form.closest(".phone").scrollIntoView({ block: "nearest" });
  });
}

document.querySelector(".reload").hidden = true;
document.addEventListener("visibilitychange", refresh);
new EventSource(document.body.dataset.stream).addEventListener("change", refresh);
toEnd();
