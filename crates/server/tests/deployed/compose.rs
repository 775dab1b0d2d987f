//! docker-compose.yml, for real: from nothing to a sale, a crash, and to nothing again.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::buyers::{Purchase, WAIT};

const UNITS: usize = 100;
const BUYERS: usize = 1_000;

/// Who has bought before the crowd comes.
const EARLY: usize = 10;

/// Whoever ran this before and was killed has left something of this name.
const PROJECT: &str = "flash-sale-test";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a program to its end, and returns what it said on standard output.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {told}");
    Ok(String::from_utf8(output.stdout)?)
}

fn docker(arguments: &[&str]) -> Result<String> {
    run(Command::new("docker").args(arguments))
}

/// Why there is nothing to test here, if there is.
fn lacks() -> Result<Option<String>> {
    if docker(&["info"]).is_err() {
        return Ok(Some("no container engine answers".into()));
    }
    let dockerfile = fs::read_to_string(root().join("Dockerfile"))?;
    let compose = fs::read_to_string(root().join("docker-compose.yml"))?;
    let bases = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("FROM "));
    let bases = bases.filter_map(|line| line.split(' ').next());
    let stores = compose
        .lines()
        .filter_map(|line| line.split_once(":-")?.1.strip_suffix('}'));
    let stores = stores.filter(|name| name.contains("bookworm"));
    let images: Vec<_> = bases.chain(stores).collect();
    ensure!(images.len() == 4, "{images:?}");
    let missing = images
        .into_iter()
        .find(|it| docker(&["image", "inspect", it]).is_err());
    Ok(missing.map(|image| format!("the image {image} is not here")))
}

/// All of it; nothing is left of it when it is dropped.
struct Stack {
    port: u16,
}

impl Stack {
    fn just(&self, recipe: &[&str]) -> Command {
        let mut command = Command::new(root().join("just"));
        command
            .args(recipe)
            .current_dir(root())
            .env("COMPOSE_PROJECT_NAME", PROJECT)
            .env("FLASHSALE_PORT", self.port.to_string())
            .env("POSTGRES_PASSWORD", "p0stgres")
            .env("REDIS_PASSWORD", "r3dis")
            .env("ADMIN_TOKEN", "t0ken")
            .env("STRATEGY", "engine");
        command
    }

    fn up() -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let stack = Self { port: free.port() };
        run(&mut stack.just(&["down", "--volumes"]))?;
        run(&mut stack.just(&["up"]))?;
        Ok(stack)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn container(service: &str) -> Result<String> {
        let service = format!("label=com.docker.compose.service={service}");
        let found = Self::list("ps", &["--filter", &service])?;
        found.into_iter().next().context(service.to_owned())
    }

    /// The ids of what there is of a kind.
    fn list(kind: &str, more: &[&str]) -> Result<Vec<String>> {
        let mut arguments: Vec<_> = kind.split(' ').collect();
        let project = format!("label=com.docker.compose.project={PROJECT}");
        arguments.extend(["--quiet", "--filter", &project]);
        arguments.extend(more);
        Ok(docker(&arguments)?.lines().map(str::to_owned).collect())
    }

    fn inspect(service: &str) -> Result<Value> {
        let text = docker(&["inspect", &Self::container(service)?])?;
        Ok(serde_json::from_str::<Value>(&text)?[0].take())
    }

    /// Runs a shell in a container.
    fn sh(service: &str, script: &str) -> Result<String> {
        docker(&["exec", &Self::container(service)?, "bash", "-c", script])
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // A test that failed has said so already.
        let _ = self.just(&["down", "--volumes"]).output();
    }
}

/// A session in the container of PostgreSQL that holds the stock row until it is dropped.
struct Held(Child);

const PSQL: &str = "psql --username flash_sale --no-align --tuples-only --quiet";

impl Held {
    fn stock_row() -> Result<Self> {
        let container = Stack::container("postgres")?;
        let mut child = Command::new("docker")
            .args(["exec", "--interactive", &container, "sh", "-c", PSQL])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.as_mut().context("no stdin")?;
        writeln!(
            stdin,
            "BEGIN; SELECT 'held' FROM skus WHERE sku = 'tee' FOR UPDATE;"
        )?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().context("no stdout")?)
            .read_line(&mut line)?;
        ensure!(line == "held\n", "{line}");
        Ok(Self(child))
    }

    /// Waits until somebody waits for it.
    fn until_wanted(&self) -> Result<()> {
        let ask = format!(
            "{PSQL} --command \"SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'\""
        );
        let began = Instant::now();
        while Stack::sh("postgres", &ask)? != "t\n" {
            ensure!(began.elapsed() < WAIT, "nobody waits");
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends when its input does.
        let _ = self.0.wait();
    }
}

/// How each container is locked in.
fn hardened() -> Result<()> {
    for service in ["server", "postgres", "redis"] {
        let it = Stack::inspect(service)?;
        let host = &it["HostConfig"];
        ensure!(host["ReadonlyRootfs"] == true, "{service}");
        ensure!(host["CapDrop"] == json!(["ALL"]), "{service}");
        ensure!(
            host["SecurityOpt"] == json!(["no-new-privileges:true"]),
            "{service}"
        );
        ensure!(host["Memory"].as_u64() > Some(0), "{service}");
        ensure!(host["PidsLimit"].as_u64() > Some(0), "{service}");
        ensure!(it["State"]["Health"]["Status"] == "healthy", "{service}");
        ensure!(Stack::sh(service, "id -u")? != "0\n", "{service}");
        ensure!(Stack::sh(service, "echo x > /usr/x").is_err(), "{service}");
        let processes = docker(&["top", &Stack::container(service)?])?;
        for secret in ["p0stgres", "r3dis", "t0ken"] {
            ensure!(!processes.contains(secret), "{service}: {processes}");
        }
    }
    let ping = Stack::sh("redis", "env -u REDISCLI_AUTH redis-cli ping")?;
    ensure!(ping.contains("NOAUTH"), "{ping}");
    // Whoever is outside has one way in.
    for store in ["postgres", "redis"] {
        let ports = &Stack::inspect(store)?["HostConfig"]["PortBindings"];
        ensure!(
            ports.as_object().is_none_or(serde_json::Map::is_empty),
            "{store}"
        );
    }
    Ok(())
}

/// A buyer who asks until the answer is final, whatever breaks.
async fn insist(client: Client, url: String, number: usize) -> Result<Option<String>> {
    let purchase = Purchase {
        client: &client,
        url: &url,
        sku: "tee",
        buyer: format!("b{number}"),
    };
    purchase.insist(&mut Vec::new()).await
}

/// The sale: the server is killed while all wait for its answer. Returns the orders.
async fn sell(stack: &Stack, client: &Client) -> Result<BTreeSet<String>> {
    let create = client.put(format!("{}/v1/skus/tee", stack.url()));
    let create = create
        .bearer_auth("t0ken")
        .json(&json!({ "initial_units": UNITS }));
    create.send().await?.error_for_status()?;
    let mut orders = BTreeSet::new();
    for number in 0..EARLY {
        orders.extend(insist(client.clone(), stack.url(), number).await?);
    }

    let held = Held::stock_row()?;
    let mut crowd = JoinSet::new();
    for number in 0..BUYERS {
        crowd.spawn(insist(client.clone(), stack.url(), number));
    }
    held.until_wanted()?;
    Stack::sh(
        "server",
        "for it in /proc/[0-9]*; do [[ $(<$it/comm) != server ]] || kill -9 ${it#/proc/}; done",
    )?;
    drop(held);
    while let Some(order) = crowd.join_next().await {
        orders.extend(order??);
    }
    Ok(orders)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_sells_exactly_and_its_server_comes_back() -> Result<()> {
    if let Some(lack) = lacks()? {
        eprintln!("The compose test did not run: {lack}.");
        return Ok(());
    }
    // A connection for each buyer.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let stack = Stack::up()?;
    hardened()?;
    let client = Client::new();
    let orders = sell(&stack, &client).await?;
    ensure!(orders.len() == UNITS, "{} orders were told", orders.len());
    for order in &orders {
        let read = client.get(format!("{}/v1/orders/{order}", stack.url()));
        read.send().await?.error_for_status()?;
    }
    let audit = client.get(format!("{}/v1/skus/tee/audit", stack.url()));
    let audit = audit.bearer_auth("t0ken").send().await?;
    let audit: Value = audit.error_for_status()?.json().await?;
    ensure!(
        audit["verdict"] == "exact" && audit["accepted_units"] == UNITS,
        "{audit}"
    );
    ensure!(Stack::inspect("server")?["RestartCount"] == 1);
    until_healthy()?;

    run(&mut stack.just(&["down"]))?;
    ensure!(Stack::list("ps", &["--all"])?.is_empty());
    ensure!(Stack::list("network ls", &[])?.is_empty());
    let volumes = Stack::list("volume ls", &[])?;
    ensure!(
        volumes == [format!("{PROJECT}_postgres-data")],
        "{volumes:?}"
    );
    eprintln!(
        "The compose test: {BUYERS} buyers, {UNITS} units, the server killed among them: exact."
    );
    Ok(())
}

fn until_healthy() -> Result<()> {
    let began = Instant::now();
    while Stack::inspect("server")?["State"]["Health"]["Status"] != "healthy" {
        ensure!(began.elapsed() < WAIT, "it is not healthy");
        std::thread::yield_now();
    }
    Ok(())
}
