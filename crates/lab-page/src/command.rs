//! `lab page`: a sale of all phases, live in the browser; `lab report`: the same as a file.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, bail};
use flash_lab_crowd::{
    JsonFile, Look, Progress, Seller, Strategy, TermArgs, environment, keep_promises,
    open_files, output, report, server_process,
};
use flash_lab_interleave::{Buyer, Finish, Schedule, Stage, start_stores, to_text};
use tokio::sync::mpsc;

use crate::board::{Board, Terms};
use crate::cli::{PageArgs, ReportArgs};
use crate::file::{self, Words};
use crate::shop::Shops;
use crate::{plays, site};

/// The largest crowd that the form takes.
const BUYERS_MAX: u32 = 10_000;

/// Tabs that wait for their order of steps to be played; more wait before that.
const PLAYS_MAX: usize = 8;

/// More turns than one buyer has.
const TURNS_MAX: usize = 8;

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
    server_process::find()?;
    let (listener, address) = bind(args.listen)?;
    let sellers = args.shown.sellers()?;
    let most = open_files::raise_towards(BUYERS_MAX.max(args.terms.buyers))?;
    let progress = Progress::start();
    let mut shops = Shops::open(&sellers, args.terms.pool_size, &progress).await?;
    if let Some(ways_in) = shops.ways_in() {
        progress.note(&ways_in);
    }
    drop(progress);

    let board = Arc::new(Board::new(&names(&sellers), terms(args.terms), most));
    let _closing = Closing(Arc::clone(&board));
    let (starts, mut started) = mpsc::channel(1);
    let (play, asked) = mpsc::channel(PLAYS_MAX);
    let site = site::serve(listener, Arc::clone(&board), starts, play);
    eprintln!("the page is ready; Ctrl-C ends it and removes what was started");
    output::to_stdout(&format!("http://{address}/\n"))?;
    let sell = async {
        while let Some(terms) = started.recv().await {
            shops.sell(terms, &board).await;
        }
        Ok(())
    };
    tokio::select! {
        ended = site => ended.context("the page has ended"),
        ended = sell => ended,
        () = plays::serve(asked, sellers) => Ok(()),
    }
}

/// Ends the streams of all tabs when the page ends.
struct Closing(Arc<Board>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn names(sellers: &[Seller]) -> Vec<String> {
    sellers.iter().map(Seller::to_string).collect()
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
/// Whatever keeps the sales from taking place, a file that cannot be written, or a
/// strategy that broke its promise.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn report(args: ReportArgs) -> anyhow::Result<()> {
    server_process::find()?;
    let html = JsonFile::open(args.html)?;
    let sellers = args.shown.sellers()?;
    open_files::raise_for(args.terms.buyers)?;
    let progress = Progress::start();
    let mut shops = Shops::open(&sellers, args.terms.pool_size, &progress).await?;
    let board = Board::new(&names(&sellers), terms(args.terms), BUYERS_MAX);
    let terms = terms(args.terms);
    progress.step("all of them sell");
    // Nothing else can be running.
    let _ = board.begin(terms);
    let runs = shops.sell(terms, &board).await;
    let facts = shops.facts().await?;
    drop(shops);
    let transcript = shortest_oversell(&progress).await?;
    progress.step("everything that was started is gone");
    drop(progress);

    let mut state = board.state();
    for column in &mut state.columns {
        column.audit_command = None;
        if let Some(error) = &column.error {
            bail!("{} could not sell: {error}", column.strategy);
        }
    }
    let environment = environment(facts, None, args.terms.pool_size)?;
    let words = Words {
        table: report::demo(&runs, args.terms.pool_size, &Look::FILE),
        transcript,
        environment: environment.sentence(),
    };
    html.write_text(&file::write(&state, &words)?)?;
    let look = output::look_beside_json(Some(&html));
    let text = report::demo(&runs, args.terms.pool_size, &look);
    output::beside_json(Some(&html), &text)?;
    if let JsonFile::Path(path) = &html {
        eprintln!(
            "wrote {}: open it in a browser, or share it",
            path.display()
        );
    }
    keep_promises(&runs, args.terms.pool_size)
}

/// Two buyers and one unit of the naive strategy, told for people.
///
/// The shortest order is one in which the second buyer goes all the way between two steps
/// of the first: with fewer changes of turn the buyers would come one after the other.
/// Of these the first in order is taken, as `lab interleave` does, which tries them all.
async fn shortest_oversell(progress: &Progress) -> anyhow::Result<String> {
    progress.step("naive: two buyers, step by step");
    let mut stage =
        Stage::open(start_stores().await?, &Seller::of(Strategy::Naive)?).await?;
    for before in (1..TURNS_MAX).rev() {
        let mut turns = vec![Buyer::One; before];
        turns.extend([Buyer::Two; TURNS_MAX]);
        let transcript = stage.play(&Schedule(turns), Finish::Both).await?;
        if transcript.is_oversold() && transcript.changes() == 2 {
            return Ok(to_text(&transcript));
        }
    }
    bail!("no order of the steps of two naive buyers oversold")
}
