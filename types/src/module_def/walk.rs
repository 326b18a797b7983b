//! Finding things in a definition across its submodules.
//!
//! Full names are unambiguous: `.` is not an identifier character, so the last one ends the
//! namespace.

use super::def::{
    HttpHandlerDef, Lifecycle, ModuleDef, ProcedureDef, ReducerDef, Scoped, TableDef, ViewDef,
};

/// Modules, depth first, parents before their children.
#[derive(Debug)]
pub struct Walk<'a> {
    /// Modules still to visit, the next one last.
    pending: Vec<&'a ModuleDef>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(root: &'a ModuleDef) -> Self {
        Walk {
            pending: vec![root],
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a ModuleDef;

    fn next(&mut self) -> Option<&'a ModuleDef> {
        let module = self.pending.pop()?;
        self.pending.extend(module.submodules().iter().rev());
        Some(module)
    }
}

fn scope<'a, T>(module: &'a ModuleDef, defs: &'a [T]) -> impl Iterator<Item = Scoped<'a, T>> {
    defs.iter().map(move |def| Scoped { module, def })
}

impl ModuleDef {
    /// The submodule that `name` lies in and the local part of the name.
    fn locate<'n>(&self, name: &'n str) -> Option<(&ModuleDef, &'n str)> {
        let mut module = self;
        let mut rest = name;
        while let Some((segment, after)) = rest.split_once('.') {
            // A submodule's namespace is its parent's, a dot, and the segment.
            module = module.submodules.iter().find(|submodule| {
                let last = submodule.namespace().rsplit('.').next();
                last == Some(segment)
            })?;
            rest = after;
        }
        Some((module, rest))
    }

    /// All tables, of this module and its submodules.
    pub fn all_tables(&self) -> impl Iterator<Item = Scoped<'_, TableDef>> {
        self.walk()
            .flat_map(|module| scope(module, module.tables()))
    }

    /// All reducers in the order of their ids.
    pub fn all_reducers(&self) -> impl Iterator<Item = Scoped<'_, ReducerDef>> {
        self.walk()
            .flat_map(|module| scope(module, module.reducers()))
    }

    /// All procedures in the order of their ids.
    pub fn all_procedures(&self) -> impl Iterator<Item = Scoped<'_, ProcedureDef>> {
        self.walk()
            .flat_map(|module| scope(module, module.procedures()))
    }

    /// All views.
    pub fn all_views(&self) -> impl Iterator<Item = Scoped<'_, ViewDef>> {
        self.walk().flat_map(|module| scope(module, module.views()))
    }

    /// All HTTP handlers in the order of their ids.
    pub fn all_http_handlers(&self) -> impl Iterator<Item = Scoped<'_, HttpHandlerDef>> {
        self.walk()
            .flat_map(|module| scope(module, module.http_handlers()))
    }

    /// The table with this full canonical name.
    #[must_use]
    pub fn table(&self, full_name: &str) -> Option<Scoped<'_, TableDef>> {
        let (module, name) = self.locate(full_name)?;
        let def = module.tables.get(*module.lookup.tables.get(name)?)?;
        Some(Scoped { module, def })
    }

    /// The table with this full name: the canonical one, else the one in the program.
    #[must_use]
    pub fn table_or_alias(&self, full_name: &str) -> Option<Scoped<'_, TableDef>> {
        let by_alias = || {
            let (module, name) = self.locate(full_name)?;
            let def = module
                .tables
                .get(*module.lookup.table_accessors.get(name)?)?;
            Some(Scoped { module, def })
        };
        self.table(full_name).or_else(by_alias)
    }

    /// The reducer with this full canonical name.
    #[must_use]
    pub fn reducer(&self, full_name: &str) -> Option<Scoped<'_, ReducerDef>> {
        let (module, name) = self.locate(full_name)?;
        let def = module.reducers.get(*module.lookup.reducers.get(name)?)?;
        Some(Scoped { module, def })
    }

    /// The procedure with this full canonical name.
    #[must_use]
    pub fn procedure(&self, full_name: &str) -> Option<Scoped<'_, ProcedureDef>> {
        let (module, name) = self.locate(full_name)?;
        let def = module
            .procedures
            .get(*module.lookup.procedures.get(name)?)?;
        Some(Scoped { module, def })
    }

    /// The view with this full canonical name.
    #[must_use]
    pub fn view(&self, full_name: &str) -> Option<Scoped<'_, ViewDef>> {
        let (module, name) = self.locate(full_name)?;
        let def = module.views.get(*module.lookup.views.get(name)?)?;
        Some(Scoped { module, def })
    }

    /// The HTTP handler with this full canonical name.
    #[must_use]
    pub fn http_handler(&self, full_name: &str) -> Option<Scoped<'_, HttpHandlerDef>> {
        let (module, name) = self.locate(full_name)?;
        let position = *module.lookup.http_handlers.get(name)?;
        let def = module.http_handlers.get(position)?;
        Some(Scoped { module, def })
    }

    /// The reducer bound to an event; only the root can have one.
    #[must_use]
    pub fn lifecycle_reducer(&self, event: Lifecycle) -> Option<&ReducerDef> {
        self.reducers.get(*self.lookup.lifecycle.get(&event)?)
    }

    /// Gives ids to functions and call indexes to views. `self` must be the root.
    pub(super) fn number(&mut self) {
        assert!(self.namespace.is_empty(), "ids count from the root");
        Numbers::default().number(self);
    }
}

/// What the next function of each kind is called by.
#[derive(Default)]
struct Numbers {
    reducer: u32,
    procedure: u32,
    http_handler: u32,
    sender_view: u32,
    anonymous_view: u32,
}

impl Numbers {
    /// Submodules nest at most as deep as the decoder or validation lets them.
    fn number(&mut self, module: &mut ModuleDef) {
        for reducer in &mut module.reducers {
            reducer.id = next(&mut self.reducer);
        }
        for procedure in &mut module.procedures {
            procedure.id = next(&mut self.procedure);
        }
        for handler in &mut module.http_handlers {
            handler.id = next(&mut self.http_handler);
        }
        let (sender_base, anonymous_base) = (self.sender_view, self.anonymous_view);
        for view in &mut module.views {
            let (count, base) = if view.is_anonymous {
                (&mut self.anonymous_view, anonymous_base)
            } else {
                (&mut self.sender_view, sender_base)
            };
            next(count);
            view.call_index = base.saturating_add(view.index);
        }
        for submodule in &mut module.submodules {
            self.number(submodule);
        }
    }
}

fn next(count: &mut u32) -> u32 {
    let id = *count;
    assert!(id < u32::MAX, "a definition has fewer than 2^32 functions");
    *count = id + 1;
    id
}
