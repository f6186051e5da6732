// Helpers for building and finding elements, and for messages.

/**
 * The element with this id. A missing one is an error in the page.
 * @template {keyof Pages.Elements} Id
 * @overload
 * @param {Id} id
 * @returns {Pages.Elements[Id]}
 */
/**
 * @overload
 * @param {string} id
 * @returns {HTMLElement}
 */
/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

/**
 * Make an element: el("p", { class: "soft", "aria-live": "polite" }, "text", child, ...).
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes]
 * @param {(Node | string | null | undefined)[]} children
 */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

/**
 * Set text if it differs, so that a screen reader does not read it twice.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Call `action` once, `wait` milliseconds after the last call.
 * @template {unknown[]} Values
 * @param {(...values: Values) => unknown} action
 * @param {number} wait
 * @returns {(...values: Values) => void}
 */
export function debounce(action, wait) {
  /** @type {number | undefined} */
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait);
  };
}

/**
 * Run an asynchronous action for the newest value only. While one runs, the last value waits and earlier ones are
 * dropped, so that a slider has at most one open request.
 * @template {unknown[]} Values
 * @param {(...values: Values) => Promise<void>} action
 * @returns {(...values: Values) => Promise<void>}
 */
export function latest(action) {
  let running = false;
  /** @type {Values | null} */
  let waiting = null;
  return async function run(...values) {
    if (running) {
      waiting = values;
      return;
    }
    running = true;
    try {
      for (let next = /** @type {Values | null} */ (values); next; ) {
        waiting = null;
        await action(...next);
        next = waiting;
      }
    } finally {
      running = false;
    }
  };
}

/**
 * Value of the input or list that an event comes from.
 * @param {Event} event
 */
export const chosenValue = ({ target }) =>
  target instanceof HTMLInputElement || target instanceof HTMLSelectElement ? target.value : "";

/** @param {string} text */
export const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * Say a sentence to screen readers only. Numbers that change all the time are not in live regions.
 * @param {string} text
 */
export const speak = (text) => setText(byId("spoken"), text);

/** @type {number | undefined} */
let toastTimer;

/**
 * Show a message at the bottom of the page, also to screen readers; with `stays`, until the next click.
 * @param {string} text
 * @param {{ stays?: boolean }} [options]
 */
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

/**
 * Show an error message as a sentence, until the next click.
 * @param {unknown} error
 */
export function showError(error) {
  if (error instanceof Error && error.name === "AbortError") return;
  const text = error instanceof Error ? error.message : String(error);
  announce(capitalize(/[.!?]$/.test(text) ? text : `${text}.`), { stays: true });
}
