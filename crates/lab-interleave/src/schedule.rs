//! Whose turn it is, step by step.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The most turns that a schedule may have: far more than both buyers have steps.
pub(crate) const TURNS_MAX: usize = 200;

/// One of the two buyers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "u8")]
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
        ["ann", "bob"][self.index()]
    }

    /// The place in an array of both.
    pub(crate) fn index(self) -> usize {
        usize::from(self == Self::Two)
    }
}

impl From<Buyer> for u8 {
    fn from(buyer: Buyer) -> Self {
        match buyer {
            Buyer::One => 1,
            Buyer::Two => 2,
        }
    }
}

impl fmt::Display for Buyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        u8::from(*self).fmt(f)
    }
}

/// The order of the steps of two buyers, written as `1212…`.
///
/// A turn of a buyer who waits for the other one, or has an answer already, passes to the
/// other. Turns that are left when both have their answers are not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Schedule(pub Vec<Buyer>);

/// What to do when the schedule has no more turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Stop there: the transcript says what each buyer would do next.
    Here,
    /// Go on, the first buyer whenever there is a choice, until both have answers.
    Both,
    /// Go on, whoever went last whenever there is a choice, until both have answers.
    Stay,
}

impl Schedule {
    /// How often the turn goes from one buyer to the other.
    #[must_use]
    pub fn changes(&self) -> usize {
        let pairs = self.0.windows(2);
        pairs.filter(|pair| pair.first() != pair.last()).count()
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > TURNS_MAX {
            return Err(format!("give 1 to {TURNS_MAX} turns, such as 111222222111"));
        }
        let turns = text.chars().map(|turn| match turn {
            '1' => Ok(Buyer::One),
            '2' => Ok(Buyer::Two),
            other => Err(format!(
                "a turn is 1 or 2, for the first or the second buyer, not {other:?}"
            )),
        });
        turns.collect::<Result<_, _>>().map(Self)
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
    fn a_schedule_is_written_as_it_is_read_and_anything_else_is_refused_with_a_reason()
    {
        let schedule: Schedule = "1221".parse().expect("a schedule");
        assert_eq!(
            (schedule.to_string().as_str(), schedule.changes()),
            ("1221", 2)
        );
        for (text, reason) in [
            (
                "123",
                "a turn is 1 or 2, for the first or the second buyer, not '3'",
            ),
            ("", "give 1 to 200 turns, such as 111222222111"),
            (
                &"1".repeat(201),
                "give 1 to 200 turns, such as 111222222111",
            ),
        ] {
            assert_eq!(text.parse::<Schedule>(), Err(reason.to_owned()));
        }
    }
}
