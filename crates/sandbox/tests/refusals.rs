//! Where there can be no sandbox, one sentence says why.

mod owner;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::unistd::geteuid;
use owner::{Owner, assert_gone, refusal};

#[test]
fn owner() {
    owner::play();
}

#[expect(clippy::unwrap_used, reason = "part of tests")]
fn install_command(apt_package: &str) -> String {
    if fs::exists("/usr/bin/apt-get").unwrap() {
        format!("apt-get install -y {apt_package}`")
    } else {
        "install ".to_owned()
    }
}

#[test]
fn a_missing_postgres_is_named_with_the_command_that_installs_it() {
    let mut command = owner::command("both");
    command.env("FLASHSALE_PG_BIN", "/nonexistent");
    let (code, message) = refusal(command);
    assert_eq!(code, 69);
    assert!(message.starts_with("postgres "), "{message}");
    assert!(
        message.contains("FLASHSALE_PG_BIN=/nonexistent"),
        "{message}"
    );
    assert!(
        message.contains(&install_command("postgresql")),
        "{message}"
    );
    assert!(message.contains("./just"), "{message}");
}

#[test]
fn a_missing_redis_is_named_with_the_command_that_installs_it() {
    let mut command = owner::command("both");
    command.env("FLASHSALE_REDIS_BIN", "/nonexistent");
    let (code, message) = refusal(command);
    assert_eq!(code, 69);
    assert!(
        message.starts_with("redis-server or valkey-server "),
        "{message}"
    );
    assert!(
        message.contains(&install_command("redis-server")),
        "{message}"
    );
}

#[test]
fn a_postgres_that_is_too_old_is_called_so() {
    let programs = tempfile::tempdir_in("/tmp").unwrap();
    owner::stand_in(programs.path(), "9.6.24", "");
    let mut command = owner::command("postgres");
    command.env("FLASHSALE_PG_BIN", programs.path());
    let (code, message) = refusal(command);
    assert_eq!(code, 1);
    assert!(message.contains("is version 9.6.24"), "{message}");
    assert!(
        message.contains("PostgreSQL 14 or newer is needed"),
        "{message}"
    );
}

#[test]
fn a_failed_initdb_is_reported_at_once_with_its_log() {
    let programs = tempfile::tempdir_in("/tmp").unwrap();
    let initdb = "seq 30; echo No space left on device >&2; exit 1";
    owner::stand_in(programs.path(), "16.4", initdb);
    let mut command = owner::command("postgres");
    command.env("FLASHSALE_PG_BIN", programs.path());
    let start = std::time::Instant::now();
    let (code, message) = refusal(command);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    assert_eq!(code, 1);
    assert!(
        message.starts_with("initdb ended before it was ready"),
        "{message}"
    );
    let lines: Vec<&str> = message.lines().skip(1).map(str::trim).collect();
    assert_eq!(lines.len(), 20, "{message}");
    assert_eq!(lines.first(), Some(&"12"), "{message}");
    assert_eq!(lines.last(), Some(&"No space left on device"), "{message}");
}

#[test]
fn an_unwritable_temporary_directory_is_one_sentence() {
    let home = tempfile::tempdir_in("/tmp").unwrap();
    let closed = home.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = owner::command_of_ordinary_user("both", home.path());
    command.env("TMPDIR", &closed);
    let (code, message) = refusal(command);
    assert_eq!(code, 1);
    let expected = format!("cannot make a directory in {}: ", closed.display());
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("; set TMPDIR to "), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn an_ordinary_user_needs_no_help_from_root() {
    let home = tempfile::tempdir_in("/tmp").unwrap();
    let temp = home.path().join("t");
    fs::create_dir(&temp).unwrap();
    fs::set_permissions(&temp, fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = owner::command_of_ordinary_user("both", home.path());
    command.env("TMPDIR", &temp);
    let mut owner = Owner::start(command);
    assert_eq!(owner.dir.parent(), Some(temp.as_path()));
    let family = owner.family();
    owner.kill();
    assert_gone(&family, &owner.dir);
}

#[test]
fn a_temporary_directory_too_long_for_sockets_is_not_used() {
    let home = tempfile::tempdir_in("/tmp").unwrap();
    let long = home.path().join("long".repeat(20));
    fs::create_dir(&long).unwrap();
    if geteuid().is_root() {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = owner::command("both");
    command.env("TMPDIR", &long);
    let owner = Owner::start(command);
    assert_eq!(owner.dir.parent(), Some("/tmp".as_ref()));
}

#[test]
fn a_temporary_directory_that_only_root_can_enter_is_not_used_as_root() {
    let closed = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = owner::command("both");
    command.env("TMPDIR", closed.path());
    let owner = Owner::start(command);
    let used = owner.dir.parent() == Some(closed.path());
    assert_eq!(used, !geteuid().is_root());
}
