//! Rows that call a reducer when they are due: once, or again and again.

use std::time::Duration;

use spacetimedb::{reducer, table, Identity, ReducerContext, ScheduleAt, Table, Timestamp};

/// Due rows. A row with a time is deleted when its call has been made.
#[table(accessor = timer, public, scheduled(run_timer))]
pub struct Timer {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub scheduled_at: ScheduleAt,
    pub text: String,
    pub outcome: TimerOutcome,
}

/// How the call of a timer is to end.
#[derive(spacetimedb::SpacetimeType, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerOutcome {
    Succeed,
    Fail,
    Panic,
}

/// One row for each call that a timer made.
#[table(accessor = tick, public)]
pub struct Tick {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub text: String,
    pub moment: Timestamp,
    pub caller: Identity,
}

/// Calls once, after so many milliseconds.
#[reducer]
pub fn start_timer(ctx: &ReducerContext, delay_ms: u64, text: String, outcome: TimerOutcome) {
    let due = ctx.timestamp + Duration::from_millis(delay_ms);
    ctx.db.timer().insert(Timer {
        id: 0,
        scheduled_at: due.into(),
        text,
        outcome,
    });
}

/// Calls every so many milliseconds, until `stop_timers`.
#[reducer]
pub fn start_repeating_timer(ctx: &ReducerContext, interval_ms: u64, text: String) {
    let scheduled_at = Duration::from_millis(interval_ms).into();
    let outcome = TimerOutcome::Succeed;
    ctx.db.timer().insert(Timer {
        id: 0,
        scheduled_at,
        text,
        outcome,
    });
}

#[reducer]
pub fn stop_timers(ctx: &ReducerContext) {
    ctx.db.timer().clear();
}

/// What a due row calls. Nobody but the scheduler may.
#[reducer]
pub fn run_timer(ctx: &ReducerContext, timer: Timer) -> Result<(), String> {
    if !ctx.sender_auth().is_internal() {
        return Err("only the scheduler may run a timer".to_owned());
    }
    ctx.db.tick().insert(Tick {
        id: 0,
        text: timer.text,
        moment: ctx.timestamp,
        caller: ctx.sender(),
    });
    match timer.outcome {
        TimerOutcome::Succeed => Ok(()),
        TimerOutcome::Fail => Err("the timer was told to fail".to_owned()),
        TimerOutcome::Panic => panic!("the timer was told to panic"),
    }
}
