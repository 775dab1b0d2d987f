//! Names and amounts that are valid by construction.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

/// Says which input is invalid and what would be valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidInput(pub String);

/// Checks the length and the characters of a name.
fn check_name(
    what: &str,
    text: &str,
    max_chars: usize,
    allowed: fn(char) -> bool,
    allowed_text: &str,
) -> Result<(), InvalidInput> {
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        return Err(InvalidInput(format!(
            "{what} may contain only {allowed_text}, found {c:?}"
        )));
    }
    // In a path these two would be taken for directories.
    if matches!(text, "." | "..") {
        return Err(InvalidInput(format!("{what} must not be {text:?}")));
    }
    // Every allowed character is one byte.
    if text.is_empty() || text.len() > max_chars {
        return Err(InvalidInput(format!(
            "{what} must have 1 to {max_chars} characters, got {}",
            text.len()
        )));
    }
    Ok(())
}

fn is_sku_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@')
}

fn is_visible(c: char) -> bool {
    c.is_ascii_graphic()
}

/// Defines a validated text type: one line of difference, one definition. A clone shares
/// the text, since each room of the engine keeps some.
macro_rules! name_type {
    (
        $(#[$doc:meta])* $name:ident,
        $what:literal, $max:literal, $allowed:ident, $allowed_text:literal
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest text that may be asked for, in bytes; every allowed character is
            /// ASCII.
            pub const MAX_LEN: usize = $max;

            /// Accepts a text of 1 to [`Self::MAX_LEN`] allowed characters.
            ///
            /// # Errors
            ///
            /// [`InvalidInput`] says what is wrong with the text.
            pub fn new(
                text: impl AsRef<str> + Into<Arc<str>>,
            ) -> Result<Self, InvalidInput> {
                check_name($what, text.as_ref(), $max, $allowed, $allowed_text)?;
                Ok(Self(text.into()))
            }

            /// Takes a text as a table has it, whoever wrote it there: what exists can be
            /// shown, also where nobody could have asked for it here.
            pub fn stored(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidInput;

            fn from_str(text: &str) -> Result<Self, InvalidInput> {
                Self::new(text)
            }
        }
    };
}

name_type!(
    /// Names what is for sale: 1 to 64 of `A–Z a–z 0–9 - _ . : @`.
    Sku, "sku", 64, is_sku_char, "A-Z a-z 0-9 - _ . : @"
);

name_type!(
    /// Names who buys, as identity providers do: 1 to 128 visible ASCII characters.
    BuyerId, "buyer_id", 128, is_visible, "visible ASCII characters"
);

name_type!(
    /// Names one purchase of one buyer, chosen by the buyer: 1 to 128 visible ASCII
    /// characters.
    IdempotencyKey, "Idempotency-Key", 128, is_visible, "visible ASCII characters"
);

/// Names an order: a UUID of version 7, so that orders sort by time.
///
/// Whoever knows it can cancel the order, so nothing that anybody is shown tells it: behind
/// the time all bits are random.
///
/// # Source
///
/// RFC 9562, section 5.7.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct OrderId(pub Uuid);

impl OrderId {
    /// Makes a new identifier from the current time and random bits.
    #[must_use]
    pub fn now() -> Self {
        // `Uuid::now_v7` puts a counter there that all its callers share.
        Self(Uuid::new_v7(Timestamp::now(NoContext)))
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many units one purchase asks for.
///
/// # Units
///
/// Whole units, 1 to [`Units::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Units(i64);

impl Units {
    /// The most units one purchase may ask for. A larger number is a mistake of the
    /// caller, and sums over all orders of a SKU stay far below `i64::MAX`.
    pub const MAX: i64 = 1_000_000;

    /// Accepts 1 to [`Units::MAX`].
    ///
    /// # Errors
    ///
    /// [`InvalidInput`] names the allowed range.
    pub fn new(units: i64) -> Result<Self, InvalidInput> {
        if (1..=Self::MAX).contains(&units) {
            Ok(Self(units))
        } else {
            Err(InvalidInput(format!(
                "units must be between 1 and {}, got {units}",
                Self::MAX
            )))
        }
    }

    /// Takes a number as a table has it, whoever wrote it there.
    #[must_use]
    pub fn stored(units: i64) -> Self {
        Self(units)
    }

    /// Returns the number of units.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_limited_in_length_and_characters() {
        assert!(Sku::new("tee-shirt.v2").is_ok());
        assert!(Sku::new("").is_err());
        assert!(Sku::new("x".repeat(64)).is_ok());
        assert!(Sku::new("x".repeat(65)).is_err());
        assert!(
            Sku::new("a{b}").is_err(),
            "braces would split a Redis hash tag"
        );
        assert!(Sku::new("..").is_err(), "no client could ask for it");
        assert!(BuyerId::new("auth0|5f7c8ec7c33c6c004bbafe82").is_ok());
        assert!(BuyerId::new("ann+1@example.com").is_ok());
        assert!(BuyerId::new("x".repeat(128)).is_ok());
        assert!(BuyerId::new("x".repeat(129)).is_err());
        assert!(BuyerId::new("a b").is_err());
        assert!(BuyerId::new("é".repeat(40)).is_err_and(|e| e.0.contains("only")));
        assert!(IdempotencyKey::new("\"8e03978e\"").is_ok());
        assert!(IdempotencyKey::new("k".repeat(129)).is_err());
        assert!(IdempotencyKey::new("tab\t").is_err());
    }

    #[test]
    fn what_a_table_has_is_taken_as_it_is() {
        assert_eq!(Sku::stored("Blue Tee").as_str(), "Blue Tee");
        assert_eq!(Sku::stored("tee"), Sku::new("tee").expect("a SKU"));
        assert_eq!(Units::stored(Units::MAX + 1).get(), Units::MAX + 1);
    }

    /// The random bits of an order's name; what stands between them names the version.
    const RANDOM_BITS: u128 = 0x0fff_3fff_ffff_ffff_ffff;

    #[test]
    fn an_order_tells_nothing_about_the_next() {
        let ids: Vec<_> = (0..2_000).map(|_| OrderId::now().0.as_u128()).collect();
        let (ones, zeros) = ids
            .iter()
            .fold((0, 0), |(ones, zeros), id| (ones | id, zeros | !id));
        assert_eq!(ones & RANDOM_BITS, RANDOM_BITS, "bits that are never 1");
        assert_eq!(zeros & RANDOM_BITS, RANDOM_BITS, "bits that are never 0");

        // In the same millisecond a counter would show in the upper bits.
        let time = |id: u128| id >> 80;
        let upper = |id: u128| (id & RANDOM_BITS) >> 48;
        let mut same_time = 0;
        for pair in ids.windows(2).filter(|pair| time(pair[0]) == time(pair[1])) {
            same_time += 1;
            assert_ne!(upper(pair[0]), upper(pair[1]), "{pair:x?}");
        }
        assert!(same_time > 0, "each in a millisecond of its own");
    }

    #[test]
    fn units_stop_at_both_ends() {
        assert!(Units::new(0).is_err());
        assert!(Units::new(-1).is_err());
        assert!(Units::new(1).is_ok());
        assert!(Units::new(Units::MAX).is_ok());
        assert!(Units::new(Units::MAX + 1).is_err());
    }

    #[test]
    fn an_error_names_the_thing_and_the_limit() {
        let error = Sku::new("a b").expect_err("a blank is not allowed");
        assert_eq!(
            error.to_string(),
            "sku may contain only A-Z a-z 0-9 - _ . : @, found ' '"
        );
    }
}
