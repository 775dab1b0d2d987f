//! Stage `http`: one buyer at a time.

use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Ask, Buyer, Stage};

use crate::cli::StageName;
use crate::rules::{Asked, unbalanced};
use crate::verdict::{self, Judged, Looked, Violation};

/// Who asks, what one may be told, and which rule says so.
struct Line {
    ask: Ask,
    expected: Expected,
    rule: Rule,
    /// What was the case when this was asked.
    given: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Accepted,
    SoldOut,
    LimitReached,
    /// The key stands for another request.
    KeyReused,
}

/// A sale of one buyer after the other.
struct Sale {
    units: u32,
    limit: Option<u32>,
    lines: &'static [Line],
}

const fn line(
    buyer: &'static str,
    units: u32,
    key: &'static str,
    expected: Expected,
    rule: Rule,
    given: &'static str,
) -> Line {
    Line {
        ask: Ask { buyer, units, key },
        expected,
        rule,
        given,
    }
}

const SALES: &[Sale] = &[
    Sale {
        units: 1,
        limit: None,
        lines: &[
            line(
                "ann",
                1,
                "k1",
                Expected::Accepted,
                Rule::FalseSoldOut,
                "one unit is left and one is wanted",
            ),
            line(
                "bob",
                1,
                "k1",
                Expected::SoldOut,
                Rule::Oversold,
                "nothing is left and one is wanted",
            ),
            line(
                "ann",
                1,
                "k1",
                Expected::Accepted,
                Rule::WinnerRefused,
                "ann has the order of k1 and asks again with k1",
            ),
        ],
    },
    Sale {
        units: 3,
        limit: None,
        lines: &[
            line(
                "ann",
                4,
                "k1",
                Expected::SoldOut,
                Rule::Oversold,
                "three units are left and four are wanted",
            ),
            line(
                "ann",
                1,
                "k2",
                Expected::Accepted,
                Rule::FalseSoldOut,
                "three units are left and one is wanted",
            ),
            line(
                "ann",
                2,
                "k2",
                Expected::KeyReused,
                Rule::Acknowledged,
                "k2 stands for one unit, and two are asked for with k2",
            ),
            line(
                "bob",
                2,
                "k2",
                Expected::Accepted,
                Rule::FalseSoldOut,
                "two units are left and two are wanted",
            ),
        ],
    },
    Sale {
        units: 9,
        limit: Some(2),
        lines: &[
            line(
                "ann",
                1,
                "k1",
                Expected::Accepted,
                Rule::FalseSoldOut,
                "two are allowed, and ann wants one",
            ),
            line(
                "ann",
                1,
                "k2",
                Expected::Accepted,
                Rule::FalseSoldOut,
                "two are allowed, and ann wants the second",
            ),
            line(
                "ann",
                1,
                "k3",
                Expected::LimitReached,
                Rule::Limit,
                "two are allowed, and ann wants a third",
            ),
            line(
                "bob",
                1,
                "k1",
                Expected::Accepted,
                Rule::FalseSoldOut,
                "two are allowed, ann has them, and bob wants one",
            ),
        ],
    },
];

/// What is judged here, where nothing is broken.
const RULES: [Rule; 7] = [
    Rule::Oversold,
    Rule::Books,
    Rule::Acknowledged,
    Rule::WinnerRefused,
    Rule::Limit,
    Rule::FalseSoldOut,
    Rule::Unanswered,
];

pub(crate) async fn judge(stage: &mut Stage) -> anyhow::Result<verdict::Outcome> {
    let mut asked = 0;
    let mut broken = None;
    for sale in SALES {
        let violation = sell(stage, sale, &mut asked).await?;
        if let Some(violation) = violation {
            broken = Some(Judged::broken(violation, StageName::Http, None));
            break;
        }
    }
    let held = RULES
        .into_iter()
        .filter(|_| broken.is_none())
        .map(|rule| Judged::held(rule, StageName::Http, None));
    Ok(verdict::Outcome {
        looked: vec![Looked {
            id: StageName::Http,
            scenario: None,
            schedules: asked,
            changes_max: None,
            complete: broken.is_none(),
        }],
        held: held.collect(),
        broken,
    })
}

async fn sell(
    stage: &mut Stage,
    sale: &Sale,
    asked: &mut usize,
) -> anyhow::Result<Option<Violation>> {
    let sku = stage.put_on_sale(sale.units, sale.limit).await?;
    for line in sale.lines {
        let told = stage.buy(Buyer::One, &line.ask, &sku).await;
        *asked += 1;
        let books = stage.read_books(&sku).await?;
        // What was asked with other contents has no order, and its key has one.
        let contradiction = Asked::new(&line.ask, &told, &books).contradiction();
        let contradiction =
            contradiction.filter(|_| line.expected != Expected::KeyReused);
        let violation = wrong(line, &told)
            .or(contradiction)
            .or_else(|| unbalanced(&books));
        if violation.is_some() {
            return Ok(violation);
        }
    }
    Ok(None)
}

/// What is wrong with an answer.
fn wrong(line: &Line, told: &Told) -> Option<Violation> {
    let is_expected = match line.expected {
        Expected::Accepted => told.outcome == Outcome::Accepted,
        Expected::SoldOut => told.outcome == Outcome::SoldOut,
        Expected::LimitReached => told.outcome == Outcome::LimitReached,
        Expected::KeyReused => {
            told.outcome == Outcome::Failed
                && told
                    .status
                    .is_some_and(|status| (400..500).contains(&status))
        }
    };
    if is_expected {
        return None;
    }
    let buyer = line.ask.buyer;
    let is_answer = matches!(
        told.outcome,
        Outcome::Accepted | Outcome::SoldOut | Outcome::LimitReached
    );
    let status = told.status.map_or("no answer came".to_owned(), |status| {
        let code = told
            .code
            .as_deref()
            .map_or(String::new(), |it| format!(" {it}"));
        format!("{status}{code}")
    });
    let said = format!("{}: {buyer} was told {}", line.given, told.outcome.as_str());
    Some(match (line.expected, is_answer) {
        (Expected::Accepted, true) => {
            let end = match line.rule {
                Rule::FalseSoldOut if told.outcome == Outcome::SoldOut => {
                    ". The last unit never sells"
                }
                _ => "",
            };
            Violation::new(line.rule, format!("{said}{end}"))
        }
        (_, true) => Violation::new(line.rule, said),
        (Expected::SoldOut | Expected::LimitReached, false) => Violation::new(
            Rule::Unanswered,
            format!("{said} ({status}); a refusal is an answer"),
        ),
        (_, false) => Violation::new(Rule::Unanswered, format!("{said} ({status})")),
    })
}
