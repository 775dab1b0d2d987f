//! How the workspace reads, checked. Each rule stands in CONTRIBUTING.md or in
//! docs/ARCHITECTURE.md with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

const PHASES: [&str; 3] = ["phase1-naive", "phase2-pessimistic", "phase3-hybrid"];

/// What talking to Redis takes.
const REDIS: [&str; 3] = ["deadpool-redis", "tokio", "tracing"];

/// The parts of the lab.
const LAB_PARTS: [&str; 7] = [
    "lab-crowd",
    "lab-wire",
    "lab-interleave",
    "lab-chaos",
    "lab-bench",
    "lab-page",
    "lab-judge",
];

const STEPS: [&str; 4] = [
    "// 1. Read what is available.",
    "// 2. Decide.",
    "// 3. Write what remains.",
    "// 4. Record the order.",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}

/// All Rust files below a directory, by their path from the root, with their text.
fn rust_files(below: &str) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![below.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory)).context(directory.clone())? {
            let entry = entry?;
            let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                directories.push(path);
            } else if path.ends_with(".rs") {
                files.insert(path.clone(), read(&path)?);
            }
        }
    }
    ensure!(!files.is_empty(), "no Rust files below {below}");
    Ok(files)
}

/// The names under `[dependencies]` of a crate.
fn dependencies(folder: &str) -> Result<Vec<String>> {
    let manifest = read(&format!("crates/{folder}/Cargo.toml"))?;
    let section = manifest
        .split("\n[dependencies]\n")
        .nth(1)
        .context("no dependencies")?;
    Ok(section
        .split("\n[")
        .next()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.to_owned()))
        .collect())
}

fn assert_none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn a_strategy_is_read_in_five_minutes() -> Result<()> {
    let mut found = Vec::new();
    for (path, text) in rust_files("crates")? {
        let lines = text.lines().count();
        if path.ends_with("src/strategy.rs") && path.contains("/phase") && lines > 190 {
            found.push(format!("{path}: {lines} lines"));
        }
    }
    assert_none(found, "a strategy has at most 190 lines");
    Ok(())
}

#[test]
fn the_page_is_small_and_knows_no_other_host() -> Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("crates/lab-page/page"))? {
        let path = format!(
            "crates/lab-page/page/{}",
            entry?.file_name().to_string_lossy()
        );
        let text = read(&path)?.replace("http://www.w3.org/2000/svg", "");
        let lines = text.lines().count();
        if lines > 300 {
            found.push(format!("{path}: {lines} lines"));
        }
        for outside in ["http:", "https:", "//cdn", "@import"] {
            if text.contains(outside) {
                found.push(format!("{path}: {outside}"));
            }
        }
    }
    assert_none(
        found,
        "a file of the page has at most 300 lines, and no URL",
    );
    Ok(())
}

#[test]
fn the_phases_have_the_same_files_and_the_same_type() -> Result<()> {
    for phase in PHASES {
        let library = read(&format!("crates/{phase}/src/lib.rs"))?;
        ensure!(library.contains("mod strategy;"), "{phase}: {library}");
        let strategy = read(&format!("crates/{phase}/src/strategy.rs"))?;
        ensure!(strategy.contains("pub struct Strategy {"), "{phase}");
        ensure!(
            strategy.contains("impl InventoryStrategy for Strategy {"),
            "{phase}"
        );
    }
    let (first, second) = (dependencies(PHASES[0])?, dependencies(PHASES[1])?);
    ensure!(
        first == second,
        "phase 1 needs {first:?}, phase 2 {second:?}"
    );
    let mut with_redis = second;
    with_redis.extend(REDIS.map(str::to_owned));
    with_redis.sort();
    let third = dependencies(PHASES[2])?;
    ensure!(
        third == with_redis,
        "phase 3 needs {third:?}, not {with_redis:?}"
    );
    Ok(())
}

#[test]
fn every_phase_takes_the_same_four_steps_in_order() -> Result<()> {
    for phase in PHASES {
        let strategy = read(&format!("crates/{phase}/src/strategy.rs"))?;
        let steps = steps([strategy.as_str()]);
        ensure!(steps == STEPS, "{phase} takes these steps: {steps:#?}");
    }
    let engine = rust_files("crates/engine/src")?;
    let steps = steps(engine.values().map(String::as_str));
    ensure!(steps == STEPS, "the engine takes these steps: {steps:#?}");
    Ok(())
}

fn steps<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    texts
        .into_iter()
        .flat_map(str::lines)
        .map(str::trim)
        .filter(|line| STEPS.contains(line))
        .collect()
}

/// How many lines a diff would take away and add.
fn changed_lines(old: &str, new: &str) -> usize {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    // The length of the longest common subsequence, row by row.
    let mut row = vec![0; new.len() + 1];
    for old_line in &old {
        let mut diagonal = 0;
        for (column, new_line) in new.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if old_line == new_line {
                diagonal + 1
            } else {
                above.max(row[column])
            };
            diagonal = above;
        }
    }
    old.len() + new.len() - 2 * row[new.len()]
}

#[test]
fn phase_2_is_one_idea_away_from_phase_1() -> Result<()> {
    let naive = read("crates/phase1-naive/src/strategy.rs")?;
    let pessimistic = read("crates/phase2-pessimistic/src/strategy.rs")?;
    let changed = changed_lines(&naive, &pessimistic);
    ensure!(changed <= 5, "{changed} lines are taken away or added");
    ensure!(pessimistic.contains(".for_update()") && !naive.contains(".for_update()"));
    Ok(())
}

#[test]
fn phase_3_is_one_question_away_from_phase_2() -> Result<()> {
    let pessimistic = read("crates/phase2-pessimistic/src/strategy.rs")?;
    let hybrid = read("crates/phase3-hybrid/src/strategy.rs")?;
    let changed = changed_lines(&pessimistic, &hybrid);
    ensure!(changed <= 60, "{changed} lines are taken away or added");
    // From the first of them to the end of the file nothing differs.
    let (Some(second), Some(third)) = (
        pessimistic.find("async fn purchase("),
        hybrid.find("async fn purchase("),
    ) else {
        anyhow::bail!("a phase does not purchase");
    };
    ensure!(
        pessimistic[second..] == hybrid[third..],
        "purchase, cancel, add_units and read_stock are the same to the letter"
    );
    Ok(())
}

#[test]
fn phase_3_is_read_in_five_minutes_with_its_scripts() -> Result<()> {
    let mut lines = 0;
    for entry in fs::read_dir(root().join("crates/phase3-hybrid/src"))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).context(path.display().to_string())?;
        let count = text.lines().count();
        ensure!(
            path.extension().is_none_or(|it| it != "lua") || count <= 12,
            "{}: {count} lines",
            path.display()
        );
        lines += count;
    }
    ensure!(lines <= 420, "phase 3 has {lines} lines");
    Ok(())
}

#[test]
fn a_diff_counts_what_is_taken_away_and_what_is_added() {
    assert_eq!(changed_lines("a\nb\nc", "a\nb\nc"), 0);
    assert_eq!(changed_lines("a\nb\nc", "a\nx\nc"), 2);
    assert_eq!(changed_lines("a\nc", "a\nb\nc"), 1);
    assert_eq!(changed_lines("", "a\nb"), 2);
}

#[test]
fn crates_depend_in_one_direction_only() -> Result<()> {
    let phases = ["flash-core", "flash-db"];
    let crowd = ["flash-core", "flash-db", "flash-sandbox"];
    let bench = [&crowd[..], &["flash-lab-crowd", "flash-lab-wire"]].concat();
    let part = [&bench[..], &["flash-engine"]].concat();
    let page = [&part[..], &["flash-lab-interleave"]].concat();
    let lab = [
        &page[..],
        &["flash-lab-bench", "flash-lab-chaos", "flash-lab-page"],
        &["flash-lab-judge"],
    ]
    .concat();
    let workshop = [&lab[..], &["flash-lab", "flash-server", "flash-testkit"]].concat();
    let allowed: [(&str, &[&str]); 18] = [
        ("core", &[]),
        ("db", &["flash-core"]),
        ("phase1-naive", &phases),
        ("phase2-pessimistic", &phases),
        ("phase3-hybrid", &phases),
        ("engine", &phases),
        ("sandbox", &[]),
        (
            "testkit",
            &["flash-core", "flash-db", "flash-lab-wire", "flash-sandbox"],
        ),
        (
            "server",
            &[
                "flash-core",
                "flash-db",
                "flash-engine",
                "flash-sandbox",
                PHASES[0],
                PHASES[1],
                PHASES[2],
            ],
        ),
        ("lab-crowd", &crowd),
        ("lab-wire", &[]),
        ("lab-interleave", &part),
        ("lab-chaos", &part),
        ("lab-bench", &bench),
        ("lab-page", &page),
        ("lab-judge", &page),
        ("lab", &lab),
        ("workshop", &workshop),
    ];
    let mut found = Vec::new();
    for (folder, may_need) in allowed {
        for name in dependencies(folder)? {
            let ours = name.starts_with("flash-") || name.starts_with("phase");
            if ours && !may_need.contains(&name.as_str()) {
                found.push(format!("crates/{folder} needs {name}"));
            }
        }
    }
    assert_none(
        found,
        "core <- db <- phases, engine <- server; sandbox, testkit beside; \
         core, db, sandbox <- lab-crowd, lab-wire <- lab-* <- lab <- workshop",
    );
    Ok(())
}

/// What a crate shows of its modules, by name: from `pub use module::{A, B};`.
fn shown_names(library: &str) -> BTreeMap<&str, &str> {
    let mut names = BTreeMap::new();
    for shown in library.split("pub use ").skip(1) {
        let shown = shown.split(';').next().unwrap_or_default();
        // Where a crate has the name of the module.
        let shown = shown.trim_start_matches("self::");
        let Some((module, rest)) = shown.split_once("::") else {
            continue;
        };
        for name in words(rest) {
            names.insert(name, module.trim());
        }
    }
    names
}

/// The names in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// The names that stand behind `crate::` or `super::` in a file.
fn names_behind<'a>(prefix: &str, text: &'a str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for rest in text.split(prefix).skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            names.extend(words(rest).next());
            continue;
        };
        // Of `{a::B, c::{D, E}}` the first name of each.
        let (mut depth, mut begins) = (0, true);
        let group = group.split(';').next().unwrap_or_default();
        for piece in group.split_inclusive([',', '{', '}']) {
            if begins {
                names.extend(words(piece).next());
            }
            match piece.chars().last() {
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                _ => {}
            }
            begins = depth == 0;
        }
    }
    names
}

/// A file without its comments and tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next();
    let lines = code.unwrap_or_default().lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Which files of a crate need which, by their path in `src`. A file needs those in the
/// folder of its name.
fn needed_files(folder: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let source = format!("crates/{folder}/src");
    let library = read(&format!("{source}/lib.rs"))?;
    let shown = shown_names(&library);
    let mut files = BTreeMap::new();
    for (path, text) in rust_files(&source)? {
        let module = path[source.len() + 1..].trim_end_matches(".rs").to_owned();
        if !["lib", "main"].contains(&module.as_str()) && !module.ends_with("tests") {
            files.insert(module, code(&text));
        }
    }
    let mut needs = BTreeMap::new();
    for (file, text) in &files {
        let mut needed: BTreeSet<_> = names_behind("crate::", text)
            .into_iter()
            .map(|name| shown.get(name).copied().unwrap_or(name).to_owned())
            .collect();
        if let Some((above, _)) = file.rsplit_once('/') {
            for name in names_behind("super::", text) {
                let beside = format!("{above}/{name}");
                let is_file = files.contains_key(&beside);
                needed.insert(if is_file { beside } else { above.to_owned() });
            }
        }
        let below = files.keys().filter(|it| {
            let above = it.rsplit_once('/').map(|(above, _)| above);
            above == Some(file.as_str())
        });
        needed.extend(below.cloned());
        needed.retain(|it| it != file && files.contains_key(it));
        needs.insert(file.clone(), needed);
    }
    Ok(needs)
}

/// The files that stand in a circle, or lead to one.
fn circle(mut needs: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    loop {
        let open: BTreeSet<_> = needs.keys().cloned().collect();
        // Whoever needs nobody that is left stands in no circle.
        needs.retain(|_, needed| needed.iter().any(|it| open.contains(it)));
        if needs.len() == open.len() {
            break;
        }
    }
    let show = |(module, needed): (String, BTreeSet<String>)| {
        format!("{module} -> {}", Vec::from_iter(needed).join(", "))
    };
    needs.into_iter().map(show).collect()
}

#[test]
fn the_files_of_a_crate_form_no_circle() -> Result<()> {
    let crates = ["core", "db", "engine", "server", "lab"];
    for folder in crates.into_iter().chain(PHASES).chain(LAB_PARTS) {
        let found = circle(needed_files(folder)?);
        assert_none(found, &format!("no circle of files in crates/{folder}"));
    }
    Ok(())
}

#[test]
fn a_circle_is_found() {
    assert_eq!(
        names_behind(
            "crate::",
            "use crate::{a::{B, C}, d, E};\nuse crate::f::G; crate::h::i()"
        ),
        ["a", "d", "E", "f", "h"]
    );
    let needs = |pairs: &[(&str, &str)]| {
        let mut needs = BTreeMap::<_, BTreeSet<_>>::new();
        for (module, needed) in pairs {
            let entry = needs.entry((*module).to_owned()).or_default();
            entry.insert((*needed).to_owned());
        }
        circle(needs)
    };
    assert!(needs(&[("a", "b"), ("a", "c"), ("b", "c")]).is_empty());
    let found = needs(&[("a", "b"), ("b", "c"), ("c", "b"), ("d", "e")]);
    assert_eq!(found, ["a -> b", "b -> c", "c -> b"]);
}

#[test]
fn core_does_no_io() -> Result<()> {
    // Whoever wants schemas asks for them.
    let schemas = "\nutoipa = { workspace = true, optional = true }\n";
    ensure!(read("crates/core/Cargo.toml")?.contains(schemas));
    let allowed = ["chrono", "serde", "thiserror", "utoipa", "uuid"];
    let found: Vec<_> = dependencies("core")?
        .into_iter()
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    assert_none(found, "core knows no database, Redis or HTTP type");
    let mut found = Vec::new();
    for (path, text) in rust_files("crates/core/src")? {
        for module in ["std::fs", "std::net", "std::io", "std::process", "std::env"] {
            if text.contains(module) {
                found.push(format!("{path}: {module}"));
            }
        }
    }
    assert_none(found, "core does no I/O");
    Ok(())
}

#[test]
fn exercises_import_no_phase_and_few_know_redis() -> Result<()> {
    // Those that are about it.
    let about_redis = ["e05_", "e08_"];
    let mut found = Vec::new();
    for folder in ["exercises", "answers"] {
        for (path, text) in rust_files(&format!("crates/workshop/{folder}"))? {
            for name in ["phase1_", "phase2_", "phase3_", "flash_engine", "flash_lab"] {
                if text.contains(name) {
                    found.push(format!("{path}: {name}"));
                }
            }
            let may = about_redis.iter().any(|it| path.contains(it));
            if !may && text.to_lowercase().contains("redis") {
                found.push(format!("{path}: Redis"));
            }
            let foreign = text.contains("todo!(") || text.contains("unimplemented!(");
            if foreign {
                found.push(format!("{path}: does not run"));
            }
        }
    }
    assert_none(found, "an exercise runs, and stands on its own");
    let needed = dependencies("workshop")?;
    ensure!(
        !needed.iter().any(|it| it.starts_with("phase")),
        "{needed:?}"
    );
    Ok(())
}

#[test]
fn only_phase_3_and_the_engine_know_redis() -> Result<()> {
    let others = ["core", "db", PHASES[0], PHASES[1], "server", "lab"];
    // The lab reads and breaks what a strategy has in Redis.
    let may = ["lab-wire", "lab-chaos", "lab-judge"];
    let parts = LAB_PARTS.into_iter().filter(|it| !may.contains(it));
    for folder in others.into_iter().chain(parts) {
        let needed = dependencies(folder)?;
        ensure!(
            !needed.iter().any(|name| name.contains("redis")),
            "{folder}: {needed:?}"
        );
    }
    for (folder, client) in [(PHASES[2], "deadpool-redis"), ("engine", "redis")] {
        let needed = dependencies(folder)?;
        ensure!(needed.contains(&client.to_owned()), "{folder}: {needed:?}");
    }
    Ok(())
}

#[test]
fn db_never_updates_stock() -> Result<()> {
    let mut found = Vec::new();
    for (path, text) in rust_files("crates/db/src")? {
        let text = text.to_lowercase();
        for write in ["update(skus", "update skus", "available_units.eq(available"] {
            if text.contains(write) {
                found.push(format!("{path}: {write}"));
            }
        }
    }
    assert_none(
        found,
        "each strategy's writes to the stock row stand in its own crate",
    );
    Ok(())
}

#[test]
fn no_strategy_calls_the_judge() -> Result<()> {
    let mut found = Vec::new();
    for strategy in PHASES.into_iter().chain(["engine"]) {
        for (path, text) in rust_files(&format!("crates/{strategy}/src"))? {
            if text.contains("audit::") || text.contains("AuditCounts") {
                found.push(path);
            }
        }
    }
    assert_none(found, "the audit shares no code with a strategy");
    Ok(())
}

#[test]
fn only_the_server_knows_status_codes() -> Result<()> {
    let mut found = Vec::new();
    for folder in [
        "core", "db", PHASES[0], PHASES[1], PHASES[2], "engine", "sandbox", "testkit",
    ] {
        for name in dependencies(folder)? {
            if ["actix-web", "hyper", "reqwest", "http"].contains(&name.as_str()) {
                found.push(format!("crates/{folder} needs {name}"));
            }
        }
    }
    assert_none(found, "HTTP ends at the server");
    Ok(())
}

#[test]
fn nothing_is_skipped_and_nothing_is_left_for_later() -> Result<()> {
    // Written in two halves, or this file would find itself.
    let refused = [
        concat!("#[", "ignore"),
        concat!("#[", "should_panic"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
        concat!("#[", "allow("),
    ];
    let mut found = Vec::new();
    for (path, text) in rust_files("crates")? {
        for word in refused {
            if text.contains(word) {
                found.push(format!("{path}: {word}"));
            }
        }
    }
    assert_none(found, "finish it, or write an issue");
    Ok(())
}

#[test]
fn the_phases_explain_themselves_under_the_same_headings() -> Result<()> {
    for phase in PHASES {
        let readme = read(&format!("crates/{phase}/README.md"))?;
        ensure!(
            readme.lines().count() <= 40,
            "{phase}/README.md is too long"
        );
        let mut rest = readme.as_str();
        for heading in [
            "**Claim.**",
            "**Mechanism.**",
            "**What still goes wrong.**",
            "**Diff from the previous phase.**",
            "**Chapter.**",
        ] {
            let position = rest.find(heading);
            let position = position.with_context(|| format!("{phase}: {heading}"))?;
            rest = &rest[position..];
        }
    }
    Ok(())
}

#[test]
fn the_readme_is_short() -> Result<()> {
    let lines = read("README.md")?.lines().count();
    ensure!(lines < 150, "README.md has {lines} lines");
    Ok(())
}
