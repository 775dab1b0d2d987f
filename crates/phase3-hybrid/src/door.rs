//! The first room: bounds how many are inside, and lets nobody leave half-way.

use std::future::Future;
use std::sync::Arc;

use flash_core::StrategyError;
use tokio::sync::Semaphore;

/// Where a request enters.
pub(crate) struct Door {
    places: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn new(queue_max: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(queue_max)),
        }
    }

    /// Does the work of a request in a task of its own.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Busy`] when all places are taken, or what the work returns.
    ///
    /// # Cancel safety
    ///
    /// A buyer who hangs up drops this future, not the task: a permit that was taken is
    /// sold or given back all the same.
    pub(crate) async fn enter<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StrategyError>> + Send + 'static,
    ) -> Result<T, StrategyError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .or(Err(StrategyError::Busy))?;
        let task = tokio::spawn(async move {
            let result = work.await;
            drop(place);
            result
        });
        // The task neither panics nor is aborted, except by a runtime that stops.
        task.await.unwrap_or(Err(StrategyError::OutcomeUnknown))
    }
}
