"""Build of the documentation site: the pages of docs/, the code that they link to, and the shipped model's page."""
