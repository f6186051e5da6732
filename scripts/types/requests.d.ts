// Options of the functions in src/mnist_gan/studio/pages/js/api.js.

declare namespace Api {
  interface Options extends RequestInit {
    /** Milliseconds until the first byte of the response. */
    timeout?: number;
  }

  interface StreamOptions {
    /** Called when the connection breaks; `gone` if it will not be opened again. */
    lost?: (gone: boolean) => void;
    /** Called when the connection is open again. */
    found?: () => void;
    /** Close the stream while the page is hidden. */
    whileVisible?: boolean;
  }

  /** Functions of the data of the events that a page wants. */
  type Handlers<Events> = { [Name in keyof Events]?: (data: Events[Name]) => void };
}
