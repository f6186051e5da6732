"""HTTP handlers of the studio: parse a request, call a service, present the result."""
