//! What can break: what it is called, with its numbers, and what it needs.

use std::ops::RangeInclusive;

use derive_more::{Display, From};
use fastrand::Rng;
use serde::Serialize;

/// How long something is stopped or slow.
const PAUSE_MS: RangeInclusive<u64> = 100..=1_500;

/// Longer than a latch may count that nobody confirms.
const DEAF_LEAST_MS: u64 = 1_500;

/// How long something is away that was killed.
const DOWN_MS: RangeInclusive<u64> = 0..=400;

/// What can break: a server, its ways to the stores, or a store. An instance of the server is
/// 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display, From)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// kill -9, and a new one after a while.
    #[display("kill -9 server (instance {instance}, away {down_ms} ms)")]
    KillServer { instance: usize, down_ms: u64 },
    /// SIGSTOP and SIGCONT.
    #[display("stop server (instance {instance}, {for_ms} ms)")]
    StopServer { instance: usize, for_ms: u64 },
    /// SIGTERM, and a new one when it has ended.
    #[display("drain server (instance {instance})")]
    DrainServer { instance: usize },
    /// kill -9, and a new one whose log cannot be written.
    #[display("log sink gone (instance {instance})")]
    LogSinkGone { instance: usize },
    /// The next COMMITs of an instance arrive, but their answers do not.
    #[display("cut after COMMIT (instance {instance}, {commits} times)")]
    CutAfterCommit { instance: usize, commits: u64 },
    /// The next COMMITs of an instance do not arrive.
    #[display("cut before COMMIT (instance {instance}, {commits} times)")]
    CutBeforeCommit { instance: usize, commits: u64 },
    /// All connections of an instance to PostgreSQL break.
    #[display("cut postgres link (instance {instance})")]
    CutPostgresLink { instance: usize },
    /// Each packet between an instance and PostgreSQL takes longer.
    #[display(
        "slow postgres link (instance {instance}, {delay_ms} ms for {for_ms} ms)"
    )]
    SlowPostgresLink {
        instance: usize,
        delay_ms: u64,
        for_ms: u64,
    },
    /// Each packet between an instance and Redis takes longer.
    #[display("slow redis link (instance {instance}, {delay_ms} ms for {for_ms} ms)")]
    SlowRedisLink {
        instance: usize,
        delay_ms: u64,
        for_ms: u64,
    },
    /// The connections of an instance to PostgreSQL go on, and no notification comes over
    /// them: a pooler in between, or a listener that is none any more.
    #[display("deaf listener (instance {instance}, {for_ms} ms)")]
    DeafListener { instance: usize, for_ms: u64 },
    /// The first of the two hosts in the database URL accepts connections and says nothing,
    /// and the connections to the second break.
    #[display("hang first host (instance {instance}, {for_ms} ms)")]
    HangFirstHost { instance: usize, for_ms: u64 },
    #[from]
    #[serde(untagged)]
    Redis(RedisFault),
    #[from]
    #[serde(untagged)]
    Postgres(PostgresFault),
}

/// What can break in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RedisFault {
    /// kill -9, and an empty one after a while.
    #[display("kill -9 redis (away {down_ms} ms)")]
    KillRedis { down_ms: u64 },
    /// SIGSTOP and SIGCONT.
    #[display("stop redis ({for_ms} ms)")]
    StopRedis { for_ms: u64 },
    /// FLUSHALL.
    #[display("flushall")]
    FlushRedis,
    /// SCRIPT FLUSH.
    #[display("script flush")]
    FlushScripts,
    /// All gates become what they were this long ago.
    #[display("old redis snapshot ({age_ms} ms old)")]
    RollBackRedis { age_ms: u64 },
    /// All gates are ahead of PostgreSQL, with nothing free, as after it was restored from a
    /// copy and Redis was kept. Orders stay: what was accepted after a copy is lost with it,
    /// and no judge could say more. Servers are stopped for it, or not.
    #[display("restore database (servers {})", if *stops_servers { "stopped" } else { "running" })]
    RestoreDatabase { stops_servers: bool },
    /// Redis answers and takes no writes, because it wants a replica that is not there.
    #[display("refuse redis writes ({for_ms} ms)")]
    RefuseRedisWrites { for_ms: u64 },
    /// Redis answers and takes no writes, because it is the replica of nobody.
    #[display("demote redis ({for_ms} ms)")]
    DemoteRedis { for_ms: u64 },
}

/// What can break in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PostgresFault {
    /// kill -9 of the postmaster, and crash recovery after a while.
    #[display("kill -9 postgres (away {down_ms} ms)")]
    KillPostgres { down_ms: u64 },
    /// Immediate shutdown, and crash recovery after a while.
    #[display("abort postgres (away {down_ms} ms)")]
    AbortPostgres { down_ms: u64 },
    /// Immediate shutdown; PostgreSQL comes back as a standby that answers and takes no
    /// writes, and is promoted after a while.
    #[display("read-only postgres ({for_ms} ms)")]
    ReadOnlyPostgres { for_ms: u64 },
    /// SIGSTOP of all its processes.
    #[display("stop postgres ({for_ms} ms)")]
    StopPostgres { for_ms: u64 },
    /// SIGSTOP of one backend of a server.
    #[display("stop backend ({for_ms} ms)")]
    StopBackend { pick: usize, for_ms: u64 },
    /// kill -9 of one backend: PostgreSQL recovers from it as from a crash.
    #[display("kill -9 backend")]
    KillBackend { pick: usize },
    /// The same, while another one does not end when it is told to: PostgreSQL waits for it
    /// for 5 s before it recovers.
    #[display("kill -9 backend beside a deaf one")]
    KillBackendBesideDeaf { pick: usize },
    /// `pg_terminate_backend`.
    #[display("terminate backend")]
    TerminateBackend { pick: usize },
    /// A migration of somebody else.
    #[display("add column")]
    AddColumn { pick: usize },
}

impl Fault {
    /// Draws one; the same number of numbers whatever it becomes.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        use {PostgresFault as Postgres, RedisFault as Redis};

        let instance = rng.usize(0..2);
        let pick = rng.usize(0..1_000);
        let for_ms = rng.u64(PAUSE_MS);
        let down_ms = rng.u64(DOWN_MS);
        let commits = rng.u64(1..=5);
        let delay_ms = rng.u64(5..=300);
        match rng.u64(0..28) {
            0 => Self::KillServer { instance, down_ms },
            1 => Self::StopServer { instance, for_ms },
            2 => Self::DrainServer { instance },
            3 => Redis::KillRedis { down_ms }.into(),
            4 => Redis::StopRedis { for_ms }.into(),
            5 => Redis::FlushRedis.into(),
            6 => Redis::FlushScripts.into(),
            7 => Redis::RollBackRedis { age_ms: for_ms }.into(),
            8 => Postgres::KillPostgres { down_ms }.into(),
            9 => Postgres::AbortPostgres { down_ms }.into(),
            10 => Postgres::StopPostgres { for_ms }.into(),
            11 => Postgres::StopBackend { pick, for_ms }.into(),
            12 => Postgres::KillBackend { pick }.into(),
            13 => Postgres::TerminateBackend { pick }.into(),
            14 => Self::CutAfterCommit { instance, commits },
            15 => Self::CutBeforeCommit { instance, commits },
            16 => Self::CutPostgresLink { instance },
            17 => Self::SlowPostgresLink {
                instance,
                delay_ms,
                for_ms,
            },
            18 => Self::SlowRedisLink {
                instance,
                delay_ms,
                for_ms,
            },
            19 => Postgres::KillBackendBesideDeaf { pick }.into(),
            20 => Redis::RefuseRedisWrites { for_ms }.into(),
            21 => Redis::DemoteRedis { for_ms }.into(),
            22 => Postgres::ReadOnlyPostgres { for_ms }.into(),
            23 => Postgres::AddColumn { pick }.into(),
            24 => Self::HangFirstHost { instance, for_ms },
            25 => Self::LogSinkGone { instance },
            26 => Redis::RestoreDatabase {
                stops_servers: instance == 0,
            }
            .into(),
            _ => Self::DeafListener {
                instance,
                for_ms: for_ms + DEAF_LEAST_MS,
            },
        }
    }

    /// Its name, without numbers.
    pub(crate) fn kind(self) -> String {
        let told = self.to_string();
        let name = told.split(" (").next();
        name.unwrap_or_default().to_owned()
    }

    /// Whether it is one of Redis.
    pub(crate) fn needs_redis(self) -> bool {
        matches!(self, Self::Redis(_) | Self::SlowRedisLink { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn json(fault: Fault) -> String {
        serde_json::to_string(&fault).expect("JSON")
    }

    #[test]
    fn every_kind_is_drawn_and_has_names_of_its_own_for_people_and_programs() {
        let mut rng = Rng::with_seed(1);
        let (mut kinds, mut names) = (HashSet::new(), HashSet::new());
        for _ in 0..2_000 {
            let fault = Fault::draw(&mut rng);
            names.insert(json(fault).split('"').nth(1).map(str::to_owned));
            kinds.insert(fault.kind());
        }
        assert_eq!((kinds.len(), names.len()), (28, 28));
    }

    #[test]
    fn a_fault_is_told_with_its_numbers() {
        let fault = Fault::HangFirstHost {
            instance: 1,
            for_ms: 250,
        };
        assert_eq!(fault.to_string(), "hang first host (instance 1, 250 ms)");
        let told = r#"{"hang-first-host":{"instance":1,"for_ms":250}}"#;
        assert_eq!(json(fault), told);
        let fault = Fault::from(PostgresFault::AddColumn { pick: 3 });
        assert_eq!(fault.to_string(), "add column");
        assert_eq!(json(fault), r#"{"add-column":{"pick":3}}"#);
    }
}
