"""Metering's SQL. Row-level security keeps every statement inside the scope's organization."""
