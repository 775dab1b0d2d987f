//! What all tabs see: one state, sent whole whenever it changes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use flash_core::{Audit, Sku};
use flash_lab_crowd::{Latency, Outcomes};
use serde::Serialize;
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

/// What is sold, and to how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Terms {
    pub(crate) units: u32,
    pub(crate) buyers: u32,
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
    pub(crate) fn new(strategy: String, stage: Stage) -> Self {
        Self {
            strategy,
            stage,
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
    pub(crate) terms: Terms,
    /// The largest crowd that this machine allows.
    pub(crate) buyers_max: u32,
    pub(crate) columns: Vec<Column>,
}

/// The state, and who is told of its changes.
pub(crate) struct Board {
    state: Mutex<State>,
    events: watch::Sender<Bytes>,
}

impl Board {
    pub(crate) fn new(strategies: &[String], terms: Terms, most: u32) -> Self {
        let columns = strategies
            .iter()
            .map(|name| Column::new(name.clone(), Stage::Ready));
        let state = State {
            sale: 0,
            stage: SaleStage::Idle,
            terms,
            buyers_max: most,
            columns: columns.collect(),
        };
        let (events, _) = watch::channel(event(&state));
        Self {
            state: Mutex::new(state),
            events,
        }
    }

    /// Who has a column.
    pub(crate) fn names(&self) -> Vec<String> {
        let columns = &self.state().columns;
        columns.iter().map(|it| it.strategy.clone()).collect()
    }

    /// Begins a sale of those who sell, unless one is running. What the others have sold on
    /// the same terms can be kept.
    pub(crate) fn begin(
        &self,
        terms: Terms,
        keep: bool,
        sells: impl Fn(&str) -> bool,
    ) -> Result<(), Terms> {
        let mut state = self.lock();
        if state.stage == SaleStage::Running {
            return Err(state.terms);
        }
        state.sale += 1;
        state.stage = SaleStage::Running;
        let keep = keep && state.terms == terms;
        state.terms = terms;
        for column in &mut state.columns {
            let name = column.strategy.clone();
            if sells(&name) {
                *column = Column::new(name, Stage::Queued);
            } else if !keep {
                *column = Column::new(name, Stage::Ready);
            }
        }
        self.events.send_replace(event(&state));
        Ok(())
    }

    /// Whether the column at this place is to sell.
    pub(crate) fn is_queued(&self, index: usize) -> bool {
        let column = self.lock().columns.get(index).map(|it| it.stage);
        column == Some(Stage::Queued)
    }

    /// Ends the sale.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.stage = SaleStage::Ended;
        self.events.send_replace(event(&state));
    }

    /// Changes the column at this place.
    pub(crate) fn change(&self, index: usize, change: impl FnOnce(&mut Column)) {
        let mut state = self.lock();
        if let Some(column) = state.columns.get_mut(index) {
            change(column);
        }
        self.events.send_replace(event(&state));
    }

    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    /// The first event is there at once: the state as it is.
    pub(crate) fn events(&self) -> watch::Receiver<Bytes> {
        let mut events = self.events.subscribe();
        events.mark_changed();
        events
    }

    /// Ends all streams of events.
    pub(crate) fn close(&self) {
        self.events.send_replace(Bytes::new());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics in the middle of a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server-sent event; JSON has no line breaks of its own.
fn event(state: &State) -> Bytes {
    match serde_json::to_string(state) {
        Ok(json) => format!("data: {json}\n\n").into(),
        Err(error) => format!("event: broken\ndata: {error}\n\n").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        units: 5,
        buyers: 40,
    };

    fn board() -> Board {
        Board::new(&["naive".to_owned()], TERMS, 10_000)
    }

    #[test]
    fn a_second_start_is_refused_with_what_is_running() {
        let board = board();
        assert_eq!(board.begin(TERMS, false, |_| true), Ok(()));
        let others = Terms { units: 9, ..TERMS };
        assert_eq!(board.begin(others, false, |_| true), Err(TERMS));
        board.end();
        assert_eq!(board.begin(TERMS, false, |_| true), Ok(()));
        assert_eq!(board.state().sale, 2);
    }

    #[test]
    fn what_was_sold_stays_beside_the_next_only_on_the_same_terms() {
        let names = ["naive", "pessimistic"].map(str::to_owned);
        let board = Board::new(&names, TERMS, 10_000);
        let sell = |terms, name: &'static str| {
            assert_eq!(board.begin(terms, true, |it| it == name), Ok(()));
            let place = names.iter().position(|it| it == name).expect("a name");
            assert!(board.is_queued(place));
            board.change(place, |column| column.stage = Stage::Ended);
            board.end();
            board
                .state()
                .columns
                .iter()
                .map(|it| it.stage)
                .collect::<Vec<_>>()
        };
        assert_eq!(sell(TERMS, "naive"), [Stage::Ended, Stage::Ready]);
        assert_eq!(sell(TERMS, "pessimistic"), [Stage::Ended, Stage::Ended]);
        let others = Terms { units: 9, ..TERMS };
        assert_eq!(sell(others, "pessimistic"), [Stage::Ready, Stage::Ended]);
    }

    #[test]
    fn who_comes_late_gets_the_whole_state_at_once() {
        let board = board();
        board.begin(TERMS, false, |_| true).expect("nothing runs");
        board.change(0, |column| column.arrived = 7);
        let mut events = board.events();
        assert!(events.has_changed().expect("the board is there"));
        let event = events.borrow_and_update().clone();
        let text = std::str::from_utf8(&event).expect("text");
        assert!(text.starts_with("data: {") && text.ends_with("}\n\n"));
        assert!(text.contains(r#""arrived":7"#), "{text}");
    }
}
