//! What all tabs see: one state, sent whole whenever it changes.

use actix_web::http::StatusCode;
use flash_core::{Audit, Sku};
use flash_lab_crowd::{Latency, Outcomes, Seller, TermArgs};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::turned_away::TurnedAway;

/// Whether a sale can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SaleStage {
    Idle,
    Running,
    Ended,
}

/// How far one strategy is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// No sale was started.
    #[default]
    Ready,
    /// Another strategy sells first.
    Queued,
    /// The buyers connect.
    Gathering,
    /// The buyers were let go.
    Selling,
    /// What the column says is what the audit said after the last answer.
    Ended,
    /// Something kept the sale from taking place.
    Failed,
}

/// The sale that a tab wants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    units: u32,
    buyers: u32,
    /// Who sells; all where nobody is named.
    #[serde(default)]
    strategies: Vec<String>,
    /// Whether what others have sold on the same terms stays.
    #[serde(default)]
    keep: bool,
}

/// One strategy.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Column {
    pub(crate) strategy: String,
    pub(crate) stage: Stage,
    pub(crate) sku: Option<Sku>,
    /// Buyers at the door.
    pub(crate) arrived: u32,
    /// What the buyers were told so far.
    pub(crate) outcomes: Outcomes,
    /// Buyers who were let go and have no answer.
    pub(crate) waiting: u32,
    pub(crate) elapsed_ms: f64,
    pub(crate) latency_ms: Latency,
    /// Accepted buyers over time: milliseconds from the release, and how many by then.
    pub(crate) curve: Vec<(f64, u32)>,
    /// Who refused, by the engine's own count; none for the phases.
    pub(crate) turned_away: Option<TurnedAway>,
    /// The books of the SKU, by the query of `lab audit`.
    pub(crate) audit: Option<Audit>,
    /// What to run to count the books again.
    pub(crate) audit_command: Option<String>,
    pub(crate) error: Option<String>,
}

impl Column {
    fn new(strategy: String) -> Self {
        Self {
            strategy,
            ..Self::default()
        }
    }
}

/// Everything that the page shows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct State {
    /// Counts the sales since the page was started.
    pub(crate) sale: u32,
    pub(crate) stage: SaleStage,
    pub(crate) terms: TermArgs,
    /// The largest crowd that this machine allows.
    pub(crate) buyers_max: u32,
    pub(crate) columns: Vec<Column>,
}

/// The state, and who is told of its changes.
pub(crate) type Board = watch::Sender<State>;

impl State {
    pub(crate) fn new(sellers: &[Seller], terms: TermArgs, buyers_max: u32) -> Self {
        let columns = sellers.iter().map(|it| Column::new(it.to_string()));
        Self {
            sale: 0,
            stage: SaleStage::Idle,
            terms,
            buyers_max,
            columns: columns.collect(),
        }
    }

    /// Begins a sale, or says in a sentence why not.
    pub(crate) fn begin(
        &mut self,
        wanted: &Wanted,
    ) -> Result<TermArgs, (StatusCode, String)> {
        let Wanted { units, buyers, .. } = *wanted;
        let sells = |name: &String| {
            wanted.strategies.is_empty() || wanted.strategies.contains(name)
        };
        let most = self.buyers_max;
        let mistake = |text| Err((StatusCode::UNPROCESSABLE_ENTITY, text));
        if !(1..=1_000_000).contains(&units) {
            return mistake("Units: a number from 1 to 1000000.".to_owned());
        }
        if !(1..=most).contains(&buyers) {
            return mistake(format!("Buyers: a number from 1 to {most}."));
        }
        if !self.columns.iter().any(|it| sells(&it.strategy)) {
            return mistake("Nobody of that name sells here.".to_owned());
        }
        if self.stage == SaleStage::Running {
            let TermArgs { units, buyers, .. } = self.terms;
            let running = format!(
                "A sale is running: {units} units, {buyers} buyers. Start again when it \
                 has ended."
            );
            return Err((StatusCode::CONFLICT, running));
        }
        let before = self.terms;
        self.terms.units = units;
        self.terms.buyers = buyers;
        let keep = wanted.keep && self.terms == before;
        self.sale += 1;
        self.stage = SaleStage::Running;
        for column in &mut self.columns {
            let sells = sells(&column.strategy);
            if sells || !keep {
                *column = Column::new(column.strategy.clone());
            }
            if sells {
                column.stage = Stage::Queued;
            }
        }
        Ok(self.terms)
    }
}

#[cfg(test)]
mod tests {
    use flash_lab_crowd::Strategy;

    use super::*;

    #[test]
    fn what_was_sold_stays_beside_the_next_only_on_the_same_terms() {
        let sellers = [Strategy::Naive, Strategy::Pessimistic]
            .map(|it| Seller::of_server("server".into(), it));
        let terms = TermArgs {
            units: 5,
            buyers: 40,
            pool_size: 1,
        };
        let mut state = State::new(&sellers, terms, 10_000);
        let mut sell = |units, name: &str| {
            let wanted = Wanted {
                units,
                buyers: terms.buyers,
                strategies: vec![name.to_owned()],
                keep: true,
            };
            state.begin(&wanted).expect("nothing runs");
            state.stage = SaleStage::Ended;
            [0, 1].map(|place| state.columns[place].stage)
        };
        assert_eq!(sell(5, "naive"), [Stage::Queued, Stage::Ready]);
        assert_eq!(sell(5, "pessimistic"), [Stage::Queued, Stage::Queued]);
        assert_eq!(sell(9, "pessimistic"), [Stage::Ready, Stage::Queued]);
    }
}
