"""The package's tables. One function a query."""
