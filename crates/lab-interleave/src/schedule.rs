//! Whose turn it is, step by step.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The most turns that a schedule may have: far more than both buyers have steps.
pub(crate) const TURNS_MAX: usize = 200;

/// One of the two buyers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Buyer {
    /// 1, T1, ann.
    One,
    /// 2, T2, bob.
    Two,
}

impl Buyer {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::One, Self::Two];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }

    /// The name that the buyer has in the shop.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "ann",
            Self::Two => "bob",
        }
    }

    /// The place in an array of both.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }
}

impl fmt::Display for Buyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.index() + 1)
    }
}

impl Serialize for Buyer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(match self {
            Self::One => 1,
            Self::Two => 2,
        })
    }
}

/// The order of the steps of two buyers, written as `1212…`.
///
/// A turn of a buyer who waits for the other one, or has an answer already, passes to the
/// other. Turns that are left when both have their answers are not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Schedule(pub Vec<Buyer>);

impl Schedule {
    /// How often the turn goes from one buyer to the other.
    #[must_use]
    pub fn changes(&self) -> usize {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs.filter(|(one, next)| one != next).count()
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > TURNS_MAX {
            return Err(format!("give 1 to {TURNS_MAX} turns, such as 111222222111"));
        }
        text.chars()
            .map(|turn| match turn {
                '1' => Ok(Buyer::One),
                '2' => Ok(Buyer::Two),
                other => Err(format!(
                    "a turn is 1 or 2, for the first or the second buyer, not {other:?}"
                )),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|buyer| buyer.fmt(f))
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_written_as_it_is_read() {
        let schedule: Schedule = "1221".parse().expect("a schedule");
        assert_eq!(schedule.0.len(), 4);
        assert_eq!(schedule.to_string(), "1221");
    }

    #[test]
    fn a_schedule_of_anything_else_is_refused_with_a_reason() {
        let refused = |text: &str| text.parse::<Schedule>().expect_err("no schedule");
        assert_eq!(
            refused("123"),
            "a turn is 1 or 2, for the first or the second buyer, not '3'"
        );
        assert!(refused("").starts_with("give 1 to 200 turns"));
        assert!(refused(&"1".repeat(201)).starts_with("give 1 to 200 turns"));
    }
}
