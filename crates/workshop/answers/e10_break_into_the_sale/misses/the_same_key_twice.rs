//! Three attacks on a shop.

use anyhow::Result;
use flash_workshop::given::{Attacks, Target};

pub(crate) struct Mallory;

impl Attacks for Mallory {
    // YOUR PART
    /// A buyer may have one unit: have two.
    async fn have_two(shop: &Target) -> Result<()> {
        let first = shop.start_buying("m1").await?;
        let second = shop.start_buying("m1").await?;
        first.answer().await?;
        second.answer().await?;
        Ok(())
    }

    /// See the order of somebody else.
    async fn see_another_order(shop: &Target) -> Result<()> {
        shop.buy("k8").await?;
        Ok(())
    }

    /// Have the shop remember what it refused.
    async fn be_remembered(shop: &Target) -> Result<()> {
        shop.buy("m1").await?;
        Ok(())
    }
    // END
}
