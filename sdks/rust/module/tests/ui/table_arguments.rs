//! Mistakes in the arguments of `table`, and in the attributes of fields.

use spacetimedb::{table, ScheduleAt, SpacetimeType};

#[table(public)]
pub struct NoAccessor {
    id: u32,
}

#[table(name = player)]
pub struct OldName {
    id: u32,
}

#[table(name = "TopPlayer", public)]
pub struct NameOnly {
    id: u32,
}

#[table(accessor = "text")]
pub struct TextAccessor {
    id: u32,
}

#[table(accessor = unknown_word, pubic)]
pub struct UnknownWord {
    id: u32,
}

#[table(accessor = twice, accessor = again)]
pub struct Twice {
    id: u32,
}

#[table(accessor = access_twice, public, private)]
pub struct AccessTwice {
    id: u32,
}

#[table(accessor = index_without_accessor, index(btree(columns = [id])))]
pub struct IndexWithoutAccessor {
    id: u32,
}

#[table(accessor = index_without_algorithm, index(accessor = by_id))]
pub struct IndexWithoutAlgorithm {
    id: u32,
}

#[table(accessor = index_without_columns, index(accessor = by_id, hash))]
pub struct IndexWithoutColumns {
    id: u32,
}

#[table(
    accessor = two_algorithms,
    index(accessor = by_id, btree(columns = [id]), hash(columns = [id])),
)]
pub struct TwoAlgorithms {
    id: u32,
}

#[table(accessor = not_a_column, index(accessor = by_name, btree(columns = [id, nmae])))]
pub struct NotAColumn {
    id: u32,
    name: String,
}

#[table(accessor = two_keys)]
pub struct TwoKeys {
    #[primary_key]
    a: u32,
    #[primary_key]
    b: u32,
}

#[table(accessor = key_twice)]
pub struct KeyTwice {
    #[unique]
    #[unique]
    a: u32,
}

#[table(accessor = default_key)]
pub struct DefaultKey {
    #[primary_key]
    #[default(1u32)]
    a: u32,
}

#[table(accessor = odd_index)]
pub struct OddIndex {
    #[index(tree)]
    a: u32,
}

#[table(accessor = loose_direct)]
pub struct LooseDirect {
    #[index(direct)]
    a: u32,
}

#[table(accessor = no_schedule_columns, scheduled(run))]
pub struct NoScheduleColumns {
    a: u32,
}

#[table(accessor = no_schedule_time, scheduled(run))]
pub struct NoScheduleTime {
    #[primary_key]
    a: u64,
}

#[table(accessor = no_schedule_key, scheduled(run))]
pub struct NoScheduleKey {
    scheduled_at: ScheduleAt,
}

#[table(accessor = other_schedule_time, scheduled(run, at = when))]
pub struct OtherScheduleTime {
    #[primary_key]
    a: u64,
    scheduled_at: ScheduleAt,
}

#[table(accessor = an_enum)]
pub enum AnEnum {
    A,
}

#[table(accessor = a_tuple)]
pub struct ATuple(u32);

#[table(accessor = generic)]
pub struct Generic<T> {
    a: T,
}

#[table(accessor = derived_twice)]
#[derive(SpacetimeType)]
pub struct DerivedTwice {
    a: u32,
}

#[derive(SpacetimeType)]
pub struct Tuple(u32);

#[derive(SpacetimeType)]
pub enum TwoPayloads {
    A(u32, u32),
}

#[derive(SpacetimeType)]
pub struct GenericType<T> {
    a: T,
}

#[derive(SpacetimeType)]
#[sats(nmae = "Other")]
pub struct OddAttribute {
    a: u32,
}

#[table(accessor = unique_pair, unique(columns = [a, b]))]
pub struct UniquePair {
    a: u32,
    b: u32,
}

#[table(accessor = key_argument, primary_key(a))]
pub struct KeyArgument {
    a: u32,
}

#[table(accessor = two_schedules, scheduled(one), scheduled(two))]
pub struct TwoSchedules {
    a: u32,
}

#[table(accessor = text_schedule, scheduled("run"))]
pub struct TextSchedule {
    a: u32,
}

#[table(accessor = bare_schedule, scheduled)]
pub struct BareSchedule {
    a: u32,
}

#[table(accessor = visible, public = true)]
pub struct Visible {
    a: u32,
}

#[table(accessor = one_index, index(accessor = by_a, btree(column = a)))]
pub struct OneIndex {
    a: u32,
}

#[table(accessor = old_index, index(name = by_a, btree(columns = [a])))]
pub struct OldIndex {
    a: u32,
}

#[table(accessor = same_accessors, index(accessor = a, btree(columns = [a, b])))]
pub struct SameAccessors {
    #[unique]
    a: u32,
    b: u32,
}

#[table(accessor = unique_name)]
pub struct UniqueName {
    #[unique(name = "a")]
    a: u32,
}

#[table(accessor = default_nothing)]
pub struct DefaultNothing {
    #[default]
    a: u32,
}

#[table(accessor = default_counter)]
pub struct DefaultCounter {
    #[auto_inc]
    #[default(1u32)]
    a: u32,
}

#[table(accessor = left_out)]
pub struct LeftOut {
    a: u32,
    #[cfg(any())]
    b: u32,
}

#[table(accessor = constant)]
pub struct Constant<const N: usize> {
    a: u32,
}

#[table(accessor = a_union)]
pub union AUnion {
    a: u32,
}

#[derive(SpacetimeType)]
pub union Union {
    a: u32,
}

#[derive(SpacetimeType)]
#[sats(name = Other)]
pub struct NameWithoutQuotes {
    a: u32,
}

#[derive(SpacetimeType)]
pub enum NamedPayloads {
    A { x: u32, y: u32 },
}

#[derive(SpacetimeType)]
pub struct ConstantType<const N: usize> {
    a: [u8; N],
}

fn main() {}
