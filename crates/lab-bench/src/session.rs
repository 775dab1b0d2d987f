//! The sections of a run, in the order in which they are measured.

use std::collections::BTreeMap;

use anyhow::Context;
use flash_lab_crowd::Progress;

use crate::arm::{Arm, SERIES, Setup, Work};
use crate::block::{Block, measure};
use crate::plan::{
    BURST_UNITS, MANY_SKUS, OVERLOAD, PGBENCH_CLIENTS, Plan, STEADY_SHARES,
};
use crate::statistics::median;
use crate::world::World;

/// All that was measured, and what belongs together.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) blocks: Vec<Block>,
    /// Per section, the numbers of the blocks that are compared.
    pub(crate) pairs: BTreeMap<&'static str, Vec<[usize; 2]>>,
    /// Per round, the engine at all sizes of the crowd.
    pub(crate) rounds: Vec<Vec<usize>>,
}

/// A run under way.
pub(crate) struct Session<'a> {
    pub(crate) world: World,
    pub(crate) measured: Measured,
    plan: &'a Plan,
    progress: &'a Progress,
}

impl<'a> Session<'a> {
    pub(crate) fn new(world: World, plan: &'a Plan, progress: &'a Progress) -> Self {
        Self {
            world,
            measured: Measured::default(),
            plan,
            progress,
        }
    }

    /// Measures everything.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        let (crowd, refused) = (self.plan.crowd, self.plan.refused);
        let orders = |arm| Setup::new(arm, Work::ORDERS, crowd);
        let refusals = |arm| Setup::new(arm, Work::Refusals, refused);
        let many = Work::Orders { skus: MANY_SKUS };
        let engine = orders(Arm::Engine);

        self.compare("refusals", refusals(Arm::Static), refusals(Arm::Engine))
            .await?;
        let (pessimistic, hybrid) = (refusals(Arm::Pessimistic), refusals(Arm::Hybrid));
        self.compare("hybrid-refusals", pessimistic, hybrid).await?;
        self.compare("static", orders(Arm::Static), engine).await?;
        self.compare("same", engine, engine).await?;
        self.compare("many-skus", engine, Setup::new(Arm::Engine, many, crowd))
            .await?;
        self.compare("redis-down", engine, orders(Arm::RedisDown))
            .await?;
        self.pgbench().await?;
        self.compare("hybrid", orders(Arm::Hybrid), engine).await?;
        self.compare("pessimistic", orders(Arm::Pessimistic), engine)
            .await?;
        if self.plan.has_own {
            let (pessimistic, own) = (orders(Arm::Pessimistic), orders(Arm::Own));
            self.compare("own", pessimistic, own).await?;
            let (pessimistic, own) = (refusals(Arm::Pessimistic), refusals(Arm::Own));
            self.compare("own-refusals", pessimistic, own).await?;
        }
        self.bursts().await?;
        self.series().await?;
        self.open_loop().await
    }

    /// Measures two setups A, B, B, A as often as planned: what drifts meets both alike.
    async fn compare(
        &mut self,
        section: &'static str,
        a: Setup,
        b: Setup,
    ) -> anyhow::Result<()> {
        self.world.run_only(&[a, b]).await?;
        for _ in 0..self.plan.quads {
            let first = [self.block(section, a).await?, self.block(section, b).await?];
            let (b, a) = (self.block(section, b).await?, self.block(section, a).await?);
            let pairs = self.measured.pairs.entry(section).or_default();
            pairs.extend([first, [a, b]]);
        }
        Ok(())
    }

    /// Measures a setup whose server runs; returns the number of the block.
    async fn block(
        &mut self,
        section: &'static str,
        setup: Setup,
    ) -> anyhow::Result<usize> {
        let number = self.measured.blocks.len();
        let of = self.plan.blocks();
        self.progress
            .step(&format!("block {}/{of}: {setup}", number + 1));
        let lasting = match setup.arm {
            Arm::Pgbench => self.plan.pgbench_block,
            _ => self.plan.block,
        };
        let block = measure(&mut self.world, section, setup, lasting)
            .await
            .with_context(|| format!("{setup} could not be measured"))?;
        if let Some(why) = &block.void {
            self.progress.note(&format!("{setup}: void: {why}"));
        }
        self.measured.blocks.push(block);
        Ok(number)
    }

    /// The best number of clients is what the engine is compared with.
    async fn pgbench(&mut self) -> anyhow::Result<()> {
        let crowd = self.plan.crowd;
        let engine = Setup::new(Arm::Engine, Work::ORDERS, crowd);
        self.world.run_only(&[engine]).await?;
        let mut best = (0.0, PGBENCH_CLIENTS[0]);
        for clients in PGBENCH_CLIENTS {
            let setup = Setup::new(Arm::Pgbench, Work::ORDERS, clients);
            let number = self.block("pgbench-clients", setup).await?;
            let per_second = self.measured.blocks[number].per_second;
            if per_second > best.0 {
                best = (per_second, clients);
            }
        }
        let best = Setup::new(Arm::Pgbench, Work::ORDERS, best.1);
        self.compare("pgbench", best, engine).await
    }

    async fn bursts(&mut self) -> anyhow::Result<()> {
        let work = Work::Burst { units: BURST_UNITS };
        let crowd = self.plan.crowd;
        let burst = |arm| Setup::new(arm, work, crowd);
        let (pessimistic, engine) = (burst(Arm::Pessimistic), burst(Arm::Engine));
        self.compare("burst", pessimistic, engine).await?;
        self.compare("hybrid-burst", pessimistic, burst(Arm::Hybrid))
            .await?;
        let naive = burst(Arm::Naive);
        self.world.run_only(&[naive]).await?;
        for _ in 0..self.plan.rounds {
            self.block("burst-naive", naive).await?;
        }
        Ok(())
    }

    /// All crowds of all strategies; every second round the other way round.
    async fn series(&mut self) -> anyhow::Result<()> {
        for round in 0..self.plan.rounds {
            for arm in SERIES {
                let mut levels = self.plan.levels.clone();
                if round % 2 == 1 {
                    levels.reverse();
                }
                let mut numbers = Vec::new();
                for buyers in levels {
                    let setup = Setup::new(arm, Work::ORDERS, buyers);
                    self.world.run_only(&[setup]).await?;
                    numbers.push(self.block("series", setup).await?);
                }
                if arm == Arm::Engine {
                    self.measured.rounds.push(numbers);
                }
            }
        }
        Ok(())
    }

    /// Latency below the capacity, and goodput beyond it.
    async fn open_loop(&mut self) -> anyhow::Result<()> {
        let crowd = self.plan.crowd;
        let engine = Setup::new(Arm::Engine, Work::ORDERS, crowd);
        let capacity = self
            .measured
            .capacity(crowd)
            .context("no block of the engine is valid, so its capacity is not known")?;
        let steady = |share: f64| {
            let per_second = capacity * share;
            Setup::new(Arm::Engine, Work::Steady { per_second }, crowd)
        };
        self.world.run_only(&[engine]).await?;
        for _ in 0..self.plan.rounds {
            for share in STEADY_SHARES {
                self.block("steady", steady(share)).await?;
            }
        }
        let lone = Setup::new(Arm::Pgbench, Work::ORDERS, 1);
        self.compare("half-load", lone, steady(0.5)).await?;
        let per_second = capacity * OVERLOAD;
        let overload = Work::Overload { per_second };
        let overload = Setup::new(Arm::Engine, overload, self.plan.overload_crowd);
        self.compare("overload", engine, overload).await
    }
}

impl Measured {
    /// Orders per second of the engine with the whole crowd.
    pub(crate) fn capacity(&self, crowd: usize) -> Option<f64> {
        let rates: Vec<_> = self
            .orders_of_engine(crowd)
            .map(|block| block.per_second)
            .collect();
        median(&rates)
    }

    /// Valid blocks of the engine with ample stock of one SKU and the whole crowd.
    pub(crate) fn orders_of_engine(
        &self,
        crowd: usize,
    ) -> impl Iterator<Item = &Block> {
        self.valid().filter(move |block| {
            block.arm == Arm::Engine
                && block.work == Work::ORDERS.name()
                && block.buyers == crowd
        })
    }

    /// Blocks whose books balance.
    pub(crate) fn valid(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.void.is_none())
    }

    /// The valid pairs of a section.
    pub(crate) fn compared(&self, section: &str) -> impl Iterator<Item = [&Block; 2]> {
        let pairs = self.pairs.get(section).map_or(&[][..], Vec::as_slice);
        pairs
            .iter()
            .filter_map(|pair| {
                Some([self.blocks.get(pair[0])?, self.blocks.get(pair[1])?])
            })
            .filter(|pair| pair.iter().all(|block| block.void.is_none()))
    }
}
