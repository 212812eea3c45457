{% from "chat/words.html" import widget %}
// The button of the office's chat, for any page: <script src=".../obrolan/aduan.js" data-account="..." async></script>
// The conversation itself is in a frame of its own origin, which the page around it cannot read. What crosses the border
// is "buka", "tutup" and, from the frame, "baru" (an answer came); never a word of the conversation.
(() => {
  'use strict';
  const script = document.currentScript;
  if (!script || !script.dataset.account || document.getElementById('aduan-obrolan')) return;
  const words = {{ widget|tojson }};
  const address = new URL(encodeURIComponent(script.dataset.account), script.src);
  // Styles are set one by one: a site's content security policy forbids style sheets of others, and never this.
  const style = (element, rules) => {
    for (const name of Object.keys(rules)) element.style.setProperty(name, rules[name]);
  };
  const make = (name, attributes, rules) => {
    const element = document.createElement(name);
    for (const key of Object.keys(attributes)) element.setAttribute(key, attributes[key]);
    style(element, rules);
    return element;
  };

  const host = make('div', { id: 'aduan-obrolan' }, { all: 'initial' });
  const root = host.attachShadow ? host.attachShadow({ mode: 'open' }) : host;
  const button = make(
    'button',
    { type: 'button', 'aria-expanded': 'false', 'aria-controls': 'panel' },
    {
      position: 'fixed', right: '16px', bottom: '16px', 'z-index': '2147483000', 'box-sizing': 'border-box',
      'min-height': '52px', 'max-width': 'calc(100% - 32px)', padding: '12px 20px', border: '2px solid #fff',
      'border-radius': '28px', background: '#0b5cad', color: '#fff', cursor: 'pointer',
      'font-family': 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif', 'font-size': 'medium',
      'font-weight': '600', 'line-height': '1.4', 'box-shadow': '0 2px 10px rgba(0, 0, 0, .35)',
    },
  );
  const label = document.createElement('span');
  const dot = make('span', { 'aria-hidden': 'true' }, {
    display: 'none', width: '12px', height: '12px', 'margin-left': '10px', 'border-radius': '50%', background: '#ffd54a',
  });
  label.textContent = words.open;
  button.append(label, dot);
  const panel = make('div', { id: 'panel' }, {
    display: 'none', position: 'fixed', 'z-index': '2147483001', 'box-sizing': 'border-box', overflow: 'hidden',
    background: '#fff', 'box-shadow': '0 4px 28px rgba(0, 0, 0, .4)',
  });
  root.append(button, panel);

  let frame = null;
  let isOpen = false;
  const say = (word) => frame.contentWindow.postMessage({ aduan: word }, address.origin);

  const narrow = window.matchMedia('(max-width: 480px), (max-height: 480px)');
  const place = () => {
    style(panel, narrow.matches
      ? { right: '0', bottom: '0', width: '100%', height: '100%', 'max-height': 'none', 'border-radius': '0' }
      : { right: '16px', bottom: '84px', width: '400px', height: '680px', 'max-height': 'calc(100% - 100px)', 'border-radius': '12px' });
  };
  // Older phones know no addEventListener here.
  narrow.addListener(place);
  place();

  const news = (count) => {
    dot.style.display = count ? 'inline-block' : 'none';
    button.setAttribute('aria-label', count ? words.news : words.open);
  };
  const open = () => {
    isOpen = true;
    button.setAttribute('aria-expanded', 'true');
    panel.style.display = 'block';
    news(0);
    if (frame) {
      frame.focus();
      say('buka');
      return;
    }
    frame = make('iframe', { title: words.title, src: address.href }, {
      display: 'block', width: '100%', height: '100%', border: '0',
    });
    frame.addEventListener('load', () => {
      if (!isOpen) return;
      frame.focus();
      say('buka');
    });
    panel.append(frame);
  };
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    button.setAttribute('aria-expanded', 'false');
    panel.style.display = 'none';
    say('tutup');
    button.focus();
  };

  button.addEventListener('click', () => (isOpen ? close() : open()));
  root.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close();
  });
  window.addEventListener('message', (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== address.origin || !event.data) return;
    if (event.data.aduan === 'tutup') close();
    if (event.data.aduan === 'baru' && !isOpen) news(1);
  });
  const attach = () => document.body.append(host);
  if (document.body) attach();
  else document.addEventListener('DOMContentLoaded', attach);
})();
