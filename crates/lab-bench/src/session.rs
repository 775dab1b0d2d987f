//! A run, from its first block to its last, and what belongs together of it.

use std::time::Duration;

use anyhow::Context;
use flash_lab_crowd::Progress;
use serde::Serialize;

use crate::arm::{Arm, Setup, Work};
use crate::block::{Block, measure};
use crate::plan::{BEST_CLIENTS, Plan};
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
    let of: usize = sections.iter().map(|(_, setups)| setups.len()).sum();
    let mut measured = Measured::default();
    let mut capacity = None;
    for (section, setups) in sections {
        world.run_only(&setups).await?;
        for mut setup in setups {
            if setup.buyers == BEST_CLIENTS {
                setup.buyers = measured.best_clients();
            }
            if let Some(share) = setup.rate {
                // All of them are shares of the same capacity.
                capacity = capacity.or_else(|| measured.capacity(plan.crowd));
                let capacity = capacity.context(
                    "no block of the engine is valid, so its capacity is not known",
                )?;
                setup.rate = Some(capacity * share);
            }
            let number = measured.blocks.len() + 1;
            progress.step(&format!("block {number}/{of}: {setup}"));
            let lasting = match (setup.arm, setup.work) {
                (Arm::Pgbench, _) => plan.pgbench_block,
                // Each buyer asks once.
                (_, Work::Burst) => Duration::ZERO,
                _ => plan.block,
            };
            let block = measure(world, section, setup, lasting)
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
    /// The number of clients that the engine is compared with.
    fn best_clients(&self) -> u16 {
        self.of("pgbench-clients")
            .max_by(|a, b| a.per_second.total_cmp(&b.per_second))
            .map_or(1, |best| best.setup.buyers)
    }

    /// Orders per second of the engine with the whole crowd.
    fn capacity(&self, crowd: u16) -> Option<f64> {
        let blocks = self.like(Arm::Engine, Work::Orders, crowd);
        let rates: Vec<_> = blocks.iter().map(|block| block.per_second).collect();
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

    /// Those of one setup.
    pub(crate) fn like(&self, arm: Arm, work: Work, buyers: u16) -> Vec<&Block> {
        let wanted = (arm, work, buyers);
        let is_wanted = |it: &Setup| (it.arm, it.work, it.buyers) == wanted;
        self.valid().filter(|it| is_wanted(&it.setup)).collect()
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
    pub(crate) fn rounds_of_engine(&self, levels: usize) -> Vec<Vec<&Block>> {
        let series = self.of("series");
        let engine = series.filter(|block| block.setup.arm == Arm::Engine);
        let blocks: Vec<_> = engine.collect();
        let rounds = blocks.chunks(levels);
        let is_valid = |round: &&[&Block]| round.iter().all(|it| it.void.is_none());
        rounds.filter(is_valid).map(<[_]>::to_vec).collect()
    }
}
