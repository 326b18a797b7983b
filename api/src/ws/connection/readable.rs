//! Asks a stream for its next item only when it said that there may be one.
//!
//! A connection's task wakes for the outbox far more often than for the socket, and each look at a
//! socket without data costs the clearing of a read buffer.
//!
//! Invariant: an item that is there is never waited for. The stream is asked at first, after each
//! item, and whenever the waker that it was last asked with was woken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::Stream;
use futures_util::task::AtomicWaker;

/// A stream that is asked only when it is worth it.
pub(super) struct Readable<S> {
    stream: S,
    signal: Arc<Signal>,
    waker: Waker,
}

/// What the stream wakes instead of the task.
struct Signal {
    /// Asking is worth it.
    raised: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raised.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<S> Readable<S> {
    pub(super) fn new(stream: S) -> Self {
        let signal = Arc::new(Signal {
            raised: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Readable {
            stream,
            waker: Waker::from(Arc::clone(&signal)),
            signal,
        }
    }
}

impl<S: Stream + Unpin> Stream for Readable<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = &mut *self;
        // Registered before the flag is looked at: what is raised in between wakes the task.
        this.signal.task.register(cx.waker());
        if !this.signal.raised.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut this.stream).poll_next(&mut Context::from_waker(&this.waker));
        if polled.is_ready() {
            this.signal.raised.store(true, Ordering::Release);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::VecDeque;

    use futures_util::task::noop_waker;

    use super::*;

    /// Counts how often it is asked, and keeps the waker of the last time.
    #[derive(Default)]
    struct Source {
        items: VecDeque<u32>,
        asked: Cell<usize>,
        waker: Option<Waker>,
    }

    impl Stream for Source {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
            self.asked.set(self.asked.get() + 1);
            self.waker = Some(cx.waker().clone());
            self.items
                .pop_front()
                .map_or(Poll::Pending, |item| Poll::Ready(Some(item)))
        }
    }

    fn ask(readable: &mut Readable<Source>) -> Poll<Option<u32>> {
        Pin::new(readable).poll_next(&mut Context::from_waker(&noop_waker()))
    }

    #[test]
    fn a_stream_without_items_is_asked_once_until_it_wakes() {
        let mut readable = Readable::new(Source::default());
        for _ in 0..3 {
            assert_eq!(ask(&mut readable), Poll::Pending);
        }
        assert_eq!(readable.stream.asked.get(), 1);
        readable.stream.items.extend([7, 8]);
        readable.stream.waker.take().unwrap().wake();
        assert_eq!(ask(&mut readable), Poll::Ready(Some(7)));
        assert_eq!(ask(&mut readable), Poll::Ready(Some(8)));
        assert_eq!(ask(&mut readable), Poll::Pending);
        assert_eq!(ask(&mut readable), Poll::Pending);
        assert_eq!(readable.stream.asked.get(), 4);
    }

    #[tokio::test]
    async fn what_comes_while_the_task_sleeps_wakes_it() {
        use futures_util::StreamExt;
        let (sender, receiver) = futures_channel_pair();
        let mut readable = Readable::new(receiver);
        let reading = tokio::spawn(async move {
            let mut items = Vec::new();
            while let Some(item) = readable.next().await {
                items.push(item);
            }
            items
        });
        for item in 0..100 {
            sender.send(item).unwrap();
            tokio::task::yield_now().await;
        }
        drop(sender);
        assert_eq!(reading.await.unwrap(), (0..100).collect::<Vec<_>>());
    }

    /// A channel whose receiver is a stream.
    fn futures_channel_pair() -> (
        tokio::sync::mpsc::UnboundedSender<u32>,
        impl Stream<Item = u32> + Unpin,
    ) {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let stream = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        (sender, stream)
    }
}
