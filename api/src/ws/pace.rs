//! The order in which v3 clients see frames.
//!
//! The official TypeScript client, which is the one that speaks v3, unpacks compressed frames
//! asynchronously and each by itself: a small frame that arrives right behind a large compressed
//! one is handled first, and the rows of the two are applied in the wrong order. So on v3
//! connections only large frames are compressed, and what comes behind one waits until a client has
//! most likely unpacked it. Messages that queue up meanwhile leave together.
//!
//! Not here: other protocols, whose clients unpack frames in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::frame::TAG_NONE;
use super::protocol::Protocol;

/// Wait behind every compressed frame.
const WAIT_BASE: Duration = Duration::from_millis(5);

/// Compressed bytes that a client unpacks in a second, slowly reckoned.
const BYTES_PER_SECOND: f64 = 20e6;

/// Frames that wait for their time.
#[derive(Debug)]
pub(super) struct Pace {
    waits: bool,
    frames: VecDeque<Bytes>,
    not_before: Option<Instant>,
    /// How long the wait is.
    wait: Duration,
}

impl Pace {
    pub(super) fn new(protocol: Protocol) -> Pace {
        Pace {
            waits: protocol == Protocol::V3,
            frames: VecDeque::new(),
            not_before: None,
            wait: Duration::ZERO,
        }
    }

    /// Takes frames, in order.
    pub(super) fn queue(&mut self, frames: &mut Vec<Bytes>) {
        self.frames.extend(frames.drain(..));
    }

    /// Whether nothing waits, neither a frame nor the next one for its time.
    pub(super) fn is_idle(&self) -> bool {
        self.frames.is_empty() && self.not_before.is_none()
    }

    /// Nothing waits any more.
    pub(super) fn hurry(&mut self) {
        self.waits = false;
        self.not_before = None;
    }

    /// The next frame, if its time has come.
    pub(super) fn next(&mut self, now: Instant) -> Option<Bytes> {
        if self.not_before.is_some_and(|time| now < time) {
            return None;
        }
        self.not_before = None;
        let frame = self.frames.pop_front()?;
        if self.waits && frame.first().is_some_and(|tag| *tag != TAG_NONE) {
            let unpacking = Duration::from_secs_f64(frame.len() as f64 / BYTES_PER_SECOND);
            self.wait = WAIT_BASE + unpacking;
            self.not_before = Some(now + self.wait);
        }
        Some(frame)
    }

    /// Everything has been written: a wait begins anew, since writing may have taken long.
    pub(super) fn written(&mut self, now: Instant) {
        if self.not_before.is_some() {
            self.not_before = Some(now + self.wait);
        }
    }

    /// Waits for the time of the next frame.
    pub(super) async fn ready(&self) {
        if let Some(time) = self.not_before {
            tokio::time::sleep_until(time.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = &[0, 1];
    const PACKED: &[u8] = &[2, 1];

    fn paced(protocol: Protocol) -> Pace {
        let mut pace = Pace::new(protocol);
        let frames = [PLAIN, PACKED, PLAIN, PLAIN];
        pace.queue(&mut frames.map(Bytes::from_static).to_vec());
        pace
    }

    fn taken(pace: &mut Pace, now: Instant) -> usize {
        std::iter::from_fn(|| pace.next(now)).count()
    }

    #[test]
    fn frames_behind_a_compressed_one_wait() {
        let mut pace = paced(Protocol::V3);
        let start = Instant::now();
        assert_eq!(taken(&mut pace, start), 2);
        assert!(!pace.is_idle());
        assert_eq!(taken(&mut pace, start + WAIT_BASE / 2), 0);
        pace.written(start + WAIT_BASE * 2);
        assert_eq!(taken(&mut pace, start + WAIT_BASE * 2), 0);
        assert_eq!(taken(&mut pace, start + WAIT_BASE * 4), 2);
        assert!(pace.is_idle());
    }

    #[test]
    fn the_last_frames_do_not_wait() {
        let mut pace = paced(Protocol::V3);
        pace.hurry();
        assert_eq!(taken(&mut pace, Instant::now()), 4);
    }

    #[test]
    fn other_protocols_do_not_wait() {
        for protocol in [Protocol::V1, Protocol::V2, Protocol::V1Json] {
            assert_eq!(taken(&mut paced(protocol), Instant::now()), 4);
        }
    }
}
