//! A test of a race: green on what is right, red on what is not, each time.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Result, ensure};
use flash_core::{Placement, Verdict};
use flash_testkit::purchase;
use flash_workshop::given::BlackBox;

pub(crate) fn test(
    sale: &BlackBox,
) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
    Box::pin(two_buyers_want_the_last_unit(sale))
}

async fn two_buyers_want_the_last_unit(sale: &BlackBox) -> Result<()> {
    sale.stock_up(1, None).await?;
    // YOUR PART
    let ann = sale.start_buying(purchase("ann", "k1", 1)?);
    // Long enough for ann to get under way.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let bob = sale.start_buying(purchase("bob", "k2", 1)?);
    let answers = [ann.await?, bob.await?];

    let is_accepted = |it: &&_| matches!(it, Ok(Placement::Accepted { .. }));
    let accepted = answers.iter().filter(is_accepted).count();
    ensure!(accepted == 1, "{accepted} were accepted");
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact,
        "the books say {:?}",
        audit.verdict
    );
    // END
    Ok(())
}
