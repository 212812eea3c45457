/* The counter: Ctrl+Enter saves, wherever the writing stops. The page works without this script. */
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const form = event.target.form;
  if (!form || !("catat" in form.dataset)) return;
  event.preventDefault();
  form.requestSubmit();
});
