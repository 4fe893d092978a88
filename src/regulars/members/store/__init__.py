"""Members' tables: one function a query of ../queries.sql, in four files by what they are about."""
