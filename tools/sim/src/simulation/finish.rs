//! The end of a simulation: a clean close; and what damage to its files leads to.

use std::path::Path;

use spacetime_durability::WATERMARK_FILE;
use spacetime_durability::storage::SimStorage;
use spacetime_store::Files;

use super::Simulation;
use crate::activation::Kind;
use crate::check::{DamageCheck, DamageOutcome};
use crate::damage::{self, Damage, inflict};
use crate::disk::TracedDisk;
use crate::replica::{DIRECTORY, Replica};
use crate::state::State;
use crate::trace::{Keep, Trace};
use crate::violation::Violation;

impl Simulation {
    pub(super) fn finish(&mut self) -> Result<(), Violation> {
        self.check_now()?;
        self.restart()?;
        self.check_now()?;
        // The last end is a good one: without a fault, and nothing is lost by a power cut.
        self.die();
        self.scenario.faults.clear();
        self.families.crashes = false;
        self.recover()?;
        let replica = self.replica.take().expect("open after recovery");
        replica.close();
        self.tail.clear();
        self.trace.line(format_args!("closed"));
        self.damage_closed()
    }

    /// Damages copies of the closed replica.
    fn damage_closed(&mut self) -> Result<(), Violation> {
        for _ in 0..self.scenario.damages {
            self.damage_copy()?;
        }
        Ok(())
    }

    /// Damages a copy of the files that a kill would leave now, or a power cut that came before
    /// the watermark was on the platter.
    pub(super) fn damage_copy(&mut self) -> Result<(), Violation> {
        let copy = self.disk.fork(self.random.next_u64());
        let mark_is_old = self.random.chance(500) && self.forget_noted_mark(&copy);
        let kind = *self.random.pick(&damage::KINDS);
        let in_tail = match self.random.chance(400) {
            true => self.flip_in_tail(&copy),
            false => None,
        };
        let kind = in_tail.as_ref().map_or(kind, |_| Kind::BitFlip);
        let inflicted = in_tail.or_else(|| inflict(kind, &copy, &self.earlier, &mut self.random));
        let Some(damage) = inflicted else {
            return Ok(());
        };
        let next = self.prefix.acknowledged_end();
        let state = self.model.state_before(next);
        // A writer that has failed may have failed to write the watermark.
        let has_failed = self.replica.as_ref().is_some_and(|r| !r.is_writable());
        let shorter = match mark_is_old || has_failed {
            true => self.looks_torn_at(&damage),
            false => None,
        };
        let shorter = shorter.map(|start| (start, self.model.state_before(start)));
        let said = damage.said;
        let check = DamageCheck {
            next,
            state: &state,
            without_tail: shorter.as_ref().map(|(start, state)| (*start, state)),
            directory: DIRECTORY,
        };
        let whole = self.open_copy(&self.disk.fork(0));
        if check.judge("no damage", whole)? != DamageOutcome::Same {
            let what = "an undamaged copy does not open in the same state".to_owned();
            return Err(Violation::new("damage", what));
        }
        self.activations.count(kind);
        let opened = self.open_copy(&copy);
        let text = match &opened {
            Ok((next, state)) => format!("opened at {next} with {:?}", state.hash()),
            Err(refusal) => format!("refused: {refusal}"),
        };
        self.trace.line(format_args!("{said}: {text}"));
        self.activations.count(match check.judge(&said, opened)? {
            DamageOutcome::Refused => Kind::DamageRefused,
            DamageOutcome::Same => Kind::DamageHarmless,
            DamageOutcome::TailCut => Kind::DamageLikeTorn,
        });
        Ok(())
    }

    /// Leaves only what was synced of the watermark in a copy of the disk.
    fn forget_noted_mark(&self, copy: &SimStorage) -> bool {
        let mark = Path::new(DIRECTORY).join(WATERMARK_FILE);
        let synced = self.disk.synced_content(&mark);
        synced.is_some_and(|synced| copy.damage(&mark, |bytes| *bytes = synced))
    }

    /// Flips a bit in a commit that the watermark may not speak of, but not in the last one.
    fn flip_in_tail(&mut self, copy: &SimStorage) -> Option<Damage> {
        let (first, last) = (self.tail.first()?.0, self.tail.last()?.0);
        if first >= last {
            return None;
        }
        let file = self.last_segment().0?;
        let at = first + self.random.index(last - first);
        let is_there = copy
            .content(&file)
            .is_some_and(|content| at < content.len());
        is_there.then(|| {
            copy.damage(&file, |bytes| bytes[at] ^= 1);
            let said = format!("a bit of byte {at} of {} flipped", file.display());
            Damage {
                file,
                begin: at,
                end: at + 1,
                said,
            }
        })
    }

    /// The transaction from which on damage cannot be told from an interrupted write: it reaches
    /// into the last commit, and the watermark does not speak of what is hit.
    fn looks_torn_at(&self, damage: &Damage) -> Option<u64> {
        let (segment, _) = self.last_segment();
        let (last_at, _) = self.tail.last()?;
        if segment.as_ref() != Some(&damage.file) || damage.end <= *last_at {
            return None;
        }
        let before = self.tail.iter().rfind(|(at, _)| *at <= damage.begin)?;
        Some(before.1)
    }

    /// Opens a copy of the disk, of which the trace knows nothing.
    pub(super) fn open_copy(&self, copy: &SimStorage) -> Result<(u64, State), String> {
        let storage = TracedDisk::shared(copy, &Trace::new(Keep::HashOnly));
        let opened = Replica::open(&storage, &self.scenario, Files::Known);
        match opened {
            Ok(replica) => Ok((replica.next(), replica.state())),
            Err(error) => Err(error.to_string()),
        }
    }
}
