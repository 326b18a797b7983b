//! Updates delivered to many subscribers: how many a second, at what cost, how late.
//!
//! One connection keeps its calls in flight; each changes one row of 64 bytes and writes the time
//! of the call into it, so that whoever is told knows how long it took. One thread serves the
//! caller and all subscribers.
//!
//! Invariant: a run counts as right only if every subscriber was told of every change that
//! concerns it exactly once: their number and the sum of their times agree with the calls that
//! committed.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token};
use spacetime_types::bsatn::Encode as _;

use crate::args::FanOutArgs;
use crate::connection::{Connection, Finished, Target};
use crate::histogram::Histogram;
use crate::message::write_call;
use crate::process::{self, Usage};
use crate::random::Random;
use crate::report::{FanOutFigures, Latency};
use crate::say;
use crate::session::Session;
use crate::subscriber::{Subscriber, Told};

/// The first byte of a row's time, behind its id.
const STAMP_AT: usize = 4;
/// How long the server may take to answer and deliver what is on its way.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Queries of one set, and sets of one connection, when many queries are registered.
const QUERIES_PER_SET: u32 = 1000;
const SETS_PER_CONNECTION: u32 = 10;
/// Ids that no row has begin here.
const NO_SUCH_ID: u32 = 1 << 30;
const CALLER: Token = Token(usize::MAX / 2);

/// Who subscribes to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// All to the whole table.
    Same,
    /// Each to one row of its own.
    Own,
    /// To rows that do not exist: what registered queries cost a call.
    Idle,
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Plan {
    mode: Mode,
    /// Subscribers, or registered queries.
    count: u32,
    in_flight: u32,
}

/// Runs every combination.
pub(crate) fn run(
    session: &Session,
    args: &FanOutArgs,
    runs: &mut Vec<FanOutFigures>,
) -> Result<()> {
    for mode in &args.modes {
        let counts = match mode {
            Mode::Same | Mode::Own => &args.subscribers,
            Mode::Idle => &args.queries,
        };
        for count in counts {
            for in_flight in &args.in_flight {
                let plan = Plan {
                    mode: *mode,
                    count: *count,
                    in_flight: *in_flight,
                };
                say(&format!("{mode:?} {count}, {in_flight} in flight"));
                runs.push(measure(session, args, plan)?);
            }
        }
    }
    Ok(())
}

fn measure(session: &Session, args: &FanOutArgs, plan: Plan) -> Result<FanOutFigures> {
    let target = session.target(args.protocol, args.confirmed)?;
    let rows = match plan.mode {
        Mode::Own => plan.count,
        Mode::Same | Mode::Idle => 1,
    };
    session.fill_items(rows)?;
    let poll = Poll::new().context("cannot wait for events")?;
    let mut caller = Connection::open(&target, plan.in_flight, &mut Random::new(args.seed))?;
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(caller.stream(), CALLER, both)?;
    let mut running = Running {
        plan,
        args,
        server_pid: session.server_pid,
        epoch: Instant::now(),
        phase: Phase::Subscribe,
        phase_start: Instant::now(),
        caller,
        subscribers: Vec::new(),
        told: Vec::new(),
        random: Random::new(args.seed),
        waiting: vec![(0, 0); plan.in_flight as usize],
        committed: vec![Heard::default(); rows as usize],
        finished: Vec::new(),
        applied_due: 0,
        counted: Counted::default(),
        calls: Histogram::new(),
        deliveries: Histogram::new(),
        figures: None,
    };
    running.subscribe(&target, &poll)?;
    running.serve(poll)?;
    let right = running.check();
    let Running {
        caller,
        subscribers,
        figures,
        ..
    } = running;
    caller.close();
    subscribers.into_iter().for_each(Subscriber::close);
    let mut figures = figures.context("the loop ended before the time")?;
    figures.error = right.err().map(|error| format!("{error:#}"));
    Ok(figures)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Subscribe,
    WarmUp,
    Counted,
    Drain,
}

/// Changes, by number and by the sum of their times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Heard {
    count: u64,
    sum: u64,
}

impl Heard {
    fn add(&mut self, stamp: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(stamp);
    }
}

/// Totals at a point in time.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    server: Usage,
    client: Usage,
    deliveries: u64,
    frames: u64,
    bytes: u64,
}

struct Running<'a> {
    plan: Plan,
    args: &'a FanOutArgs,
    server_pid: Option<u32>,
    epoch: Instant,
    phase: Phase,
    phase_start: Instant,
    caller: Connection,
    subscribers: Vec<Subscriber>,
    /// What each subscriber was told of.
    told: Vec<Heard>,
    random: Random,
    /// The row and time of each call in flight.
    waiting: Vec<(u32, u64)>,
    /// The changes of each row.
    committed: Vec<Heard>,
    finished: Vec<Finished>,
    /// Query sets that are not active yet.
    applied_due: u32,
    /// Totals when the counted time began.
    counted: Counted,
    calls: Histogram,
    deliveries: Histogram,
    figures: Option<FanOutFigures>,
}

impl Running<'_> {
    /// Opens the subscribers and asks for their queries.
    fn subscribe(&mut self, target: &Target, poll: &Poll) -> Result<()> {
        let per_connection = match self.plan.mode {
            Mode::Same | Mode::Own => 1,
            Mode::Idle => QUERIES_PER_SET * SETS_PER_CONNECTION,
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        for index in 0..self.plan.count.div_ceil(per_connection) {
            let mut subscriber =
                Subscriber::open(target).with_context(|| format!("subscriber {index}"))?;
            let token = Token(self.subscribers.len());
            poll.registry().register(subscriber.stream(), token, both)?;
            let mut sets = u32::from(self.plan.mode != Mode::Idle);
            match self.plan.mode {
                Mode::Same => subscriber.subscribe(1, &["SELECT * FROM item".to_owned()]),
                Mode::Own => subscriber.subscribe(1, &[of_row(index)]),
                Mode::Idle => {
                    let first = index * per_connection;
                    let ids: Vec<u32> =
                        (first..self.plan.count.min(first + per_connection)).collect();
                    for (set, ids) in ids.chunks(QUERIES_PER_SET as usize).enumerate() {
                        let queries: Vec<String> =
                            ids.iter().map(|id| of_row(NO_SUCH_ID + id)).collect();
                        subscriber.subscribe(u32::try_from(set)? + 1, &queries);
                        sets += 1;
                    }
                }
            }
            self.applied_due += sets;
            subscriber.send()?;
            self.subscribers.push(subscriber);
            self.told.push(Heard::default());
        }
        Ok(())
    }

    fn serve(&mut self, mut poll: Poll) -> Result<()> {
        let mut events = Events::with_capacity(self.subscribers.len() + 1);
        while let Some(timeout) = self.advance()? {
            match poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                result => result.context("waiting for events")?,
            }
            for event in &events {
                match event.token() {
                    CALLER => self.serve_caller().context("the caller")?,
                    Token(index) => self
                        .serve_subscriber(index)
                        .with_context(|| format!("subscriber {index}"))?,
                }
            }
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn serve_subscriber(&mut self, index: usize) -> Result<()> {
        let now = self.now();
        let (told, deliveries) = (&mut self.told[index], &mut self.deliveries);
        let applied_due = &mut self.applied_due;
        self.subscribers[index].receive(|it| match it {
            Told::Applied { .. } => *applied_due -= 1,
            Told::Row(row) => {
                let stamp = row.get(STAMP_AT..STAMP_AT + 8).unwrap_or_default();
                let stamp = u64::from_le_bytes(stamp.try_into().unwrap_or_default());
                told.add(stamp);
                deliveries.record(now.saturating_sub(stamp));
            }
        })
    }

    fn serve_caller(&mut self) -> Result<()> {
        let mut finished = std::mem::take(&mut self.finished);
        self.caller.receive(&mut finished)?;
        for done in finished.drain(..) {
            if let Some(error) = done.error {
                bail!("a call failed: {error}");
            }
            let (row, stamp) = self.waiting[done.slot as usize];
            self.committed[row as usize].add(stamp);
            let nanos = u64::try_from(done.sent_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.calls.record(nanos);
            if self.phase != Phase::Drain {
                self.call(done.slot);
            }
        }
        self.finished = finished;
        self.caller.send()
    }

    fn call(&mut self, slot: u32) {
        let rows = self.committed.len() as u64;
        let row = u32::try_from(u64::from(self.random.pair().0) % rows).unwrap_or_default();
        let stamp = self.now();
        self.waiting[slot as usize] = (row, stamp);
        self.caller.call(slot, Instant::now(), |request, out| {
            let mut args = Vec::with_capacity(12);
            row.encode(&mut args);
            stamp.encode(&mut args);
            write_call(request, "touch", &args, out);
        });
    }

    /// Goes to the next phase when it is time; `None` when all is done.
    fn advance(&mut self) -> Result<Option<Duration>> {
        let elapsed = self.phase_start.elapsed();
        let limit = match self.phase {
            Phase::Subscribe | Phase::Drain => WAIT_MAX,
            Phase::WarmUp => self.args.warm_up,
            Phase::Counted => self.args.seconds,
        };
        let is_over = match self.phase {
            Phase::Subscribe => self.applied_due == 0,
            Phase::Drain => self.caller.waiting_count() == 0 && self.check().is_ok(),
            Phase::WarmUp | Phase::Counted => limit <= elapsed,
        };
        if !is_over {
            if elapsed < limit {
                // Deliveries are checked again without an event, too: the last may be counted.
                return Ok(Some((limit - elapsed).min(Duration::from_millis(200))));
            }
            ensure!(self.phase == Phase::Drain, "no answer within {WAIT_MAX:?}");
            return Ok(None);
        }
        self.phase_start = Instant::now();
        self.phase = match self.phase {
            Phase::Subscribe => {
                for slot in 0..self.plan.in_flight {
                    self.call(slot);
                }
                self.caller.send()?;
                Phase::WarmUp
            }
            Phase::WarmUp => {
                self.counted = self.totals();
                self.calls = Histogram::new();
                self.deliveries = Histogram::new();
                Phase::Counted
            }
            Phase::Counted => {
                self.figures = Some(self.figures_after(elapsed)?);
                Phase::Drain
            }
            Phase::Drain => return Ok(None),
        };
        Ok(Some(Duration::ZERO))
    }

    fn totals(&self) -> Counted {
        let sum = |of: fn(&Subscriber) -> u64| self.subscribers.iter().map(of).sum();
        Counted {
            server: self.server_pid.map(process::usage).unwrap_or_default(),
            client: process::usage(std::process::id()),
            deliveries: self.told.iter().map(|told| told.count).sum(),
            frames: sum(|it| it.frames),
            bytes: sum(|it| it.received_bytes),
        }
    }

    fn figures_after(&mut self, time: Duration) -> Result<FanOutFigures> {
        let (before, after) = (self.counted, self.totals());
        let deliveries = after.deliveries - before.deliveries;
        let frames = after.frames - before.frames;
        let calls = self.calls.count();
        let cpu = |before: Usage, after: Usage| {
            let spent = after.cpu?.saturating_sub(before.cpu?);
            Some(spent.as_secs_f64() * 1e6)
        };
        let per = |amount: Option<f64>, count: u64| {
            amount.filter(|_| count != 0).map(|it| it / count as f64)
        };
        let server = cpu(before.server, after.server);
        let frame_bytes = per(Some((after.bytes - before.bytes) as f64), frames);
        Ok(FanOutFigures {
            mode: self.plan.mode,
            count: self.plan.count,
            protocol: self.args.protocol,
            confirmed: self.args.confirmed,
            in_flight: self.plan.in_flight,
            seconds: time.as_secs_f64(),
            calls_per_second: calls as f64 / time.as_secs_f64(),
            deliveries_per_second: deliveries as f64 / time.as_secs_f64(),
            frames_per_second: frames as f64 / time.as_secs_f64(),
            server_cpu_us_per_call: per(server, calls),
            server_cpu_us_per_delivery: per(server, deliveries),
            client_cpu_us_per_delivery: per(cpu(before.client, after.client), deliveries),
            call_latency: Latency::of(&self.calls),
            delivery_latency: Latency::of(&self.deliveries),
            frame_bytes,
            send_us: match frame_bytes {
                Some(bytes) => Some(cost_of_send(bytes as usize)?),
                None => None,
            },
            error: None,
        })
    }

    /// Whether everybody was told of everything.
    fn check(&self) -> Result<()> {
        let whole = self.committed.first().copied().unwrap_or_default();
        for (index, told) in self.told.iter().enumerate() {
            let expected = match self.plan.mode {
                Mode::Same => whole,
                Mode::Own => self.committed.get(index).copied().unwrap_or_default(),
                Mode::Idle => Heard::default(),
            };
            ensure!(
                *told == expected,
                "subscriber {index} was told {told:?}, the calls made {expected:?}"
            );
        }
        Ok(())
    }
}

fn of_row(id: u32) -> String {
    format!("SELECT * FROM item WHERE id = {id}")
}

/// What one `send` of so many bytes costs on this machine, in microseconds: the median round of
/// sends to many sockets of which nobody waits for the bytes.
fn cost_of_send(bytes: usize) -> Result<f64> {
    const SOCKETS: usize = 64;
    const ROUNDS: usize = 500;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut pairs = Vec::with_capacity(SOCKETS);
    for _ in 0..SOCKETS {
        let sender = TcpStream::connect(listener.local_addr()?)?;
        sender.set_nodelay(true)?;
        pairs.push((sender, listener.accept()?.0));
    }
    let (sent, mut received) = (vec![7; bytes.max(1)], vec![0; bytes.max(1)]);
    let mut rounds = Histogram::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for (sender, _) in &mut pairs {
            sender.write_all(&sent)?;
        }
        rounds.record(u64::try_from(start.elapsed().as_nanos())?);
        for (_, receiver) in &mut pairs {
            receiver.read_exact(&mut received)?;
        }
    }
    Ok(rounds.quantile(0.5) as f64 / 1000.0 / SOCKETS as f64)
}
