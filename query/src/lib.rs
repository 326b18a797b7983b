//! SQL to plans to rows, and subscriptions from transaction deltas.
