//! However the owner ends, nothing of its sandbox is left.

mod owner;

use std::process::Stdio;
use std::time::Duration;

use flash_sandbox::Sandbox;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid};
use owner::{Owner, alive, assert_gone, psql, psql_command, quick, signal, until};

#[test]
fn owner() {
    owner::play();
}

#[test]
fn killing_the_owner_ends_everything() {
    let mut owner = Owner::start(owner::command("both"));
    let family = owner.family();
    assert_eq!(alive(&family).len(), family.len());
    owner.kill();
    assert_gone(&family, &owner.dir);
}

#[test]
fn interrupting_the_owner_ends_everything() {
    let mut owner = Owner::start(owner::command("both"));
    let family = owner.family();
    owner.interrupt();
    assert_gone(&family, &owner.dir);
}

#[test]
fn ctrl_c_reaches_the_owner_alone() {
    let owner = Owner::start(owner::command("both"));
    let group = |pid: u32| getpgid(Some(Pid::from_raw(pid.try_into().unwrap())));
    for pid in [owner.supervisor(), owner.postgres, owner.redis] {
        assert_ne!(group(pid), getpgid(None));
    }
}

#[test]
fn the_supervisor_heeds_nobody_but_its_owner() {
    let mut owner = Owner::start(owner::command("both"));
    let (family, supervisor) = (owner.family(), owner.supervisor());
    for it in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signal(supervisor, it);
    }
    assert_eq!(psql(&owner.database_url(), "select 1"), "1");
    owner.kill();
    assert_gone(&family, &owner.dir);
}

#[test]
fn stopped_processes_do_not_survive_their_owner() {
    let mut owner = Owner::start(owner::command("both"));
    let url = owner.database_url();
    let mut client = psql_command(&url, "select pg_sleep(600)");
    let mut client = client.stderr(Stdio::null()).spawn().unwrap();
    let query = "select pid from pg_stat_activity \
                 where query = 'select pg_sleep(600)' and wait_event = 'PgSleep'";
    let mut backend = String::new();
    until(Duration::from_secs(10), "the backend sleeps", || {
        backend = psql(&url, query);
        !backend.is_empty()
    });
    let family = owner.family();
    let backend = backend.parse().unwrap();
    assert!(family.contains(&backend));
    for pid in [backend, owner.postgres, owner.redis] {
        signal(pid, Signal::SIGSTOP);
    }
    owner.kill();
    assert_gone(&family, &owner.dir);
    client.wait().unwrap();
}

/// A stand-in for PostgreSQL, since the real one always obeys in time.
#[test]
fn a_postgres_that_does_not_obey_is_killed() {
    let programs = tempfile::tempdir_in("/tmp").unwrap();
    owner::stand_in(programs.path(), "16.4", "mkdir \"$2\"");
    let mut command = owner::command("postgres");
    command.env("FLASHSALE_PG_BIN", programs.path());
    let mut owner = Owner::start(command);
    let all = owner::processes().into_iter();
    let child = all
        .filter(|it| it.parent == owner.postgres)
        .map(|it| it.pid)
        .next();
    let family = [owner.postgres, child.unwrap()];
    assert_eq!(alive(&family).len(), 2);
    owner.kill();
    assert_gone(&family, &owner.dir);
}

#[test]
fn an_owner_killed_while_starting_leaves_nothing() {
    let programs = tempfile::tempdir_in("/tmp").unwrap();
    owner::stand_in(programs.path(), "16.4", "echo working; sleep 600");
    let mut command = owner::command("both");
    command.env("FLASHSALE_PG_BIN", programs.path());
    let mut child = command.spawn().unwrap();
    let initdb = programs.path().join("initdb").display().to_string();
    let mut found = None;
    until(Duration::from_secs(10), "initdb runs", || {
        let all = owner::processes().into_iter();
        let mut works = all.filter(|it| it.arguments.contains(&format!("{initdb} -D")));
        found = works.next();
        found.is_some()
    });
    let found = found.unwrap();
    let words = found.arguments.split_whitespace();
    let data = words.skip_while(|it| *it != "-D").nth(1).unwrap();
    let dir = data.strip_suffix("/pgdata").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_gone(&[found.pid], dir.as_ref());
}

#[test]
fn the_next_start_sweeps_what_a_killed_supervisor_left() {
    let mut owner = Owner::start(owner::command("both"));
    let family = owner.family();
    let supervisor = owner.supervisor();
    signal(supervisor, Signal::SIGKILL);
    owner.kill();
    until(Duration::from_secs(3), "the supervisor ended", || {
        alive(&[supervisor]).is_empty()
    });
    assert_eq!(alive(&family).len(), family.len(), "they live on");
    assert!(owner.dir.exists());

    let next = Sandbox::start(&quick()).unwrap();
    // At once: starting has waited for it.
    assert!(!owner.dir.exists());
    assert_eq!(alive(&family), []);
    drop(next);
}

#[test]
fn sweeping_leaves_the_living_and_the_strange_alone() {
    let living = Owner::start(owner::command("both"));
    let parent = living.dir.parent().unwrap();
    let strange = tempfile::Builder::new()
        .prefix("flash-sale-")
        .rand_bytes(8)
        .tempdir_in(parent)
        .unwrap();
    let unlocked = strange.path().join("lock");
    std::fs::write(&unlocked, "a lock of somebody else's").unwrap();
    drop(Sandbox::start(&quick()).unwrap());
    assert!(unlocked.exists());
    assert_eq!(psql(&living.database_url(), "select 1"), "1");
}

#[cfg(target_os = "linux")]
#[test]
fn the_programs_are_told_no_secret_of_their_owner() {
    let mut command = owner::command("both");
    for name in ["ADMIN_TOKEN", "DATABASE_URL", "PGPASSWORD", "ANYTHING"] {
        command.env(name, "s3cret");
    }
    let mut owner = Owner::start(command);
    let mut all = owner.family();
    all.push(owner.supervisor());
    for pid in all {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment);
        assert!(!environment.contains("s3cret"), "{pid}: {environment:?}");
    }
    let shell = format!("/proc/{}/environ", owner.supervisor());
    let shell = std::fs::read(shell).unwrap();
    assert!(shell.windows(5).any(|name| name == b"PATH="));
    let family = owner.family();
    owner.kill();
    assert_gone(&family, &owner.dir);
}
