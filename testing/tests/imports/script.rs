//! Scripts for the module `imports`, and what it tells about each step.

/// A number that the module makes when the script runs.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    Value(i64),
    /// The address of this offset in the arena.
    Arena(u16),
    /// So many bytes behind the end of memory.
    PastEnd(i64),
    /// The number at this offset in the arena.
    Load(u16),
}

#[derive(Clone, Debug)]
pub enum Step {
    Poke(u16, Vec<u8>),
    Call(Import, Vec<Arg>),
}

macro_rules! imports {
    ($($name:ident $args:literal),* $(,)?) => {
        /// The imports, as the module numbers them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Import { $($name),* }

        /// All of them with the number of their arguments.
        pub const IMPORTS: [(Import, usize); 30] = [$((Import::$name, $args)),*];
    };
}

imports! {
    TableId 3, IndexId 3, RowCount 2, TableScan 2, RangeScan 9, BtreeScan 9, Advance 3, Close 1,
    Insert 3, Update 4, DeleteRange 9, DeleteBtree 9, DeleteEq 4, SourceRead 3, SinkWrite 3,
    Log 8, TimerStart 2, TimerEnd 1, Identity 1, ScheduleImmediate 4, SourceLength 2, Jwt 2,
    StartTx 1, CommitTx 0, AbortTx 0, SleepUntil 1, HttpRequest 5, PointScan 4, DeletePoint 4,
    Clear 2,
}

pub fn encode(steps: &[Step]) -> Vec<u8> {
    let mut script = Vec::new();
    for step in steps {
        match step {
            Step::Poke(at, bytes) => {
                script.push(0xff);
                script.extend(at.to_le_bytes());
                script.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
                script.extend(bytes);
            }
            Step::Call(import, args) => {
                assert_eq!(args.len(), IMPORTS[*import as usize].1, "{import:?}");
                script.push(*import as u8);
                for arg in args {
                    let (kind, value) = match *arg {
                        Arg::Value(value) => (0, value),
                        Arg::Arena(at) => (1, i64::from(at)),
                        Arg::PastEnd(by) => (2, by),
                        Arg::Load(at) => (3, i64::from(at)),
                    };
                    script.push(kind);
                    script.extend(value.to_le_bytes());
                }
            }
        }
    }
    script
}

/// What the module told after a call.
#[derive(Clone, Debug)]
pub struct Seen {
    pub returned: i64,
    pub arena_at: u32,
    pub memory_bytes: u64,
    pub arena: Vec<u8>,
}

impl Seen {
    /// From the text of a log record.
    pub fn parse(text: &str) -> Seen {
        let mut words = text.split(' ');
        let mut number = || words.next().unwrap().parse::<i64>().unwrap();
        let (returned, arena_at, memory) = (number(), number(), number());
        let digits = words.next().unwrap().as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        Seen {
            returned,
            arena_at: u32::try_from(arena_at).unwrap(),
            memory_bytes: u64::try_from(memory).unwrap(),
            arena: digits.chunks(2).map(|pair| byte(pair).unwrap()).collect(),
        }
    }
}
