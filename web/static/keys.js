/* The keyboard: the whole work without a mouse. Letters work where nothing is being typed. */
"use strict";

(() => {
  const one = (selector) => document.querySelector(selector);
  const QUEUES = { b: "baru", h: "hari-ini", l: "lewat", s: "saya", p: "eskalasi", w: "warga", q: "karantina", d: "selesai" };
  const GO_MS = 1500;
  let going = 0;

  const move = (step) => {
    const links = [...document.querySelectorAll("#daftar a")];
    if (!links.length) return;
    const focused = links.indexOf(document.activeElement);
    const current = links.findIndex((link) => link.hasAttribute("aria-current"));
    const from = focused >= 0 ? focused : current;
    const to = from < 0 ? 0 : Math.min(links.length - 1, Math.max(0, from + step));
    links[to].focus();
    links[to].scrollIntoView({ block: "nearest" });
  };

  const write = (kind) => {
    const tab = one(`#tab-${kind}`);
    if (!tab) return;
    tab.checked = true;
    if (matchMedia("(max-width: 899px)").matches) location.hash = "tulis";
    one(`.panel-${kind} textarea`)?.focus();
  };

  const ACTS = {
    j: () => move(1),
    k: () => move(-1),
    c: () => one("#ambil")?.click(),
    r: () => write(one(".panel-jawab textarea") ? "jawab" : "disampaikan"),
    n: () => write("catatan"),
    e: () => {
      const menu = one("#menu-tutup");
      if (!menu) return;
      menu.open = true;
      menu.querySelector("select")?.focus();
    },
    "/": () => one("#cari")?.focus(),
    "?": () => one("#bantuan")?.showModal(),
    g: () => {
      going = Date.now();
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const isTyping = event.target.matches?.("input, textarea, select");
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open], details.saya[open]")) menu.open = false;
      if (isTyping) event.target.blur();
      return;
    }
    if (isTyping || one("dialog[open]")) return;
    if (Date.now() - going < GO_MS && event.key in QUEUES) {
      going = 0;
      event.preventDefault();
      one(`[data-antrean="${QUEUES[event.key]}"]`)?.click();
      return;
    }
    const act = ACTS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-bantuan]")) one("#bantuan")?.showModal();
  });
})();
