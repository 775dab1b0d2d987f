//! The stable codes of refusals and failures.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Says what went wrong, for programs. A code never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ProblemCode))]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Fewer units are available than were asked for.
    SoldOut,
    /// The buyer would have more units than one buyer may have.
    LimitReached,
    /// There is no `Idempotency-Key`.
    KeyMissing,
    /// The key, the body or a value in it is not valid.
    InvalidRequest,
    /// No such SKU was created.
    UnknownSku,
    /// There is no such order.
    UnknownOrder,
    /// There is no such path.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// The SKU exists with other values.
    SkuExists,
    /// The call needs the admin token.
    Unauthorized,
    /// The key was sent with another request.
    KeyReused,
    /// Too many buyers are waiting; nothing was done.
    Busy,
    /// A store is away; nothing was done.
    Unavailable,
    /// It was done or not: ask again with the same key.
    OutcomeUnknown,
}

impl Code {
    /// The code as it stands in a problem document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SoldOut => "sold-out",
            Self::LimitReached => "limit-reached",
            Self::KeyMissing => "key-missing",
            Self::InvalidRequest => "invalid-request",
            Self::UnknownSku => "unknown-sku",
            Self::UnknownOrder => "unknown-order",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::SkuExists => "sku-exists",
            Self::Unauthorized => "unauthorized",
            Self::KeyReused => "key-reused",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome-unknown",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
