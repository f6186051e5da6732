// Small helpers for building and finding elements.

/** The element with this id; a missing one is a mistake in the page, so it is said at once. */
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

/** Write text only where it differs, so that a screen reader is not told the same twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Call `action` once, `wait` milliseconds after the last call. */
export function debounce(action, wait) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), wait);
  };
}

/**
 * Run an asynchronous action for the newest value only: while one is under way, later values wait, and only the last
 * of them is taken. So a slider never has more than one question open at the server.
 */
export function latest(action) {
  let running = false;
  let waiting = null;
  return async function take(...given) {
    if (running) {
      waiting = given;
      return;
    }
    running = true;
    try {
      for (let next = given; next;) {
        waiting = null;
        await action(...next);
        next = waiting;
      }
    } finally {
      running = false;
    }
  };
}

let toastTimer;

/** Say something at the foot of the page, to eyes and to screen readers. */
export function announce(text) {
  const toast = byId("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    toast.hidden = true;
  }, 6000);
}

/** The same for what went wrong: the server's sentence, or the browser's. */
export function complain(error) {
  if (error?.name === "AbortError") return;
  announce(error?.message ?? String(error));
}
