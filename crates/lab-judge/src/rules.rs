//! What must hold after two buyers have their answers, whatever the order of their steps.

use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Ask, Books, OrderRow, Scenario};

use crate::verdict::{Violation, ensure};

/// One request and what came of it.
pub(crate) struct Asked<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) told: &'a Told,
    pub(crate) order: Option<&'a OrderRow>,
    /// Whether nobody else asked with this key.
    pub(crate) is_first: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(
        ask: &'a Ask,
        told: &'a Told,
        books: &'a Books,
        is_first: bool,
    ) -> Self {
        let key = format!("{}-{}", ask.key, books.audit.sku);
        let is_it =
            |it: &&OrderRow| it.buyer_id == ask.buyer && it.idempotency_key == key;
        Self {
            ask,
            told,
            order: books.orders.iter().find(is_it),
            is_first,
        }
    }

    /// The answer and the orders tell one story.
    pub(crate) fn agrees(&self) -> Result<(), Violation> {
        let Ask { buyer, key, .. } = self.ask;
        let (their, they) = match &**buyer {
            "bob" => ("his", "He"),
            _ => ("her", "She"),
        };
        let told = self.told.outcome.as_str();
        let named = self.order.map(name_of).unwrap_or_default();
        let is_in_table =
            format!("{buyer} was told {told}; {their} {named} is in the table");
        let (rule, sentence) = match (self.told.outcome, self.order) {
            (Outcome::Accepted, None) => (
                Rule::Acknowledged,
                format!("{buyer} was told accepted and has no order"),
            ),
            (Outcome::Accepted, Some(order)) if !is_named(self.told, order) => (
                Rule::Acknowledged,
                format!(
                    "{buyer} was told of an order that is not the one of {their} key"
                ),
            ),
            (Outcome::Failed, Some(_)) => (Rule::Acknowledged, is_in_table),
            (Outcome::SoldOut | Outcome::LimitReached, Some(_)) if self.is_first => {
                (Rule::RefusedButSold, is_in_table)
            }
            (Outcome::SoldOut | Outcome::LimitReached, Some(_)) => (
                Rule::WinnerRefused,
                format!(
                    "{buyer} has {named} for key {key}. {they} asked again with {key} and \
                     was told: {told}"
                ),
            ),
            _ => return Ok(()),
        };
        Err(Violation::new(rule, sentence))
    }

    /// Nobody is told no, although there was enough from the first step to the last.
    fn is_served(&self, scenario: &Scenario, books: &Books) -> Result<(), Violation> {
        let (buyer, units) = (&self.ask.buyer, i64::from(self.ask.units));
        let told = self.told.outcome.as_str();
        let left = books.audit.available_units;
        let were = if left == 1 { "unit was" } else { "units were" };
        let has_enough = left >= units;
        let own = books.orders.iter().filter(|it| it.buyer_id == **buyer);
        let wanted = units + own.map(|it| it.units).sum::<i64>();
        let is_within = scenario.limit.is_none_or(|it| wanted <= i64::from(it));
        let (rule, sentence) = match self.told.outcome {
            Outcome::SoldOut if has_enough => (
                Rule::FalseSoldOut,
                format!("{left} {were} there all the time; {buyer} was told sold out"),
            ),
            Outcome::Failed if !has_enough => (
                Rule::Unanswered,
                format!("{buyer} was told {told}; a refusal is an answer"),
            ),
            Outcome::Busy | Outcome::Unknown if !has_enough || !is_within => {
                return Ok(());
            }
            Outcome::Failed | Outcome::Busy | Outcome::Unknown => (
                Rule::Unanswered,
                format!("{buyer} was told {told} while {left} {were} left"),
            ),
            _ => return Ok(()),
        };
        Err(Violation::new(rule, sentence))
    }
}

fn is_named(told: &Told, order: &OrderRow) -> bool {
    let id = told.order_id.as_deref().unwrap_or_default();
    id.eq_ignore_ascii_case(&order.order_id.to_string())
}

/// `order` and the beginning of its name, where that is a time; the rest is chance.
fn name_of(order: &OrderRow) -> String {
    match order.order_id.get_version_num() {
        7 => format!("order {:.4}…", order.order_id.to_string()),
        _ => "order".to_owned(),
    }
}

/// The gravest rule comes first.
pub(crate) fn check(
    scenario: &Scenario,
    told: &[Vec<Told>; 2],
    books: &Books,
) -> Result<(), Violation> {
    let asks = || scenario.asks.iter().flatten();
    let asked = asks().zip(told.iter().flatten()).map(|(ask, told)| {
        let same = asks().filter(|it| (&it.buyer, &it.key) == (&ask.buyer, &ask.key));
        Asked::new(ask, told, books, same.count() == 1)
    });
    let asked: Vec<_> = asked.collect();
    // Where somebody does not even know of an order, that says more.
    let is_known =
        |it: &Asked<'_>| it.order.is_none() || it.told.outcome == Outcome::Accepted;
    if asked.iter().all(is_known) {
        not_oversold(scenario, books)?;
    }
    asked.iter().try_for_each(Asked::agrees)?;
    not_oversold(scenario, books)?;
    let audit = &books.audit;
    let doubled = "one key has two orders";
    ensure(audit.duplicate_keys == 0, Rule::Acknowledged, doubled)?;
    let (limit, has) = (scenario.limit.unwrap_or_default(), audit.accepted_units);
    let overrun = format!("each buyer may have {limit}, and ann has {has}");
    ensure(audit.limit_overruns == 0, Rule::Limit, overrun)?;
    balanced(books)?;
    let mut asked = asked.iter();
    asked.try_for_each(|it| it.is_served(scenario, books))
}

fn not_oversold(scenario: &Scenario, books: &Books) -> Result<(), Violation> {
    let sentence = match (books.audit.accepted_units, scenario) {
        (2, Scenario { what, .. }) => {
            format!("{what}, and both were told \"you have it\"")
        }
        (sold, Scenario { units, .. }) => {
            format!("{sold} units were sold, and there were {units}")
        }
    };
    ensure(books.audit.oversold_units == 0, Rule::Oversold, sentence)
}

/// Orders and stock add up.
pub(crate) fn balanced(books: &Books) -> Result<(), Violation> {
    let sold = books.audit.accepted_units;
    let missing = books.audit.unaccounted_units;
    let sentence = if missing < 0 {
        format!("{sold} sold, and the stock fell by {} only", sold + missing)
    } else {
        format!("{sold} sold, {missing} missing from the stock")
    };
    ensure(missing == 0, Rule::Books, sentence)
}
