//! A closed loop: every connection keeps its number of calls in flight, for a fixed time.
//!
//! One thread and one event queue serve all connections, because the client shares its
//! processors with the server. The thread sleeps while nothing arrives.
//!
//! Invariants
//!   * Counted are the calls that end after the warm-up and before the end of the time.
//!   * After the time no call is started; the loop ends when every call has its result.
//!
//! Not here: preparing the database and checking it afterwards (see `workload`).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token};

use crate::connection::{Connection, Finished, Target};
use crate::histogram::Histogram;
use crate::process::{self, Usage};
use crate::random::Random;

/// How long the server may take for the calls in flight when the time is over.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that answers nothing for so long is considered stuck.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How much load, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Pressure {
    pub connections: u32,
    /// Calls in flight on each connection.
    pub in_flight: u32,
    pub warm_up: Duration,
    pub time: Duration,
    pub seed: u64,
    /// The process whose use of the processor is of interest.
    pub server_pid: Option<u32>,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Of committed calls, in nanoseconds.
    pub latencies: Histogram,
    /// The longest time between two results, whatever their connections.
    pub longest_pause: Duration,
    pub error_count: u64,
    pub first_error: Option<String>,
    pub time: Duration,
    pub server: Option<Spent>,
    pub client: Spent,
}

/// What a process used during the counted time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub cpu: Option<Duration>,
    pub written_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Counted,
    Drain,
}

/// What is called. A place is one of the calls that are in flight together, over all connections:
/// it is free, waits for a result, and is free again.
pub(crate) trait Calls {
    /// Appends the next call, which takes a free place.
    fn write(&mut self, place: usize, request_id: u32, out: &mut Vec<u8>);
    /// The call in this place committed. Also told before and after the counted time.
    fn committed(&mut self, place: usize);
}

/// Runs the load.
pub(crate) fn run(target: &Target, pressure: &Pressure, calls: &mut impl Calls) -> Result<Seen> {
    let mut random = Random::new(pressure.seed);
    let poll = Poll::new().context("cannot wait for events")?;
    let mut connections = Vec::new();
    for index in 0..pressure.connections {
        let mut connection = Connection::open(target, pressure.in_flight, &mut random)
            .with_context(|| format!("connection {index}"))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(connections.len());
        poll.registry()
            .register(connection.stream(), token, interest)?;
        connections.push(connection);
    }
    let mut running = Running {
        phase: Phase::WarmUp,
        phase_start: Instant::now(),
        pressure,
        calls,
        connections,
        finished: Vec::new(),
        latencies: Histogram::new(),
        last_result: Instant::now(),
        longest_pause: Duration::ZERO,
        error_count: 0,
        first_error: None,
        before: (Usage::default(), Usage::default()),
        seen: None,
    };
    running.start_calls()?;
    running.serve(poll)?;
    running.connections.into_iter().for_each(Connection::close);
    running.seen.context("the loop ended before the time")
}

struct Running<'a, C> {
    phase: Phase,
    phase_start: Instant,
    pressure: &'a Pressure,
    calls: &'a mut C,
    connections: Vec<Connection>,
    /// Kept for its memory only.
    finished: Vec<Finished>,
    latencies: Histogram,
    last_result: Instant,
    longest_pause: Duration,
    error_count: u64,
    first_error: Option<String>,
    /// Server and client when the counted time began.
    before: (Usage, Usage),
    seen: Option<Seen>,
}

impl<C: Calls> Running<'_, C> {
    fn start_calls(&mut self) -> Result<()> {
        for (index, connection) in self.connections.iter_mut().enumerate() {
            for slot in 0..self.pressure.in_flight {
                let place = place(self.pressure, index, slot);
                connection.call(slot, Instant::now(), |request_id, out| {
                    self.calls.write(place, request_id, out);
                });
            }
            connection.send()?;
        }
        Ok(())
    }

    fn serve(&mut self, mut poll: Poll) -> Result<()> {
        let mut events = Events::with_capacity(self.connections.len().max(1));
        let mut last_event = Instant::now();
        loop {
            let now = Instant::now();
            let Some(timeout) = self.advance(now)? else {
                return Ok(());
            };
            match poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                result => result.context("waiting for events")?,
            }
            if !events.is_empty() {
                last_event = now;
            } else if SILENCE_MAX < now - last_event {
                bail!("the server answered nothing for {SILENCE_MAX:?}");
            }
            for event in &events {
                let index = event.token().0;
                self.serve_connection(index)
                    .with_context(|| format!("connection {index}"))?;
            }
        }
    }

    /// Goes to the next phase when it is time; returns how long to wait at most, and `None` when
    /// all is done.
    fn advance(&mut self, now: Instant) -> Result<Option<Duration>> {
        let elapsed = now - self.phase_start;
        let limit = match self.phase {
            Phase::WarmUp => self.pressure.warm_up,
            Phase::Counted => self.pressure.time,
            Phase::Drain => DRAIN_TIMEOUT,
        };
        if self.phase == Phase::Drain {
            let waiting: usize = self.connections.iter().map(Connection::waiting_count).sum();
            if waiting == 0 {
                return Ok(None);
            }
            if limit <= elapsed {
                bail!("{waiting} calls have no result {DRAIN_TIMEOUT:?} after the end");
            }
        }
        if elapsed < limit {
            return Ok(Some(limit - elapsed));
        }
        let server_pid = self.pressure.server_pid;
        let usage = (
            server_pid.map(process::usage).unwrap_or_default(),
            process::usage(std::process::id()),
        );
        if self.phase == Phase::WarmUp {
            self.phase = Phase::Counted;
            self.before = usage;
            self.latencies = Histogram::new();
            self.longest_pause = Duration::ZERO;
            self.error_count = 0;
        } else {
            self.phase = Phase::Drain;
            self.seen = Some(Seen {
                latencies: std::mem::replace(&mut self.latencies, Histogram::new()),
                longest_pause: self.longest_pause,
                error_count: self.error_count,
                first_error: self.first_error.take(),
                time: elapsed,
                server: server_pid.map(|_| spent(self.before.0, usage.0)),
                client: spent(self.before.1, usage.1),
            });
        }
        self.phase_start = now;
        Ok(Some(Duration::ZERO))
    }

    fn serve_connection(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        connection.receive(&mut self.finished)?;
        let now = Instant::now();
        if !self.finished.is_empty() {
            self.longest_pause = self.longest_pause.max(now - self.last_result);
            self.last_result = now;
        }
        for finished in self.finished.drain(..) {
            let place = place(self.pressure, index, finished.slot);
            let latency = now - finished.sent_at;
            match &finished.error {
                None => {
                    let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                    self.latencies.record(nanos);
                    self.calls.committed(place);
                }
                Some(error) => {
                    self.error_count += 1;
                    self.first_error.get_or_insert_with(|| error.clone());
                }
            }
            if self.phase != Phase::Drain {
                connection.call(finished.slot, now, |request_id, out| {
                    self.calls.write(place, request_id, out);
                });
            }
        }
        connection.send()
    }
}

fn place(pressure: &Pressure, connection: usize, slot: u32) -> usize {
    // Both are bounded by the command line, far below what could overflow.
    connection * pressure.in_flight as usize + slot as usize
}

fn spent(before: Usage, after: Usage) -> Spent {
    Spent {
        cpu: after.cpu.zip(before.cpu).map(|(b, a)| b.saturating_sub(a)),
        written_bytes: after
            .written_bytes
            .zip(before.written_bytes)
            .map(|(b, a)| b.saturating_sub(a)),
    }
}

#[cfg(test)]
mod tests;
