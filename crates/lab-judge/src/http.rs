//! Stage `http`: one buyer at a time.

use anyhow::Context;
use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Ask, Buyer, Stage};
use serde::Deserialize;

use crate::cli::StageName;
use crate::rules::{Asked, balanced};
use crate::verdict::{Judged, Looked, Verdict, Violation, ensure};

/// What is sold, to whom, and what one may be told.
const SALES: &str = include_str!("sales.toml");

#[derive(Deserialize)]
struct Sales {
    sale: Vec<Sale>,
    /// What is judged here, where nothing is broken.
    rules: Vec<Rule>,
}

/// A sale of one buyer after the other.
#[derive(Deserialize)]
struct Sale {
    units: u32,
    limit: Option<u32>,
    lines: Vec<Line>,
}

/// Who asks for what, and what one may be told.
#[derive(Deserialize)]
struct Line {
    #[serde(flatten)]
    ask: Ask,
    expected: Expected,
    /// What was the case when this was asked.
    given: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Expected {
    Accepted,
    /// The order that is there already.
    Replayed,
    SoldOut,
    LimitReached,
    /// The key stands for another request.
    KeyReused,
}

impl Expected {
    /// The rule that says so.
    fn rule(self) -> Rule {
        match self {
            Self::Accepted => Rule::FalseSoldOut,
            Self::Replayed => Rule::WinnerRefused,
            Self::SoldOut => Rule::Oversold,
            Self::LimitReached => Rule::Limit,
            Self::KeyReused => Rule::Acknowledged,
        }
    }

    fn is(self, told: &Told) -> bool {
        match self {
            Self::Accepted | Self::Replayed => told.outcome == Outcome::Accepted,
            Self::SoldOut => told.outcome == Outcome::SoldOut,
            Self::LimitReached => told.outcome == Outcome::LimitReached,
            Self::KeyReused => {
                let is_refused = told.status.is_some_and(|it| (400..500).contains(&it));
                told.outcome == Outcome::Failed && is_refused
            }
        }
    }
}

pub(crate) async fn judge(
    stage: &mut Stage,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let sales: Sales = toml::from_str(SALES).context("sales.toml")?;
    let mut asked = 0;
    let violation = Violation::found(sell(stage, &sales, &mut asked).await)?;
    let broken = violation.map(|it| Judged::broken(it, StageName::Http, None));
    let looked = Looked::alone(StageName::Http, asked, broken.is_none());
    verdict.add(looked, &sales.rules, broken);
    Ok(())
}

async fn sell(
    stage: &mut Stage,
    sales: &Sales,
    asked: &mut usize,
) -> anyhow::Result<()> {
    for sale in &sales.sale {
        let sku = stage.put_on_sale(sale.units, sale.limit).await?;
        for line in &sale.lines {
            let told = stage.buy(Buyer::One, &line.ask, &sku).await;
            *asked += 1;
            let books = stage.read_books(&sku).await?;
            check(line, &told)?;
            // What was asked with other contents has no order, and its key has one.
            if line.expected != Expected::KeyReused {
                Asked::new(&line.ask, &told, &books, false).agrees()?;
            }
            balanced(&books)?;
        }
    }
    Ok(())
}

/// An answer is what it should be.
fn check(line: &Line, told: &Told) -> Result<(), Violation> {
    let is_answer = matches!(
        told.outcome,
        Outcome::Accepted | Outcome::SoldOut | Outcome::LimitReached
    );
    let status = match (told.status, &told.code) {
        (None, _) => "no answer came".to_owned(),
        (Some(status), None) => status.to_string(),
        (Some(status), Some(code)) => format!("{status} {code}"),
    };
    let (rule, end) = match line.expected {
        Expected::Accepted if told.outcome == Outcome::SoldOut => (
            line.expected.rule(),
            ". The last unit never sells".to_owned(),
        ),
        expected if is_answer => (expected.rule(), String::new()),
        Expected::SoldOut | Expected::LimitReached => (
            Rule::Unanswered,
            format!(" ({status}); a refusal is an answer"),
        ),
        _ => (Rule::Unanswered, format!(" ({status})")),
    };
    let (given, buyer) = (&line.given, &line.ask.buyer);
    let told_what = told.outcome.as_str();
    let sentence = format!("{given}: {buyer} was told {told_what}{end}");
    ensure(line.expected.is(told), rule, sentence)
}
