//! A database as a running thing: writer thread, modules, control plane.
