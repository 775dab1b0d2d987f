//! `lab page`: a sale of all phases, live in the browser; `lab report`: the same as a file.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, bail};
use flash_lab_crowd::{
    JsonFile, Look, Progress, Seller, Strategy, keep_promises, open_files, output,
    report as told, server_process,
};
use flash_lab_interleave::{Buyer, Finish, Schedule, to_text};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::board::{Board, SaleStage, Stage, State};
use crate::cli::{PageArgs, ReportArgs};
use crate::file;
use crate::judge::Judge;
use crate::plays::Stages;
use crate::shop::Shops;
use crate::site::{self, Site};

/// The largest crowd that the form takes.
const BUYERS_MAX: u32 = 10_000;

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
/// A dropped future ends and removes what it has started.
pub async fn run(args: PageArgs) -> anyhow::Result<()> {
    server_process::find()?;
    let (listen, terms) = (args.listen, args.shown.terms);
    let listener = TcpListener::bind(listen).with_context(|| {
        let ip = listen.ip();
        format!("cannot listen on {listen}; `--listen {ip}:0` takes any free port")
    })?;
    let address = listener.local_addr()?;
    let sellers = args.shown.sellers(&Strategy::ALL)?;
    let most = open_files::raise_towards(BUYERS_MAX.max(terms.buyers))?;
    let progress = Progress::start();
    let mut shops = Shops::open(&sellers, terms.pool_size, &progress).await?;
    if let Some(ways_in) = shops.ways_in() {
        progress.note(&ways_in);
    }
    drop(progress);

    let board = Arc::new(Board::new(State::new(&sellers, terms, most)));
    let stages = Arc::new(Mutex::new(Stages::new()));
    let is_open = !address.ip().is_loopback();
    let ours = Strategy::ALL.map(Seller::of).into_iter();
    let players = sellers.into_iter().map(Ok).chain(ours);
    let site = Site {
        board: Arc::clone(&board),
        sellers: players.collect::<anyhow::Result<_>>()?,
        stages: Arc::downgrade(&stages),
        runtime: Handle::current(),
        turn: Arc::default(),
        judge: Judge::default(),
        is_open,
    };
    let site = site::serve(listener, site);
    eprintln!("the page is ready; Ctrl-C ends it and removes what was started");
    if is_open {
        eprintln!(
            "whoever reaches port {} of this machine can now see the page, without a \
             password, and start sales here; its stores stay private",
            address.port()
        );
    }
    output::to_stdout(&format!("http://{}/\n", from_here(address)))?;
    let mut sales = board.subscribe();
    let is_running = |state: &State| state.stage == SaleStage::Running;
    let sell = async {
        while sales.wait_for(is_running).await.is_ok() {
            shops.sell(&board).await;
        }
    };
    tokio::select! {
        ended = site => ended.context("the page has ended"),
        () = sell => Ok(()),
    }
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
    let html = JsonFile::open(Some(args.html))?;
    let sellers = args.shown.sellers(&Strategy::PHASES)?;
    let terms = args.shown.terms;
    let pool_size = terms.pool_size;
    open_files::raise_for(terms.buyers)?;
    let progress = Progress::start();
    let mut shops = Shops::open(&sellers, pool_size, &progress).await?;
    progress.step("all of them sell");
    let board = Board::new(State::new(&sellers, terms, BUYERS_MAX));
    board.send_modify(|state| {
        let columns = state.columns.iter_mut();
        columns.for_each(|column| column.stage = Stage::Queued);
    });
    let runs = shops.sell(&board).await;
    let environment = shops.environment(pool_size).await?.sentence();
    drop(shops);
    progress.step("naive and pessimistic: two buyers, step by step");
    let (transcript, beside) = shortest_oversell().await?;
    progress.step("everything that was started is gone");
    drop(progress);

    let mut state = board.borrow().clone();
    for column in &mut state.columns {
        column.audit_command = None;
        if let Some(error) = &column.error {
            bail!("{} could not sell: {error}", column.strategy);
        }
    }
    let page = file::write(
        &state,
        &[
            // For who runs no scripts.
            ("table", &told::demo(&runs, pool_size, &Look::FILE)),
            ("transcript", &transcript),
            ("beside", &beside),
            ("why", WHY),
            ("environment", &environment),
        ],
    )?;
    html.write_text(&page)?;
    html.tell(|look| told::demo(&runs, pool_size, look))?;
    if let JsonFile::Path(path) = &html {
        let path = path.display();
        eprintln!("wrote {path}: open it in a browser, or share it");
    }
    keep_promises(&runs, pool_size)
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
async fn shortest_oversell() -> anyhow::Result<(String, String)> {
    let mut stages = Stages::new();
    let naive = Seller::of(Strategy::Naive)?;
    let pessimistic = Seller::of(Strategy::Pessimistic)?;
    for before in (1..TURNS_MAX).rev() {
        let turns = [vec![Buyer::One; before], vec![Buyer::Two; TURNS_MAX]];
        let schedule = Schedule(turns.concat());
        let transcript = stages
            .play(&naive, &schedule, Finish::Both)
            .await?
            .transcript;
        if transcript.is_oversold() && transcript.schedule.changes() == 2 {
            let beside = stages.play(&pessimistic, &schedule, Finish::Both).await?;
            return Ok((to_text(&transcript), to_text(&beside.transcript)));
        }
    }
    bail!("no order of the steps of two naive buyers oversold")
}
