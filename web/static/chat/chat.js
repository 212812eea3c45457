// The chat page. No framework, no build; ES2017 at most, for the phones that people have.
(() => {
  'use strict';
  const { account, origins, token: fresh, words: said } = document.currentScript.dataset;
  const words = JSON.parse(said);
  const { classList } = document.documentElement;
  const framed = window.parent !== window;
  const base = `/obrolan/${account}/`;
  const $ = (id) => document.getElementById(id);
  const on = (target, name, act) => target.addEventListener(name, act);

  // --- What stays on this device. Where a browser keeps nothing for frames, it lasts as long as the page does. ---

  const memory = {};
  const keep = (name, value) => {
    memory[name] = value;
    try {
      if (value) localStorage.setItem(base + name, value);
      else localStorage.removeItem(base + name);
    } catch (error) { /* in memory alone */ }
  };
  const kept = (name) => {
    try {
      return localStorage.getItem(base + name);
    } catch (error) {
      return memory[name];
    }
  };

  let token = kept('token');
  classList.add('js');
  // Before anything is painted: nothing moves later.
  if (token) classList.add('jalan');

  let cursor = '0';
  let number = '';
  // Whether the frame is shown; the origin around it, once that has spoken.
  let isOpen = !framed;
  let host = '';
  // Ends the open stream, and the present pause.
  let cut = () => {};
  let poke = () => {};
  // Messages shown, by id; how far those of the office are told to be seen.
  const shown = new Map();
  const reported = new Map();
  // What is written and not yet stored: {key, fields, files, element, fate}.
  let queue = [];
  let isSending = false;

  const ask = (path, options) => {
    const given = Object.assign({ cache: 'no-store', credentials: 'omit' }, options);
    given.headers = Object.assign({ Authorization: `Bearer ${token}` }, given.headers);
    return fetch(base + path, given);
  };
  const make = (name, className, text) => {
    const element = document.createElement(name);
    element.className = className;
    element.textContent = text || '';
    return element;
  };

  const start = () => {
    const log = $('log');
    const scroll = $('gulir');
    const form = $('tulis');
    const { text, files } = form.elements;

    // --- The conversation ---

    const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
    // Shows the end, or of a message that is longer than the screen its beginning.
    const toEnd = () => {
      scroll.scrollTop = scroll.scrollHeight;
      const over = log.lastElementChild ? scroll.getBoundingClientRect().top - log.lastElementChild.getBoundingClientRect().top : 0;
      if (over > 0) scroll.scrollTop -= over + 8;
    };
    const isInView = (element) => element.getBoundingClientRect().top < scroll.getBoundingClientRect().bottom - 24;
    // Ids are too long for numbers.
    const isBefore = (a, b) => a.length < b.length || (a.length === b.length && a < b);

    const linked = (paragraph, body) => body.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:)])/).forEach((part, i) => {
      if (i % 2) paragraph.append(Object.assign(make('a', '', part), { href: part, target: '_blank', rel: 'noopener' }));
      else paragraph.append(part);
    });
    const bubble = (from, body, time) => {
      const article = make('article', from);
      const who = make('p', 'siapa', `${words.authors[from]} `);
      who.append(make('time', '', time));
      article.append(who);
      if (body) {
        const content = make('p', 'isi');
        if (from === 'citizen') content.append(body);
        else linked(content, body);
        article.append(content);
      }
      return article;
    };
    const file = ({ id, name, size }, from) => {
      const label = `${name} (${size})`;
      if (from === 'citizen') return make('p', 'berkas', label);
      const saving = Object.assign(make('form', ''), { method: 'post', action: `${base}berkas/${id}` });
      saving.append(
        Object.assign(make('input', ''), { type: 'hidden', name: 'token', value: token }),
        make('button', 'berkas', label),
      );
      return saving;
    };
    const show = (message) => {
      if (shown.has(message.id)) return false;
      const article = bubble(message.from, message.text, message.time);
      article.dataset.id = message.id;
      message.files.forEach((each) => article.append(file(each, message.from)));
      const own = queue.find((item) => item.key === message.key);
      if (own) drop(own);
      const next = Array.from(log.querySelectorAll('[data-id]')).find((each) => isBefore(message.id, each.dataset.id));
      log.insertBefore(article, next || log.querySelector('.antre'));
      shown.set(message.id, article);
      return true;
    };
    const apply = (told) => {
      const wasAtEnd = atEnd();
      const added = told.messages.filter(show);
      const isAnswered = added.some((message) => message.from !== 'citizen');
      cursor = told.cursor;
      classList.add('jalan');
      if (told.number) {
        if (number !== told.number) keep('nomor', told.number);
        number = told.number;
        $('keadaan').textContent = number + (told.due ? words.due + told.due : '');
      }
      $('kontak').hidden = told.has_contact || !told.number;
      if (added.length && (wasAtEnd || !isAnswered)) toEnd();
      if (isAnswered) $('baru').hidden = isInView(log.lastElementChild);
      if (isAnswered && !isOpen) post('baru');
      report();
    };

    // What came to this page, and what was before his eyes.
    let reporting = 0;
    const report = () => {
      clearTimeout(reporting);
      reporting = setTimeout(() => ['read', 'delivered'].forEach((state) => {
        const isRead = (id) => isOpen && !document.hidden && isInView(shown.get(id));
        const ids = Array.from(shown.keys()).filter((id) => !shown.get(id).matches('.citizen')
          && ![state, 'read'].includes(reported.get(id)) && (state === 'delivered' || isRead(id)));
        if (!ids.length) return;
        const note = (as) => ids.forEach((id) => reported.set(id, as));
        note(state);
        ask('terbaca', { method: 'POST', body: JSON.stringify({ ids, state }) }).then((answer) => answer.ok || note(''), note);
      }), 300);
    };

    // --- The line above the field ---

    const tell = (line) => { $('kabar').textContent = line; };
    let trouble = 0;
    const connected = () => {
      clearTimeout(trouble);
      if (trouble) tell('');
      trouble = 0;
    };
    const troubled = () => {
      trouble = trouble || setTimeout(() => tell(navigator.onLine ? words.reconnecting : words.offline), 1500);
    };

    // --- Reading: a stream; where nothing comes by it, asking from time to time ---

    // A session that is not taken any more: the page begins anew, with what still waits to be sent.
    const renew = () => {
      keep('token');
      if (location.hash) return;
      location.hash = 'lama';
      location.reload();
    };
    const poll = async () => {
      const answer = await ask(`pesan?setelah=${cursor}`);
      if (answer.status === 401) renew();
      if (answer.status === 204 && !queue.length) classList.remove('jalan');
      if (answer.status !== 200) return answer.status === 204;
      const told = await answer.json();
      connected();
      apply(told);
      return told.is_all || poll();
    };
    // Returns whether anything came. A proxy that holds the answer back is left after six seconds.
    const stream = async () => {
      const control = new AbortController();
      cut = () => control.abort();
      let silence = setTimeout(cut, 6000);
      let came = false;
      try {
        const answer = await ask('aliran', { headers: { 'Last-Event-ID': cursor }, signal: control.signal });
        if (answer.status === 401) renew();
        if (!answer.ok) return false;
        const reader = answer.body.getReader();
        const decoder = new TextDecoder();
        let buffer = '';
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return came;
          came = true;
          connected();
          // A sign of life comes every 15 seconds.
          clearTimeout(silence);
          silence = setTimeout(cut, 40000);
          buffer += decoder.decode(value, { stream: true });
          const blocks = buffer.split('\n\n');
          buffer = blocks.pop();
          blocks.forEach((block) => {
            const event = /^data: (.*)$/m.exec(block);
            if (event) apply(JSON.parse(event[1]));
          });
        }
      } catch (error) {
        return came;
      } finally {
        clearTimeout(silence);
      }
    };
    const canStream = window.AbortController && window.TextDecoder && window.ReadableStream;
    const pause = (ms) => new Promise((done) => {
      poke = done;
      setTimeout(done, ms);
    });
    const listen = async () => {
      let failures = 0;
      // How many times to ask before a stream is tried: at first once, which is answered at once whatever stands between.
      let polls = 1;
      for (;;) {
        if (token && classList.contains('jalan')) {
          // One connection of the six that a browser has: not for a page that nobody looks at.
          const streams = canStream && !document.hidden && !polls;
          const isWell = await (streams ? stream() : poll()).catch(() => false);
          failures = isWell ? 0 : failures + 1;
          if (!isWell) troubled();
          if (streams) polls = isWell ? 0 : 20;
          else if (polls) polls -= 1;
          if (document.hidden) await pause(60000);
          // Not all at once after a restart.
          else await pause((isWell ? polls ? 3000 : 600 : Math.min(30000, 1000 * 2 ** failures)) * (0.5 + Math.random()));
        } else await pause(1e8);
      }
    };

    // --- Writing: first into the queue, then away; each message under a key of its own, so that it is stored once ---

    const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join('');
    const save = () => {
      const texts = queue.filter((item) => !item.files.length).map(({ key, fields }) => ({ key, fields }));
      keep('antre', texts.length && JSON.stringify(texts));
    };
    const enqueue = (item) => {
      item.element = bubble('citizen', item.fields.text);
      item.element.classList.add('antre');
      item.files.forEach((each) => item.element.append(make('p', 'berkas', each.name)));
      item.fate = make('p', 'nasib', words.sending);
      item.element.append(item.fate);
      log.append(item.element);
      queue.push(item);
    };
    const drop = (item) => {
      queue = queue.filter((each) => each !== item);
      item.element.remove();
      save();
    };
    const complain = (mistakes) => {
      let first;
      Object.keys(words.wrong).forEach((name) => {
        const field = form.elements[name];
        const mistake = words.wrong[name][mistakes[name]];
        $(`salah-${name}`).hidden = !mistake;
        $(`salah-${name}`).textContent = mistake;
        if (!field) return;
        field.removeAttribute('aria-invalid');
        if (!mistake) return;
        field.setAttribute('aria-invalid', 'true');
        first = first || field;
      });
      if (first) first.focus();
    };
    // Gives a refused message back to be changed.
    const giveBack = (item, mistakes) => {
      drop(item);
      if (!queue.length && !number) classList.remove('jalan');
      Object.keys(item.fields).forEach((name) => {
        const field = form.elements[name];
        field.value = field.value || item.fields[name];
      });
      grow();
      complain(mistakes);
    };
    const body = (item) => {
      const data = new FormData();
      Object.keys(item.fields).forEach((name) => data.append(name, item.fields[name]));
      data.append('key', item.key);
      item.files.forEach((each) => data.append('files', each, each.name));
      return data;
    };
    let failures = 0;
    const send = async () => {
      if (isSending || !queue.length) return;
      isSending = true;
      const item = queue[0];
      let later = 0;
      if (!token) {
        token = fresh;
        keep('token', token);
      }
      try {
        const answer = await ask(`pesan?setelah=${cursor}`, { method: 'POST', body: body(item) });
        if (answer.ok) {
          apply(await answer.json());
          // Stored before, and shown long since.
          if (queue[0] === item) drop(item);
          failures = 0;
          connected();
          poke();
        } else if ([400, 413, 422].includes(answer.status)) giveBack(item, (await answer.json()).mistakes);
        else {
          if (answer.status === 401) renew();
          later = 1000 * (Number(answer.headers.get('Retry-After')) || 4);
        }
      } catch (error) {
        later = Math.min(30000, 1000 * 2 ** failures);
        failures += 1;
        item.fate.textContent = words.waiting;
        troubled();
      }
      isSending = false;
      if (later) setTimeout(send, later);
      else send();
    };
    const hurry = () => {
      poke();
      send();
    };

    // --- The form ---

    const grow = () => {
      const isRunning = classList.contains('jalan');
      text.style.height = isRunning ? '46px' : '';
      if (isRunning) text.style.height = `${Math.min(text.scrollHeight + 2, 140)}px`;
    };
    const chosen = () => {
      $('terpilih').textContent = Array.from(files.files, (each) => each.name).join(', ');
    };
    on(form, 'submit', (event) => {
      event.preventDefault();
      const fields = {};
      ['text', 'contact', 'name', 'category', 'website'].forEach((name) => { fields[name] = form.elements[name].value.trim(); });
      const attached = Array.from(files.files);
      const isEmpty = !fields.text && !attached.length;
      complain(isEmpty ? { text: 'required' } : {});
      if (isEmpty) return;
      enqueue({ key: newKey(), fields, files: attached });
      save();
      form.reset();
      chosen();
      classList.add('jalan');
      grow();
      toEnd();
      text.focus();
      send();
    });
    on(text, 'keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.querySelector('.utama').click();
    });
    on(text, 'input', grow);
    on(files, 'change', chosen);

    on($('simpan'), 'submit', (event) => {
      event.preventDefault();
      ask('kontak', { method: 'POST', body: $('alamat').value }).then(async (answer) => {
        $('kontak').hidden = answer.ok;
        if (answer.ok) {
          tell(words.kept);
          text.focus();
        } else if (answer.status === 422) {
          $('salah-alamat').textContent = words.wrong.contact[(await answer.json()).mistakes.contact];
          $('salah-alamat').hidden = false;
          $('alamat').focus();
        }
      }, troubled);
    });

    on($('hapus'), 'click', (event) => {
      if (event.target.textContent === words.sure) {
        ['antre', 'nomor', 'token'].forEach((name) => keep(name));
        location.reload();
      }
      event.target.textContent = words.sure;
    });

    on($('baru'), 'click', toEnd);
    on(scroll, 'scroll', () => {
      if (!log.lastElementChild || !isInView(log.lastElementChild)) return;
      $('baru').hidden = true;
      report();
    });

    // --- The frame, other tabs, the network ---

    const post = (word) => host && window.parent.postMessage({ aduan: word }, host);
    if (framed) {
      $('tutup').hidden = false;
      on($('tutup'), 'click', () => post('tutup'));
      on(window, 'keydown', (event) => event.key === 'Escape' && post('tutup'));
      on(window, 'message', (event) => {
        const isTrusted = event.source === window.parent && origins.split(' ').concat(location.origin).includes(event.origin);
        if (!isTrusted || !event.data) return;
        host = event.origin;
        isOpen = event.data.aduan === 'buka';
        if (isOpen) text.focus();
        report();
      });
    }
    on(window, 'storage', ({ key, newValue }) => {
      if (key === `${base}token` && token && newValue !== token) location.reload();
      if (key !== `${base}nomor` || !newValue) return;
      token = kept('token');
      classList.add('jalan');
      hurry();
    });
    on(window, 'online', hurry);
    on(document, 'visibilitychange', () => {
      if (document.hidden) cut();
      report();
      hurry();
    });

    JSON.parse(kept('antre') || '[]').forEach(({ key, fields }) => enqueue({ key, fields, files: [] }));
    send();
    listen();
  };

  on(document, 'DOMContentLoaded', start);
})();
