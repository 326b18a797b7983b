//! Every rule, broken once.

use super::*;

fn product(fields: &[(&str, AlgebraicType)]) -> AlgebraicType {
    AlgebraicType::product(fields.iter().cloned())
}

#[test]
fn sections_given_twice() {
    let mut raw = sample().raw();
    raw.sections.push(RawModuleDefV10Section::Tables(vec![]));
    let errors = ModuleDef::validate(RawModuleDef::V10(raw)).expect_err("a repeated section");
    assert_eq!(
        errors.errors(),
        [ModuleDefError::DuplicateSection { kind: "Tables" }]
    );
}

#[test]
fn type_definitions() {
    refuses(
        &["error at typespace ref `&3`: internal codegen error: \
           type U8 is not valid for generating a definition"],
        |sketch| {
            sketch.type_def("T", AlgebraicType::U8);
        },
    );
    refuses(
        &["error at typespace ref `&3`: internal codegen error: \
           all type elements require names: (0: U8)"],
        |sketch| {
            sketch.type_def("T", AlgebraicType::tuple([AlgebraicType::U8]));
        },
    );
    refuses(
        &[
            "error at typespace ref `&3`: internal codegen error: non-special product or sum type \
           (x: U8) cannot be used to generate a client type use",
        ],
        |sketch| {
            let inline = product(&[("x", AlgebraicType::U8)]);
            sketch.type_def("T", product(&[("inner", AlgebraicType::array(inline))]));
        },
    );
    refuses(&["Type \"T\" has invalid ref: &9"], |sketch| {
        sketch.types.push(type_def("t", TypeRef(9)));
    });
    refuses(&["name `Ns::Color` is used for multiple types"], |sketch| {
        for _ in 0..2 {
            let mut def = type_def("color", COLOR);
            def.source_name.scope.push("ns".into());
            sketch.types.push(def);
        }
    });
    refuses(
        &["type `\"T\"` is not annotated with a custom ordering, but uses one: (b: U8, a: U8)"],
        |sketch| {
            sketch.type_def(
                "T",
                product(&[("b", AlgebraicType::U8), ("a", AlgebraicType::U8)]),
            );
            sketch.types[3].custom_ordering = false;
        },
    );
}

#[test]
fn identifiers_inside_types() {
    let text = |name: &str, policy| {
        let mut sketch = sample();
        sketch.policy = Some(policy);
        sketch.type_def("T", product(&[(name, AlgebraicType::U8)]));
        sketch.read().expect_err("a bad name").to_string()
    };
    for policy in [CaseConversionPolicy::None, CaseConversionPolicy::SnakeCase] {
        let text = text("a b", policy);
        let start = "Errors occurred:\nerror at typespace ref `&3`: internal codegen error: \
                     type (a b: U8) contains identifier error Identifier `a b` contains";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("module.\n\n"), "{text}");
    }
    // Legal as written, empty after conversion.
    assert!(text("_", CaseConversionPolicy::SnakeCase).contains("Empty identifiers"));
}

#[test]
fn references_that_lead_nowhere() {
    for make in [
        |_: &mut Sketch| AlgebraicType::reference(9),
        // A circle of aliases.
        |sketch: &mut Sketch| {
            sketch
                .typespace
                .add(AlgebraicType::array(AlgebraicType::reference(4)));
            AlgebraicType::Ref(sketch.typespace.add(AlgebraicType::reference(3)))
        },
    ] {
        refuses(
            &[
                "error at reducer `add` argument 0 (`name`): internal codegen error: invalid \
               AlgebraicTypeRef",
            ],
            |sketch| {
                let ty = make(sketch);
                sketch.reducers[0].params = ProductType::named([("name", ty)]);
            },
        );
    }
}

#[test]
fn parameters_and_return_types() {
    let inline = || product(&[("x", AlgebraicType::U8)]);
    let cause = "internal codegen error: non-special product or sum type (x: U8) cannot be used \
                 to generate a client type use";
    refuses(
        &[
            "error at reducer `add` argument 0: internal codegen error: all reducer parameters \
           require names",
        ],
        |sketch| sketch.reducers[0].params = ProductType::tuple([AlgebraicType::U8]),
    );
    refuses(
        &[&format!(
            "error at procedure `work` argument 1 (`b`): {cause}"
        )],
        |sketch| {
            sketch.procedures[0].params =
                ProductType::named([("a", AlgebraicType::U8), ("b", inline())]);
        },
    );
    refuses(
        &[&format!("error at procedure `work` return value: {cause}")],
        |sketch| {
            sketch.procedures[0].return_type = inline();
        },
    );
    refuses(
        &[&format!("error at view `people` argument 0 (`a`): {cause}")],
        |sketch| {
            sketch.views[0].params = ProductType::named([("a", inline())]);
        },
    );
    // An unnamed struct behind a reference is no better than one in place.
    refuses(
        &[&format!("error at procedure `work` return value: {cause}")],
        |sketch| {
            let hidden = sketch.typespace.add(inline());
            sketch.procedures[0].return_type = AlgebraicType::Ref(hidden);
        },
    );
    refuses(
        &["name `a` is used for multiple parameters of reducer `add`"],
        |sketch| {
            let twice = [("a", AlgebraicType::U8), ("a", AlgebraicType::U8)];
            sketch.reducers[0].params = ProductType::named(twice);
        },
    );
    refuses(
        &["name `a_b` is used for multiple parameters of view `people`"],
        |sketch| {
            let clash = [("aB", AlgebraicType::U8), ("a_b", AlgebraicType::U8)];
            sketch.views[0].params = ProductType::named(clash);
        },
    );
    refuses(
        &["reducer add has invalid return type: found Result<U8, String>"],
        |sketch| {
            sketch.reducers[0].ok_return_type = AlgebraicType::U8;
        },
    );
}

#[test]
fn names_that_are_no_identifiers() {
    let bad = |change: fn(&mut Sketch)| {
        let mut sketch = sample();
        change(&mut sketch);
        let errors = sketch.read().expect_err("a bad name");
        assert!(
            matches!(errors.errors(), [ModuleDefError::InvalidIdentifier(_), ..]),
            "{errors}"
        );
        assert!(
            errors
                .to_string()
                .contains("module contains invalid identifier: ")
        );
    };
    bad(|sketch| sketch.tables[0].source_name = "1a".into());
    bad(|sketch| sketch.tables[0].source_name = "_".into());
    bad(|sketch| sketch.reducers[0].source_name = "a b".into());
    bad(|sketch| sketch.procedures[0].source_name = String::new().into());
    bad(|sketch| sketch.views[0].source_name = "a.b".into());
    bad(|sketch| {
        sketch.handlers[0].source_name = "a-b".into();
        sketch.routes.clear();
    });
    bad(|sketch| sketch.tables[0].indexes[0].accessor_name = Some("a b".into()));
    bad(|sketch| {
        sketch
            .names
            .push(RawExplicitName::Table(mapping("person", "no no")));
    });
    bad(|sketch| sketch.types[0].source_name.source_name = "1".into());
    bad(|sketch| sketch.submodules.push(submodule("a.b", Sketch::empty())));
    bad(|sketch| sketch.submodules.push(submodule("", Sketch::empty())));
}

#[test]
fn names_used_twice() {
    refuses(
        &["Table name is reserved for system use: st_foo"],
        |sketch| {
            sketch.tables.push(table("StFoo", PERSON));
        },
    );
    accepts(|sketch| {
        sketch.tables.push(table("st_foo", PERSON));
        sketch.tables[2].table_type = RawTableType::System;
    });
    // A source name and a canonical name.
    refuses(
        &["name `my_table` is used for multiple entities"],
        |sketch| {
            sketch.tables.push(table("MyTable", PERSON));
            sketch.tables.push(table("my_table", PERSON));
        },
    );
    refuses(&["name `person` is used for multiple entities"], |sketch| {
        sketch.views[0].source_name = "person".into();
    });
    refuses(
        &["name `person_name_idx_btree` is used for multiple entities"],
        |sketch| {
            sketch.tables[0].indexes.push(btree("one", &[1]));
            sketch.tables[0].indexes.push(btree("two", &[1]));
        },
    );
    refuses(&["name `timer` is used for multiple entities"], |sketch| {
        sketch.tables[0].sequences[0].source_name = Some("timer".into());
    });
    refuses(
        &["name `timer_sched` is used for multiple entities"],
        |sketch| {
            sketch.schedules.push(schedule("timer", 1, "work"));
        },
    );
    refuses(
        &["Name add is used for multiple reducers, procedures and/or views"],
        |sketch| sketch.procedures[0].source_name = "Add".into(),
    );
    refuses(
        &["HTTP handler name hook is used for multiple HTTP handlers"],
        |sketch| {
            sketch.handlers.push(handler("Hook"));
        },
    );
    refuses(
        &["name `player_id` is used for multiple columns of `t`"],
        |sketch| {
            let fields = [
                ("playerId", AlgebraicType::U8),
                ("player_id", AlgebraicType::U8),
            ];
            let row = sketch.type_def("T", product(&fields));
            sketch.tables.push(table("t", row));
        },
    );
}

#[test]
fn row_types() {
    refuses(&["Table t has invalid product_type_ref &9"], |sketch| {
        sketch.tables.push(table("t", TypeRef(9)));
    });
    refuses(&["Table t has invalid product_type_ref &2"], |sketch| {
        sketch.tables.push(table("t", COLOR));
    });
    refuses(
        &["table `t` has unnamed column `0`, which is forbidden."],
        |sketch| {
            let row = sketch
                .typespace
                .add(AlgebraicType::tuple([AlgebraicType::U8]));
            sketch.tables.push(table("t", row));
        },
    );
    refuses(
        &["error at typespace ref `&3`: internal codegen error: invalid AlgebraicTypeRef"],
        |sketch| {
            let row = sketch
                .typespace
                .add(product(&[("a", AlgebraicType::reference(9))]));
            sketch.tables.push(table("t", row));
        },
    );
    refuses(
        &["column `next` of `t` cannot be stored: Found recursive type reference &3"],
        |sketch| {
            let next = AlgebraicType::array(AlgebraicType::reference(3));
            let row = sketch.type_def("T", product(&[("next", next)]));
            sketch.tables.push(table("t", row));
        },
    );
    refuses(
        &["`t` has 65536 columns, more than the 65535 that can be numbered"],
        |sketch| {
            let columns = (0..65536u32).map(|n| (format!("c{n}"), AlgebraicType::U8));
            let row = sketch.typespace.add(AlgebraicType::product(columns));
            sketch.tables.push(table("t", row));
        },
    );
}

#[test]
fn types_that_grow_without_end() {
    let mut sketch = sample();
    // Each type holds the next one twice.
    let first = u32::try_from(sketch.typespace.types.len()).expect("few types");
    for n in 0..40 {
        let next = AlgebraicType::reference(first + n + 1);
        sketch.type_def(
            &format!("T{n}X"),
            product(&[("a", next.clone()), ("b", next)]),
        );
    }
    sketch.type_def("End", AlgebraicType::unit());
    sketch.tables.push(table("t", TypeRef(first)));
    let errors = sketch.read().expect_err("an endless type");
    assert!(
        matches!(errors.errors(), [ModuleDefError::ColumnType { .. }, ..]),
        "{errors}"
    );
}

#[test]
fn primary_keys() {
    refuses(
        &["table `person` has multiple primary key annotations"],
        |sketch| {
            sketch.tables[0].primary_key = vec![0, 1];
        },
    );
    refuses(
        &["table `person` column `name` is primary key but has no unique constraint"],
        |sketch| sketch.tables[0].primary_key = vec![1],
    );
    refuses(
        &["column `5` referenced by def person not found in table `person`"],
        |sketch| sketch.tables[0].primary_key = vec![5],
    );
}

#[test]
fn indexes() {
    refuses(
        &["column `5` referenced by def person_col_5_idx_btree not found in table `person`"],
        |sketch| sketch.tables[0].indexes.push(btree("i", &[5])),
    );
    refuses(
        &["def `person_id_name_id_idx_btree` has duplicate columns: \
           [ColId(0), ColId(1), ColId(0)]"],
        |sketch| sketch.tables[0].indexes.push(btree("i", &[0, 1, 0])),
    );
    refuses(
        &["def `person__idx_btree` in table `person` has no columns"],
        |sketch| {
            sketch.tables[0].indexes.push(btree("i", &[]));
        },
    );
    refuses(
        &[
            "Direct index does not support type `String` in column `name` in index \
           `person_name_idx_direct`",
        ],
        |sketch| {
            sketch.tables[0]
                .indexes
                .push(index("i", RawIndexAlgorithm::Direct(1)));
        },
    );
    accepts(|sketch| {
        sketch.tables[0]
            .indexes
            .push(index("i", RawIndexAlgorithm::Direct(0)));
        sketch.tables[0]
            .indexes
            .push(index("j", RawIndexAlgorithm::Direct(2)));
    });
    refuses(
        &["index `person_name_idx_btree` has no source_name; the module could not look it up"],
        |sketch| {
            let mut nameless = btree("i", &[1]);
            nameless.source_name = None;
            sketch.tables[0].indexes.push(nameless);
        },
    );
}

#[test]
fn unique_constraints() {
    refuses(
        &[
            "No index found to support unique constraint `person_name_key` for columns \
           `{ColId(1)}`",
        ],
        |sketch| sketch.tables[0].constraints.push(unique(&[1])),
    );
    // Any kind of index and any order of columns will do.
    accepts(|sketch| {
        let hash = RawIndexAlgorithm::Hash(vec![2, 1]);
        sketch.tables[0].indexes.push(index("i", hash));
        sketch.tables[0].constraints.push(unique(&[1, 2]));
    });
    refuses(
        &["column `7` referenced by def person_col_7_key not found in table `person`"],
        |sketch| sketch.tables[0].constraints.push(unique(&[7])),
    );
}

#[test]
fn default_values() {
    let bad = |default: RawColumnDefaultV10, expected: &str| {
        refuses(&[expected], |sketch| {
            sketch.tables[0].default_values.push(default);
        });
    };
    bad(
        default_value(0, &[1]),
        "Failed to deserialize default value for table person column 0: \
         data too short for u64: Expected 8, given 1",
    );
    bad(
        default_value(2, &[2]),
        "Failed to deserialize default value for table person column 2: \
         unknown tag 0x2 for sum type <unknown>",
    );
    bad(
        default_value(9, &[]),
        "column `9` referenced by def person not found in table `person`",
    );
}

#[test]
fn sequences() {
    let person = |sketch: &mut Sketch, sequence| sketch.tables[0].sequences.push(sequence);
    refuses(
        &[
            "invalid sequence column type: table `person` column `name` with type `String` in \
           sequence `person_name_seq`",
        ],
        |sketch| person(sketch, sequence(1)),
    );
    refuses(
        &["Attempt to define table `person` column `id` with more than 1 auto_inc sequence"],
        |sketch| {
            let other = RawSequenceDefV10 {
                source_name: Some("s".into()),
                ..sequence(0)
            };
            person(sketch, other);
        },
    );
    refuses(
        &[
            "invalid sequence range information: expected Some(9) <= Some(5) <= None in sequence \
           `person_id_seq`",
        ],
        |sketch| {
            let sequence = &mut sketch.tables[0].sequences[0];
            (sequence.min_value, sequence.start) = (Some(9), Some(5));
        },
    );
    // (start, min, max, increment)
    let unusable = [
        (None, None, None, 0),
        (Some(0), None, None, 1),
        (None, Some(5), None, 1),
        (None, None, Some(-1), 1),
        (Some(1), Some(1), Some(10), 9),
        (Some(1), Some(1), Some(10), i128::MIN),
        (Some(3), Some(3), Some(3), 1),
    ];
    for (start, min_value, max_value, increment) in unusable {
        let mut sketch = sample();
        sketch.tables[0].sequences[0] = RawSequenceDefV10 {
            start,
            min_value,
            max_value,
            increment,
            ..sequence(0)
        };
        let errors = sketch.read().expect_err("an unusable sequence");
        assert!(
            matches!(errors.errors(), [ModuleDefError::SequenceUnusable { .. }]),
            "{errors}"
        );
    }
}

#[test]
fn lifecycle_reducers() {
    refuses(&["lifecycle event OnConnect without reducer"], |sketch| {
        sketch
            .lifecycle
            .push(lifecycle(Lifecycle::OnConnect, "nope"));
    });
    refuses(
        &["Multiple reducers defined for lifecycle event Init"],
        |sketch| {
            sketch
                .reducers
                .push(reducer("init2", ProductType::default()));
            sketch.lifecycle.push(lifecycle(Lifecycle::Init, "init2"));
        },
    );
    refuses(
        &["lifecycle reducer add has parameters (name: String), but is called without any"],
        |sketch| {
            sketch
                .lifecycle
                .push(lifecycle(Lifecycle::OnConnect, "add"));
        },
    );
}

#[test]
fn schedules() {
    refuses(&["Table nope not found"], |sketch| {
        sketch.schedules[0].table_name = "nope".into();
    });
    refuses(
        &[
            "Schedule timer_sched refers to a scheduled reducer or procedure nope that does not \
           exist",
        ],
        |sketch| sketch.schedules[0].function_name = "nope".into(),
    );
    refuses(
        &["Scheduled reducer init expected to have type (0: &1), but has type ()"],
        |sketch| sketch.schedules[0].function_name = "init".into(),
    );
    let columns = "A scheduled table must have columns `scheduled_id: u64` and `scheduled_at: \
                   ScheduledAt`, but table `timer` has columns (id: U64, at: (Interval: \
                   (__time_duration_micros__: I64) | Time: \
                   (__timestamp_micros_since_unix_epoch__: I64)))";
    refuses(&[columns], |sketch| sketch.schedules[0].schedule_at_col = 0);
    refuses(&[columns], |sketch| sketch.tables[1].primary_key.clear());
    refuses(
        &["column `7` referenced by def timer_sched not found in table `timer`"],
        |sketch| {
            sketch.schedules[0].schedule_at_col = 7;
        },
    );
}

#[test]
fn views() {
    refuses(&["View people has invalid return type U8"], |sketch| {
        sketch.views[0].return_type = AlgebraicType::U8;
    });
    refuses(
        &["View people has invalid return type Array<U8>"],
        |sketch| {
            sketch.views[0].return_type = AlgebraicType::bytes();
        },
    );
    refuses(
        &["Table people has invalid product_type_ref &2"],
        |sketch| {
            sketch.views[0].return_type = AlgebraicType::array(AlgebraicType::Ref(COLOR));
        },
    );
    refuses(
        &["View nope referenced by primary key definition not found"],
        |sketch| {
            sketch.view_keys.push(view_key("nope", &["id"]));
        },
    );
    refuses(
        &["Primary key column zz for view people not found"],
        |sketch| {
            sketch.view_keys.push(view_key("people", &["zz"]));
        },
    );
    refuses(
        &["View people has multiple primary key columns: [\"id\", \"name\"]"],
        |sketch| sketch.view_keys.push(view_key("people", &["id", "name"])),
    );
    refuses(
        &["View people has multiple primary key definitions"],
        |sketch| {
            sketch.view_keys.push(view_key("people", &["id"]));
            sketch.view_keys.push(view_key("people", &["name"]));
        },
    );
}

#[test]
fn http_routes() {
    for path in ["x", "/X", "/a b", "/%20", "/\u{e4}"] {
        let expected = format!(
            "HTTP route path `{path}` is invalid; allowed characters are ASCII lowercase letters, \
             digits and `-_~/`"
        );
        refuses(&[&expected], |sketch| sketch.routes[0].path = path.into());
    }
    refuses(
        &["HTTP route refers to unknown HTTP handler `h`"],
        |sketch| {
            sketch.routes[0].handler_function = "h".into();
        },
    );
    let get = || MethodOrAny::Method(HttpMethod::Get);
    refuses(
        &["HTTP route duplicates method Method(Get) for path /hook"],
        |sketch| {
            sketch.routes.push(route("hook", get(), "/hook"));
        },
    );
    refuses(
        &["HTTP route duplicates method Any for path /x"],
        |sketch| {
            sketch.routes.push(route("hook", get(), "/x"));
            sketch.routes.push(route("hook", MethodOrAny::Any, "/x"));
        },
    );
}

#[test]
fn submodules() {
    let long = "a".repeat(64);
    let expected =
        format!("submodule namespace `{long}` is 64 bytes, which exceeds the 63-byte limit");
    refuses(&[&expected], |sketch| {
        sketch.submodules.push(submodule(&long, Sketch::empty()));
    });
    accepts(|sketch| {
        sketch
            .submodules
            .push(submodule(&long[1..], Sketch::empty()));
    });
    refuses(&["name `a` is used for multiple entities"], |sketch| {
        sketch.submodules.push(submodule("a", Sketch::empty()));
        sketch.submodules.push(submodule("a", Sketch::empty()));
    });
    refuses(
        &[
            "lifecycle event Init is not permitted in submodule under namespace `a`; lifecycle \
           reducers may only be declared in the root module",
        ],
        |sketch| sketch.submodules.push(submodule("a", sample())),
    );
}

#[test]
fn all_errors_are_collected_sorted_and_shown_once() {
    refuses(
        &[
            "Table nope not found",
            "View people has invalid return type U8",
            "lifecycle event OnConnect without reducer",
        ],
        |sketch| {
            sketch
                .lifecycle
                .push(lifecycle(Lifecycle::OnConnect, "nope"));
            sketch
                .lifecycle
                .push(lifecycle(Lifecycle::OnConnect, "nope"));
            sketch.views[0].return_type = AlgebraicType::U8;
            sketch.schedules[0].table_name = "nope".into();
        },
    );
}

#[test]
fn a_hostile_definition_gives_few_and_short_errors() {
    let mut sketch = Sketch::empty();
    let wide = AlgebraicType::product((0..5000).map(|n| (format!("a {n}"), AlgebraicType::U8)));
    for n in 0..300 {
        sketch.type_def(&format!("T{n}x"), product(&[("x", wide.clone())]));
    }
    let errors = sketch.read().expect_err("many errors");
    assert!(errors.errors().len() <= ERROR_COUNT_MAX);
    assert!(errors.to_string().len() < ERROR_COUNT_MAX * 5000);
}

#[test]
fn generated_names_have_a_limit() {
    let mut sketch = Sketch::empty();
    let name = "a".repeat(100_000);
    let row = sketch.type_def("Row", product(&[(&name, AlgebraicType::U8)]));
    let mut wide = table("t", row);
    wide.indexes = (0..200).map(|n| btree(&format!("i{n}"), &[0])).collect();
    sketch.tables.push(wide);
    let errors = sketch.read().expect_err("too much");
    let too_large = |error: &ModuleDefError| matches!(error, ModuleDefError::TooLarge { .. });
    assert!(errors.errors().iter().any(too_large));
}
