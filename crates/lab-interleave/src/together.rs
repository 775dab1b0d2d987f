//! Both buyers at one server: does it keep them apart by itself?

use std::time::Duration;

use crate::desk::Event;
use crate::scenario::Scenario;
use crate::stage::Stage;

/// How long the second buyer is waited for, whom nothing but the program itself keeps away.
/// It only chooses the words of a verdict that is there.
const LIMIT: Duration = Duration::from_secs(2);

impl Stage {
    /// Holds the first buyer at the write, and sees whether the second one reads meanwhile, at
    /// the same server.
    ///
    /// # Errors
    ///
    /// A server that does not do what it should.
    ///
    /// # Cancel safety
    ///
    /// A stage where this was dropped must not be used again.
    pub async fn is_apart_at_one_server(
        &mut self,
        scenario: &Scenario,
    ) -> anyhow::Result<bool> {
        let sku = self.put_on_sale(scenario.units, scenario.limit).await?;
        let mut seat = self.roomy_seat().await?;
        seat.watch(&sku);
        let [Some(first), Some(second)] = scenario.asks.each_ref().map(|it| it.first())
        else {
            return Ok(false);
        };
        seat.order(first, &sku);
        let mut writing = None;
        let mut reads_meanwhile = false;
        while let Ok(Some(event)) =
            tokio::time::timeout(LIMIT, seat.events.recv()).await
        {
            // What is not held goes on.
            let Event::Held(held) = event else {
                continue;
            };
            let does = held.statement.does();
            if writing.is_none() && does.writes_stock {
                writing = Some(held);
                seat.order(second, &sku);
            } else if writing.is_some() && (does.reads_stock || does.writes_stock) {
                reads_meanwhile = true;
                break;
            }
        }
        seat.desk.look_away();
        Ok(writing.is_some() && !reads_meanwhile)
    }
}
