// Requests to the server: JSON, pictures, event streams. Every failure becomes an Error with a message for the user.

class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

const MAX_ATTEMPTS = 6;
/** The server itself gives up most requests after 10 seconds. */
const TIMEOUT_MS = 30_000;
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function errorOf(response) {
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error ?? message;
  } catch {
    // not JSON: only the status is known
  }
  return new ApiError(message, response.status);
}

/** Fetch with a time limit for the first byte of the response. */
async function fetchInTime(address, { timeout = TIMEOUT_MS, ...options }) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeout);
  try {
    return await fetch(address, { credentials: "same-origin", signal: limit.signal, ...options });
  } catch {
    const message = limit.signal.aborted
      ? `The studio has not answered for ${timeout / 1000} seconds. The machine may be very busy; try again.`
      : "The studio does not answer. Check that it is still running in its terminal.";
    throw new ApiError(message, 0);
  } finally {
    clearTimeout(timer);
  }
}

/** Fetch; while the server is busy (429), try again a little later. */
async function request(address, options = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetchInTime(address, options);
    if (response.ok) return response;
    if (response.status !== 429 || attempt === MAX_ATTEMPTS) throw await errorOf(response);
    await pause(120 * attempt);
  }
}

/** GET as JSON. */
export const get = async (address, options) => (await request(address, options)).json();

/** GET as a blob. */
export const getBlob = async (address, options) => (await request(address, options)).blob();

/** Token that the server put into a page; it proves that a request comes from the page. */
const tokenOf = (page) => page.querySelector('meta[name="studio-token"]');

/** Take over the token of a studio that was restarted. Returns true if there is a new one. */
async function renewToken() {
  const page = new DOMParser().parseFromString(await (await request(location.pathname)).text(), "text/html");
  const [known, fresh] = [tokenOf(document), tokenOf(page)?.content];
  if (!fresh || fresh === known.content) return false;
  known.content = fresh;
  return true;
}

async function send(method, address, body, options = {}) {
  const attempt = () =>
    request(address, {
      ...options,
      method,
      headers: { "Content-Type": "application/json", "X-Studio-Token": tokenOf(document).content },
      body: JSON.stringify(body ?? {}),
    });
  let response;
  try {
    response = await attempt();
  } catch (error) {
    if (error.status !== 403 || !(await renewToken())) throw error;
    response = await attempt();
  }
  return response.status === 204 ? null : response.json();
}

/** POST JSON; returns JSON. */
export const post = (address, body, options) => send("POST", address, body, options);

/** DELETE. */
export const remove = (address) => send("DELETE", address, {});

/**
 * Listen to an event stream: `handlers` maps the name of an event to a function of its data. Returns a function that
 * closes the stream. The browser reconnects by itself when the stream breaks.
 *
 * `whileVisible` closes the stream while the page is hidden and continues after the last event: browsers allow six
 * connections to a server, and each stream takes one. The address then has no query of its own.
 */
export function listen(address, handlers, { lost = () => {}, found = () => {}, whileVisible = false } = {}) {
  let source = null;
  let last = "";
  const close = () => {
    source?.close();
    source = null;
  };
  const open = () => {
    const opened = new EventSource(whileVisible && last ? `${address}?after=${last}` : address);
    source = opened;
    for (const [name, handle] of Object.entries(handlers)) {
      opened.addEventListener(name, (event) => {
        last = event.lastEventId || last;
        handle(JSON.parse(event.data));
      });
    }
    opened.addEventListener("open", () => found());
    opened.addEventListener("error", () => lost(opened.readyState === EventSource.CLOSED));
  };
  const follow = () => {
    if (document.hidden) close();
    else if (!source) open();
  };
  if (whileVisible) {
    document.addEventListener("visibilitychange", follow);
    follow();
  } else open();
  return () => {
    document.removeEventListener("visibilitychange", follow);
    close();
  };
}

/** Query string of the values that are set, in the given order, so that equal states have equal addresses. */
export function query(values) {
  const parts = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return parts
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value).replaceAll("%2C", ",")}`)
    .join("&");
}
