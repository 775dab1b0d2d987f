use super::*;

fn install(dir: &Path, name: &str, version: &str) {
    let path = dir.join(name);
    fs::create_dir_all(dir).unwrap();
    fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_first_complete_and_new_enough_place_wins() {
    let temp = tempfile::tempdir().unwrap();
    let [lone, old, good, newer] =
        ["lone", "old", "good", "newer"].map(|name| temp.path().join(name));
    install(&lone, "postgres", "postgres (PostgreSQL) 16.4");
    for (dir, version) in [(&old, "13.9"), (&good, "14beta1"), (&newer, "18.1")] {
        install(dir, "initdb", "");
        install(dir, "postgres", &format!("postgres (PostgreSQL) {version}"));
    }
    let places = [lone.clone(), old.clone(), good.clone(), newer];
    let found = find_in(&POSTGRES, &places, None).unwrap();
    assert_eq!(found.program, good.join("postgres"));
    assert_eq!(found.version, "14beta1");

    let error = find_in(&POSTGRES, &places[..2], None).unwrap_err();
    assert!(matches!(&error, SandboxError::TooOld { found, .. } if found == "13.9"));
    let error = find_in(&POSTGRES, &[lone], None).unwrap_err();
    assert_eq!(error.exit_code(), 69);
}

#[test]
fn valkey_is_as_good_as_redis() {
    let temp = tempfile::tempdir().unwrap();
    let places = [temp.path().to_owned()];
    install(
        temp.path(),
        "redis-server",
        "Redis server v=6.2.14 sha=0 bits=64",
    );
    assert!(find_in(&REDIS, &places, None).is_err());
    install(
        temp.path(),
        "valkey-server",
        "Valkey server v=8.0.1 sha=0 bits=64",
    );
    let found = find_in(&REDIS, &places, None).unwrap();
    assert!(found.program.ends_with("valkey-server"));
    assert_eq!(found.version, "8.0.1");
}

#[test]
fn the_newest_version_comes_first() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["pg-9.6", "pg-16", "pg-14", "other-17"] {
        fs::create_dir(temp.path().join(name)).unwrap();
    }
    let dirs = numbered(temp.path().to_str().unwrap(), "pg-", "bin");
    let expected =
        ["pg-16/bin", "pg-14/bin", "pg-9.6/bin"].map(|it| temp.path().join(it));
    assert_eq!(dirs, expected);
}
