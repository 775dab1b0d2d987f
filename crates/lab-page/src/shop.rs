//! The servers, each with a database of its own, and the sales they hold.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flash_core::{Audit, Sku};
use flash_engine::gate_free_units;
use flash_lab_crowd::{
    Auditor, Environment, Progress, Run, Seller, Server, StoreArgs, Stores, Strategy,
    crowd, put_on_sale, sentence,
};
use tokio::time::MissedTickBehavior;

use crate::board::{Board, Column, SaleStage, Stage};
use crate::turned_away::{self, TurnedAway};
use crate::watcher::Watcher;

/// How often the page learns something new: often enough to look smooth, seldom enough
/// not to be part of the load.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long the gate may need to come to rest after the last answer. Whatever it says
/// then is shown.
const REST_LIMIT: Duration = Duration::from_secs(2);

/// All that sells. It ends with this value.
pub(crate) struct Shops {
    shops: Vec<Shop>,
    /// Dropped after the servers that use it.
    stores: Stores,
}

/// One seller behind its server.
struct Shop {
    /// Which column of the page is its own.
    index: usize,
    seller: Seller,
    server: Server,
    address: SocketAddr,
    stores: Stores,
    /// What the engine had counted before this sale.
    refused_before: TurnedAway,
}

impl Shops {
    /// Starts stores and servers.
    pub(crate) async fn open(
        sellers: &[Seller],
        pool_size: u16,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let pools = pool_size.saturating_mul(4);
        let stores = Stores::open(StoreArgs::default(), true, pools, progress).await?;
        let mut shops = Vec::new();
        for (index, seller) in sellers.iter().enumerate() {
            progress.step(&format!("{seller}: starting the server"));
            let name = format!("{}_{index}", seller.slug());
            let own = stores.beside(&name, seller.uses_redis()).await?;
            let (server, address) = seller.start_patient(pool_size, &own).await?;
            shops.push(Shop {
                index,
                seller: seller.clone(),
                server,
                address,
                stores: own,
                refused_before: TurnedAway::new(),
            });
        }
        Ok(Self { shops, stores })
    }

    /// How to look into the stores while the page is there.
    pub(crate) fn ways_in(&self) -> Option<String> {
        self.stores.ways_in()
    }

    /// Lets one queued strategy after the other sell the same, each with the machine for
    /// itself, and ends the sale.
    pub(crate) async fn sell(&mut self, board: &Board) -> Vec<Run> {
        let mut runs = Vec::new();
        for shop in &mut self.shops {
            if board.borrow().columns[shop.index].stage != Stage::Queued {
                continue;
            }
            match shop.sell(board).await {
                Ok(run) => runs.push(run),
                Err(error) => shop.change(board, |column| {
                    column.stage = Stage::Failed;
                    column.error = Some(sentence(&error));
                }),
            }
        }
        board.send_modify(|state| state.stage = SaleStage::Ended);
        runs
    }

    /// Where and with what they sell.
    pub(crate) async fn environment(
        &self,
        pool_size: u16,
    ) -> anyhow::Result<Environment> {
        Environment::ask(&self.stores, pool_size).await
    }
}

impl Shop {
    fn change(&self, board: &Board, change: impl FnOnce(&mut Column)) {
        board.send_modify(|state| change(&mut state.columns[self.index]));
    }

    async fn sell(&mut self, board: &Board) -> anyhow::Result<Run> {
        let terms = board.borrow().terms;
        let (units, buyers) = (terms.units, terms.buyers);
        ensure!(
            self.server.is_running(),
            "the server of {} has ended; start the page again",
            self.seller
        );
        let sku = put_on_sale(self.address, self.seller.slug(), units).await?;
        self.refused_before.clear();
        self.refused_before = self.turned_away().await?.unwrap_or_default();
        self.change(board, |column| {
            column.stage = Stage::Gathering;
            column.sku = Some(sku.clone());
            column.audit_command = Some(self.audit_command(&sku));
        });

        let watcher = Watcher::default();
        let sale = tokio::select! {
            sale = crowd::rush(self.address, &sku, buyers, |it| watcher.see(it)) => sale?,
            failed = self.watch(&sku, &watcher, board) => {
                match failed? {}
            }
        };
        let audit = self.audit_at_rest(&sku).await?;
        let turned_away = self.turned_away().await?;
        let run = sale.counted(&self.seller, (units, buyers), audit);
        self.change(board, |column| {
            watcher.show(column);
            column.stage = Stage::Ended;
            column.elapsed_ms = run.elapsed_ms;
            column.turned_away = turned_away;
            column.audit = Some(run.audit.clone());
        });
        Ok(run)
    }

    /// Shows the sale until it is over. It does not end on its own, unless it fails.
    async fn watch(
        &self,
        sku: &Sku,
        watcher: &Watcher,
        board: &Board,
    ) -> anyhow::Result<Infallible> {
        let mut auditor = Auditor::open(&self.stores.database_url).await?;
        let mut tick = tokio::time::interval(LOOK_AGAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let audit = auditor.audit(sku, Some(&self.seller.name), None).await?;
            let turned_away = self.turned_away().await?;
            self.change(board, |column| {
                watcher.show(column);
                column.audit = Some(audit);
                column.turned_away = turned_away;
            });
        }
    }

    /// Who has refused in this sale; only the engine counts it.
    async fn turned_away(&self) -> anyhow::Result<Option<TurnedAway>> {
        if !self.seller.is(Strategy::Engine) {
            return Ok(None);
        }
        let since = turned_away::read(self.address, &self.refused_before).await;
        since.map(Some)
    }

    /// All buyers have their answers; permits may still be on their way back to Redis.
    async fn audit_at_rest(&self, sku: &Sku) -> anyhow::Result<Audit> {
        let mut auditor = Auditor::open(&self.stores.database_url).await?;
        let end = Instant::now() + REST_LIMIT;
        loop {
            let free = match &self.stores.redis_url {
                Some(url) => gate_free_units(url, sku)
                    .await
                    .context("cannot read the gate")?,
                None => None,
            };
            let audit = auditor.audit(sku, Some(&self.seller.name), free).await?;
            let at_rest = audit.gate_drift_units.unwrap_or(0) == 0;
            if at_rest || Instant::now() >= end {
                return Ok(audit);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn audit_command(&self, sku: &Sku) -> String {
        let database_url = &self.stores.database_url;
        let mut command =
            format!("./just audit --sku {sku} --database-url '{database_url}'");
        if let Some(url) = &self.stores.redis_url {
            command += &format!(" --redis-url '{url}'");
        }
        command
    }
}
