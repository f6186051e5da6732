"""The studio: the pages in the browser, and the server that they talk to."""
