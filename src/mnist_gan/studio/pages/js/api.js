// Requests to the server: JSON, pictures, event streams. Every failure becomes an Error with a message for the user.

class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 without a response
   */
  constructor(message, status) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/**
 * Status of a request that failed; undefined for any other error.
 * @param {unknown} error
 */
export const statusOf = (error) => (error instanceof ApiError ? error.status : undefined);

const MAX_ATTEMPTS = 6;
/** The server itself gives up most requests after 10 seconds. */
const TIMEOUT_MS = 30_000;
/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** @param {Response} response */
async function errorOf(response) {
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error ?? message;
  } catch {
    // not JSON: only the status is known
  }
  return new ApiError(message, response.status);
}

/**
 * Fetch with a time limit for the first byte of the response.
 * @param {string} address
 * @param {Api.Options} options
 */
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

/**
 * Fetch; while the server is busy (429), try again a little later.
 * @param {string} address
 * @param {Api.Options} [options]
 */
async function request(address, options = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetchInTime(address, options);
    if (response.ok) return response;
    if (response.status !== 429 || attempt === MAX_ATTEMPTS) throw await errorOf(response);
    await pause(120 * attempt);
  }
}

/**
 * GET as JSON.
 * @type {Api.Get}
 */
export const get = async (/** @type {string} */ address, /** @type {Api.Options | undefined} */ options) =>
  (await request(address, options)).json();

/**
 * GET as a blob.
 * @param {string} address
 * @param {Api.Options} [options]
 */
export const getBlob = async (address, options) => (await request(address, options)).blob();

/**
 * Token that the server put into a page; it proves that a request comes from the page.
 * @param {Document} page
 * @returns {HTMLMetaElement | null}
 */
const tokenOf = (page) => page.querySelector('meta[name="studio-token"]');

/** Take over the token of a studio that was restarted. Returns true if there is a new one. */
async function renewToken() {
  const page = new DOMParser().parseFromString(await (await request(location.pathname)).text(), "text/html");
  const [known, fresh] = [tokenOf(document), tokenOf(page)?.content];
  if (!known || !fresh || fresh === known.content) return false;
  known.content = fresh;
  return true;
}

/**
 * @param {"POST" | "DELETE"} method
 * @param {string} address
 * @param {object} [body]
 * @param {Api.Options} [options]
 */
async function send(method, address, body, options = {}) {
  const attempt = () =>
    request(address, {
      ...options,
      method,
      headers: { "Content-Type": "application/json", "X-Studio-Token": tokenOf(document)?.content ?? "" },
      body: JSON.stringify(body ?? {}),
    });
  let response;
  try {
    response = await attempt();
  } catch (error) {
    if (statusOf(error) !== 403 || !(await renewToken())) throw error;
    response = await attempt();
  }
  return response;
}

/**
 * POST JSON; returns JSON.
 * @type {Api.Post}
 */
export const post = async (
  /** @type {string} */ address,
  /** @type {object} */ body,
  /** @type {Api.Options | undefined} */ options,
) => (await send("POST", address, body, options)).json();

/**
 * POST JSON; returns the bytes of the response.
 * @param {string} address
 * @param {object} body
 * @returns {Promise<ArrayBuffer>}
 */
export const postForBytes = async (address, body) => (await send("POST", address, body)).arrayBuffer();

/**
 * DELETE.
 * @type {Api.Delete}
 */
export const remove = async (/** @type {string} */ address) => (await send("DELETE", address, {})).json();

/**
 * Listen to an event stream: `handlers` maps the name of an event to a function of its data. Returns a function that
 * closes the stream. The browser reconnects by itself when the stream breaks.
 *
 * `whileVisible` closes the stream while the page is hidden and continues after the last event: browsers allow six
 * connections to a server, and each stream takes one. The address then has no query of its own.
 * @type {Api.Listen}
 */
export const listen = (
  /** @type {string} */ address,
  /** @type {Record<string, (data: any) => void>} */ handlers,
  /** @type {Api.StreamOptions} */ { lost = () => {}, found = () => {}, whileVisible = false } = {},
) => {
  /** @type {EventSource | null} */
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
};

/**
 * Query string of the values that are set, in the given order, so that equal states have equal addresses.
 * @param {Record<string, string | number | null | undefined>} values
 */
export function query(values) {
  const parts = Object.entries(values).flatMap(([key, value]) =>
    value === undefined || value === null || value === ""
      ? []
      : [`${encodeURIComponent(key)}=${encodeURIComponent(value).replaceAll("%2C", ",")}`],
  );
  return parts.join("&");
}
