// Helpers for building and finding elements, and for messages.

/** The element with this id. A missing one is an error in the page. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

/** Make an element: el("p", { class: "soft", "aria-live": "polite" }, "text", child, ...). */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set text if it differs, so that a screen reader does not read it twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Call `action` once, `wait` milliseconds after the last call. */
export function debounce(action, wait) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait);
  };
}

/**
 * Run an asynchronous action for the newest value only. While one runs, the last value waits and earlier ones are
 * dropped, so that a slider has at most one open request.
 */
export function latest(action) {
  let running = false;
  let waiting = null;
  return async function run(...values) {
    if (running) {
      waiting = values;
      return;
    }
    running = true;
    try {
      for (let next = values; next; ) {
        waiting = null;
        await action(...next);
        next = waiting;
      }
    } finally {
      running = false;
    }
  };
}

export const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Say a sentence to screen readers only. Numbers that change all the time are not in live regions. */
export const speak = (text) => setText(byId("spoken"), text);

let toastTimer;

/** Show a message at the bottom of the page, also to screen readers; with `stays`, until the next click. */
export function announce(text, { stays = false } = {}) {
  const toast = byId("toast");
  const close = () => {
    toast.hidden = true;
  };
  toast.replaceChildren(text);
  if (stays) toast.append(el("button", { type: "button", class: "button" }, "Close"));
  toast.hidden = false;
  clearTimeout(toastTimer);
  if (stays) document.addEventListener("click", close, { capture: true, once: true });
  else toastTimer = setTimeout(close, 6000);
}

/** Show an error message as a sentence, until the next click. */
export function showError(error) {
  if (error?.name === "AbortError") return;
  const text = error?.message ?? String(error);
  announce(capitalize(/[.!?]$/.test(text) ? text : `${text}.`), { stays: true });
}
