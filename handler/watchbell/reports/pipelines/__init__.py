"""Other ways to build a report than the built-in one: a command, an HTTP service, a model that writes a summary."""
