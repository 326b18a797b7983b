//! The program of the section "In web pages" of the documentation.

#[allow(warnings)]
mod module_bindings {
    include!(concat!(env!("OUT_DIR"), "/chat.rs"));
}

include!(concat!(env!("OUT_DIR"), "/documented.rs"));
