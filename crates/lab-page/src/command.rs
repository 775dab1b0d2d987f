//! `lab page`: a sale of all phases, live in the browser; `lab report`: the same as a file.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::ValueEnum;
use flash_lab_crowd::{
    JsonFile, Look, Progress, Seller, Strategy, TermArgs, environment, keep_promises,
    open_files, output, report, server_process,
};
use flash_lab_interleave::{Buyer, Finish, Schedule, Stage, start_stores, to_text};
use tokio::sync::mpsc;

use crate::board::{Board, Terms};
use crate::cli::{PageArgs, ReportArgs};
use crate::file::{self, Words};
use crate::judge::Judge;
use crate::plays;
use crate::shop::Shops;
use crate::site::{self, Desk};

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
    let sellers = args.shown.sellers(Strategy::value_variants())?;
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
    let desk = Desk {
        starts,
        plays: play,
        judge: Judge::of(sellers.clone()),
        is_open: !address.ip().is_loopback(),
    };
    let site = site::serve(listener, Arc::clone(&board), desk);
    eprintln!("the page is ready; Ctrl-C ends it and removes what was started");
    if let Some(warning) = who_sees(address) {
        eprintln!("{warning}");
    }
    output::to_stdout(&format!("http://{}/\n", from_here(address)))?;
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

/// Who sees a page that is not for this machine alone.
fn who_sees(address: SocketAddr) -> Option<String> {
    (!address.ip().is_loopback()).then(|| {
        format!(
            "whoever reaches port {} of this machine can now see the page, without a \
             password, and start sales here; its stores stay private",
            address.port()
        )
    })
}

/// The address at which this machine reaches it.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
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
    let sellers = args.shown.sellers(&Strategy::PHASES)?;
    open_files::raise_for(args.terms.buyers)?;
    let progress = Progress::start();
    let mut shops = Shops::open(&sellers, args.terms.pool_size, &progress).await?;
    let board = Board::new(&names(&sellers), terms(args.terms), BUYERS_MAX);
    let terms = terms(args.terms);
    progress.step("all of them sell");
    // Nothing else can be running.
    let _ = board.begin(terms, false, |_| true);
    let runs = shops.sell(terms, &board).await;
    let facts = shops.facts().await?;
    drop(shops);
    let (transcript, beside) = shortest_oversell(&progress).await?;
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
        beside,
        why: WHY,
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

/// Why the naive strategy oversells, and a lock does not.
const WHY: &str = "naive: both had read the 1 before either had committed what became of \
    it, and nothing made one of them wait. pessimistic, in the same order: the second \
    SELECT … FOR UPDATE waits for the row lock of the first, and reads 0.";

/// Two buyers and one unit of the naive strategy, told for people; and of the pessimistic
/// one in the same order.
///
/// The shortest order is one in which the second buyer goes all the way between two steps
/// of the first: with fewer changes of turn the buyers would come one after the other.
/// Of these the first in order is taken, as `lab interleave` does, which tries them all.
async fn shortest_oversell(progress: &Progress) -> anyhow::Result<(String, String)> {
    progress.step("naive and pessimistic: two buyers, step by step");
    let stores = start_stores().await?;
    let naive = Seller::of(Strategy::Naive)?;
    let mut stage = Stage::open(Arc::clone(&stores), &naive).await?;
    for before in (1..TURNS_MAX).rev() {
        let mut turns = vec![Buyer::One; before];
        turns.extend([Buyer::Two; TURNS_MAX]);
        let schedule = Schedule(turns);
        let transcript = stage.play(&schedule, Finish::Both).await?;
        if transcript.is_oversold() && transcript.schedule.changes() == 2 {
            drop(stage);
            let pessimistic = Seller::of(Strategy::Pessimistic)?;
            let mut stage = Stage::open(stores, &pessimistic).await?;
            let beside = stage.play(&schedule, Finish::Both).await?;
            return Ok((to_text(&transcript), to_text(&beside)));
        }
    }
    bail!("no order of the steps of two naive buyers oversold")
}
