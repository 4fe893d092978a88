"""The import engine: files in, mapped rows out, rejected rows kept for mending; it knows no domain.

A domain package gives it an ``ImportSpec`` (which fields there are) and a sink (what to do with a batch of rows).
"""
