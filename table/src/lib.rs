//! Schema, tables, constraints, sequences, system tables and transactions.
