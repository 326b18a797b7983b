//! What each import should do, from its description alone.
//!
//! The model follows a script call by call. Where the host may choose (ids, handles, generated
//! keys, the order of rows), it takes over what the host chose, after checking that it could.

use std::collections::{BTreeMap, BTreeSet};

use super::random::{INDEX_COLUMNS, INDEX_NAMES};
use super::script::{Arg, Import, Seen};

const NOT_IN_TRANSACTION: i64 = 2;
const DECODE: i64 = 3;
const NO_TABLE: i64 = 4;
const NO_INDEX: i64 = 5;
const NO_ITER: i64 = 6;
const NO_TIMER: i64 = 7;
const NO_BYTES: i64 = 8;
const WRONG_ALGO: i64 = 10;
const TOO_SMALL: i64 = 11;
const UNIQUE: i64 = 12;
const NOT_UNIQUE: i64 = 14;
const NO_ROW: i64 = 15;
const WOULD_BLOCK: i64 = 17;
const NOT_ANONYMOUS: i64 = 18;
const READ_ONLY: i64 = 19;

/// A wrong pointer: the call must end the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// How a call ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Trap,
    /// With one of these.
    Returns(Vec<i64>),
}

impl From<i64> for Verdict {
    fn from(value: i64) -> Verdict {
        Verdict::Returns(vec![value])
    }
}

type Ends = Result<Verdict, Fault>;

/// The guest's memory, of which the arena is known.
#[derive(Clone, Debug)]
pub struct Memory {
    pub arena_at: u32,
    pub bytes: u64,
    pub arena: Vec<u8>,
}

impl Memory {
    /// What the module makes of an argument.
    pub fn number(&self, arg: Arg) -> i64 {
        match arg {
            Arg::Value(value) => value,
            Arg::Arena(at) => i64::from(self.arena_at) + i64::from(at),
            Arg::PastEnd(by) => i64::try_from(self.bytes).unwrap() + by,
            Arg::Load(at) => {
                let at = usize::from(at);
                let bytes = self.arena[at..at + 4].try_into().unwrap();
                u32::from_le_bytes(bytes).into()
            }
        }
    }

    fn place(&self, at: u32, len: u32) -> Result<std::ops::Range<usize>, Fault> {
        if at == 0 || u64::from(at) + u64::from(len) > self.bytes {
            return Err(Fault);
        }
        let start = at.wrapping_sub(self.arena_at) as usize;
        let end = start.saturating_add(len as usize);
        if len == 0 {
            return Ok(0..0);
        }
        assert!(
            end <= self.arena.len(),
            "scripts stay in the arena: {at} {len}"
        );
        Ok(start..end)
    }

    fn read(&self, at: u32, len: u32) -> Result<Vec<u8>, Fault> {
        Ok(self.arena[self.place(at, len)?].to_vec())
    }

    fn read_u32(&self, at: u32) -> Result<u32, Fault> {
        let bytes = self.read(at, 4)?;
        Ok(u32::from_le_bytes(bytes.try_into().unwrap()))
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let place = self.place(at, bytes.len() as u32)?;
        self.arena[place].copy_from_slice(bytes);
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub id: u64,
    pub code: u32,
    pub a: u8,
    pub b: u16,
    pub h: u8,
    pub d: u8,
}

impl Item {
    pub fn decode(row: &[u8]) -> Option<Item> {
        let row: [u8; 17] = row.try_into().ok()?;
        Some(Item {
            id: u64::from_le_bytes(row[..8].try_into().unwrap()),
            code: u32::from_le_bytes(row[8..12].try_into().unwrap()),
            a: row[12],
            b: u16::from_le_bytes([row[13], row[14]]),
            h: row[15],
            d: row[16],
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut row = self.id.to_le_bytes().to_vec();
        row.extend(self.code.to_le_bytes());
        row.push(self.a);
        row.extend(self.b.to_le_bytes());
        row.extend([self.h, self.d]);
        row
    }

    fn key(&self, index: usize) -> Vec<u64> {
        match index {
            0 => vec![self.id],
            1 => vec![self.code.into()],
            2 => vec![self.a.into(), self.b.into()],
            3 => vec![self.h.into()],
            _ => vec![self.d.into()],
        }
    }

    /// Whether both cannot be in the table.
    fn conflicts(&self, other: &Item) -> bool {
        self.id == other.id || self.code == other.code || self.d == other.d
    }
}

/// The rows of both tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    pub items: BTreeMap<u64, Item>,
    /// As BSATN.
    pub bag: BTreeSet<Vec<u8>>,
}

fn bag_row_len(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?);
    let end = 5usize.checked_add(len as usize)?;
    (end <= bytes.len()).then_some(end)
}

/// A table or nothing, by the id that the host gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Item,
    Bag,
    None,
}

/// What runs a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Within {
    #[default]
    Reducer,
    Procedure,
    View,
}

/// One call of the module, and the database around it.
#[derive(Debug, Default)]
pub struct Model {
    pub tables: Tables,
    /// The rows and the last generated key when the transaction began: both are undone with it.
    before: Option<(Tables, u64)>,
    ids: [Option<u32>; 2],
    index_ids: [Option<u32>; 5],
    last_generated: u64,
    within: Within,
    in_tx: bool,
    iterators: BTreeMap<u32, Vec<Vec<u8>>>,
    sources: BTreeMap<u32, Vec<u8>>,
    timers: Vec<bool>,
    /// Something was written where a procedure's answer goes, which should be empty.
    pub has_answered: bool,
    /// What every call counts: which ended how.
    pub counts: BTreeMap<(String, i64), u64>,
    pub identity: [u8; 32],
    pub connection: [u8; 16],
    pub claims: Vec<u8>,
    pub now: i64,
}

impl Model {
    /// A reducer or procedure begins: no handle of an earlier call is good.
    pub fn begin(&mut self, within: Within) {
        self.within = within;
        self.in_tx = within != Within::Procedure;
        self.before = self
            .in_tx
            .then(|| (self.tables.clone(), self.last_generated));
        self.iterators.clear();
        self.sources.clear();
        self.timers.clear();
        self.has_answered = false;
    }

    /// It has ended. An open transaction of a procedure is undone, and so is that of a reducer that
    /// broke.
    pub fn end(&mut self, broke: bool) {
        if let Some(before) = self.before.take()
            && (broke || self.within == Within::Procedure)
        {
            (self.tables, self.last_generated) = before;
        }
    }

    /// What a call must come to. `seen` is what it came to, if it returned; where the host may
    /// choose, `memory` takes over what it chose.
    pub fn call(
        &mut self,
        import: Import,
        args: &[i64],
        memory: &mut Memory,
        seen: Option<&Seen>,
    ) -> Verdict {
        let numbers: Vec<u32> = args.iter().map(|arg| *arg as u32).collect();
        if self.within == Within::View
            && let Some(verdict) = refused_in_views(import, &numbers, memory)
        {
            return verdict;
        }
        let ends = match import {
            Import::TableId | Import::IndexId => self.lookup(import, &numbers, memory, seen),
            Import::RowCount => self.row_count(&numbers, memory),
            Import::TableScan => self.table_scan(&numbers, memory, seen),
            Import::RangeScan | Import::BtreeScan | Import::DeleteRange | Import::DeleteBtree => {
                self.range(import, &numbers, memory, seen)
            }
            Import::PointScan | Import::DeletePoint => self.point(import, &numbers, memory, seen),
            Import::Advance => self.advance(&numbers, memory, seen),
            Import::Close => Ok(match self.iterators.remove(&numbers[0]) {
                Some(_) => 0.into(),
                None => NO_ITER.into(),
            }),
            Import::Insert => self.insert(&numbers, memory, seen),
            Import::Update => self.update(&numbers, memory, seen),
            Import::DeleteEq => self.delete_eq(&numbers, memory),
            Import::Clear => self.clear(&numbers, memory),
            Import::SourceRead | Import::SourceLength | Import::SinkWrite => {
                self.bytes(import, &numbers, memory)
            }
            Import::Log => Ok(0.into()),
            Import::TimerStart => memory.read(numbers[0], numbers[1]).map(|_| {
                // Those that have ended make room for others.
                while self.timers.last() == Some(&false) {
                    self.timers.pop();
                }
                self.timers.push(true);
                (self.timers.len() as i64).into()
            }),
            Import::TimerEnd => Ok(self.timer_end(numbers[0])),
            Import::Identity => memory.write(numbers[0], &self.identity).map(|()| 0.into()),
            Import::ScheduleImmediate => memory
                .read(numbers[0], numbers[1])
                .and_then(|_| memory.read(numbers[2], numbers[3]))
                .map(|_| 0.into()),
            Import::Jwt => self.jwt(&numbers, memory, seen),
            Import::StartTx => self.start_tx(&numbers, memory, seen),
            Import::CommitTx | Import::AbortTx => Ok(self.end_tx(import == Import::CommitTx)),
            Import::SleepUntil => match self.within == Within::Procedure && !self.in_tx {
                true => Ok(self.now.into()),
                false => Err(Fault),
            },
            Import::HttpRequest => self.http(&numbers, memory),
        };
        ends.unwrap_or(Verdict::Trap)
    }

    fn table(&self, id: u32) -> Table {
        match id {
            id if self.ids[0] == Some(id) => Table::Item,
            id if self.ids[1] == Some(id) => Table::Bag,
            _ => Table::None,
        }
    }

    fn index(&self, id: u32) -> Option<usize> {
        self.index_ids.iter().position(|known| *known == Some(id))
    }

    fn lookup(
        &mut self,
        import: Import,
        args: &[u32],
        memory: &mut Memory,
        seen: Option<&Seen>,
    ) -> Ends {
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let name = memory.read(args[0], args[1])?;
        let name = String::from_utf8(name).map_err(|_| Fault)?;
        let missing = if import == Import::TableId {
            NO_TABLE
        } else {
            NO_INDEX
        };
        let known = match import {
            Import::TableId if name == "st_table" => {
                take_over(memory, seen, args[2], 4)?;
                return Ok(0.into());
            }
            Import::TableId => ["item", "bag"].iter().position(|known| *known == name),
            _ => INDEX_NAMES.iter().position(|known| *known == name),
        };
        let Some(known) = known else {
            return Ok(missing.into());
        };
        let id = take_over(memory, seen, args[2], 4)?;
        let id = id.map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()));
        let place = match import {
            Import::TableId => &mut self.ids[known],
            _ => &mut self.index_ids[known],
        };
        if let Some(id) = id {
            assert_eq!(*place.get_or_insert(id), id, "`{name}` keeps its id");
        }
        Ok(0.into())
    }

    fn rows(&self, table: Table) -> Vec<Vec<u8>> {
        match table {
            Table::Item => self.tables.items.values().map(Item::encode).collect(),
            Table::Bag => self.tables.bag.iter().cloned().collect(),
            Table::None => Vec::new(),
        }
    }

    fn row_count(&self, args: &[u32], memory: &mut Memory) -> Ends {
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let table = self.table(args[0]);
        if table == Table::None {
            return Ok(NO_TABLE.into());
        }
        let count = self.rows(table).len() as u64;
        memory.write(args[1], &count.to_le_bytes())?;
        Ok(0.into())
    }

    /// Takes over the handle of a new iterator.
    fn open(
        &mut self,
        rows: Vec<Vec<u8>>,
        out: u32,
        memory: &mut Memory,
        seen: Option<&Seen>,
    ) -> Ends {
        if let Some(handle) = take_over(memory, seen, out, 4)? {
            let handle = u32::from_le_bytes(handle.try_into().unwrap());
            assert_ne!(handle, 0, "no iterator has the number 0");
            let older = self.iterators.insert(handle, rows);
            assert!(older.is_none(), "the handle {handle} was still open");
        }
        Ok(0.into())
    }

    fn table_scan(&mut self, args: &[u32], memory: &mut Memory, seen: Option<&Seen>) -> Ends {
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let table = self.table(args[0]);
        if table == Table::None {
            return Ok(NO_TABLE.into());
        }
        self.open(self.rows(table), args[1], memory, seen)
    }

    /// Rows found are returned or deleted.
    fn found(
        &mut self,
        items: &[Item],
        deletes: bool,
        out: u32,
        memory: &mut Memory,
        seen: Option<&Seen>,
    ) -> Ends {
        if !deletes {
            let rows = items.iter().map(Item::encode).collect();
            return self.open(rows, out, memory, seen);
        }
        for item in items {
            self.tables.items.remove(&item.id);
        }
        memory.write(out, &(items.len() as u32).to_le_bytes())?;
        Ok(0.into())
    }

    fn point(
        &mut self,
        import: Import,
        args: &[u32],
        memory: &mut Memory,
        seen: Option<&Seen>,
    ) -> Ends {
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let key = memory.read(args[1], args[2])?;
        let Some(index) = self.index(args[0]) else {
            return Ok(NO_INDEX.into());
        };
        let Some(key) = numbers_of(&key, INDEX_COLUMNS[index]) else {
            return Ok(DECODE.into());
        };
        let items = self.tables.items.values();
        let found: Vec<Item> = items
            .filter(|item| item.key(index) == key)
            .copied()
            .collect();
        self.found(&found, import == Import::DeletePoint, args[3], memory, seen)
    }

    fn range(
        &mut self,
        import: Import,
        args: &[u32],
        memory: &mut Memory,
        seen: Option<&Seen>,
    ) -> Ends {
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let elems = args[3] as usize;
        if elems > 65_535 {
            return Err(Fault);
        }
        let prefix = match elems {
            0 => Vec::new(),
            _ => memory.read(args[1], args[2])?,
        };
        let start = memory.read(args[4], args[5])?;
        if !is_bound(&start) {
            return Ok(DECODE.into());
        }
        let end = memory.read(args[6], args[7])?;
        if !is_bound(&end) {
            return Ok(DECODE.into());
        }
        let Some(index) = self.index(args[0]) else {
            return Ok(NO_INDEX.into());
        };
        let columns = INDEX_COLUMNS[index];
        let parts = (elems < columns.len())
            .then(|| {
                let prefix = numbers_of(&prefix, &columns[..elems])?;
                let width = columns[elems];
                Some((prefix, bound(&start, width)?, bound(&end, width)?))
            })
            .flatten();
        let Some((prefix, low, high)) = parts else {
            // A hash index may say first that it has no ranges.
            let errors = if index == 3 {
                vec![DECODE, WRONG_ALGO]
            } else {
                vec![DECODE]
            };
            return Ok(Verdict::Returns(errors));
        };
        let is_point = matches!((low, high), ((0, a), (0, b)) if a == b);
        if index == 3 && !is_point {
            return Ok(WRONG_ALGO.into());
        }
        let above = |value: u64| match low {
            (0, low) => value >= low,
            (1, low) => value > low,
            _ => true,
        };
        let below = |value: u64| match high {
            (0, high) => value <= high,
            (1, high) => value < high,
            _ => true,
        };
        let items = self.tables.items.values().filter(|item| {
            let key = item.key(index);
            key[..elems] == prefix && above(key[elems]) && below(key[elems])
        });
        let found: Vec<Item> = items.copied().collect();
        let deletes = matches!(import, Import::DeleteRange | Import::DeleteBtree);
        self.found(&found, deletes, args[8], memory, seen)
    }

    fn advance(&mut self, args: &[u32], memory: &mut Memory, seen: Option<&Seen>) -> Ends {
        let Some(rows) = self.iterators.get_mut(&args[0]) else {
            return Ok(NO_ITER.into());
        };
        let capacity = memory.read_u32(args[2])?;
        memory.place(args[1], capacity)?;
        let total: usize = rows.iter().map(Vec::len).sum();
        if total > capacity as usize {
            memory.write(args[2], &(total as u32).to_le_bytes())?;
            return Ok(TOO_SMALL.into());
        }
        memory.write(args[2], &(total as u32).to_le_bytes())?;
        if let Some(seen) = seen {
            // Rows come in any order.
            let place = memory.place(args[1], total as u32)?;
            let mut got = &seen.arena[place.clone()];
            while !got.is_empty() {
                let row = rows.iter().position(|row| got.starts_with(row));
                let row = row.unwrap_or_else(|| panic!("a row that was not there: {got:?}"));
                got = &got[rows.remove(row).len()..];
            }
            memory.arena[place.clone()].copy_from_slice(&seen.arena[place]);
        }
        self.iterators.remove(&args[0]);
        Ok((-1).into())
    }

    fn insert(&mut self, args: &[u32], memory: &mut Memory, seen: Option<&Seen>) -> Ends {
        let len = memory.read_u32(args[2])?;
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let row = memory.read(args[1], len)?;
        match self.table(args[0]) {
            Table::None => Ok(NO_TABLE.into()),
            Table::Bag if bag_row_len(&row) != Some(row.len()) => Ok(DECODE.into()),
            Table::Bag => {
                self.tables.bag.insert(row);
                memory.write(args[2], &0u32.to_le_bytes())?;
                Ok(0.into())
            }
            Table::Item => {
                let Some(item) = Item::decode(&row) else {
                    return Ok(DECODE.into());
                };
                self.insert_item(item, args, memory, seen)
            }
        }
    }

    fn insert_item(
        &mut self,
        mut item: Item,
        args: &[u32],
        memory: &mut Memory,
        seen: Option<&Seen>,
    ) -> Ends {
        let is_generated = item.id == 0;
        if !is_generated && self.tables.items.get(&item.id) == Some(&item) {
            memory.write(args[2], &0u32.to_le_bytes())?;
            return Ok(0.into());
        }
        if self
            .tables
            .items
            .values()
            .any(|other| item.conflicts(other))
        {
            return Ok(UNIQUE.into());
        }
        if is_generated {
            item.id = self.generated(args[1], args[2], memory, seen)?;
        } else {
            memory.write(args[2], &0u32.to_le_bytes())?;
        }
        self.tables.items.insert(item.id, item);
        Ok(0.into())
    }

    /// Takes over a key that the host has made.
    fn generated(
        &mut self,
        row: u32,
        len: u32,
        memory: &mut Memory,
        seen: Option<&Seen>,
    ) -> Result<u64, Fault> {
        let id = take_over(memory, seen, row, 8)?;
        memory.write(len, &8u32.to_le_bytes())?;
        let id = id.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        if seen.is_some_and(|seen| seen.returned == 0) {
            assert!(
                id > self.last_generated,
                "{id} after {}",
                self.last_generated
            );
            self.last_generated = id;
        }
        Ok(id)
    }

    fn update(&mut self, args: &[u32], memory: &mut Memory, seen: Option<&Seen>) -> Ends {
        let len = memory.read_u32(args[3])?;
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let row = memory.read(args[2], len)?;
        let (table, index) = (self.table(args[0]), self.index(args[1]));
        if table == Table::None {
            // Which of the two is missed first is up to the host.
            return Ok(Verdict::Returns(vec![NO_TABLE, NO_INDEX]));
        }
        let Some(index) = index.filter(|_| table == Table::Item) else {
            return Ok(NO_INDEX.into());
        };
        if matches!(index, 2 | 3) {
            return Ok(NOT_UNIQUE.into());
        }
        let Some(mut item) = Item::decode(&row) else {
            return Ok(DECODE.into());
        };
        let is_generated = item.id == 0;
        let old = match (is_generated, index) {
            // A key that was made just now is that of no row.
            (true, 0) => None,
            _ => {
                let mut items = self.tables.items.values();
                items.find(|old| old.key(index) == item.key(index)).copied()
            }
        };
        let Some(old) = old else {
            return Ok(NO_ROW.into());
        };
        let mut others = self
            .tables
            .items
            .values()
            .filter(|other| other.id != old.id);
        if others.any(|other| item.conflicts(other)) {
            return Ok(UNIQUE.into());
        }
        if is_generated {
            item.id = self.generated(args[2], args[3], memory, seen)?;
        } else {
            memory.write(args[3], &0u32.to_le_bytes())?;
        }
        self.tables.items.remove(&old.id);
        self.tables.items.insert(item.id, item);
        Ok(0.into())
    }

    fn delete_eq(&mut self, args: &[u32], memory: &mut Memory) -> Ends {
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let table = self.table(args[0]);
        if table == Table::None {
            return Ok(NO_TABLE.into());
        }
        let list = memory.read(args[1], args[2])?;
        let Some(rows) = rows_of(&list, table) else {
            return Ok(DECODE.into());
        };
        let mut deleted = 0u32;
        for row in rows {
            let was_there = match Item::decode(&row).filter(|_| table == Table::Item) {
                Some(item) if self.tables.items.get(&item.id) == Some(&item) => {
                    self.tables.items.remove(&item.id).is_some()
                }
                Some(_) => false,
                None => self.tables.bag.remove(&row),
            };
            deleted += u32::from(was_there);
        }
        memory.write(args[3], &deleted.to_le_bytes())?;
        Ok(0.into())
    }

    fn clear(&mut self, args: &[u32], memory: &mut Memory) -> Ends {
        if !self.in_tx {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        let table = self.table(args[0]);
        let cleared = self.rows(table).len() as u64;
        match table {
            Table::None => return Ok(NO_TABLE.into()),
            Table::Item => self.tables.items.clear(),
            Table::Bag => self.tables.bag.clear(),
        }
        memory.write(args[1], &cleared.to_le_bytes())?;
        Ok(0.into())
    }

    fn bytes(&mut self, import: Import, args: &[u32], memory: &mut Memory) -> Ends {
        if import == Import::SinkWrite {
            let len = memory.read_u32(args[2])?;
            let written = memory.read(args[1], len)?;
            self.has_answered |=
                args[0] == 1 && self.within != Within::Reducer && !written.is_empty();
            // The sink of a call has the number 1.
            return Ok(if args[0] == 1 {
                0.into()
            } else {
                NO_BYTES.into()
            });
        }
        let Some(left) = self.sources.get_mut(&args[0]) else {
            return Ok(NO_BYTES.into());
        };
        if import == Import::SourceLength {
            memory.write(args[1], &(left.len() as u32).to_le_bytes())?;
            return Ok(0.into());
        }
        let capacity = memory.read_u32(args[2])?;
        memory.place(args[1], capacity)?;
        let read: Vec<u8> = left.drain(..left.len().min(capacity as usize)).collect();
        memory.write(args[1], &read)?;
        memory.write(args[2], &(read.len() as u32).to_le_bytes())?;
        if left.is_empty() {
            self.sources.remove(&args[0]);
            return Ok((-1).into());
        }
        Ok(0.into())
    }

    fn timer_end(&mut self, timer: u32) -> Verdict {
        let timer = (timer as usize).checked_sub(1);
        match timer.and_then(|timer| self.timers.get_mut(timer)) {
            Some(runs) if *runs => {
                *runs = false;
                0.into()
            }
            _ => NO_TIMER.into(),
        }
    }

    fn jwt(&mut self, args: &[u32], memory: &mut Memory, seen: Option<&Seen>) -> Ends {
        let connection = memory.read(args[0], 16)?;
        if !self.in_tx && self.within != Within::Procedure {
            return Ok(NOT_IN_TRANSACTION.into());
        }
        if connection != self.connection {
            memory.write(args[1], &0u32.to_le_bytes())?;
            return Ok(0.into());
        }
        if let Some(source) = take_over(memory, seen, args[1], 4)? {
            let source = u32::from_le_bytes(source.try_into().unwrap());
            assert_ne!(source, 0, "there are claims");
            self.sources.insert(source, self.claims.clone());
        }
        Ok(0.into())
    }

    fn start_tx(&mut self, args: &[u32], memory: &mut Memory, seen: Option<&Seen>) -> Ends {
        if self.in_tx {
            return Ok(WOULD_BLOCK.into());
        }
        self.in_tx = true;
        self.before = Some((self.tables.clone(), self.last_generated));
        if let Some(time) = take_over(memory, seen, args[0], 8)? {
            let time = i64::from_le_bytes(time.try_into().unwrap());
            assert!(time >= self.now, "{time} is before {}", self.now);
        }
        Ok(0.into())
    }

    fn end_tx(&mut self, commits: bool) -> Verdict {
        if self.within != Within::Procedure || !self.in_tx {
            return NOT_ANONYMOUS.into();
        }
        self.in_tx = false;
        let before = self.before.take();
        if !commits {
            (self.tables, self.last_generated) = before.expect("taken when it began");
        }
        0.into()
    }

    /// The script sends what is no request.
    fn http(&mut self, args: &[u32], memory: &Memory) -> Ends {
        if self.within != Within::Procedure {
            return Err(Fault);
        }
        memory.read(args[0], args[1])?;
        Ok(DECODE.into())
    }
}

/// Views only read.
fn refused_in_views(import: Import, args: &[u32], memory: &Memory) -> Option<Verdict> {
    let len_at = match import {
        Import::Insert => args[2],
        Import::Update => args[3],
        Import::DeleteRange
        | Import::DeleteBtree
        | Import::DeleteEq
        | Import::DeletePoint
        | Import::Clear => return Some(READ_ONLY.into()),
        Import::ScheduleImmediate => return Some(Verdict::Trap),
        _ => return None,
    };
    Some(match memory.read_u32(len_at) {
        Ok(_) => READ_ONLY.into(),
        Err(Fault) => Verdict::Trap,
    })
}

/// Bytes that the host has chosen; none if it has not returned.
fn take_over(
    memory: &mut Memory,
    seen: Option<&Seen>,
    at: u32,
    len: u32,
) -> Result<Option<Vec<u8>>, Fault> {
    let place = memory.place(at, len)?;
    let Some(seen) = seen else {
        return Ok(None);
    };
    let bytes = seen.arena[place].to_vec();
    memory.write(at, &bytes)?;
    Ok(Some(bytes))
}

/// Columns of these widths, and nothing else.
fn numbers_of(mut bytes: &[u8], widths: &[usize]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for width in widths {
        let (column, rest) = bytes.split_at_checked(*width)?;
        let mut number = [0; 8];
        number[..*width].copy_from_slice(column);
        numbers.push(u64::from_le_bytes(number));
        bytes = rest;
    }
    bytes.is_empty().then_some(numbers)
}

fn is_bound(bytes: &[u8]) -> bool {
    matches!(bytes, [0 | 1, ..] | [2])
}

/// Tag and value.
fn bound(bytes: &[u8], width: usize) -> Option<(u8, u64)> {
    let (tag, value) = bytes.split_first()?;
    match tag {
        2 => Some((2, 0)),
        tag => Some((*tag, numbers_of(value, &[width])?[0])),
    }
}

/// The rows of a list.
fn rows_of(list: &[u8], table: Table) -> Option<Vec<Vec<u8>>> {
    let (count, mut rest) = list.split_first_chunk::<4>()?;
    let mut rows = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let len = match table {
            Table::Item => 17,
            _ => bag_row_len(rest)?,
        };
        let (row, behind) = rest.split_at_checked(len)?;
        rows.push(row.to_vec());
        rest = behind;
    }
    Some(rows)
}
