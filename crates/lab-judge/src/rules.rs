//! What must hold after two buyers have their answers, whatever the order of their steps.

use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Ask, Books, OrderRow, Scenario};

use crate::verdict::Violation;

/// The rules that a scenario is there for.
pub(crate) fn rules_of(scenario: &Scenario) -> &'static [Rule] {
    match scenario.id {
        "last-unit" => &[Rule::Oversold, Rule::Books, Rule::Unanswered],
        "one-each" => &[Rule::Books, Rule::Unanswered],
        "too-much-and-one" => &[Rule::FalseSoldOut, Rule::Stranded],
        "two-keys" => &[Rule::Limit],
        "same-key" => &[Rule::Acknowledged, Rule::WinnerRefused],
        _ => &[Rule::WinnerRefused],
    }
}

/// One request and what came of it.
pub(crate) struct Asked<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) told: &'a Told,
    pub(crate) order: Option<&'a OrderRow>,
    /// Whether nobody else asked with this key.
    pub(crate) is_first: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(ask: &'a Ask, told: &'a Told, books: &'a Books) -> Self {
        let sku = &books.audit.sku;
        let key = format!("{}-{sku}", ask.key);
        let is_it =
            |it: &&OrderRow| it.buyer_id == ask.buyer && it.idempotency_key == key;
        Self {
            ask,
            told,
            order: books.orders.iter().find(is_it),
            is_first: false,
        }
    }

    /// The same for who asks with a key that nobody has asked with.
    pub(crate) fn only(ask: &'a Ask, told: &'a Told, books: &'a Books) -> Self {
        Self {
            is_first: true,
            ..Self::new(ask, told, books)
        }
    }

    /// Whether the answer and the orders tell two stories.
    pub(crate) fn contradiction(&self) -> Option<Violation> {
        let Ask { buyer, key, .. } = self.ask;
        match (self.told.outcome, self.order) {
            (Outcome::Accepted, None) => Some(Violation::new(
                Rule::Acknowledged,
                format!("{buyer} was told accepted and has no order"),
            )),
            (Outcome::Accepted, Some(order)) => {
                let told = self.told.order_id.as_deref().unwrap_or_default();
                (!told.eq_ignore_ascii_case(&order.order_id)).then(|| {
                    let sentence = format!(
                        "{buyer} was told of an order that is not the one of {} key",
                        their(buyer)
                    );
                    Violation::new(Rule::Acknowledged, sentence)
                })
            }
            (Outcome::Failed, Some(order)) => Some(Violation::new(
                Rule::Acknowledged,
                format!(
                    "{buyer} was told failed; {} {} is in the table",
                    their(buyer),
                    order_named(order)
                ),
            )),
            (Outcome::SoldOut | Outcome::LimitReached, Some(order))
                if self.is_first =>
            {
                Some(Violation::new(
                    Rule::RefusedButSold,
                    format!(
                        "{buyer} was told {}; {} {} is in the table",
                        self.told.outcome.as_str(),
                        their(buyer),
                        order_named(order)
                    ),
                ))
            }
            (Outcome::SoldOut | Outcome::LimitReached, Some(order)) => {
                Some(Violation::new(
                    Rule::WinnerRefused,
                    format!(
                        "{buyer} has {} for key {key}. {} asked again with {key} \
                         and was told: {}",
                        order_named(order),
                        if their(buyer) == "his" { "He" } else { "She" },
                        self.told.outcome.as_str()
                    ),
                ))
            }
            _ => None,
        }
    }
}

fn their(buyer: &str) -> &'static str {
    if buyer == "bob" { "his" } else { "her" }
}

/// `order` and the beginning of its name, where that is a time; the rest is chance.
fn order_named(order: &OrderRow) -> String {
    const VERSION_AT: usize = 14;
    if order.order_id.chars().nth(VERSION_AT) == Some('7') {
        let begin: String = order.order_id.chars().take(4).collect();
        return format!("order {begin}…");
    }
    "order".to_owned()
}

/// The gravest rule that is broken, if one is.
pub(crate) fn broken(
    scenario: &Scenario,
    told: &[Vec<Told>; 2],
    books: &Books,
) -> Option<Violation> {
    let asks = scenario.asks.iter().zip(told);
    let asked: Vec<_> = asks
        .flat_map(|(asks, told)| asks.iter().zip(told))
        .map(|(ask, told)| {
            let same = |it: &&Ask| it.buyer == ask.buyer && it.key == ask.key;
            match scenario.asks.iter().copied().flatten().filter(same).count() {
                1 => Asked::only(ask, told, books),
                _ => Asked::new(ask, told, books),
            }
        })
        .collect();
    let contradictions = || asked.iter().filter_map(Asked::contradiction);
    let is_told = |it: &Asked<'_>| it.told.outcome == Outcome::Accepted;
    let is_known = |it: &Asked<'_>| it.order.is_none() || is_told(it);
    // Where somebody does not even know of an order, that says more.
    asked
        .iter()
        .all(is_known)
        .then(|| oversold(scenario, books))
        .flatten()
        .or_else(|| contradictions().next())
        .or_else(|| oversold(scenario, books))
        .or_else(|| doubled(books))
        .or_else(|| overrun(scenario, books))
        .or_else(|| unbalanced(books))
        .or_else(|| {
            asked
                .iter()
                .find_map(|it| refused_wrongly(scenario, it, books))
        })
}

fn oversold(scenario: &Scenario, books: &Books) -> Option<Violation> {
    let audit = &books.audit;
    let sentence = match (audit.oversold_units, audit.accepted_units) {
        (0, _) => return None,
        (_, 2) => {
            format!("{}, and both were told \"you have it\"", scenario.what)
        }
        (_, accepted) => {
            format!(
                "{accepted} units were sold, and there were {}",
                scenario.units
            )
        }
    };
    Some(Violation::new(Rule::Oversold, sentence))
}

fn doubled(books: &Books) -> Option<Violation> {
    (books.audit.duplicate_keys > 0)
        .then(|| Violation::new(Rule::Acknowledged, "one key has two orders"))
}

fn overrun(scenario: &Scenario, books: &Books) -> Option<Violation> {
    (books.audit.limit_overruns > 0).then(|| {
        let limit = scenario.limit.unwrap_or_default();
        let has = books.audit.accepted_units;
        let sentence = format!("each buyer may have {limit}, and ann has {has}");
        Violation::new(Rule::Limit, sentence)
    })
}

/// Orders and stock do not add up.
pub(crate) fn unbalanced(books: &Books) -> Option<Violation> {
    let audit = &books.audit;
    let sold = audit.accepted_units;
    let sentence = match audit.unaccounted_units {
        0 => return None,
        lost if lost < 0 => {
            format!("{sold} sold, and the stock fell by {} only", sold + lost)
        }
        missing => format!("{sold} sold, {missing} missing from the stock"),
    };
    Some(Violation::new(Rule::Books, sentence))
}

/// Whoever was told no, although there was enough from the first step to the last.
fn refused_wrongly(
    scenario: &Scenario,
    asked: &Asked<'_>,
    books: &Books,
) -> Option<Violation> {
    let (buyer, units) = (asked.ask.buyer, i64::from(asked.ask.units));
    let left = books.audit.available_units;
    let has_enough = left >= units;
    let is_within = scenario.limit.is_none_or(|limit| {
        let of_buyer = |order: &&OrderRow| order.buyer_id == buyer;
        let owned: i64 = books
            .orders
            .iter()
            .filter(of_buyer)
            .map(|it| it.units)
            .sum();
        owned + units <= i64::from(limit)
    });
    let spoken = asked.told.outcome.as_str();
    match asked.told.outcome {
        Outcome::SoldOut if has_enough => Some(Violation::new(
            Rule::FalseSoldOut,
            format!(
                "{} there all the time; {buyer} was told sold out",
                were(left)
            ),
        )),
        Outcome::Failed => Some(Violation::new(
            Rule::Unanswered,
            if has_enough {
                format!("{buyer} was told {spoken} while {} left", were(left))
            } else {
                format!("{buyer} was told {spoken}; a refusal is an answer")
            },
        )),
        Outcome::Busy | Outcome::Unknown if has_enough && is_within => {
            Some(Violation::new(
                Rule::Unanswered,
                format!("{buyer} was told {spoken} while {} left", were(left)),
            ))
        }
        _ => None,
    }
}

fn were(units: i64) -> String {
    match units {
        1 => "1 unit was".to_owned(),
        units => format!("{units} units were"),
    }
}
