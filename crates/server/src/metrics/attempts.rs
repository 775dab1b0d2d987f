//! Attempts to place an order, by their outcome.

use flash_core::{Code, Placement};
use prometheus::IntCounter;

use super::collectors::Collectors;
use crate::api_error::ApiError;

/// Counts the attempts of one strategy by their outcome.
pub(crate) struct Attempts {
    accepted: IntCounter,
    replayed: IntCounter,
    sold_out: IntCounter,
    limit_reached: IntCounter,
    busy: IntCounter,
    unavailable: IntCounter,
    outcome_unknown: IntCounter,
    key_reused: IntCounter,
    unknown_sku: IntCounter,
    invalid: IntCounter,
}

impl Attempts {
    pub(crate) fn of(strategy: &str, collectors: &Collectors) -> Self {
        let counter =
            |outcome: &str| collectors.attempts.with_label_values(&[strategy, outcome]);
        Self {
            accepted: counter("accepted"),
            replayed: counter("replayed"),
            sold_out: counter(Code::SoldOut.as_str()),
            limit_reached: counter(Code::LimitReached.as_str()),
            busy: counter(Code::Busy.as_str()),
            unavailable: counter(Code::Unavailable.as_str()),
            outcome_unknown: counter(Code::OutcomeUnknown.as_str()),
            key_reused: counter(Code::KeyReused.as_str()),
            unknown_sku: counter(Code::UnknownSku.as_str()),
            invalid: counter("invalid"),
        }
    }

    /// How many orders were accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    /// How many attempts were answered, be it with a refusal.
    pub(crate) fn answered(&self) -> u64 {
        let answers = [&self.accepted, &self.replayed, &self.sold_out];
        answers.map(IntCounter::get).iter().sum::<u64>() + self.limit_reached.get()
    }

    /// Counts one attempt. One whose buyer hung up before the answer is not counted.
    pub(crate) fn count(&self, outcome: &Result<Placement, ApiError>) {
        let counter = match outcome {
            Ok(Placement::Accepted { replayed, .. }) if *replayed => &self.replayed,
            Ok(Placement::Accepted { .. }) => &self.accepted,
            Ok(Placement::SoldOut { .. }) => &self.sold_out,
            Ok(Placement::LimitReached) => &self.limit_reached,
            Err(error) => match error.code() {
                Code::Busy => &self.busy,
                Code::Unavailable => &self.unavailable,
                Code::OutcomeUnknown => &self.outcome_unknown,
                Code::KeyReused => &self.key_reused,
                Code::UnknownSku => &self.unknown_sku,
                _ => &self.invalid,
            },
        };
        counter.inc();
    }
}
