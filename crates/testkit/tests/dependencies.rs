//! What the workspace is built of: licences, and crates that it must not need. The lists are
//! those of deny.toml; `./just deny` looks further, at other platforms and at advisories.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What cargo says about all packages that a build for this platform takes.
fn packages() -> Result<Vec<Value>> {
    let versions = Command::new("rustc").arg("-vV").output()?;
    let versions = String::from_utf8(versions.stdout)?;
    let host = versions.lines().find_map(|it| it.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", host.context("no host")?])
        .current_dir(ROOT)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    let mut metadata: Value = serde_json::from_slice(&output.stdout)?;
    let Value::Array(packages) = metadata["packages"].take() else {
        bail!("no packages");
    };
    Ok(packages)
}

fn rules() -> Result<toml::Table> {
    let path = Path::new(ROOT).join("deny.toml");
    Ok(std::fs::read_to_string(path)?.parse()?)
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap_or_default()
}

/// Whether a licence expression leaves a choice that is allowed.
///
/// # Source
///
/// SPDX specification 2.3, annex D; before it crates wrote a slash for OR.
fn allows(expression: &str, allowed: &BTreeSet<&str>) -> Result<bool> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any_of(&mut words, allowed)?;
    ensure!(
        words.next().is_none(),
        "{expression}: more than an expression"
    );
    Ok(met)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Result<bool> {
    let mut met = all_of(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed)?;
    }
    Ok(met)
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Result<bool> {
    let mut met = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed)?;
    }
    Ok(met)
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Result<bool> {
    let word = words.next().context("a licence is missing")?;
    if word == "(" {
        let met = any_of(words, allowed)?;
        ensure!(words.next() == Some(")"), "a parenthesis is open");
        return Ok(met);
    }
    if words.next_if_eq(&"WITH").is_some() {
        let exception = words.next().context("an exception is missing")?;
        return Ok(allowed.contains(format!("{word} WITH {exception}").as_str()));
    }
    Ok(allowed.contains(word))
}

#[test]
fn every_dependency_may_be_passed_on_under_a_licence_that_is_allowed() -> Result<()> {
    let rules = rules()?;
    let allowed = rules["licenses"]["allow"].as_array().context("no list")?;
    let allowed: BTreeSet<_> = allowed.iter().filter_map(toml::Value::as_str).collect();
    let mut refused = Vec::new();
    for package in packages()? {
        let licence = package["license"].as_str().unwrap_or("none");
        if !allows(licence, &allowed).with_context(|| name(&package).to_owned())? {
            refused.push(format!("{}: {licence}", name(&package)));
        }
    }
    ensure!(refused.is_empty(), "not in deny.toml: {refused:#?}");
    Ok(())
}

#[test]
fn no_dependency_is_banned_and_all_come_from_one_registry() -> Result<()> {
    let rules = rules()?;
    let bans = rules["bans"]["deny"].as_array().context("no list")?;
    let banned: BTreeSet<_> = bans
        .iter()
        .filter_map(|ban| ban["crate"].as_str())
        .collect();
    ensure!(banned.len() == bans.len(), "{bans:?}");
    let packages = packages()?;
    let found: Vec<_> = packages
        .iter()
        .map(name)
        .filter(|it| banned.contains(it))
        .collect();
    ensure!(found.is_empty(), "banned in deny.toml: {found:?}");

    // Those of this workspace have none.
    let sources = packages
        .iter()
        .filter_map(|package| package["source"].as_str());
    let sources: BTreeSet<_> = sources.collect();
    let registries = sources.iter().filter(|it| it.starts_with("registry+"));
    ensure!(registries.count() == 1 && sources.len() == 1, "{sources:?}");
    Ok(())
}

#[test]
fn licence_expressions_are_read_as_they_are_meant() -> Result<()> {
    let allowed = BTreeSet::from(["MIT", "BSD-3-Clause"]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND GPL-3.0-only", false),
        ("(Apache-2.0 OR MIT) AND BSD-3-Clause", true),
        ("Apache-2.0 OR MIT AND GPL-3.0-only", false),
        ("MIT WITH some-exception", false),
    ] {
        ensure!(allows(expression, &allowed)? == expected, "{expression}");
    }
    for broken in ["", "MIT MIT", "(MIT", "MIT OR"] {
        ensure!(allows(broken, &allowed).is_err(), "{broken}");
    }
    Ok(())
}
