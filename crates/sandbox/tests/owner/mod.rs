//! Owners of sandboxes that can be killed: the test binary itself, started again.
//!
//! Each file of tests has a test `owner` that calls [`play`], which does nothing in an
//! ordinary run.

#![expect(dead_code, reason = "no file of tests needs everything")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "part of tests")]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flash_sandbox::{Options, Sandbox, Supervised};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

const ROLE: &str = "FLASH_SANDBOX_TEST_ROLE";

/// The promise: everything is gone so long after the end of its owner.
pub(crate) const GONE_LIMIT: Duration = Duration::from_secs(3);

pub(crate) fn quick() -> Options {
    Options {
        fsync: false,
        ..Options::default()
    }
}

/// What the process that was started as an owner does: start, tell, wait to be killed.
pub(crate) fn play() {
    let Ok(role) = env::var(ROLE) else { return };
    let _sandbox;
    let _supervised;
    if let Some(log) = role.strip_prefix("supervise ") {
        let program = Path::new("/bin/sleep");
        let env: [(&str, &str); 0] = [];
        let it = Supervised::spawn(program, ["600"], env, Path::new(log)).unwrap();
        eprintln!("started {}", it.pid());
        _supervised = it;
    } else {
        let options = Options {
            redis: role == "both",
            ..quick()
        };
        match Sandbox::start(&options) {
            Ok(it) => {
                let pid = |pid: Option<u32>| pid.unwrap_or(0);
                let (postgres, redis) = (pid(it.postgres_pid()), pid(it.redis_pid()));
                eprintln!("started {} {postgres} {redis}", it.dir().display());
                _sandbox = it;
            }
            Err(error) => {
                eprintln!("refused {} {error}", error.exit_code());
                return;
            }
        }
    }
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Starts the test binary once more, as an owner in the given role.
pub(crate) fn command(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "owner", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// As [`command`], but as an ordinary user if this is root, at home in `dir`.
pub(crate) fn command_of_ordinary_user(role: &str, dir: &Path) -> Command {
    if !geteuid().is_root() {
        return command(role);
    }
    // The binary may be where only root can get at it.
    let copy = dir.join("owner");
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let original = command(role);
    let mut command = Command::new(copy);
    command
        .args(original.get_args())
        .env(ROLE, role)
        .uid(nobody.uid.as_raw())
        .gid(nobody.gid.as_raw())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A process that owns a sandbox.
pub(crate) struct Owner {
    child: Child,
    pub(crate) dir: PathBuf,
    pub(crate) postgres: u32,
    pub(crate) redis: u32,
}

impl Owner {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let words = answer(&mut child);
        let (dir, postgres, redis) = match &words[..] {
            [it, dir, postgres, redis] if it == "started" => (dir, postgres, redis),
            other => panic!("{other:?}"),
        };
        Self {
            child,
            dir: PathBuf::from(dir),
            postgres: postgres.parse().unwrap(),
            redis: redis.parse().unwrap(),
        }
    }

    /// Returns the processes of the sandbox, and what PostgreSQL has started.
    pub(crate) fn family(&self) -> Vec<u32> {
        let started = processes().into_iter();
        let backends = started.filter(|it| it.parent == self.postgres);
        let mut family: Vec<u32> = backends.map(|it| it.pid).collect();
        assert!(family.len() > 2, "the background processes of PostgreSQL");
        family.extend([self.postgres, self.redis]);
        family
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn interrupt(&mut self) {
        signal(self.child.id(), Signal::SIGINT);
        self.child.wait().unwrap();
    }

    pub(crate) fn database_url(&self) -> String {
        format!(
            "postgresql://flash@/flash?host={}&port=5432",
            self.dir.display()
        )
    }

    /// Returns the process id of the shell that supervises the sandbox.
    pub(crate) fn supervisor(&self) -> u32 {
        let own = self.child.id();
        let all = processes().into_iter();
        let children: Vec<u32> =
            all.filter(|it| it.parent == own).map(|it| it.pid).collect();
        assert_eq!(children.len(), 1, "an owner has one child, the supervisor");
        children[0]
    }
}

/// Reads the line in which an owner says what came of it.
pub(crate) fn answer(child: &mut Child) -> Vec<String> {
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    for line in lines.map(Result::unwrap) {
        if line.starts_with("started ") || line.starts_with("refused ") {
            return line.split(' ').map(str::to_owned).collect();
        }
        seen.push(line);
    }
    panic!("the owner said nothing but {seen:?}");
}

/// Runs an owner that is expected to be refused; returns exit code and message.
pub(crate) fn refusal(mut command: Command) -> (u8, String) {
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let text = text.split_once("refused ").expect(&text).1.trim();
    let (code, message) = text.split_once(' ').unwrap();
    (code.parse().unwrap(), message.to_owned())
}

pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) state: String,
    pub(crate) arguments: String,
}

pub(crate) fn processes() -> Vec<Process> {
    let columns = ["-A", "-ww", "-o", "pid=,ppid=,stat=,args="];
    let output = Command::new("ps").args(columns).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        Some(Process {
            pid: words.next()?.parse().ok()?,
            parent: words.next()?.parse().ok()?,
            state: words.next()?.to_owned(),
            arguments: words.collect::<Vec<_>>().join(" "),
        })
    };
    text.lines().filter_map(parse).collect()
}

/// Returns those of `pids` that are alive; zombies are not.
pub(crate) fn alive(pids: &[u32]) -> Vec<u32> {
    let all = processes().into_iter();
    all.filter(|it| pids.contains(&it.pid) && !it.state.starts_with('Z'))
        .map(|it| it.pid)
        .collect()
}

/// Waits until `pids` have ended, `dir` is gone, and nobody mentions it any more.
pub(crate) fn assert_gone(pids: &[u32], dir: &Path) {
    let start = Instant::now();
    until(GONE_LIMIT, "the sandbox is gone", || {
        !dir.exists() && alive(pids).is_empty()
    });
    eprintln!("gone after {} ms", start.elapsed().as_millis());
    let named = dir.to_str().unwrap();
    until(GONE_LIMIT, "nobody mentions the directory", || {
        !processes().iter().any(|it| it.arguments.contains(named))
    });
}

pub(crate) fn until(limit: Duration, what: &str, mut look: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !look() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

/// Writes an executable script.
pub(crate) fn script(path: &Path, content: impl AsRef<str>) {
    fs::write(path, content.as_ref()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Writes stand-ins for PostgreSQL's programs. The server says that it is ready and
/// then obeys no signal, and neither does its child.
pub(crate) fn stand_in(dir: &Path, version: &str, initdb: &str) {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    script(&dir.join("initdb"), format!("#!/bin/sh\n{initdb}\n"));
    let postgres = format!(
        "#!/bin/sh
        case $1 in
        --version) echo 'postgres (PostgreSQL) {version}'; exit ;;
        --single) exit ;;
        esac
        trap '' HUP INT QUIT TERM
        printf '\\n\\n\\n\\n\\n\\n\\nready\\n' >\"$2/postmaster.pid\"
        sleep 600
        sleep 600
        "
    );
    script(&dir.join("postgres"), postgres);
}

/// Runs `psql` with a query and returns the answer.
pub(crate) fn psql(url: &str, query: &str) -> String {
    let output = psql_command(url, query).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn psql_command(url: impl AsRef<OsStr>, query: &str) -> Command {
    let beside = flash_sandbox::find_postgres().unwrap().program;
    let mut command = Command::new(beside.with_file_name("psql"));
    command.arg("-XAt").arg("-c").arg(query).arg(url.as_ref());
    command
}
