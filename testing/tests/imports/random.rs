//! Random scripts.

use super::script::{Arg, IMPORTS, Import, Step};

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(from.len() as u64) as usize;
        &from[at]
    }
}

/// Where things are in the arena.
pub const ITERATORS: u16 = 0;
pub const ITEM: u16 = 32;
pub const BAG: u16 = 36;
pub const INDEXES: u16 = 40;
pub const SOURCE: u16 = 60;
pub const LEN: u16 = 96;
pub const OUT: u16 = 104;
pub const CONNECTION: u16 = 112;
pub const ROW: u16 = 128;
pub const SECOND: u16 = 224;
pub const THIRD: u16 = 256;
pub const BUFFER: u16 = 288;

/// The indexes by the names under which modules look them up.
pub const INDEX_NAMES: [&str; 5] = [
    "item_id_idx_btree",
    "item_code_idx_btree",
    "item_a_b_idx_btree",
    "item_h_idx_hash",
    "item_d_idx_direct",
];

/// Widths of the indexes' columns in bytes.
pub const INDEX_COLUMNS: [&[usize]; 5] = [&[8], &[4], &[1, 2], &[1], &[1]];

/// Makes scripts of which a model knows what they do.
pub struct Writer<'a> {
    pub random: &'a mut Random,
    /// Keys that are taken.
    pub ids: Vec<u64>,
    /// How many of a hundred pointers are wrong.
    pub hostile_percent: u64,
    pub connection: [u8; 16],
    pub steps: Vec<Step>,
}

impl Writer<'_> {
    fn poke(&mut self, at: u16, bytes: impl Into<Vec<u8>>) {
        self.steps.push(Step::Poke(at, bytes.into()));
    }

    fn call(&mut self, import: Import, args: &[Arg]) {
        self.steps.push(Step::Call(import, args.to_vec()));
    }

    /// Looks up every id.
    pub fn prologue(&mut self) {
        for (name, at) in [("item", ITEM), ("bag", BAG)] {
            self.name(Import::TableId, name.as_bytes(), at);
        }
        for (name, at) in INDEX_NAMES.iter().zip((INDEXES..).step_by(4)) {
            self.name(Import::IndexId, name.as_bytes(), at);
        }
    }

    fn name(&mut self, import: Import, name: &[u8], out: u16) {
        self.poke(SECOND, name);
        let len = Arg::Value(name.len() as i64);
        self.call(import, &[Arg::Arena(SECOND), len, Arg::Arena(out)]);
    }

    /// A pointer to this place, or now and then a wrong one. `len` bytes are meant.
    fn pointer(&mut self, at: u16, len: i64) -> Arg {
        if !self.random.chance(self.hostile_percent) {
            return Arg::Arena(at);
        }
        match self.random.below(4) {
            0 => Arg::Value(0),
            1 => Arg::PastEnd(1 - len.max(1)),
            2 => Arg::PastEnd(1 + self.random.below(1 << 20) as i64),
            _ => Arg::Value(i64::from(u32::MAX) - self.random.below(8) as i64),
        }
    }

    fn len(&mut self, len: usize) -> Arg {
        if self.random.chance(self.hostile_percent) {
            return Arg::Value(*self.random.pick(&[0xffff_ffff, 0x8000_0000, 0x4000_0000]));
        }
        Arg::Value(len as i64)
    }

    fn out(&mut self, at: u16, len: i64) -> Arg {
        self.pointer(at, len)
    }

    fn table(&mut self) -> (Arg, bool) {
        match self.random.below(10) {
            0 => (Arg::Value(9_999_999), self.random.chance(50)),
            1..4 => (Arg::Load(BAG), false),
            _ => (Arg::Load(ITEM), true),
        }
    }

    fn index(&mut self) -> (Arg, usize) {
        let index = self.random.below(5) as usize;
        match self.random.chance(5) {
            true => (Arg::Value(9_999_999), index),
            false => (Arg::Load(INDEXES + 4 * index as u16), index),
        }
    }

    fn iterator(&mut self) -> Arg {
        match self.random.chance(10) {
            true => Arg::Value(self.random.below(6) as i64),
            false => Arg::Load(ITERATORS + 4 * self.random.below(8) as u16),
        }
    }

    fn iterator_slot(&mut self) -> Arg {
        let at = ITERATORS + 4 * self.random.below(8) as u16;
        self.out(at, 4)
    }

    fn id(&mut self) -> u64 {
        match self.random.below(10) {
            0..6 => 0,
            6..8 if !self.ids.is_empty() => *self.random.pick(&self.ids),
            _ => 1_000_000 + self.random.below(10),
        }
    }

    fn item_row(&mut self) -> Vec<u8> {
        let mut row = self.id().to_le_bytes().to_vec();
        row.extend((self.random.below(40) as u32).to_le_bytes());
        row.push(self.random.below(4) as u8);
        row.extend((self.random.below(4) as u16).to_le_bytes());
        row.push(self.random.below(4) as u8);
        row.push(self.random.below(60) as u8);
        if self.random.chance(4) {
            row.truncate(self.random.below(17) as usize);
        }
        row
    }

    fn bag_row(&mut self) -> Vec<u8> {
        let mut row = vec![self.random.below(3) as u8];
        let texts: [&[u8]; 4] = [b"", b"a", b"bc", b"some longer text"];
        let text = *self.random.pick(&texts);
        row.extend((text.len() as u32).to_le_bytes());
        row.extend(text);
        if self.random.chance(4) {
            row.truncate(self.random.below(row.len() as u64) as usize);
        }
        row
    }

    fn row(&mut self, is_item: bool) -> Vec<u8> {
        match is_item {
            true => self.item_row(),
            false => self.bag_row(),
        }
    }

    /// Some columns of an index, one after the other.
    fn key(&mut self, columns: &[usize]) -> Vec<u8> {
        let mut key = Vec::new();
        for width in columns {
            let value = match width {
                8 if !self.ids.is_empty() => *self.random.pick(&self.ids),
                1 | 2 => self.random.below(5),
                _ => self.random.below(40),
            };
            key.extend(&value.to_le_bytes()[..*width]);
        }
        key
    }

    fn bound(&mut self, width: usize) -> Vec<u8> {
        match self.random.below(12) {
            0..3 => vec![2],
            3 => vec![7, 0],
            4 => Vec::new(),
            tag => {
                let mut bound = vec![u8::from(tag > 9)];
                bound.extend(self.key(&[width]));
                if self.random.chance(3) {
                    bound.pop();
                }
                bound
            }
        }
    }

    /// One more call, with what it needs.
    pub fn step(&mut self) {
        let (import, _) = *self.random.pick(&IMPORTS);
        match import {
            Import::TableId | Import::IndexId => self.lookup(import),
            Import::RowCount | Import::Clear => {
                // A table that is cleared all the time holds nothing.
                if import == Import::Clear && self.random.chance(80) {
                    return;
                }
                let (table, _) = self.table();
                let out = self.out(OUT, 8);
                self.call(import, &[table, out]);
            }
            Import::TableScan => {
                let (table, _) = self.table();
                let out = self.iterator_slot();
                self.call(import, &[table, out]);
            }
            Import::RangeScan | Import::BtreeScan | Import::DeleteRange | Import::DeleteBtree => {
                self.range(import);
            }
            Import::PointScan | Import::DeletePoint => self.point(import),
            Import::Advance => self.advance(),
            Import::Close => {
                let iterator = self.iterator();
                self.call(import, &[iterator]);
            }
            Import::Insert | Import::Update => {
                for _ in 0..3 {
                    self.write(import);
                }
            }
            Import::DeleteEq => self.delete_eq(),
            _ => self.other(import),
        }
    }

    fn lookup(&mut self, import: Import) {
        let names: [&[u8]; 7] = [
            b"item",
            b"bag",
            b"nope",
            b"\xff",
            b"",
            INDEX_NAMES[0].as_bytes(),
            b"st_table",
        ];
        let name = *self.random.pick(&names);
        self.poke(SECOND, name);
        let pointer = self.pointer(SECOND, name.len() as i64);
        let (len, out) = (self.len(name.len()), self.out(OUT, 4));
        self.call(import, &[pointer, len, out]);
    }

    fn range(&mut self, import: Import) {
        let (index, number) = self.index();
        let columns = INDEX_COLUMNS[number];
        let elems = match self.random.below(20) {
            0 => 1,
            1 => 65_536,
            2 => columns.len() as u64,
            _ if columns.len() > 1 => self.random.below(2),
            _ => 0,
        };
        let fixed = (elems as usize).min(columns.len() - 1);
        let prefix = self.key(&columns[..fixed]);
        let width = columns[fixed];
        let start = self.bound(width);
        let end = match self.random.chance(40) {
            true => start.clone(),
            false => self.bound(width),
        };
        self.poke(ROW, prefix.clone());
        self.poke(SECOND, start.clone());
        self.poke(THIRD, end.clone());
        let mut args = vec![index, self.pointer(ROW, prefix.len() as i64)];
        args.push(Arg::Value(prefix.len() as i64));
        args.push(Arg::Value(elems as i64));
        for (at, bytes) in [(SECOND, &start), (THIRD, &end)] {
            args.push(self.pointer(at, bytes.len() as i64));
            args.push(Arg::Value(bytes.len() as i64));
        }
        args.push(match import {
            Import::RangeScan | Import::BtreeScan => self.iterator_slot(),
            _ => self.out(OUT, 4),
        });
        self.call(import, &args);
    }

    fn point(&mut self, import: Import) {
        let (index, number) = self.index();
        let mut key = self.key(INDEX_COLUMNS[number]);
        match self.random.below(30) {
            0 => key.truncate(key.len() - 1),
            1 => key.push(1),
            _ => {}
        }
        self.poke(SECOND, key.clone());
        let pointer = self.pointer(SECOND, key.len() as i64);
        let (len, out) = match import {
            Import::PointScan => (self.len(key.len()), self.iterator_slot()),
            _ => (self.len(key.len()), self.out(OUT, 4)),
        };
        self.call(import, &[index, pointer, len, out]);
    }

    fn advance(&mut self) {
        let iterator = self.iterator();
        let capacity = *self.random.pick(&[0u32, 17, 100, 224]);
        self.poke(LEN, capacity.to_le_bytes());
        let buffer = self.pointer(BUFFER, i64::from(capacity));
        let len = self.out(LEN, 4);
        self.call(Import::Advance, &[iterator, buffer, len]);
    }

    fn write(&mut self, import: Import) {
        let (table, is_item) = self.table();
        let row = self.row(is_item);
        self.poke(ROW, row.clone());
        let len = match self.random.chance(self.hostile_percent) {
            true => u32::MAX,
            false => row.len() as u32,
        };
        self.poke(LEN, len.to_le_bytes());
        let pointer = self.pointer(ROW, row.len() as i64);
        let len = self.out(LEN, 4);
        match import {
            Import::Insert => self.call(import, &[table, pointer, len]),
            _ => {
                let (index, _) = self.index();
                self.call(import, &[table, index, pointer, len]);
            }
        }
    }

    fn delete_eq(&mut self) {
        let (table, is_item) = self.table();
        let count = self.random.below(4);
        let rows: Vec<Vec<u8>> = (0..count).map(|_| self.row(is_item)).collect();
        let mut list = (count as u32).to_le_bytes().to_vec();
        list.extend(rows.concat());
        if self.random.chance(5) {
            list.truncate(self.random.below(list.len() as u64) as usize);
        }
        self.poke(ROW, list.clone());
        let pointer = self.pointer(ROW, list.len() as i64);
        let (len, out) = (self.len(list.len()), self.out(OUT, 4));
        self.call(Import::DeleteEq, &[table, pointer, len, out]);
    }

    fn other(&mut self, import: Import) {
        let source = match self.random.chance(70) {
            true => Arg::Load(SOURCE),
            false => Arg::Value(self.random.below(4) as i64),
        };
        let small = self.random.below(20) as u32;
        match import {
            Import::SourceRead => {
                self.poke(LEN, (small * 8).to_le_bytes());
                let buffer = self.pointer(BUFFER, i64::from(small) * 8);
                let len = self.out(LEN, 4);
                self.call(import, &[source, buffer, len]);
            }
            Import::SourceLength => {
                let out = self.out(OUT, 4);
                self.call(import, &[source, out]);
            }
            Import::SinkWrite => {
                self.poke(LEN, small.to_le_bytes());
                let sink = Arg::Value(self.random.below(3) as i64);
                let (buffer, len) = (self.pointer(BUFFER, i64::from(small)), self.out(LEN, 4));
                self.call(import, &[sink, buffer, len]);
            }
            Import::Jwt => {
                let mut connection = self.connection;
                connection[0] ^= u8::from(self.random.chance(30));
                self.poke(CONNECTION, connection);
                let (pointer, out) = (self.pointer(CONNECTION, 16), self.out(SOURCE, 4));
                self.call(import, &[pointer, out]);
            }
            Import::Log => {
                self.poke(SECOND, *b"text");
                let [target, file, text] = [0; 3].map(|_| self.pointer(SECOND, 4));
                let level = Arg::Value(self.random.below(300) as i64);
                let [a, b, c] = [0; 3].map(|_| self.len(4));
                let line = Arg::Value(self.random.below(1 << 32) as i64);
                self.call(import, &[level, target, a, file, b, line, text, c]);
            }
            Import::TimerStart => {
                self.poke(SECOND, *b"text");
                let (pointer, len) = (self.pointer(SECOND, 4), self.len(4));
                self.call(import, &[pointer, len]);
            }
            Import::TimerEnd => {
                let timer = Arg::Value(self.random.below(4) as i64);
                self.call(import, &[timer]);
            }
            Import::Identity => {
                let out = self.out(BUFFER, 32);
                self.call(import, &[out]);
            }
            Import::ScheduleImmediate => {
                self.poke(SECOND, *b"nothing");
                let name = self.pointer(SECOND, 7);
                let (len, args) = (self.len(7), self.pointer(THIRD, 0));
                self.call(import, &[name, len, args, Arg::Value(0)]);
            }
            Import::StartTx => {
                let out = self.out(OUT, 8);
                self.call(import, &[out]);
            }
            Import::CommitTx | Import::AbortTx => self.call(import, &[]),
            // Fatal in reducers, so rare.
            Import::SleepUntil if self.random.chance(20) => {
                self.call(import, &[Arg::Value(-1)]);
            }
            Import::HttpRequest if self.random.chance(20) => {
                self.poke(SECOND, [9, 9, 9]);
                let (request, body) = (self.pointer(SECOND, 3), self.pointer(THIRD, 0));
                let args = [request, Arg::Value(3), body, Arg::Value(0), Arg::Arena(OUT)];
                self.call(import, &args);
            }
            _ => {}
        }
    }
}

/// Any calls with any arguments.
pub fn chaos(random: &mut Random, steps: usize) -> Vec<Step> {
    let mut script = Vec::new();
    for _ in 0..steps {
        let bytes: Vec<u8> = (0..random.below(64)).map(|_| random.next() as u8).collect();
        script.push(Step::Poke(random.below(400) as u16, bytes));
        let (import, count) = *random.pick(&IMPORTS);
        let mut arg = |_| match random.below(10) {
            0 => Arg::Value(random.next() as i64),
            1 => Arg::Value(random.below(1 << 21) as i64),
            2 => Arg::PastEnd(random.below(300) as i64 - 200),
            3 => Arg::Load(random.below(500) as u16),
            4..7 => Arg::Value(random.below(70) as i64),
            _ => Arg::Arena(random.below(512) as u16),
        };
        let args: Vec<Arg> = (0..count).map(&mut arg).collect();
        // A sleep of a thousand years is one of the clock of the test.
        if import != Import::SleepUntil {
            script.push(Step::Call(import, args));
        }
    }
    script
}
