// Talking to the server: JSON, pictures, event streams. Every failure becomes an Error with one sentence.

class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

const TRIES_WHEN_BUSY = 6;
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function problem(response) {
  let sentence = `The server answered ${response.status}.`;
  try {
    sentence = (await response.json()).error ?? sentence;
  } catch {
    // not JSON: the status is all there is to say
  }
  return new ApiError(sentence, response.status);
}

/** Fetch, and ask again a little later while the server says that its waiting line is full. */
async function ask(address, options = {}) {
  for (let attempt = 1; ; attempt += 1) {
    let response;
    try {
      response = await fetch(address, { credentials: "same-origin", ...options });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The studio does not answer. Is it still running in its terminal?", 0);
    }
    if (response.ok) return response;
    if (response.status !== 429 || attempt === TRIES_WHEN_BUSY) throw await problem(response);
    await pause(120 * attempt);
  }
}

/** GET as JSON. */
export const get = async (address, options) => (await ask(address, options)).json();

/** GET as a blob: a picture, say. */
export const getBlob = async (address, options) => (await ask(address, options)).blob();

/** What the server wrote into this page, so that it knows that its own page asks. */
const token = () => document.querySelector('meta[name="studio-token"]').content;

async function send(method, address, body, options = {}) {
  const response = await ask(address, {
    ...options,
    method,
    headers: { "Content-Type": "application/json", "X-Studio-Token": token() },
    body: JSON.stringify(body ?? {}),
  });
  return response.status === 204 ? null : response.json();
}

/** POST JSON, and take JSON. */
export const post = (address, body, options) => send("POST", address, body, options);

/** Ask the server to end or remove something. */
export const remove = (address) => send("DELETE", address, {});

/**
 * Listen to a stream of events: `handlers` maps an event's name to a function of its data. Returns a function that
 * stops listening. The browser connects again by itself when the stream breaks.
 */
export function listen(address, handlers, { lost = () => {}, found = () => {} } = {}) {
  const source = new EventSource(address);
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  source.addEventListener("open", () => found());
  source.addEventListener("error", () => lost(source.readyState === EventSource.CLOSED));
  return () => source.close();
}

/** A query string of what is set; order as given, so that the same state is the same address. */
export function query(values) {
  const parts = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return parts
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value).replaceAll("%2C", ",")}`)
    .join("&");
}
