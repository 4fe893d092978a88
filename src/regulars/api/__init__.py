"""The HTTP API: routes of all packages, and what they share. Decides how a request reads and an answer looks, no more."""
