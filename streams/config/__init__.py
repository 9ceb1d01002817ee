"""How the config file is read, and what is said about mistakes in it. The result: `streams.settings`."""
