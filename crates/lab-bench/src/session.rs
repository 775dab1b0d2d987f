//! A run, from its first block to its last, and what belongs together of it.

use anyhow::Context;
use flash_lab_crowd::Progress;
use serde::Serialize;

use crate::arm::{Arm, Setup, Work};
use crate::block::{Block, measure};
use crate::plan::{BEST_CLIENTS, Plan, Section};
use crate::statistics::median;
use crate::world::World;

/// All that was measured, in the order in which it was.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Measured {
    pub(crate) blocks: Vec<Block>,
}

/// Measures everything.
pub(crate) async fn run(
    world: &mut World,
    plan: &Plan,
    progress: &Progress,
) -> anyhow::Result<Measured> {
    let sections = plan.sections();
    let of: usize = sections.iter().map(|it| it.setups.len()).sum();
    let mut measured = Measured::default();
    let mut capacity = None;
    for Section { name, setups } in sections {
        world.run_only(&setups).await?;
        for setup in setups {
            let setup = measured.settled(setup);
            let number = measured.blocks.len() + 1;
            progress.step(&format!("block {number}/{of}: {setup}"));
            let due_per_second = match setup.capacity_share {
                // All of them are shares of the same capacity.
                Some(share) => {
                    capacity = capacity.or_else(|| measured.capacity(plan.crowd));
                    let capacity = capacity.context(
                        "no block of the engine is valid, so its capacity is not known",
                    )?;
                    Some(capacity * share)
                }
                None => None,
            };
            let lasting = match setup.arm {
                Arm::Pgbench => plan.pgbench_block,
                _ => plan.block,
            };
            let block = measure(world, name, setup, (due_per_second, lasting))
                .await
                .with_context(|| format!("{setup} could not be measured"))?;
            if let Some(why) = &block.void {
                progress.note(&format!("{setup}: void: {why}"));
            }
            measured.blocks.push(block);
        }
    }
    Ok(measured)
}

impl Measured {
    /// The best number of clients of pgbench is what the engine is compared with.
    fn settled(&self, setup: Setup) -> Setup {
        if setup.arm != Arm::Pgbench || setup.buyers != BEST_CLIENTS {
            return setup;
        }
        let best = self
            .of("pgbench-clients")
            .max_by(|a, b| a.per_second.total_cmp(&b.per_second));
        let buyers = best.map_or(1, |block| block.setup.buyers);
        Setup { buyers, ..setup }
    }

    /// Orders per second of the engine with the whole crowd.
    fn capacity(&self, crowd: u16) -> Option<f64> {
        let rates: Vec<_> = self
            .orders_of_engine(crowd)
            .map(|block| block.per_second)
            .collect();
        median(&rates)
    }

    /// All blocks of a section.
    pub(crate) fn of(&self, section: &str) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |it| it.section == section)
    }

    /// Blocks whose books balance.
    pub(crate) fn valid(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.void.is_none())
    }

    /// Valid blocks of the engine with ample stock of one SKU and the whole crowd.
    pub(crate) fn orders_of_engine(&self, crowd: u16) -> impl Iterator<Item = &Block> {
        self.valid().filter(move |block| {
            let Setup {
                arm, work, buyers, ..
            } = block.setup;
            (arm, work, buyers) == (Arm::Engine, Work::Orders, crowd)
        })
    }

    /// The valid pairs of a section that compares, which was measured A, B, B, A.
    pub(crate) fn pairs(&self, section: &str) -> Vec<[&Block; 2]> {
        let blocks: Vec<_> = self.of(section).collect();
        let (quads, _) = blocks.as_chunks();
        quads
            .iter()
            .flat_map(|[a, b, b_again, a_again]| [[*a, *b], [*a_again, *b_again]])
            .filter(|pair| pair.iter().all(|block| block.void.is_none()))
            .collect()
    }

    /// The engine at all sizes of the crowd, per round whose blocks are all valid.
    pub(crate) fn rounds_of_engine(
        &self,
        levels: usize,
    ) -> impl Iterator<Item = Vec<&Block>> {
        let series = self.of("series");
        let engine = series.filter(|block| block.setup.arm == Arm::Engine);
        let blocks: Vec<_> = engine.collect();
        let rounds: Vec<_> = blocks.chunks(levels).map(<[_]>::to_vec).collect();
        rounds
            .into_iter()
            .filter(|round| round.iter().all(|block| block.void.is_none()))
    }
}
