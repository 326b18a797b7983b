//! A word that nobody sees. Everybody guesses the same one, each for themselves; after a minute it
//! is shown, and ten seconds later comes the next.
//!
//! Invariants
//!   * There is one round, one secret and one row in the schedule, which its own reducer sets anew.
//!   * The word leaves `secret` only when the round is over.
//!   * What a player has guessed is seen by them alone, through a view.

use std::time::Duration;

use spacetimedb::rand::seq::SliceRandom;
use spacetimedb::{
    duration, reducer, table, view, AnonymousViewContext, Identity, ReducerContext, ScheduleAt,
    SpacetimeType, Table, TimeDuration, Timestamp, ViewContext,
};

const ROUND: Duration = duration!("60s");
const REVEAL: Duration = duration!(10s);
const MISTAKES_MAX: u32 = 8;
const WORDS: [&str; 8] = [
    "anchor", "balcony", "compass", "dolphin", "evening", "firefly", "granite", "harvest",
];

#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Guessing,
    Revealed,
}

#[table(accessor = player, public)]
#[derive(Clone)]
pub struct Player {
    #[primary_key]
    pub identity: Identity,
    pub name: Option<String>,
    pub online: bool,
    pub wins: u32,
}

/// What everybody may know of the word.
#[table(accessor = round, public)]
#[derive(Clone)]
pub struct Round {
    #[primary_key]
    pub number: u64,
    pub phase: Phase,
    pub length: u32,
    /// When it is over.
    pub word: Option<String>,
    pub ends: Timestamp,
}

/// Who found the word, and with how many mistakes.
#[table(accessor = result, public, index(accessor = by_round, btree(columns = [round, mistakes])))]
pub struct RoundResult {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub round: u64,
    pub player: Identity,
    pub mistakes: u32,
}

/// How long things take, and who may change it.
#[table(accessor = settings)]
pub struct Settings {
    #[primary_key]
    pub id: u32,
    pub owner: Identity,
    pub round: TimeDuration,
    pub reveal: TimeDuration,
}

#[table(accessor = secret)]
pub struct Secret {
    #[primary_key]
    pub id: u32,
    pub word: String,
}

#[table(accessor = progress)]
#[derive(Clone, Debug)]
pub struct Progress {
    #[primary_key]
    pub player: Identity,
    #[index(btree)]
    pub round: u64,
    /// The letters found, the others as `_`.
    pub shown: String,
    pub guessed: String,
    pub mistakes: u32,
}

#[table(accessor = transition, scheduled(run_transition))]
pub struct Transition {
    #[primary_key]
    pub id: u64,
    pub scheduled_at: ScheduleAt,
    pub next: Phase,
}

#[reducer(init)]
pub fn init(ctx: &ReducerContext) {
    ctx.db.settings().insert(Settings {
        id: 0,
        owner: ctx.sender(),
        round: ROUND.into(),
        reveal: REVEAL.into(),
    });
    begin(ctx, 1, ROUND.into());
    ctx.db.transition().insert(Transition {
        id: 1,
        scheduled_at: (ctx.timestamp + ROUND).into(),
        next: Phase::Revealed,
    });
}

#[reducer(client_connected)]
pub fn connected(ctx: &ReducerContext) {
    let players = ctx.db.player().identity();
    match players.find(ctx.sender()) {
        Some(player) => drop(players.update(Player {
            online: true,
            ..player
        })),
        None => drop(ctx.db.player().insert(Player {
            identity: ctx.sender(),
            name: None,
            online: true,
            wins: 0,
        })),
    }
}

#[reducer(client_disconnected)]
pub fn disconnected(ctx: &ReducerContext) {
    let players = ctx.db.player().identity();
    if let Some(player) = players.find(ctx.sender()) {
        players.update(Player {
            online: false,
            ..player
        });
    }
}

#[reducer]
pub fn set_name(ctx: &ReducerContext, name: String) -> Result<(), String> {
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err("a name has letters".to_owned());
    }
    let player = player_of(ctx)?;
    let is_taken =
        |other: Player| other.name.as_ref() == Some(&name) && other.identity != player.identity;
    if ctx.db.player().iter().any(is_taken) {
        return Err(format!("{name} is somebody else"));
    }
    ctx.db.player().identity().update(Player {
        name: Some(name),
        ..player
    });
    Ok(())
}

/// The round that runs ends after the new time, too.
#[reducer]
pub fn set_times(
    ctx: &ReducerContext,
    round: TimeDuration,
    reveal: TimeDuration,
) -> Result<(), String> {
    let settings = settings_of(ctx)?;
    if settings.owner != ctx.sender() {
        return Err("the times are the owner's to set".to_owned());
    }
    ctx.db.settings().id().update(Settings {
        round,
        reveal,
        ..settings
    });
    let transitions = ctx.db.transition().id();
    if let Some(transition) = transitions.find(1) {
        transitions.update(Transition {
            scheduled_at: (ctx.timestamp + round).into(),
            ..transition
        });
    }
    Ok(())
}

#[reducer]
pub fn guess_letter(ctx: &ReducerContext, letter: String) -> Result<(), String> {
    let player = player_of(ctx)?;
    let round = current_round(ctx)?;
    if round.phase != Phase::Guessing {
        return Err("the word is known".to_owned());
    }
    let mut letters = letter.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else {
        return Err("one letter at a time".to_owned());
    };
    let secret = ctx.db.secret().id().find(0).ok_or("there is no word")?;
    let progress = ctx.db.progress().player().find(player.identity);
    let mut progress = progress.unwrap_or(Progress {
        player: player.identity,
        round: round.number,
        shown: "_".repeat(secret.word.len()),
        guessed: String::new(),
        mistakes: 0,
    });
    if MISTAKES_MAX <= progress.mistakes {
        return Err("no more guesses in this round".to_owned());
    }
    if !letter.is_ascii_lowercase() || progress.guessed.contains(letter) {
        return Err(format!("{letter} is no guess"));
    }
    progress.guessed.push(letter);
    if secret.word.contains(letter) {
        let shown = secret.word.chars().zip(progress.shown.chars());
        progress.shown = shown
            .map(|(hidden, shown)| if hidden == letter { letter } else { shown })
            .collect();
    } else {
        progress.mistakes += 1;
    }
    if progress.shown == secret.word {
        ctx.db.result().insert(RoundResult {
            id: 0,
            round: round.number,
            player: player.identity,
            mistakes: progress.mistakes,
        });
        ctx.db.player().identity().update(Player {
            wins: player.wins + 1,
            ..player
        });
    }
    ctx.db.progress().player().delete(progress.player);
    ctx.db.progress().insert(progress);
    Ok(())
}

/// The clock's row is gone when this runs; it puts in the next one.
#[reducer]
pub fn run_transition(ctx: &ReducerContext, transition: Transition) -> Result<(), String> {
    let round = current_round(ctx)?;
    let settings = settings_of(ctx)?;
    let (next, after) = match transition.next {
        Phase::Revealed => {
            let word = ctx.db.secret().id().find(0).map(|secret| secret.word);
            ctx.db.round().number().update(Round {
                phase: Phase::Revealed,
                word,
                ends: ctx.timestamp + settings.reveal,
                ..round
            });
            (Phase::Guessing, settings.reveal)
        }
        Phase::Guessing => {
            ctx.db.round().number().delete(round.number);
            ctx.db.progress().round().delete(round.number);
            begin(ctx, round.number + 1, settings.round);
            (Phase::Revealed, settings.round)
        }
    };
    let transitions = ctx.db.transition();
    transitions.id().delete(transition.id);
    transitions.insert(Transition {
        scheduled_at: (ctx.timestamp + after).into(),
        next,
        ..transition
    });
    Ok(())
}

fn begin(ctx: &ReducerContext, number: u64, after: TimeDuration) {
    let word = WORDS.choose(&mut ctx.rng()).copied().unwrap_or("word");
    ctx.db.secret().id().delete(0);
    ctx.db.secret().insert(Secret {
        id: 0,
        word: word.to_owned(),
    });
    ctx.db.round().insert(Round {
        number,
        phase: Phase::Guessing,
        length: u32::try_from(word.len()).unwrap_or(u32::MAX),
        word: None,
        ends: ctx.timestamp + after,
    });
}

fn player_of(ctx: &ReducerContext) -> Result<Player, String> {
    let player = ctx.db.player().identity().find(ctx.sender());
    player.ok_or_else(|| "you are not connected".to_owned())
}

fn settings_of(ctx: &ReducerContext) -> Result<Settings, String> {
    let settings = ctx.db.settings().id().find(0);
    settings.ok_or_else(|| "there are no settings".to_owned())
}

fn current_round(ctx: &ReducerContext) -> Result<Round, String> {
    let mut rounds = ctx.db.round().iter();
    rounds.next().ok_or_else(|| "there is no round".to_owned())
}

/// The caller's guesses.
#[view(accessor = my_progress, public)]
pub fn my_progress(ctx: &ViewContext) -> Option<Progress> {
    ctx.db.progress().player().find(ctx.sender())
}

/// How many have guessed, which says nothing of the word.
#[derive(SpacetimeType)]
pub struct Guessing {
    pub players: u64,
}

#[view(accessor = guessing, public)]
pub fn guessing(ctx: &AnonymousViewContext) -> Vec<Guessing> {
    vec![Guessing {
        players: ctx.db.progress().count(),
    }]
}
