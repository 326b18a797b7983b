use std::pin::Pin;

use super::*;

/// A sink that takes messages only when it is let.
#[derive(Default)]
struct Gate {
    open: bool,
    taken: Vec<Message>,
    flushes: usize,
}

impl Sink<Message> for &mut Gate {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if self.open {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        self.taken.push(message);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}

fn frame(number: u8) -> Message {
    Message::Binary(Bytes::copy_from_slice(&[number]))
}

#[test]
fn frames_keep_their_order_and_are_flushed_once() {
    let mut gate = Gate {
        open: true,
        ..Gate::default()
    };
    let since = Instant::now();
    let mut writer = Writer {
        sink: &mut gate,
        frames: VecDeque::new(),
        unflushed: false,
        since,
    };
    assert!(!writer.has_work());
    writer.push(frame(1));
    writer.push(frame(2));
    assert!(writer.has_work());
    assert!(
        writer
            .write_out()
            .now_or_never()
            .expect("an open sink")
            .is_ok()
    );
    assert!(!writer.has_work());
    assert_eq!(gate.taken, [frame(1), frame(2)]);
    assert_eq!(gate.flushes, 1);
}

#[test]
fn a_dropped_write_loses_nothing_and_counts_as_stuck() {
    let mut gate = Gate::default();
    let since = Instant::now();
    let mut writer = Writer {
        sink: &mut gate,
        frames: VecDeque::new(),
        unflushed: false,
        since,
    };
    assert_eq!(
        writer.stuck_for(since + Duration::from_secs(9)),
        Duration::ZERO
    );
    writer.push(frame(1));
    assert!(writer.write_out().now_or_never().is_none());
    assert!(writer.stuck_for(Instant::now() + Duration::from_secs(9)) > Duration::from_secs(8));
    writer.push(frame(2));
    writer.sink.open = true;
    assert!(
        writer
            .write_out()
            .now_or_never()
            .expect("an open sink")
            .is_ok()
    );
    assert_eq!(gate.taken, [frame(1), frame(2)]);
}
