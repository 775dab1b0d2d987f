//! What an answer means to a buyer.

use flash_core::Code;
use serde::Deserialize;

use crate::client::{Reply, SendError, StatusCode};

/// What a buyer knows after one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The buyer has an order.
    Accepted,
    /// There was nothing left.
    SoldOut,
    /// The buyer has as many units as one may have.
    LimitReached,
    /// Too many waited; nothing was done.
    Busy,
    /// Nothing was done, for any other reason.
    Failed,
    /// The order exists or it does not.
    Unknown,
}

/// A problem document, as far as it matters.
#[derive(Deserialize)]
struct Problem {
    code: Code,
}

impl Outcome {
    /// What the buyer was told, in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::SoldOut => "sold out",
            Self::LimitReached => "limit reached",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Unknown => "outcome unknown",
        }
    }

    /// Classifies what came back for a purchase request.
    #[must_use]
    pub fn of(answer: &Result<Reply, SendError>) -> Self {
        let reply = match answer {
            Ok(reply) => reply,
            Err(SendError::NotSent(_)) => return Self::Failed,
            Err(SendError::NoAnswer(_)) => return Self::Unknown,
        };
        if matches!(reply.status, StatusCode::CREATED | StatusCode::OK) {
            return Self::Accepted;
        }
        let problem = serde_json::from_slice::<Problem>(&reply.body).ok();
        let code = problem.map(|problem| problem.code);
        match (reply.status, code) {
            (StatusCode::CONFLICT, Some(Code::SoldOut)) => Self::SoldOut,
            (StatusCode::CONFLICT, Some(Code::LimitReached)) => Self::LimitReached,
            (StatusCode::SERVICE_UNAVAILABLE, Some(Code::Busy)) => Self::Busy,
            (StatusCode::SERVICE_UNAVAILABLE, Some(Code::OutcomeUnknown)) => {
                Self::Unknown
            }
            _ => Self::Failed,
        }
    }
}

/// What a buyer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it means.
    pub outcome: Outcome,
    /// The order that was named.
    pub order_id: Option<String>,
    /// The HTTP status; none where no answer came.
    pub status: Option<u16>,
    /// The code of a problem document.
    pub code: Option<String>,
    /// What is left, where PostgreSQL has just said it.
    pub available_units: Option<i64>,
}

/// What an answer may name.
#[derive(Default, Deserialize)]
struct Named {
    order_id: Option<serde_json::Value>,
    code: Option<String>,
    available_units: Option<i64>,
}

impl Told {
    /// Reads what came back for a purchase request.
    #[must_use]
    pub fn of(answer: &Result<Reply, SendError>) -> Self {
        let reply = answer.as_ref().ok();
        let named = reply.and_then(|it| serde_json::from_slice::<Named>(&it.body).ok());
        let named = named.unwrap_or_default();
        Self {
            outcome: Outcome::of(answer),
            order_id: named.order_id.map(|id| match id {
                serde_json::Value::String(id) => id,
                other => other.to_string(),
            }),
            status: reply.map(|it| it.status.as_u16()),
            code: named.code,
            available_units: named.available_units,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> Outcome {
        Outcome::of(&Ok(Reply {
            status: StatusCode::from_u16(status).expect("a status"),
            body: body.to_owned().into(),
        }))
    }

    #[test]
    fn each_answer_of_the_contract_has_its_class() {
        for (status, code, expected) in [
            (409, "sold-out", Outcome::SoldOut),
            (409, "limit-reached", Outcome::LimitReached),
            (503, "busy", Outcome::Busy),
            (503, "outcome-unknown", Outcome::Unknown),
            (503, "unavailable", Outcome::Failed),
            (404, "unknown-sku", Outcome::Failed),
            (422, "key-reused", Outcome::Failed),
        ] {
            let body = format!(r#"{{"code":"{code}","status":{status}}}"#);
            assert_eq!(outcome(status, &body), expected, "{status} {code}");
        }
    }

    #[test]
    fn an_order_and_its_replay_are_both_accepted() {
        assert_eq!(outcome(201, "{}"), Outcome::Accepted);
        assert_eq!(outcome(200, "{}"), Outcome::Accepted);
    }

    #[test]
    fn a_conflict_without_a_known_code_is_not_taken_for_sold_out() {
        assert_eq!(outcome(409, r#"{"code":"sku-exists"}"#), Outcome::Failed);
        assert_eq!(outcome(409, "<html>"), Outcome::Failed);
        assert_eq!(outcome(500, ""), Outcome::Failed);
    }

    #[test]
    fn silence_after_sending_is_unknown_and_before_it_a_failure() {
        let silent = Err(SendError::NoAnswer("connection closed".to_owned()));
        assert_eq!(Outcome::of(&silent), Outcome::Unknown);
        let unsent = Err(SendError::NotSent("connection closed".to_owned()));
        assert_eq!(Outcome::of(&unsent), Outcome::Failed);
    }
}
