"""All SQL of the slice. Functions take a psycopg connection inside a transaction; who opened it set role and scope."""
