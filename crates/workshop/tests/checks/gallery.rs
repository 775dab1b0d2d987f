//! The program that serves every variant, and the judge who is asked about one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::seller::Seller;
use flash_lab_interleave::start_stores;
use flash_sandbox::Sandbox;
use flash_workshop::judging::{Finding, judge};
use flash_workshop::table::{Scope, root};
use tokio::sync::OnceCell;

/// Lives as long as the process: the stores are gone when the process is.
static STORES: OnceCell<Arc<Sandbox>> = OnceCell::const_new();

/// One that is older than what it serves would prove nothing.
pub(crate) fn gallery() -> Result<PathBuf> {
    let learn = Path::new(env!("CARGO_BIN_EXE_learn"));
    let program = learn.with_file_name("examples").join("gallery");
    let built = program.metadata().and_then(|it| it.modified());
    let built = built.context("there is no gallery: cargo test -p flash-workshop")?;
    let newest = newest(&root().join("crates/workshop/answers"))?;
    ensure!(
        built >= newest,
        "the gallery is older than the answers: cargo test -p flash-workshop"
    );
    Ok(program)
}

fn newest(folder: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        newest = newest.max(match entry.file_type()?.is_dir() {
            true => self::newest(&entry.path())?,
            false if entry.path().extension().is_none_or(|it| it != "rs") => continue,
            false => entry.metadata()?.modified()?,
        });
    }
    Ok(newest)
}

/// What the judge finds in a variant that sells.
pub(crate) async fn judged(variant: &str, scope: &Scope) -> Result<Finding> {
    let stores = STORES.get_or_try_init(start_stores).await?;
    let seller =
        Seller::own(&gallery()?)?.with_arguments(&format!("--variant {variant}"));
    let verdict = judge(stores, &seller, scope, &Progress::start()).await?;
    Finding::of(&verdict).with_context(|| variant.to_owned())
}
