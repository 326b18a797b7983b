//! Driving: applying what came, one message at a time, and running callbacks.
//!
//! Invariants
//!   * The cache is complete for a message before any of its callbacks runs.
//!   * Changes to the callbacks of rows are made before a message and once more after it.
//!   * Driving from inside a callback does nothing (or says so, where it would have to wait).

#[cfg(not(target_arch = "wasm32"))]
mod blocking;

#[cfg(not(target_arch = "wasm32"))]
use blocking::block_on;

use super::builder::Lifecycle;
use super::incoming::{Incoming, IncomingReceiver};
use super::{DbContextImpl, Registration};
use crate::callbacks::DbCallbacks;
use crate::error::{Error, InternalError, Result};
use crate::module::{AbstractEventContext as _, SpacetimeModule};
use crate::subscription::OnEndedCallback;

/// What belongs to whoever drives.
pub(super) struct Driver<M: SpacetimeModule> {
    pub(super) incoming: IncomingReceiver<M>,
    pub(super) callbacks: DbCallbacks<M>,
    pub(super) lifecycle: Lifecycle<M>,
    pub(super) has_connected: bool,
    /// For sets that ended with a connection: to run once their rows are gone.
    pub(super) ended_with_connection: Vec<OnEndedCallback<M>>,
    /// Set when the connection is over.
    pub(super) end: Option<Error>,
}

impl<M: SpacetimeModule> Driver<M> {
    pub(super) fn new(incoming: IncomingReceiver<M>, lifecycle: Lifecycle<M>) -> Self {
        Driver {
            incoming,
            callbacks: DbCallbacks::new(),
            lifecycle,
            has_connected: false,
            ended_with_connection: Vec::new(),
            end: None,
        }
    }
}

/// Marks the thread that runs callbacks.
struct DrivingMark<'a, M: SpacetimeModule>(&'a DbContextImpl<M>);

impl<'a, M: SpacetimeModule> DrivingMark<'a, M> {
    fn new(connection: &'a DbContextImpl<M>) -> Self {
        *connection.shared.driving.lock() = Some(std::thread::current().id());
        DrivingMark(connection)
    }
}

impl<M: SpacetimeModule> Drop for DrivingMark<'_, M> {
    fn drop(&mut self) {
        *self.0.shared.driving.lock() = None;
    }
}

impl<M: SpacetimeModule> DbContextImpl<M> {
    /// Applies one message, if one waits.
    pub fn advance_one_message(&self) -> Result<bool> {
        // Somebody else drives, or a callback of this thread does: nothing is left to do here.
        let Ok(mut driver) = self.shared.driver.try_lock() else {
            return Ok(false);
        };
        self.prepare(&mut driver)?;
        match driver.incoming.try_take() {
            None => Ok(false),
            Some(incoming) => self.process(&mut driver, incoming).map(|()| true),
        }
    }

    /// Applies all messages that wait, and does not wait for more.
    pub fn frame_tick(&self) -> Result<()> {
        let waiting = match self.shared.driver.try_lock() {
            Ok(driver) => driver.incoming.len(),
            Err(_) => return Ok(()),
        };
        // One more, to notice the end.
        for _ in 0..=waiting {
            if !self.advance_one_message()? {
                break;
            }
        }
        Ok(())
    }

    /// Waits for a message and applies it.
    pub async fn advance_one_message_async(&self) -> Result<()> {
        if *self.shared.driving.lock() == Some(std::thread::current().id()) {
            let message = "a callback cannot wait for messages: they come when it has returned";
            return Err(InternalError::new(message).into());
        }
        let mut driver = self.shared.driver.lock().await;
        self.prepare(&mut driver)?;
        let incoming = driver.incoming.take().await;
        self.process(&mut driver, incoming)
    }

    /// Waits for a message and applies it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn advance_one_message_blocking(&self) -> Result<()> {
        block_on(self.advance_one_message_async())
    }

    /// Applies messages until the connection ends. Fails if it was not this side that ended it.
    pub async fn run_async(&self) -> Result<()> {
        loop {
            match self.advance_one_message_async().await {
                Ok(()) => {}
                Err(Error::Disconnected) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// The same on a thread of its own.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_threaded(&self) -> std::thread::JoinHandle<()> {
        let connection = self.clone();
        std::thread::spawn(move || block_on(connection.run_logged()))
    }

    /// The same as a task of the page, beside everything else that it does.
    #[cfg(target_arch = "wasm32")]
    pub fn run_background_task(&self) {
        let connection = self.clone();
        super::link::spawn(async move { connection.run_logged().await });
    }

    async fn run_logged(&self) {
        if let Err(error) = self.run_async().await {
            let error = crate::error::with_causes(&error);
            log::error!("the connection ended: {error}");
        }
    }

    /// What has to be done before every message. Fails once the connection is over.
    fn prepare(&self, driver: &mut Driver<M>) -> Result<()> {
        self.apply_registrations(driver);
        self.report_refused();
        match &driver.end {
            Some(end) => Err(end.clone()),
            None => Ok(()),
        }
    }

    fn process(&self, driver: &mut Driver<M>, incoming: Incoming<M>) -> Result<()> {
        // Once more: callbacks may have been registered during the wait for this message.
        self.apply_registrations(driver);
        let result = {
            let _driving = DrivingMark::new(self);
            self.apply(driver, incoming)
        };
        self.apply_registrations(driver);
        result
    }

    fn apply_registrations(&self, driver: &mut Driver<M>) {
        let registrations: Vec<Registration<M>> =
            std::mem::take(&mut *self.shared.registrations.lock());
        for registration in registrations {
            registration(&mut driver.callbacks);
        }
    }

    /// Runs the callbacks of procedure calls that could not be sent.
    fn report_refused(&self) {
        let refused = self.shared.requests.lock().take_refused();
        if refused.is_empty() {
            return;
        }
        let _driving = DrivingMark::new(self);
        let ctx = M::ProcedureEventContext::new(self.clone(), ());
        for (callback, error) in refused {
            callback(&ctx, Err(error));
        }
    }
}
