"""The package's tables, and what plans read of others. One function a query; members come and go as columns."""
