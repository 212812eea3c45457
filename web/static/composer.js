/* The composer: what was typed survives, its length is counted, and one press sends once. */
"use strict";

(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const KIND_OF = { dijawab: "jawab", catatan: "catatan", dicatat: "disampaikan" };

  const place = (form) => `draf:${one("#tulis").dataset.pengaduan}:${form.dataset.tulis}`;
  const read = (form) => JSON.parse(sessionStorage.getItem(place(form)) ?? "null");

  const remember = (form, sent = false) => {
    const text = form.elements.isi.value;
    if (!text) {
      sessionStorage.removeItem(place(form));
      return;
    }
    const draft = { text, how: form.elements.cara?.value ?? "" };
    // Sent, but perhaps the answer was lost on its way: the very same text goes again under the same key, once.
    if (sent) draft.key = form.elements.kunci.value;
    sessionStorage.setItem(place(form), JSON.stringify(draft));
  };

  const restore = (form) => {
    const draft = read(form);
    if (!draft || form.elements.isi.value) return;
    form.elements.isi.value = draft.text;
    if (form.elements.cara && !form.elements.cara.value) form.elements.cara.value = draft.how;
    if (draft.key) {
      const fresh = form.elements.kunci.value;
      form.elements.kunci.value = draft.key;
      form.elements.isi.addEventListener("input", () => (form.elements.kunci.value = fresh), { once: true });
    }
  };

  // As core.text measures: UTF-16 code units, or bytes of UTF-8.
  const measure = (text, unit) => (unit === "bytes" ? new TextEncoder().encode(text).length : text.length);

  const count = (textarea) => {
    const output = one(".hitung-huruf", textarea.form);
    const { batasHuruf, satuan, bingkai, satu } = textarea.dataset;
    if (!output || !batasHuruf) return;
    const typed = measure(textarea.value, satuan);
    const isOnePiece = satu !== undefined;
    const over = typed + Number(bingkai) - Number(batasHuruf);
    const parts = Math.ceil((typed + Number(bingkai)) / Number(batasHuruf));
    const unit = satuan === "bytes" ? "bita" : "huruf";
    const letters = `${typed.toLocaleString("id-ID")} ${unit}`;
    const excess = `kelebihan ${over.toLocaleString("id-ID")} ${unit}: tidak akan terkirim`;
    output.classList.toggle("lebih", isOnePiece && over > 0);
    if (typed === 0) output.textContent = "";
    else if (isOnePiece) output.textContent = over > 0 ? `${letters} · ${excess}` : letters;
    else output.textContent = parts > 1 ? `${letters} · dikirim dalam ${parts} bagian` : letters;
  };

  // What the server asks about as well, before a text is sent that everybody will read.
  const LONG_NUMBER = /\d(?:[ .\u00a0-]?\d){8,}|[\w.+%-]+@[\w-]+\.[a-z]/i;

  const warn = (textarea) => {
    const warning = one(".bernomor", textarea.form);
    if (warning && textarea.dataset.umum !== undefined) warning.hidden = !LONG_NUMBER.test(textarea.value);
  };

  const prepare = () => {
    const box = one("#tulis");
    if (!box) return;
    const done = KIND_OF[document.documentElement.dataset.hasil];
    for (const form of box.querySelectorAll("form[data-tulis]")) {
      if (form.dataset.tulis === done) sessionStorage.removeItem(place(form));
      restore(form);
      count(form.elements.isi);
      warn(form.elements.isi);
    }
    delete document.documentElement.dataset.hasil;
  };

  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form?.dataset.tulis) return;
    remember(form);
    if (event.target.name !== "isi") return;
    count(event.target);
    warn(event.target);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.terkirim) {
      event.preventDefault();
      return;
    }
    if (form.method !== "post") return;
    form.dataset.terkirim = "ya";
    if (form.dataset.tulis) remember(form, true);
    setTimeout(() => delete form.dataset.terkirim, 8000);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.form;
    if (!form?.dataset.tulis) return;
    event.preventDefault();
    form.requestSubmit();
  });
  document.addEventListener("aduan:halaman", prepare);
  addEventListener("DOMContentLoaded", prepare);
})();
