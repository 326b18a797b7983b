//! Properties of types and values, checked on random cases.

mod differential;
mod generate;
mod hostile;
