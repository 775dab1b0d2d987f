//! Why a rule is broken: recognizers of what people do wrong, asked from the most specific to
//! the least. Each looks at one run and says one sentence, with the numbers of two steps.

use std::fmt;

use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Ask, Books, Buyer, Fault, Played, Scenario, Step, Wait};
use flash_lab_wire::{Does, Store};

use crate::rules::Asked;
use crate::verdict::Why;

/// A step with its number, counted from 1, and what it does.
#[derive(Clone, Copy)]
struct Seen<'a> {
    number: usize,
    buyer: Buyer,
    step: &'a Step,
    does: Does,
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

impl From<&Seen<'_>> for usize {
    fn from(seen: &Seen<'_>) -> Self {
        seen.number
    }
}

impl Seen<'_> {
    /// Whether it comes later, and is of the same buyer.
    fn follows(&self, other: &Self) -> bool {
        self.buyer == other.buyer && self.number > other.number
    }

    fn returned(&self) -> &str {
        self.step.returned.as_deref().unwrap_or_default()
    }

    /// When the result was there: a step that waited has it only when the wait ends.
    fn done_at(&self) -> usize {
        self.step.waited_until.unwrap_or(self.number)
    }

    fn touches_stock(&self) -> bool {
        self.does.reads_stock || self.does.writes_stock
    }

    /// Whether it asks a counter, or a script, in Redis.
    fn counts(&self) -> bool {
        self.step.statement.store == Store::Redis && self.does.counts
    }

    /// The units that it has read.
    fn read_units(&self) -> Option<i64> {
        let (_, rest) = self.returned().split_once("available_units = ")?;
        let digits = rest.split(|it: char| !it.is_ascii_digit() && it != '-');
        digits.into_iter().next()?.parse().ok()
    }
}

fn seen(steps: &[Step]) -> Vec<Seen<'_>> {
    let numbered = (1..).zip(steps);
    let seen = numbered.map(|(number, step)| Seen {
        number,
        buyer: step.buyer,
        step,
        does: step.statement.does(),
    });
    seen.collect()
}

fn because(
    id: &'static str,
    steps: [impl Into<usize>; 2],
    sentence: String,
) -> Option<Why> {
    let steps = steps.map(Into::into).to_vec();
    Some(Why {
        id,
        sentence,
        steps,
    })
}

/// A run that broke a rule.
pub(crate) struct Case<'a> {
    scenario: &'static Scenario,
    played: &'a Played,
    books: &'a Books,
    rule: Rule,
    steps: Vec<Seen<'a>>,
}

const STOCK: [Rule; 3] = [Rule::Oversold, Rule::Books, Rule::Limit];
const KEYS: [Rule; 3] = [Rule::WinnerRefused, Rule::Acknowledged, Rule::Unanswered];

/// How a cause is recognized, and which rules it breaks; none for any.
type Recognizer<'a> = (fn(&Case<'a>) -> Option<Why>, &'static [Rule]);

impl<'a> Case<'a> {
    /// What people do wrong, from the most specific to the least.
    const RECOGNIZERS: [Recognizer<'a>; 9] = [
        (Self::ignored_guard, &[]),
        (Self::unlocked_too_early, &STOCK),
        (Self::locked_too_late, &STOCK),
        (Self::retry_missing, &[]),
        (Self::refused_at_the_gate, &[Rule::FalseSoldOut]),
        (Self::took_and_gave_back, &[Rule::FalseSoldOut]),
        (Self::looked_too_early, &KEYS),
        (Self::lock_for_each_buyer, &STOCK),
        (Self::told_otherwise, &[]),
    ];

    pub(crate) fn new(
        scenario: &'static Scenario,
        played: &'a Played,
        books: &'a Books,
        rule: Rule,
    ) -> Self {
        Self {
            scenario,
            played,
            books,
            rule,
            steps: seen(&played.transcript.steps),
        }
    }

    /// The first cause that is recognized.
    pub(crate) fn why(&self) -> Option<Why> {
        let fits = |rules: &[Rule]| rules.is_empty() || rules.contains(&self.rule);
        let mut fitting = Self::RECOGNIZERS.iter().filter(|(_, rules)| fits(rules));
        fitting.find_map(|(recognize, _)| recognize(self))
    }

    fn all(
        &self,
        is_it: impl Fn(&Seen<'a>) -> bool,
    ) -> impl Iterator<Item = &Seen<'a>> {
        self.steps.iter().filter(move |it| is_it(it))
    }

    fn first(&self, is_it: impl Fn(&Seen<'a>) -> bool) -> Option<&Seen<'a>> {
        self.steps.iter().find(|it| is_it(it))
    }

    fn ask(&self, side: Buyer) -> Option<&'static Ask> {
        self.scenario.asks(side).first()
    }

    fn name(&self, side: Buyer) -> &'static str {
        self.ask(side).map_or("", |ask| &ask.buyer)
    }

    /// A write that changed no row, and an order all the same.
    fn ignored_guard(&self) -> Option<Why> {
        let guard = self.first(|it| {
            it.does.writes_stock
                && !it.does.records
                && matches!(it.returned(), "UPDATE 0" | "no row")
        })?;
        let order = self.first(|it| {
            it.follows(guard) && it.does.records && !it.returned().starts_with("ERROR")
        })?;
        let sentence = format!(
            "Step {guard} changed no row (UPDATE 0), and step {order} recorded the order \
             all the same."
        );
        because("ignored-guard", [guard, order], sentence)
    }

    /// A lock that is let go before COMMIT, and a read of the other buyer in between.
    fn unlocked_too_early(&self) -> Option<Why> {
        self.all(|it| it.does.unlocks).find_map(|unlock| {
            let commit = self.first(|it| it.follows(unlock) && it.does.commits)?;
            let read = self.first(|it| {
                it.buyer != unlock.buyer
                    && it.touches_stock()
                    && it.done_at() > unlock.number
                    && it.number < commit.number
            })?;
            let buyer = unlock.buyer;
            let units = read
                .read_units()
                .map_or(String::new(), |it| format!(" {it}"));
            let read_what = if read.does.reads_stock {
                "read"
            } else {
                "wrote"
            };
            let sentence = format!(
                "T{buyer} let go at step {unlock} and committed at step {commit}; in \
                 between step {read} {read_what}{units}."
            );
            because("unlocked-too-early", [unlock, commit], sentence)
        })
    }

    /// A lock that is taken after the read that it should have protected.
    fn locked_too_late(&self) -> Option<Why> {
        self.all(|it| it.does.locks).find_map(|lock| {
            let read = self.first(|it| {
                lock.follows(it) && it.does.reads_stock && !it.does.locks
            })?;
            let is_protected = self.first(|it| read.follows(it) && it.does.locks);
            // Somebody else's write became known between the read and the lock.
            self.first(|it| {
                it.buyer != lock.buyer
                    && it.number > read.number
                    && it.number <= lock.done_at()
                    && (it.does.commits || it.does.writes_stock)
            })?;
            if is_protected.is_some() {
                return None;
            }
            let sentence = format!(
                "Step {lock} takes the lock, but what it protects was read in step \
                 {read}."
            );
            because("locked-too-late", [lock, read], sentence)
        })
    }

    /// PostgreSQL asks for another try, and nobody makes one.
    fn retry_missing(&self) -> Option<Why> {
        let refusals = ["could not serialize", "deadlock detected"];
        let refused = self.first(|it| {
            let returned = it.returned();
            refusals.iter().any(|text| returned.contains(text))
        })?;
        let aborted = self.first(|it| {
            it.follows(refused)
                && it.returned().contains("current transaction is aborted")
        });
        if let Some(aborted) = aborted {
            let sentence = format!(
                "Step {refused} was refused to be tried again, and step {aborted} tried \
                 it in the same transaction, which is aborted: the whole purchase begins \
                 anew."
            );
            return because("retry-missing", [refused, aborted], sentence);
        }
        let told = self.first(|it| {
            it.buyer == refused.buyer
                && it.number >= refused.number
                && it.step.answer.is_some()
        })?;
        let answer = told.step.answer.as_deref()?;
        let reason = refused.returned().trim_start_matches("ERROR: ");
        let left = self.books.audit.available_units;
        let name = self.name(refused.buyer);
        let (id, why) = match answer {
            "sold out" if self.rule == Rule::FalseSoldOut => {
                ("refused-is-not-sold-out", "which says nothing of the stock")
            }
            "accepted" | "sold out" => return None,
            _ => ("retry-missing", "and nobody did"),
        };
        let sentence = format!(
            "Step {refused} was refused to be tried again ({reason}), {why}: {name} was \
             told {answer} while {left} units were left."
        );
        because(id, [refused, told], sentence)
    }

    /// A counter that is counted down first and given back later: in between it is too low.
    fn took_and_gave_back(&self) -> Option<Why> {
        let is_negative = |it: &Seen<'_>| {
            let left = it.returned().parse::<i64>();
            left.is_ok_and(|left| left < 0)
        };
        let took = self.first(|it| it.counts() && is_negative(it))?;
        let too_low = self.first(|it| {
            it.counts() && it.buyer != took.buyer && it.number > took.number
        })?;
        let Ask { buyer, units, .. } = self.ask(took.buyer)?;
        let sentence = format!(
            "{buyer}'s {units} (step {took}) were not given back before step {too_low} \
             counted."
        );
        because("took-and-gave-back", [took, too_low], sentence)
    }

    /// A script in Redis refuses whom there is enough for: since nobody has loaded it, since
    /// somebody was let through who wants more than there is, or since all there is is too
    /// much.
    fn refused_at_the_gate(&self) -> Option<Why> {
        let refuses = |it: &Seen<'_>| {
            let is_told = it.step.answer.as_deref() == Some("sold out");
            it.counts() && it.returned() == "0" && is_told
        };
        let refused = self.all(refuses).last()?;
        let (ask, other) = (self.ask(refused.buyer)?, self.ask(refused.buyer.other())?);
        let is_before = |it: &Seen<'_>| it.number < refused.number;
        let Some(read) = self.first(|it| is_before(it) && it.does.reads_stock) else {
            let sentence = format!(
                "Step {refused} refused, and nobody had read the stock: a gate that is \
                 not there is not an empty gate."
            );
            return because("nobody-had-looked", [refused; 2], sentence);
        };
        // Whoever is let through goes on to PostgreSQL.
        let goes_on = |it: &Seen<'_>| {
            let next = self.first(|next| next.follows(it));
            next.is_some_and(|it| it.step.statement.store == Store::PostgreSQL)
        };
        let let_through = self.first(|it| {
            is_before(it)
                && it.counts()
                && it.buyer != refused.buyer
                && it.returned() == "1"
                && goes_on(it)
        });
        let there = self.scenario.units;
        if let Some(let_through) = let_through.filter(|_| other.units > there) {
            let sentence = format!(
                "Step {let_through} let {} through for {}, and {there} was there; step \
                 {refused} then refused {}.",
                other.buyer, other.units, ask.buyer
            );
            return because("let-through-too-much", [let_through, refused], sentence);
        }
        let units = i64::from(ask.units);
        if read.read_units()? != units {
            return None;
        }
        let sentence = format!(
            "Step {refused} refused {units}, and step {read} had read {units}: what is \
             wanted may be all there is."
        );
        because("refused-what-fits", [refused, read], sentence)
    }

    /// The key is looked for before the lock: what is committed in between is not seen.
    fn looked_too_early(&self) -> Option<Why> {
        let in_vain = |it: &Seen<'_>| it.does.finds_order && it.returned() == "no row";
        self.all(in_vain).find_map(|look| {
            let commit = self.first(|it| {
                it.buyer != look.buyer && it.does.commits && it.number > look.number
            })?;
            let refused = self.first(|it| {
                it.follows(look) && it.touches_stock() && it.done_at() >= commit.number
            })?;
            let name = self.name(commit.buyer);
            let sentence = format!(
                "The key was looked for in step {look}, before {name}'s order was \
                 committed in step {commit}; step {refused} then found no stock."
            );
            because("looked-too-early", [look, commit], sentence)
        })
    }

    /// Locks whose names differ from buyer to buyer keep nobody apart.
    fn lock_for_each_buyer(&self) -> Option<Why> {
        let lock_of = |buyer: Buyer| {
            self.first(|it| {
                it.buyer == buyer
                    && it.does.locks
                    && !it.does.reads_stock
                    && !it.returned().starts_with("ERROR")
            })
        };
        let (one, two) = (lock_of(Buyer::One)?, lock_of(Buyer::Two)?);
        let waits = |it: &Seen<'_>| it.step.waited_for == Some(Wait::Lock);
        let name = |it: &Seen<'a>| &it.step.statement.readable;
        if name(one) == name(two) || waits(one) || waits(two) {
            return None;
        }
        let sentence = format!(
            "Steps {one} and {two} take two locks: each buyer has a lock of their own, \
             and nobody waits."
        );
        because("lock-of-its-own", [one, two], sentence)
    }

    /// The answer says one thing and the table another.
    fn told_otherwise(&self) -> Option<Why> {
        let sides = Buyer::BOTH.into_iter().zip(&self.played.told);
        let mut asked = sides.flat_map(|(side, told)| {
            let asks = self.scenario.asks(side).iter().zip(told);
            asks.map(move |(ask, told)| {
                (side, Asked::new(ask, told, self.books, false))
            })
        });
        asked.find_map(|(side, asked)| {
            let id = told_wrongly(asked.told)?;
            if (asked.told.outcome == Outcome::Accepted) == asked.order.is_some() {
                return None;
            }
            let own = || self.all(|it| it.buyer == side);
            let last = own().last().map_or(0, |it| it.number);
            let records = own().filter(|it| it.does.records).last();
            let records = records.map_or(last, |it| it.number);
            let (buyer, told) = (&asked.ask.buyer, asked.told.outcome.as_str());
            let sentence = format!(
                "Step {records} was to record the order, and after step {last} {buyer} \
                 was told {told}."
            );
            because(id, [records, last], sentence)
        })
    }

    /// The cause that is left when no other is recognized: both read the same number before
    /// either had committed what became of it.
    pub(crate) fn read_then_written(&self) -> Option<Why> {
        let commit = self.first(|it| it.does.commits);
        let commit = commit.map_or(usize::MAX, |it| it.number);
        let reads = || self.all(|it| it.does.reads_stock && it.done_at() < commit);
        reads().find_map(|one| {
            let units = one.read_units()?;
            let is_same = |it: &&Seen<'_>| {
                it.buyer != one.buyer && it.read_units() == Some(units)
            };
            let two = reads().find(is_same)?;
            let (first, second) =
                (one.number.min(two.number), one.number.max(two.number));
            let sentence = format!(
                "Steps {first} and {second} read the same {units}; nothing made one of \
                 them wait."
            );
            because("read-then-written", [first, second], sentence)
        })
    }

    /// Two buyers who are kept apart at one server and not at two; the steps are worth
    /// comparing.
    pub(crate) fn lock_in_process(&self) -> Option<Why> {
        let of = |buyer: Buyer| {
            let writes = self.first(|it| it.buyer == buyer && it.does.writes_stock);
            writes.or_else(|| self.first(|it| it.buyer == buyer))
        };
        let (one, two) = (of(Buyer::One)?.number, of(Buyer::Two)?.number);
        because(
            "lock-of-its-own",
            [one.min(two), one.max(two)],
            "Neither server waited for the other: what keeps them apart lives inside one \
             process."
                .to_owned(),
        )
    }
}

/// A unit that Redis had counted down when the server was killed.
pub(crate) fn died_with_its_permit(steps: &[Step], fault: Fault) -> Option<Why> {
    let steps = seen(steps);
    let took = steps.iter().rfind(|it| it.counts())?;
    let (id, sentence) = match fault {
        Fault::KilledBefore | Fault::KilledAfter => (
            "died-with-its-permit",
            format!("The unit that step {took} took from Redis died with the server."),
        ),
        Fault::AnswerLost | Fault::StepLost => (
            "permit-unaccounted",
            format!(
                "Step {took} may have taken a unit from Redis; nobody heard whether it did, \
                 and nobody gives it back."
            ),
        ),
    };
    because(id, [took.number, steps.len()], sentence)
}

/// Nobody heard what came of a step, and the buyer was told as if somebody had.
pub(crate) fn told_blindly(steps: &[Step], told: &Told, at: usize) -> Option<Why> {
    let id = told_wrongly(told)?;
    let steps = seen(steps);
    let records = steps.iter().find(|it| it.does.records)?;
    let outcome = told.outcome.as_str();
    let sentence = format!(
        "Step {records} wrote the order, nobody heard what came of step {at}, and the \
         buyer was told {outcome} as if somebody had."
    );
    because(id, [records.number, at], sentence)
}

/// What it is called when an answer is not what the table says.
fn told_wrongly(told: &Told) -> Option<&'static str> {
    match told.outcome {
        Outcome::Failed => Some("told-failed-and-bought"),
        Outcome::Accepted => Some("told-accepted-and-not"),
        _ => None,
    }
}
