//! Two servers behind a proxy, restarted one after the other while buyers buy.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use flash_testkit::Stores;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::buyers::{Purchase, WAIT};

/// Buyers at once; each comes back under another name.
const BUYERS: u64 = 32;

/// Orders that a server must have taken before the next one is restarted.
const SERVED: u64 = 200;

const PROXIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/proxies");

/// An address that nobody has at the moment.
fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// A configuration of docs/proxies, for other addresses.
fn configuration(name: &str, addresses: &[String; 3]) -> Result<String> {
    let mut text = fs::read_to_string(Path::new(PROXIES).join(name))?;
    for (written, address) in ["8080", "8081", "8082"].into_iter().zip(addresses) {
        let written = format!("127.0.0.1:{written}");
        ensure!(text.matches(&written).count() == 1, "{name}: {written}");
        text = text.replace(&written, address);
    }
    Ok(text)
}

/// Debian keeps proxies where only root looks for programs.
fn program(name: &str) -> PathBuf {
    let installed = Path::new("/usr/sbin").join(name);
    if installed.is_file() {
        installed
    } else {
        name.into()
    }
}

fn nginx(directory: &Path, addresses: &[String; 3]) -> Result<Command> {
    let here = directory.display();
    let sites = configuration("nginx.conf", addresses)?;
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .concat();
    let text = format!(
        "daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log stderr crit;\nworker_rlimit_nofile 4096;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\naccess_log off;\n{paths}{sites}}}\n"
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = Command::new(program("nginx"));
    command.args(["-e", "stderr", "-c"]).arg(file);
    Ok(command)
}

fn haproxy(directory: &Path, addresses: &[String; 3]) -> Result<Command> {
    haproxy_with(directory, &configuration("haproxy.cfg", addresses)?)
}

/// Only the server's orderly end keeps a purchase from being lost: nothing is sent again.
fn haproxy_that_asks_once(
    directory: &Path,
    addresses: &[String; 3],
) -> Result<Command> {
    let mut text = configuration("haproxy.cfg", addresses)?;
    for (written, instead) in [
        ("option redispatch 1", ""),
        ("retries 3", "retries 0"),
        ("retry-on conn-failure empty-response", ""),
        // It hears of the end long before the listener closes, and a server that is slow to
        // answer is no dead one.
        ("inter 1s", "inter 100ms"),
        ("option httpchk", "option httpchk\n    timeout check 30s"),
    ] {
        ensure!(text.matches(written).count() == 1, "{written}");
        text = text.replace(written, instead);
    }
    haproxy_with(directory, &text)
}

fn haproxy_with(directory: &Path, configuration: &str) -> Result<Command> {
    let file = directory.join("haproxy.cfg");
    fs::write(&file, configuration)?;
    let mut command = Command::new(program("haproxy"));
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}

/// A server that can be restarted.
struct Server {
    stores: Arc<Stores>,
    address: String,
    process: Child,
}

impl Server {
    async fn start(stores: &Arc<Stores>, address: &str) -> Result<Self> {
        let server = Self {
            stores: Arc::clone(stores),
            address: address.to_owned(),
            process: Self::spawn(stores, address)?,
        };
        server.until_ready().await?;
        Ok(server)
    }

    fn spawn(stores: &Stores, address: &str) -> Result<Child> {
        let child = Command::new(env!("CARGO_BIN_EXE_server"))
            .args([
                "--strategy",
                "engine",
                "--pool-size",
                "4",
                "--listen",
                address,
            ])
            .env("DATABASE_URL", stores.database_url())
            .env("REDIS_URL", stores.redis_url())
            .env_remove("DRAIN_DELAY_MS")
            .env_remove("ADMIN_TOKEN")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(child)
    }

    async fn until_ready(&self) -> Result<()> {
        until_ready(&format!("http://{}", self.address)).await
    }

    async fn accepted(&self) -> Result<u64> {
        let metrics = reqwest::get(format!("http://{}/metrics", self.address)).await?;
        let text = metrics.text().await?;
        let series = "flash_attempts_total{outcome=\"accepted\",strategy=\"engine\"} ";
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        Ok(line.context("not counted")?.parse()?)
    }

    /// Waits until the proxy has sent it enough buyers.
    async fn until_serving(&self) -> Result<()> {
        let began = Instant::now();
        while self.accepted().await? < SERVED {
            ensure!(began.elapsed() < WAIT, "{} gets no buyers", self.address);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Ends it in order, starts it again, and returns how long the end took.
    async fn restart(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let pid = self.process.id().context("it has ended")?;
        kill(Pid::from_raw(pid.try_into()?), Signal::SIGTERM)?;
        let ended = tokio::time::timeout(WAIT, self.process.wait()).await??;
        ensure!(ended.success(), "{ended}");
        let took = began.elapsed();
        self.process = Self::spawn(&self.stores, &self.address)?;
        self.until_ready().await?;
        Ok(took)
    }
}

async fn until_ready(url: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let ready = reqwest::get(format!("{url}/readyz")).await;
        if ready.is_ok_and(|ready| ready.status().is_success()) {
            return Ok(());
        }
        ensure!(began.elapsed() < WAIT, "{url} is not ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What all buyers saw.
#[derive(Default)]
struct Seen {
    orders: BTreeSet<String>,
    lost: Vec<String>,
}

/// One who buys again and again until it is over.
async fn keep_buying(
    url: String,
    buyer: u64,
    over: Arc<AtomicBool>,
    sold: Arc<AtomicU64>,
) -> Result<Seen> {
    let client = Client::new();
    let mut seen = Seen::default();
    let mut visit = 0;
    while !over.load(Ordering::Relaxed) {
        visit += 1;
        let purchase = Purchase {
            client: &client,
            url: &url,
            sku: "tee",
            buyer: format!("b{buyer}-{visit}"),
        };
        let order = purchase.insist(&mut seen.lost).await?;
        ensure!(
            seen.orders.insert(order.context("sold out")?),
            "an order twice"
        );
        sold.fetch_add(1, Ordering::Relaxed);
    }
    Ok(seen)
}

type Proxy = fn(&Path, &[String; 3]) -> Result<Command>;

async fn a_rolling_restart_loses_nothing(name: &str, proxy: Proxy) -> Result<()> {
    let stores = Arc::new(Stores::new().await?);
    let addresses = [free_address()?, free_address()?, free_address()?];
    let mut servers = [
        Server::start(&stores, &addresses[1]).await?,
        Server::start(&stores, &addresses[2]).await?,
    ];
    let terms = json!({ "initial_units": 1_000_000 });
    let create = format!("http://{}/v1/skus/tee", addresses[1]);
    let created = Client::new().put(create).json(&terms).send().await?;
    ensure!(created.status().is_success(), "{created:?}");

    let directory = tempfile::tempdir()?;
    let mut proxy = proxy(directory.path(), &addresses)?;
    let proxy = proxy.kill_on_drop(true).spawn();
    let mut proxy = proxy.context(name.to_owned())?;
    let url = format!("http://{}", addresses[0]);
    tokio::select! {
        ready = until_ready(&url) => ready?,
        ended = proxy.wait() => bail!("{name} ended: {}", ended?),
    }

    let (over, sold) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut buyers = JoinSet::new();
    for buyer in 0..BUYERS {
        buyers.spawn(keep_buying(
            url.clone(),
            buyer,
            Arc::clone(&over),
            Arc::clone(&sold),
        ));
    }
    for index in [0, 1] {
        for server in &servers {
            server.until_serving().await?;
        }
        let before = sold.load(Ordering::Relaxed);
        let took = servers[index].restart().await?;
        let meanwhile = sold.load(Ordering::Relaxed) - before;
        eprintln!("{name}: restarted in {took:.1?}, {meanwhile} orders meanwhile");
        ensure!(meanwhile > 0, "nobody bought meanwhile");
    }
    for server in &servers {
        server.until_serving().await?;
    }
    over.store(true, Ordering::Relaxed);

    let mut all = Seen::default();
    while let Some(seen) = buyers.join_next().await {
        let mut seen = seen??;
        all.orders.append(&mut seen.orders);
        all.lost.append(&mut seen.lost);
    }
    ensure!(
        all.lost.is_empty(),
        "{name}: {} lost: {:#?}",
        all.lost.len(),
        all.lost
    );
    let audit = format!("http://{}/v1/skus/tee/audit", addresses[1]);
    let audit: Value = reqwest::get(audit).await?.json().await?;
    ensure!(audit["verdict"] == "exact", "{audit}");
    ensure!(audit["accepted_units"] == all.orders.len(), "{audit}");
    eprintln!(
        "{name}: {} orders, none lost, the books are exact",
        all.orders.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx() -> Result<()> {
    a_rolling_restart_loses_nothing("nginx", nginx).await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_haproxy() -> Result<()> {
    a_rolling_restart_loses_nothing("HAProxy", haproxy).await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_haproxy_that_asks_once() -> Result<()> {
    let name = "HAProxy, asking once";
    a_rolling_restart_loses_nothing(name, haproxy_that_asks_once).await
}
