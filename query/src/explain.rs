//! Plans as text: `EXPLAIN`, `EXPLAIN ANALYZE` and the log of slow queries.
//!
//! One node a line, the last thing that happens first. Below it come the steps that find
//! combinations of rows, in the order in which they are nested.

use std::fmt::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use spacetime_table::{Datastore, TableSchema};
use spacetime_types::bsatn::Reader;
use spacetime_types::satn::{Style, write_bsatn};
use spacetime_types::{AlgebraicType, IndexId, ProductType, ProductTypeElement, Typespace};

use crate::access::Access;
use crate::cost::estimates;
use crate::error::ExecuteError;
use crate::execute::{Profile, RowSink, StepProfile, execute_profiled};
use crate::group::Grouping;
use crate::literal::length_prefixed;
use crate::meter::Meter;
use crate::plan::{KeyPart, Output, Plan, SelectPlan, Source, Step};
use crate::predicate::{Compare, Operand, Predicate, Slot};
use crate::scalar::{Aggregate, Node, Scalar};

/// Longest condition that is shown.
const CONDITION_CHARS: usize = 300;
/// Longest value that is shown.
const VALUE_CHARS: usize = 60;

/// A compiled EXPLAIN.
#[derive(Clone, Debug)]
pub struct ExplainPlan {
    /// The query that is explained.
    pub select: SelectPlan,
    /// Whether it is run.
    pub analyze: bool,
}

impl ExplainPlan {
    /// The result's only column.
    #[must_use]
    pub fn result_type() -> ProductType {
        ProductType {
            elements: vec![ProductTypeElement {
                name: Some("plan".into()),
                algebraic_type: AlgebraicType::String,
            }],
        }
    }
}

/// Runs an EXPLAIN: the rows are lines of text. `micros` is a clock; it is read for ANALYZE only.
pub fn execute_explain(
    plan: &ExplainPlan,
    datastore: &Datastore,
    sink: &mut dyn RowSink,
    meter: &Meter<'_>,
    micros: &dyn Fn() -> u64,
) -> Result<(), ExecuteError> {
    let mut lines = match plan.analyze {
        false => explain(&plan.select, Some(datastore), None),
        true => {
            let start = micros();
            let mut profile = Profile::default();
            execute_profiled(&plan.select, datastore, &mut Nowhere, meter, &mut profile)?;
            let took = micros().saturating_sub(start);
            let mut lines = explain(&plan.select, Some(datastore), Some(&profile));
            lines.push(format!(
                "Execution: {}.{:03} ms",
                took / 1_000,
                took % 1_000
            ));
            lines
        }
    };
    for line in lines.drain(..) {
        let row = length_prefixed(line.as_bytes()).unwrap_or_default();
        if sink.row(&row).is_break() {
            break;
        }
    }
    Ok(())
}

/// Rows that nobody wants.
struct Nowhere;

impl RowSink for Nowhere {
    fn row(&mut self, _row: &[u8]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines::default();
        lines.plan(self, None, None);
        f.write_str(lines.0.join("\n").trim_end())
    }
}

impl fmt::Display for SelectPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&explain(self, None, None).join("\n"))
    }
}

/// The plan as lines of text; with the datastore also how many rows are expected, with a profile
/// how many there were.
#[must_use]
pub fn explain(
    select: &SelectPlan,
    datastore: Option<&Datastore>,
    profile: Option<&Profile>,
) -> Vec<String> {
    let mut lines = Lines::default();
    let mut depth = 0;
    let names = Names {
        schemas: &select.plan.schemas,
        grouping: select.grouping.as_ref(),
    };
    let rows = profile.map(|profile| format!(" (actual {})", count(profile.rows, "row")));
    let mut rows = rows.unwrap_or_default();
    let mut node = |lines: &mut Lines, text: String| {
        lines.push(depth, &(text + &std::mem::take(&mut rows)));
        depth += 1;
    };
    if select.limit.is_some() || select.offset > 0 {
        let mut text = String::from("Limit");
        if let Some(limit) = select.limit {
            text.push_str(&format!(" {limit}"));
        }
        if select.offset > 0 {
            text.push_str(&format!(" offset {}", select.offset));
        }
        node(&mut lines, text);
    }
    if !select.order.is_empty() {
        let keys = select.order.iter().map(|key| {
            let direction = if key.descending { " DESC" } else { "" };
            names.scalar(&key.value) + direction
        });
        node(&mut lines, format!("Sort by {}", list(keys)));
    }
    if select.distinct {
        node(&mut lines, "Distinct".to_owned());
    }
    if let Some(grouping) = &select.grouping {
        node(&mut lines, names.grouping(grouping));
    }
    let what = match &select.output {
        Output::Table(table) => match select.plan.schemas.get(*table) {
            Some(schema) => format!("{}.*", schema.name),
            None => "*".to_owned(),
        },
        Output::Columns(slots) => list(slots.iter().map(|slot| names.slot(*slot))),
        Output::Count => "COUNT(*)".to_owned(),
        Output::Values(values) => list(values.iter().map(|value| names.scalar(value))),
    };
    node(&mut lines, format!("Select {what}"));
    lines.1 = depth;
    for (position, plan) in select.plans().enumerate() {
        let steps = profile.and_then(|profile| profile.plans.get(position));
        lines.plan(plan, datastore, steps.map(Vec::as_slice));
    }
    lines.0
}

fn list(parts: impl Iterator<Item = String>) -> String {
    let text = parts.collect::<Vec<_>>().join(", ");
    cut(text, CONDITION_CHARS)
}

fn cut(text: String, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// Lines, and how deep the next plan is.
#[derive(Default)]
struct Lines(Vec<String>, usize);

impl Lines {
    fn push(&mut self, depth: usize, text: &str) {
        let mark = if depth == 0 { "" } else { "-> " };
        self.0.push("  ".repeat(depth) + mark + text);
    }

    fn plan(
        &mut self,
        plan: &Plan,
        datastore: Option<&Datastore>,
        profile: Option<&[StepProfile]>,
    ) {
        let names = Names {
            schemas: &plan.schemas,
            grouping: None,
        };
        let expected = datastore.map(|datastore| estimates(plan, datastore));
        let base = self.1;
        for (position, step) in plan.steps.iter().enumerate() {
            let mut text = names.step(step, position == 0);
            if let Some(expected) = expected.as_ref().and_then(|all| all.get(position)) {
                text.push_str(&format!(
                    " (expected {} visited, {:.0} kept)",
                    count_of(expected.visited),
                    expected.found
                ));
            }
            if let Some(done) = profile.and_then(|steps| steps.get(position)) {
                text.push_str(&format!(
                    " (actual {} visited, {} kept)",
                    count(done.visited, "row"),
                    done.kept
                ));
            }
            self.push(base + position, &text);
        }
    }
}

fn count_of(rows: f64) -> String {
    match rows {
        rows if (0.5..1.5).contains(&rows) => "1 row".to_owned(),
        rows => format!("{rows:.0} rows"),
    }
}

/// What the numbers in a plan stand for.
struct Names<'a> {
    schemas: &'a [Arc<TableSchema>],
    grouping: Option<&'a Grouping>,
}

impl Names<'_> {
    fn step(&self, step: &Step, is_first: bool) -> String {
        let Some(schema) = self.schemas.get(step.table) else {
            return "?".to_owned();
        };
        let name = &schema.name;
        let how = match (&step.left, is_first) {
            (Some(_), _) => "left join: ",
            (None, true) => "",
            (None, false) => "join: ",
        };
        let source = match &step.source {
            Source::Stored(Access::Empty) => format!("nothing of {name}"),
            Source::Stored(Access::Scan) => format!("scan {name}"),
            Source::Stored(Access::Points { index, keys }) => {
                let keys = count(u64::try_from(keys.len()).unwrap_or(u64::MAX), "key");
                format!(
                    "look up {keys} in {name} by index {}",
                    index_of(schema, *index)
                )
            }
            Source::Stored(Access::Range {
                index,
                prefix_columns,
                ..
            }) => {
                let by = index_of(schema, *index);
                match prefix_columns {
                    0 => format!("range of {name} by index {by}"),
                    columns => format!("range of {name} by index {by}, first {columns} fixed"),
                }
            }
            Source::Probe { index, key } => {
                let key = key.iter().map(|part| match part {
                    KeyPart::Column(slot) => self.slot(*slot),
                    KeyPart::Value(_) => "constant".to_owned(),
                });
                let by = index_of(schema, *index);
                format!("look up {} in {name} by index {by}", list(key))
            }
            Source::Hash => {
                let key = step.equality.map(|(_, other)| self.slot(other));
                format!(
                    "look up {} in a hash table of {name}",
                    key.unwrap_or_default()
                )
            }
        };
        let mut text = format!("{how}{source}");
        self.condition(" where ", &step.filter, &mut text);
        if let Some(left) = &step.left {
            self.condition(" then where ", &left.after, &mut text);
        }
        text
    }

    fn condition(&self, word: &str, predicate: &Predicate, out: &mut String) {
        if *predicate != Predicate::Always(true) {
            out.push_str(word);
            out.push_str(&cut(self.predicate(predicate), CONDITION_CHARS));
        }
    }

    fn grouping(&self, grouping: &Grouping) -> String {
        let rows = Names {
            schemas: self.schemas,
            grouping: None,
        };
        let mut text = match grouping.keys.is_empty() {
            true => "Aggregate".to_owned(),
            false => format!(
                "Group by {}",
                list(grouping.keys.iter().map(|key| rows.scalar(key)))
            ),
        };
        if let Some(having) = &grouping.having {
            text.push_str(" having ");
            text.push_str(&self.scalar(having));
        }
        text
    }

    fn slot(&self, slot: Slot) -> String {
        let schema = self.schemas.get(slot.table);
        match schema.and_then(|schema| Some((schema, schema.columns.get(slot.column)?))) {
            Some((schema, column)) => format!("{}.{}", schema.name, column.name),
            None => "?".to_owned(),
        }
    }

    fn predicate(&self, predicate: &Predicate) -> String {
        let chain = |terms: &[Predicate], word: &str| {
            // Nobody reads a thousand terms.
            let terms = terms.iter().take(50).map(|term| match term {
                Predicate::And(_) | Predicate::Or(_) => format!("({})", self.predicate(term)),
                term => self.predicate(term),
            });
            terms.collect::<Vec<_>>().join(word)
        };
        match predicate {
            Predicate::Always(value) => value.to_string(),
            Predicate::Column(slot) => self.slot(*slot),
            Predicate::Compare(compare) => self.compare(compare),
            Predicate::CompareBool(operator, left, right) => {
                let (left, right) = (self.predicate(left), self.predicate(right));
                format!("({left}) {} ({right})", operator.symbol())
            }
            Predicate::And(terms) => chain(terms, " AND "),
            Predicate::Or(terms) => chain(terms, " OR "),
            Predicate::Not(inner) => format!("NOT ({})", self.predicate(inner)),
            Predicate::Test(scalar) => self.scalar(scalar),
        }
    }

    fn compare(&self, compare: &Compare) -> String {
        let ty = [&compare.left, &compare.right]
            .into_iter()
            .find_map(|operand| match operand {
                Operand::Column(slot) => {
                    let schema = self.schemas.get(slot.table)?;
                    schema
                        .columns
                        .get(slot.column)
                        .map(|column| &column.column_type)
                }
                Operand::Value(_) => None,
            });
        let side = |operand: &Operand| match (operand, ty) {
            (Operand::Column(slot), _) => self.slot(*slot),
            (Operand::Value(bytes), Some(ty)) => value(bytes, ty),
            (Operand::Value(_), None) => "constant".to_owned(),
        };
        let (left, right) = (side(&compare.left), side(&compare.right));
        format!("{left} {} {right}", compare.operator.symbol())
    }

    fn scalar(&self, scalar: &Scalar) -> String {
        let chain = |terms: &[Scalar], word: &str| {
            let terms = terms.iter().take(50).map(|term| self.scalar(term));
            format!("({})", terms.collect::<Vec<_>>().join(word))
        };
        match &scalar.node {
            Node::Column(slot) | Node::OptionColumn(slot) => self.slot(*slot),
            Node::Group(position) => self.group(*position),
            Node::Value(bytes) => value(bytes, &scalar.ty),
            Node::Arithmetic(operator, _, left, right) => {
                let (left, right) = (self.scalar(left), self.scalar(right));
                format!("({left} {} {right})", operator.symbol())
            }
            Node::Compare(operator, _, left, right) => {
                let (left, right) = (self.scalar(left), self.scalar(right));
                format!("{left} {} {right}", operator.symbol())
            }
            Node::Like(inner, pattern) => format!("{} LIKE {pattern}", self.scalar(inner)),
            Node::IsNull(inner) => format!("{} IS NULL", self.scalar(inner)),
            Node::And(terms) => chain(terms, " AND "),
            Node::Or(terms) => chain(terms, " OR "),
            Node::Not(inner) => format!("NOT ({})", self.scalar(inner)),
            Node::Holds(predicate) => format!("({})", self.predicate(predicate)),
            Node::Aggregate(aggregate) => self.aggregate(aggregate),
        }
    }

    fn group(&self, position: usize) -> String {
        let Some(grouping) = self.grouping else {
            return "?".to_owned();
        };
        let rows = Names {
            schemas: self.schemas,
            grouping: None,
        };
        if let Some(key) = grouping.keys.get(position) {
            return rows.scalar(key);
        }
        let aggregate = grouping.aggregates.get(position - grouping.keys.len());
        aggregate.map_or("?".to_owned(), |aggregate| rows.aggregate(aggregate))
    }

    fn aggregate(&self, aggregate: &Aggregate) -> String {
        let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
        let argument = aggregate.argument.as_ref();
        let argument = argument.map_or("*".to_owned(), |argument| self.scalar(argument));
        format!("{}({distinct}{argument})", aggregate.function.name())
    }
}

fn index_of(schema: &TableSchema, id: IndexId) -> &str {
    schema.index(id).map_or("?", |index| &index.name)
}

/// A value in the console's notation.
fn value(bytes: &[u8], ty: &AlgebraicType) -> String {
    let mut text = String::new();
    let written = write_bsatn(
        &Typespace::default(),
        ty,
        &mut Reader::new(bytes),
        Style::Console,
        &mut text,
    );
    if written.is_err() {
        let _ = text.write_str("?");
    }
    cut(text, VALUE_CHARS)
}
