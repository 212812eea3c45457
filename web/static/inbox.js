/* Keeps an open page true: hears what changed, asks for the page anew, and puts in only what differs.
   Nothing that is under the pointer, has the focus or is being written moves. The pages work without this script. */
"use strict";

(() => {
  const REGIONS = ["#strip", "#antrean", "#jam-layanan", "#kepala", "#linimasa", "#rincian", "#tulis", "#isi-lembar", "#daftar"];
  const SHORTEST_PAUSE_MS = 800;
  const TICK_MS = 30_000;
  const MINUTE = 60_000;
  const HOUR = 60 * MINUTE;
  const RELATIVE_MS = 48 * HOUR;

  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const isBusy = (element) =>
    element.contains(document.activeElement) || one("details[open].menu, details[open].singkap, details[open].jalur", element) !== null;

  // --- Remaining time, in the words of the server (web/texts.py) ---

  const span = (ms) => {
    const minutes = Math.floor(ms / MINUTE);
    const hours = Math.floor(minutes / 60);
    if (minutes < 1) return "kurang dari 1 menit";
    if (hours === 0) return `${minutes} menit`;
    if (ms >= RELATIVE_MS) return `${Math.floor(hours / 24)} hari`;
    return hours >= 10 || minutes % 60 === 0 ? `${hours} jam` : `${hours} jam ${minutes % 60} menit`;
  };

  const tick = () => {
    const now = Date.now() + clockError;
    for (const time of all("time[data-batas]")) {
      const left = Date.parse(time.dateTime) - now;
      if (left >= RELATIVE_MS) continue;
      const words = left < 0 ? `lewat ${span(-left)}` : `sisa ${span(left)}`;
      if (time.textContent !== words) time.textContent = words;
      if (left < 0 && !time.parentElement.classList.contains("sisa-late")) {
        time.parentElement.className = "sisa sisa-late";
        one("use", time.parentElement)?.setAttribute("href", "#i-late");
      }
    }
  };

  let clockError = 0; // of this machine against the server, in milliseconds

  // --- Putting in what differs ---

  const ready = (node) => {
    window.htmx?.process(node);
    return node;
  };

  // A number shown for a purpose stays until the page is left.
  const looksSame = (mine, child) =>
    mine.dataset.versi === child.dataset.versi || mine.dataset.versi === `${child.dataset.versi}-terbuka`;

  const mergeKeyed = (old, fresh) => {
    const known = new Map([...old.children].map((child) => [child.id, child]));
    let place = old.firstElementChild;
    for (const child of [...fresh.children]) {
      const mine = known.get(child.id);
      const isSame = mine && (looksSame(mine, child) || mine.contains(document.activeElement));
      const node = isSame ? mine : ready(document.adoptNode(child));
      if (mine && !isSame) {
        if (mine === place) place = mine.nextElementSibling;
        mine.remove();
      }
      if (node === place) place = place.nextElementSibling;
      else old.insertBefore(node, place);
      known.delete(child.id);
    }
    for (const gone of known.values()) gone.remove();
    markCurrent();
  };

  const replace = (old, fresh) => {
    if (old.innerHTML !== fresh.innerHTML && !isBusy(old)) old.replaceWith(ready(document.adoptNode(fresh)));
  };

  // What can be written changed under an open page: closed, opened again, taken by somebody. What is typed stays, and is
  // refused with the reason when it is sent; a composer that fills a phone's screen stays as well.
  const renew = (old, fresh) => {
    const isTyped = all("textarea, input[type=file]", old).some((field) => field.value);
    if (old.dataset.versi === fresh.dataset.versi || isTyped || isBusy(old) || location.hash === "#tulis") return;
    old.replaceWith(ready(document.adoptNode(fresh)));
    one("#hasil")?.replaceChildren();
    document.dispatchEvent(new Event("aduan:halaman"));
  };

  const mergeList = (old, fresh) => {
    const ids = (list) => [...list.children].map((child) => child.id).join();
    const pane = old.closest(".daftar");
    const isUnderHand =
      pane.contains(document.activeElement) || (matchMedia("(hover: hover)").matches && pane.matches(":hover"));
    if (ids(old) === ids(fresh) || !isUnderHand) {
      mergeKeyed(old, fresh);
      announce(0);
      return;
    }
    const versions = new Map([...old.children].map((child) => [child.id, child.dataset.versi]));
    announce([...fresh.children].filter((child) => versions.get(child.id) !== child.dataset.versi).length || 1, () =>
      mergeKeyed(old, fresh),
    );
  };

  const announce = (count, accept) => {
    const button = one("#kabar-baru");
    if (!button) return;
    button.hidden = count === 0;
    button.textContent = `${count} baru atau berubah`;
    button.onclick = () => {
      accept();
      button.hidden = true;
      one("#gulir-daftar")?.scrollTo({ top: 0 });
    };
  };

  const markCurrent = () => {
    const here = one("#kerja")?.dataset.laman?.split("?")[0];
    for (const link of all("#daftar a")) {
      if (link.pathname === here) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };

  // --- Asking for the page anew ---

  let lastAsked = 0;
  let waiting = 0;
  let isAsking = false;
  let isStale = false;

  const refresh = () => {
    if (document.hidden) {
      isStale = true;
      return;
    }
    if (waiting) return;
    const pause = Math.max(0, lastAsked + SHORTEST_PAUSE_MS - Date.now());
    waiting = setTimeout(ask, pause);
  };

  const ask = async () => {
    waiting = 0;
    if (isAsking) {
      refresh();
      return;
    }
    const address = one("#kerja")?.dataset.laman;
    if (!address) return;
    isAsking = true;
    lastAsked = Date.now();
    isStale = false;
    try {
      const response = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (response.status === 401) {
        location.reload();
        return;
      }
      if (!response.ok || one("#kerja")?.dataset.laman !== address) return;
      const stamp = Date.parse(response.headers.get("Date"));
      if (!Number.isNaN(stamp) && Math.abs(stamp - Date.now()) > 5000) clockError = stamp - Date.now();
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const region of REGIONS) {
        const old = one(region);
        const fresh = one(region, page);
        if (!old || !fresh) continue;
        if (region === "#daftar") mergeList(old, fresh);
        else if (region === "#tulis") renew(old, fresh);
        else if ("kunci" in old.dataset) mergeKeyed(old, fresh);
        else replace(old, fresh);
      }
      tick();
    } catch {
      // Not connected: the stream says so, and asks again when it is back.
    } finally {
      isAsking = false;
    }
  };

  // --- The stream ---

  const RETRY_MS = 2000;
  let lost = 0;

  const say = (words) => {
    const place = one("#sambungan");
    if (place && place.textContent !== words) place.textContent = words;
  };

  const connect = () => {
    const stream = new EventSource("/inbox/peristiwa");
    stream.addEventListener("tersambung", () => {
      clearTimeout(lost);
      lost = 0;
      say("");
      refresh(); // what changed before the stream was open
      document.documentElement.dataset.langsung = "ya";
    });
    stream.addEventListener("perubahan", refresh);
    stream.addEventListener("error", () => {
      delete document.documentElement.dataset.langsung;
      lost ||= setTimeout(() => say("Tidak tersambung. Mencoba lagi…"), 1500);
      if (stream.readyState === EventSource.CLOSED) {
        stream.close();
        setTimeout(connect, RETRY_MS);
        refresh();
      }
    });
    addEventListener("pagehide", () => stream.close(), { once: true });
  };

  // --- Opening a complaint beside the list (htmx), each page as it is loaded ---

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "kerja" && !one("#kerja.ada")) return;
    document.body.dataset.halaman = "complaint";
    markCurrent();
    tick();
    refresh();
    document.dispatchEvent(new Event("aduan:halaman"));
  });
  document.addEventListener("htmx:responseError", (event) => {
    location.assign(event.detail.pathInfo.requestPath);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isStale) refresh();
  });
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open], details.saya[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  for (const element of all(".khusus-js")) element.hidden = false;
  const laman = one("#kerja")?.dataset.laman;
  if (laman && (location.search.includes("hasil=") || !location.pathname.startsWith(laman.split("?")[0]))) {
    document.documentElement.dataset.hasil = new URLSearchParams(location.search).get("hasil") ?? "";
    history.replaceState(null, "", laman + location.hash);
  }
  const list = one("#gulir-daftar");
  if (list) {
    const remembered = JSON.parse(sessionStorage.getItem("gulir-daftar") ?? "null");
    const view = new URLSearchParams(location.search).get("antrean");
    if (remembered?.view === view) list.scrollTop = remembered.top;
    addEventListener("pagehide", () =>
      sessionStorage.setItem("gulir-daftar", JSON.stringify({ view, top: list.scrollTop })),
    );
  }
  tick();
  setInterval(tick, TICK_MS);
  document.addEventListener("aduan:detak", tick);
  connect();
})();
