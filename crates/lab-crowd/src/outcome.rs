//! What an answer means to a buyer.

use serde_json::Value;
use strum::{EnumIter, IntoStaticStr};

use crate::client::{Reply, SendError};

/// What a buyer knows after one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// The buyer has an order.
    Accepted,
    /// There was nothing left.
    #[strum(serialize = "sold out")]
    SoldOut,
    /// The buyer has as many units as one may have.
    #[strum(serialize = "limit reached")]
    LimitReached,
    /// Too many waited; nothing was done.
    Busy,
    /// Nothing was done, for any other reason.
    #[default]
    Failed,
    /// The order exists or it does not.
    #[strum(serialize = "outcome unknown")]
    Unknown,
}

impl Outcome {
    /// What the buyer was told, in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    fn of(status: u16, code: &str) -> Self {
        match (status, code) {
            (200 | 201, _) => Self::Accepted,
            (409, "sold-out") => Self::SoldOut,
            (409, "limit-reached") => Self::LimitReached,
            (503, "busy") => Self::Busy,
            (503, "outcome-unknown") => Self::Unknown,
            _ => Self::Failed,
        }
    }
}

/// What a buyer was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

impl Told {
    /// Reads what came back for a purchase request.
    #[must_use]
    pub fn of(answer: &Result<Reply, SendError>) -> Self {
        let reply = match answer {
            Ok(reply) => reply,
            Err(SendError::NotSent(_)) => return Self::default(),
            Err(SendError::NoAnswer(_)) => {
                return Self {
                    outcome: Outcome::Unknown,
                    ..Self::default()
                };
            }
        };
        let status = reply.status.as_u16();
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let code = body["code"].as_str();
        Self {
            outcome: Outcome::of(status, code.unwrap_or_default()),
            order_id: match &body["order_id"] {
                Value::Null => None,
                Value::String(id) => Some(id.clone()),
                other => Some(other.to_string()),
            },
            status: Some(status),
            code: code.map(str::to_owned),
            available_units: body["available_units"].as_i64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::StatusCode;

    #[test]
    fn each_answer_of_the_contract_has_its_class_and_any_other_is_a_failure() {
        for (status, body, expected) in [
            // An order, and its replay.
            (201, "{}", Outcome::Accepted),
            (200, "{}", Outcome::Accepted),
            (409, r#"{"code":"sold-out"}"#, Outcome::SoldOut),
            (409, r#"{"code":"limit-reached"}"#, Outcome::LimitReached),
            (503, r#"{"code":"busy"}"#, Outcome::Busy),
            (503, r#"{"code":"outcome-unknown"}"#, Outcome::Unknown),
            (503, r#"{"code":"unavailable"}"#, Outcome::Failed),
            (404, r#"{"code":"unknown-sku"}"#, Outcome::Failed),
            (422, r#"{"code":"key-reused"}"#, Outcome::Failed),
            // A conflict without a known code is not taken for sold out.
            (409, r#"{"code":"sku-exists"}"#, Outcome::Failed),
            (409, "<html>", Outcome::Failed),
            (500, "", Outcome::Failed),
        ] {
            let told = Told::of(&Ok(Reply {
                status: StatusCode::from_u16(status).expect("a status"),
                body: body.into(),
            }));
            assert_eq!(told.outcome, expected, "{status} {body}");
        }
    }

    #[test]
    fn silence_after_sending_is_unknown_and_before_it_a_failure() {
        let silent = Err(SendError::NoAnswer("connection closed".to_owned()));
        assert_eq!(Told::of(&silent).outcome, Outcome::Unknown);
        let unsent = Err(SendError::NotSent("connection closed".to_owned()));
        assert_eq!(Told::of(&unsent).outcome, Outcome::Failed);
    }
}
