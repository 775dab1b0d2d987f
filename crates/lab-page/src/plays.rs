//! The second view: two buyers whose steps are played in the order that a tab asks for.

use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use flash_lab_crowd::{Seller, Strategy};
use flash_lab_interleave::{Finish, Schedule, Stage, Transcript, start_stores};
use flash_sandbox::Sandbox;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::source::{Source, Sources};

/// One order of steps, and who wants to see what comes of it.
pub(crate) struct Play {
    /// Who sells, by name.
    pub(crate) strategy: String,
    pub(crate) schedule: Schedule,
    pub(crate) finish: Finish,
    pub(crate) answer: oneshot::Sender<anyhow::Result<Played>>,
}

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Played {
    #[serde(flatten)]
    transcript: Transcript,
    /// The code of who sold; null where it is not there.
    source: Option<Source>,
}

/// The stages that were needed so far, on stores of their own.
#[derive(Default)]
struct Stages {
    sellers: Vec<Seller>,
    sources: Sources,
    stages: Vec<Stage>,
    // After what depends on it, so that it ends last.
    stores: Option<Arc<Sandbox>>,
}

/// Plays what is asked for, one after the other, until nobody can ask any more.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub(crate) async fn serve(mut plays: mpsc::Receiver<Play>, sellers: Vec<Seller>) {
    let mut stages = Stages {
        sellers,
        sources: Sources::read(),
        ..Stages::default()
    };
    while let Some(play) = plays.recv().await {
        let played = stages
            .play(&play.strategy, &play.schedule, play.finish)
            .await;
        // A tab that was closed in the meantime does not want it any more.
        let _ = play.answer.send(played);
    }
}

impl Stages {
    async fn play(
        &mut self,
        strategy: &str,
        schedule: &Schedule,
        finish: Finish,
    ) -> anyhow::Result<Played> {
        let position = self.position(strategy).await?;
        let stage = self.stages.get_mut(position).context("there is no stage")?;
        match stage.play(schedule, finish).await {
            Ok(transcript) => Ok(Played {
                transcript,
                source: self.sources.of(stage.seller()).cloned(),
            }),
            Err(error) => {
                // The next one who asks gets new servers.
                self.stages.swap_remove(position);
                Err(error)
            }
        }
    }

    /// Opens a stage where there is none yet.
    async fn position(&mut self, strategy: &str) -> anyhow::Result<usize> {
        let stages = &self.stages;
        if let Some(position) =
            stages.iter().position(|it| it.seller().name() == strategy)
        {
            return Ok(position);
        }
        let shown = self.sellers.iter().find(|it| it.name() == strategy);
        let seller = match shown {
            Some(seller) => seller.clone(),
            None => Seller::of(
                Strategy::from_str(strategy, false).map_err(anyhow::Error::msg)?,
            )?,
        };
        let stores = match &self.stores {
            Some(stores) => Arc::clone(stores),
            None => Arc::clone(self.stores.insert(start_stores().await?)),
        };
        self.stages.push(Stage::open(stores, &seller).await?);
        Ok(self.stages.len() - 1)
    }
}
