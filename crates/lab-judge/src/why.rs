//! Why a rule is broken: recognizers of what people do wrong, asked from the most specific to
//! the least. Each looks at one run and says one sentence, with the numbers of two steps.

use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Books, Buyer, Fault, Played, Scenario, Step, Wait};
use flash_lab_wire::{Does, Store};

use crate::rules::Asked;
use crate::verdict::{Violation, Why};

/// A run that broke a rule.
pub(crate) struct Case<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) played: &'a Played,
    pub(crate) books: &'a Books,
    pub(crate) violation: &'a Violation,
}

/// A step with its number, counted from 1, and what it does.
#[derive(Clone, Copy)]
struct Seen<'a> {
    number: usize,
    step: &'a Step,
    does: Does,
}

impl Seen<'_> {
    fn buyer(&self) -> Buyer {
        self.step.buyer
    }

    fn returned(&self) -> &str {
        self.step.returned.as_deref().unwrap_or_default()
    }

    fn failed(&self) -> bool {
        self.returned().starts_with("ERROR")
    }

    /// When the result was there: a step that waited has it only when the wait ends.
    fn done_at(&self) -> usize {
        self.step.waited_until.unwrap_or(self.number)
    }

    /// The units that it has read.
    fn read_units(&self) -> Option<i64> {
        let (_, rest) = self.returned().split_once("available_units = ")?;
        let digits = rest.split(|it: char| !it.is_ascii_digit() && it != '-');
        digits.into_iter().next()?.parse().ok()
    }
}

fn seen(steps: &[Step]) -> Vec<Seen<'_>> {
    let numbered = steps.iter().enumerate();
    numbered
        .map(|(position, step)| Seen {
            number: position + 1,
            step,
            does: step.statement.does(),
        })
        .collect()
}

/// The first cause that is recognized.
pub(crate) fn why(case: &Case<'_>) -> Option<Why> {
    let steps = seen(&case.played.transcript.steps);
    ignored_guard(&steps)
        .or_else(|| unlocked_too_early(case, &steps))
        .or_else(|| locked_too_late(case, &steps))
        .or_else(|| retry_missing(case, &steps))
        .or_else(|| refused_at_the_gate(case, &steps))
        .or_else(|| took_and_gave_back(case, &steps))
        .or_else(|| looked_too_early(case, &steps))
        .or_else(|| lock_for_each_buyer(case, &steps))
        .or_else(|| told_otherwise(case, &steps))
}

/// The cause that is left when no other is recognized.
pub(crate) fn last_resort(case: &Case<'_>) -> Option<Why> {
    let steps = seen(&case.played.transcript.steps);
    read_then_written(&steps)
}

fn because(id: &'static str, steps: [usize; 2], sentence: String) -> Option<Why> {
    Some(Why {
        id,
        sentence,
        steps: steps.to_vec(),
    })
}

/// A write that changed no row, and an order all the same.
fn ignored_guard(steps: &[Seen<'_>]) -> Option<Why> {
    let guard = steps.iter().find(|it| {
        it.does.writes_stock
            && !it.does.records
            && matches!(it.returned(), "UPDATE 0" | "no row")
    })?;
    let order = steps.iter().find(|it| {
        it.buyer() == guard.buyer()
            && it.number > guard.number
            && it.does.records
            && !it.failed()
    })?;
    let (guard, order) = (guard.number, order.number);
    because(
        "ignored-guard",
        [guard, order],
        format!(
            "Step {guard} changed no row (UPDATE 0), and step {order} recorded the order \
             all the same."
        ),
    )
}

/// A lock that is let go before COMMIT, and a read of the other buyer in between.
fn unlocked_too_early(case: &Case<'_>, steps: &[Seen<'_>]) -> Option<Why> {
    if !is_of_stock(case.violation.rule) {
        return None;
    }
    steps.iter().filter(|it| it.does.unlocks).find_map(|unlock| {
        let own = |it: &&Seen<'_>| it.buyer() == unlock.buyer();
        let commit = steps
            .iter()
            .filter(own)
            .find(|it| it.number > unlock.number && it.does.commits)?;
        let read = steps.iter().find(|it| {
            it.buyer() != unlock.buyer()
                && (it.does.reads_stock || it.does.writes_stock)
                && it.done_at() > unlock.number
                && it.number < commit.number
        })?;
        let units = read.read_units().map_or(String::new(), |it| format!(" {it}"));
        let read_what = if read.does.reads_stock { "read" } else { "wrote" };
        because(
            "unlocked-too-early",
            [unlock.number, commit.number],
            format!(
                "T{} let go at step {} and committed at step {}; in between step {} \
                 {read_what}{units}.",
                unlock.buyer(),
                unlock.number,
                commit.number,
                read.number
            ),
        )
    })
}

/// A lock that is taken after the read that it should have protected.
fn locked_too_late(case: &Case<'_>, steps: &[Seen<'_>]) -> Option<Why> {
    if !is_of_stock(case.violation.rule) {
        return None;
    }
    steps.iter().filter(|it| it.does.locks).find_map(|lock| {
        let own = |it: &&Seen<'_>| it.buyer() == lock.buyer();
        let read = steps.iter().filter(own).find(|it| {
            it.number < lock.number && it.does.reads_stock && !it.does.locks
        })?;
        let is_protected = steps
            .iter()
            .filter(own)
            .any(|it| it.number < read.number && it.does.locks);
        // Somebody else's write became known between the read and the lock.
        let is_older = steps.iter().any(|it| {
            it.buyer() != lock.buyer()
                && it.number > read.number
                && it.number <= lock.done_at()
                && (it.does.commits || it.does.writes_stock)
        });
        if is_protected || !is_older {
            return None;
        }
        because(
            "locked-too-late",
            [lock.number, read.number],
            format!(
                "Step {} takes the lock, but what it protects was read in step {}.",
                lock.number, read.number
            ),
        )
    })
}

/// PostgreSQL asks for another try, and nobody makes one.
fn retry_missing(case: &Case<'_>, steps: &[Seen<'_>]) -> Option<Why> {
    let refused = steps.iter().find(|it| {
        ["could not serialize", "deadlock detected"]
            .iter()
            .any(|text| it.returned().contains(text))
    })?;
    let after =
        |it: &&Seen<'_>| it.buyer() == refused.buyer() && it.number > refused.number;
    let aborted = steps
        .iter()
        .filter(after)
        .find(|it| it.returned().contains("current transaction is aborted"));
    let refused_number = refused.number;
    if let Some(aborted) = aborted {
        return because(
            "retry-missing",
            [refused_number, aborted.number],
            format!(
                "Step {refused_number} was refused to be tried again, and step {} tried it in \
                 the same transaction, which is aborted: the whole purchase begins anew.",
                aborted.number
            ),
        );
    }
    let told = steps
        .iter()
        .filter(|it| it.buyer() == refused.buyer() && it.number >= refused_number)
        .find_map(|it| it.step.answer.as_ref().map(|answer| (it.number, answer)));
    let (answered, answer) = told?;
    let reason = refused.returned().trim_start_matches("ERROR: ");
    let left = case.books.audit.available_units;
    if answer == "sold out" && case.violation.rule == Rule::FalseSoldOut {
        return because(
            "refused-is-not-sold-out",
            [refused_number, answered],
            format!(
                "Step {refused_number} was refused to be tried again ({reason}), which says \
                 nothing of the stock: {} was told {answer} while {left} units were left.",
                case.name(refused.buyer())
            ),
        );
    }
    if answer == "accepted" || answer == "sold out" {
        return None;
    }
    because(
        "retry-missing",
        [refused_number, answered],
        format!(
            "Step {refused_number} was refused to be tried again ({reason}), and nobody did: \
             {} was told {answer} while {left} units were left.",
            case.name(refused.buyer())
        ),
    )
}

/// A counter that is counted down first and given back later: in between it is too low.
fn took_and_gave_back(case: &Case<'_>, steps: &[Seen<'_>]) -> Option<Why> {
    if case.violation.rule != Rule::FalseSoldOut {
        return None;
    }
    let counts =
        |it: &&Seen<'_>| it.step.statement.store == Store::Redis && it.does.counts;
    let took = steps
        .iter()
        .filter(counts)
        .find(|it| it.returned().parse::<i64>().is_ok_and(|left| left < 0))?;
    let too_low = steps
        .iter()
        .filter(counts)
        .find(|it| it.buyer() != took.buyer() && it.number > took.number)?;
    let taker = case.scenario.asks(took.buyer()).first()?;
    because(
        "took-and-gave-back",
        [took.number, too_low.number],
        format!(
            "{}'s {} (step {}) were not given back before step {} counted.",
            taker.buyer, taker.units, took.number, too_low.number
        ),
    )
}

/// A script in Redis refuses whom there is enough for: since nobody has loaded it, since
/// somebody was let through who wants more than there is, or since all there is is too much.
fn refused_at_the_gate(case: &Case<'_>, steps: &[Seen<'_>]) -> Option<Why> {
    if case.violation.rule != Rule::FalseSoldOut {
        return None;
    }
    let is_gate =
        |it: &&Seen<'_>| it.step.statement.store == Store::Redis && it.does.counts;
    let refused = steps.iter().filter(is_gate).rfind(|it| {
        it.returned() == "0" && it.step.answer.as_deref() == Some("sold out")
    })?;
    let asked = |side: Buyer| case.scenario.asks(side).first();
    let (buyer, other) = (asked(refused.buyer())?, asked(refused.buyer().other())?);
    let number = refused.number;
    let before = || steps.iter().filter(|it| it.number < number);
    let Some(read) = before().find(|it| it.does.reads_stock) else {
        return because(
            "nobody-had-looked",
            [number, number],
            format!(
                "Step {number} refused, and nobody had read the stock: a gate that is not \
                 there is not an empty gate."
            ),
        );
    };
    let was_there = case.scenario.units;
    // Whoever is let through goes on to PostgreSQL.
    let goes_on = |it: &Seen<'_>| {
        let own = |next: &&Seen<'_>| next.buyer() == it.buyer();
        let next = steps
            .iter()
            .filter(own)
            .find(|next| next.number > it.number);
        next.is_some_and(|next| next.step.statement.store == Store::PostgreSQL)
    };
    let let_through = before().filter(is_gate).find(|it| {
        it.buyer() != refused.buyer()
            && it.returned() == "1"
            && other.units > was_there
            && goes_on(it)
    });
    if let Some(let_through) = let_through {
        return because(
            "let-through-too-much",
            [let_through.number, number],
            format!(
                "Step {} let {} through for {}, and {was_there} was there; step {number} then \
                 refused {}.",
                let_through.number, other.buyer, other.units, buyer.buyer
            ),
        );
    }
    let (units, read_units) = (buyer.units, read.read_units()?);
    (i64::from(units) == read_units).then(|| Why {
        id: "refused-what-fits",
        sentence: format!(
            "Step {number} refused {units}, and step {} had read {read_units}: what is wanted \
             may be all there is.",
            read.number
        ),
        steps: vec![number, read.number],
    })
}

/// The key is looked for before the lock: what is committed in between is not seen.
fn looked_too_early(case: &Case<'_>, steps: &[Seen<'_>]) -> Option<Why> {
    let of_keys = [Rule::WinnerRefused, Rule::Acknowledged, Rule::Unanswered];
    if !of_keys.contains(&case.violation.rule) {
        return None;
    }
    steps.iter().filter(|it| it.does.finds_order).find_map(|look| {
        if look.returned() != "no row" {
            return None;
        }
        let commit = steps.iter().find(|it| {
            it.buyer() != look.buyer() && it.does.commits && it.number > look.number
        })?;
        let refused = steps.iter().filter(|it| it.buyer() == look.buyer()).find(|it| {
            it.done_at() >= commit.number
                && it.number > look.number
                && (it.does.reads_stock || it.does.writes_stock)
        })?;
        because(
            "looked-too-early",
            [look.number, commit.number],
            format!(
                "The key was looked for in step {}, before {}'s order was committed in step \
                 {}; step {} then found no stock.",
                look.number,
                case.name(commit.buyer()),
                commit.number,
                refused.number
            ),
        )
    })
}

/// Locks whose names differ from buyer to buyer keep nobody apart.
fn lock_for_each_buyer(case: &Case<'_>, steps: &[Seen<'_>]) -> Option<Why> {
    if !is_of_stock(case.violation.rule) {
        return None;
    }
    let lock_of = |buyer: Buyer| {
        steps.iter().find(|it| {
            it.buyer() == buyer && it.does.locks && !it.does.reads_stock && !it.failed()
        })
    };
    let (one, two) = (lock_of(Buyer::One)?, lock_of(Buyer::Two)?);
    let waits = |it: &Seen<'_>| it.step.waited_for == Some(Wait::Lock);
    if one.step.statement.readable == two.step.statement.readable
        || waits(one)
        || waits(two)
    {
        return None;
    }
    because(
        "lock-of-its-own",
        [one.number, two.number],
        format!(
            "Steps {} and {} take two locks: each buyer has a lock of their own, and nobody \
             waits.",
            one.number, two.number
        ),
    )
}

/// The answer says one thing and the table another.
fn told_otherwise(case: &Case<'_>, steps: &[Seen<'_>]) -> Option<Why> {
    let sides = Buyer::BOTH.into_iter().zip(&case.played.told);
    for (side, told) in sides {
        for (ask, told) in case.scenario.asks(side).iter().zip(told) {
            let asked = Asked::new(ask, told, case.books);
            let id = match (told.outcome, asked.order) {
                (Outcome::Failed, Some(_)) => "told-failed-and-bought",
                (Outcome::Accepted, None) => "told-accepted-and-not",
                _ => continue,
            };
            let mut own = steps.iter().filter(|it| it.buyer() == side);
            let last = own.clone().next_back().map_or(0, |it| it.number);
            let records = own.rfind(|it| it.does.records);
            let records = records.map_or(last, |it| it.number);
            return because(
                id,
                [records, last],
                format!(
                    "Step {records} was to record the order, and after step {last} {} was \
                     told {}.",
                    ask.buyer,
                    told.outcome.as_str()
                ),
            );
        }
    }
    None
}

/// Both read the same number before either had committed what became of it.
fn read_then_written(steps: &[Seen<'_>]) -> Option<Why> {
    let commit = steps
        .iter()
        .find(|it| it.does.commits || it.does.writes_stock);
    let commit = commit.map_or(usize::MAX, |_| {
        let commits = steps.iter().find(|it| it.does.commits);
        commits.map_or(usize::MAX, |it| it.number)
    });
    let reads: Vec<_> = steps
        .iter()
        .filter(|it| it.does.reads_stock && it.done_at() < commit)
        .collect();
    reads.iter().find_map(|one| {
        let units = one.read_units()?;
        let two = reads.iter().find(|it| {
            it.buyer() != one.buyer() && it.read_units() == Some(units)
        })?;
        let (first, second) = (one.number.min(two.number), one.number.max(two.number));
        because(
            "read-then-written",
            [first, second],
            format!(
                "Steps {first} and {second} read the same {units}; nothing made one of them \
                 wait."
            ),
        )
    })
}

/// A unit that Redis had counted down when the server was killed.
pub(crate) fn died_with_its_permit(steps: &[Step], fault: Fault) -> Option<Why> {
    let steps = seen(steps);
    let last = steps.last()?;
    let took = steps
        .iter()
        .rfind(|it| it.step.statement.store == Store::Redis && it.does.counts)?;
    let number = took.number;
    match fault {
        Fault::KilledBefore | Fault::KilledAfter => because(
            "died-with-its-permit",
            [number, last.number],
            format!(
                "The unit that step {number} took from Redis died with the server."
            ),
        ),
        Fault::AnswerLost | Fault::StepLost => because(
            "permit-unaccounted",
            [number, last.number],
            format!(
                "Step {number} may have taken a unit from Redis; nobody heard whether it did, \
                 and nobody gives it back."
            ),
        ),
    }
}

/// Nobody heard what came of a step, and the buyer was told as if somebody had.
pub(crate) fn told_blindly(steps: &[Step], told: &Told, at: usize) -> Option<Why> {
    let id = match told.outcome {
        Outcome::Failed => "told-failed-and-bought",
        Outcome::Accepted => "told-accepted-and-not",
        _ => return None,
    };
    let steps = seen(steps);
    let records = steps.iter().find(|it| it.does.records)?.number;
    because(
        id,
        [records, at],
        format!(
            "Step {records} wrote the order, nobody heard what came of step {at}, and the buyer \
             was told {} as if somebody had.",
            told.outcome.as_str()
        ),
    )
}

/// Two buyers who are kept apart at one server and not at two.
pub(crate) fn lock_of_its_own(steps: [usize; 2]) -> Why {
    Why {
        id: "lock-of-its-own",
        sentence:
            "Neither server waited for the other: what keeps them apart lives inside \
                   one process."
                .to_owned(),
        steps: steps.to_vec(),
    }
}

/// Two steps of both buyers that are worth comparing.
pub(crate) fn compare(steps: &[Step]) -> Option<[usize; 2]> {
    let steps = seen(steps);
    let of = |buyer: Buyer| {
        let own = steps.iter().filter(|it| it.buyer() == buyer);
        own.clone()
            .find(|it| it.does.writes_stock)
            .or_else(|| own.clone().next())
            .map(|it| it.number)
    };
    let (one, two) = (of(Buyer::One)?, of(Buyer::Two)?);
    Some([one.min(two), one.max(two)])
}

fn is_of_stock(rule: Rule) -> bool {
    matches!(rule, Rule::Oversold | Rule::Books | Rule::Limit)
}

impl Case<'_> {
    fn name(&self, side: Buyer) -> &'static str {
        self.scenario.asks(side).first().map_or("", |ask| ask.buyer)
    }
}
