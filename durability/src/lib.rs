//! Group commit, durable offset, recovery and storage backends.
